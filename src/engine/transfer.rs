//! A plan carried out: pieces on all threads, batches on stable storage, failures block by block.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::compare::compare_extent;
use super::copy::{Done, copy_extent};
use super::piece::{Buffers, Pieces, room};
use super::{Control, CopyPlan, Pool};
use crate::area::{Reader, Writer};
use crate::error::{Error, Result};
use crate::state::Method;
use crate::units::{BlockSize, Extent};

/// Locks that keep others away from a piece.
#[derive(Debug)]
pub enum Held<'a> {
    /// One, as nearly always.
    One(MutexGuard<'a, ()>),
    /// Several, taken in their order.
    Several(Vec<MutexGuard<'a, ()>>),
}

/// A piece that was claimed: what of it is to be done, and the locks under which that happens.
pub struct Claim<'a> {
    /// The parts to be done; none when somebody else took care of the piece.
    pub extents: Vec<Extent>,
    /// Held until the piece is written.
    pub guard: Held<'a>,
}

/// Whether the bytes of a block, by its index, may be used.
pub type BlockCheck<'a> = &'a (dyn Fn(u64, &[u8]) -> Result<()> + Sync);

/// What the caller does round each piece.
pub trait Steps: Sync {
    /// Called before each piece, with nothing locked: the place to let others go first.
    fn before(&self, _piece: Extent) {}
    /// Locks a piece against other writers and says what of it is to be done. Marks that say "differs" are cleared
    /// here, before the copy that makes them true.
    fn claim(&self, piece: Extent) -> Claim<'_>;
    /// A claimed extent could not be copied: its marks are set again. An error ends the transfer.
    fn failed(&self, extent: Extent, error: Error) -> Result<()>;
    /// These bytes of the target were changed.
    fn changed(&self, _extents: &[Extent]) {}
    /// A claimed extent was copied, and could then not be put on stable storage. Nothing is locked.
    fn unsaved(&self, extent: Extent, error: &Error) {
        give_back(self, extent, error);
    }
    /// These claimed extents were copied, and are on stable storage now.
    fn durable(&self, extents: &[Extent]) -> Result<()>;
    /// Whether the bytes of a block may be used; called before they overwrite anything. `None`: not asked.
    fn block_check(&self) -> Option<BlockCheck<'_>> {
        None
    }
}

/// One execution of a plan.
pub struct Transfer<'a> {
    /// Read from here.
    pub from: &'a Reader,
    /// Written here; its length is already right.
    pub to: &'a Writer,
    /// What and why.
    pub plan: &'a CopyPlan,
    /// Unit of counting and checking.
    pub block_size: BlockSize,
    /// So much is claimed at once; at least a block.
    pub piece_bytes: u64,
    /// What the target's cache shows to be there already is not written again. Not for a target whose cache may show
    /// what its storage lacks.
    pub spare_equal: bool,
    /// After so many bytes the target is synced and the pieces are reported durable.
    pub batch_bytes: u64,
    /// Whether the target is synced before a batch is reported; only a test of that rule says no.
    pub sync_batches: bool,
    /// The threads.
    pub pool: &'a Pool,
    /// Progress and cancellation.
    pub control: &'a Control,
}

/// What a transfer did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyStats {
    /// Blocks that were looked at.
    pub blocks_examined: u64,
    /// Blocks of which at least one byte was written or punched.
    pub blocks_copied: u64,
    /// Bytes written.
    pub bytes_copied: u64,
    /// Bytes turned into holes.
    pub bytes_punched: u64,
    /// Whether it was cancelled before its end.
    pub cancelled: bool,
}

impl CopyStats {
    fn add(&mut self, other: Self) {
        self.blocks_examined += other.blocks_examined;
        self.blocks_copied += other.blocks_copied;
        self.bytes_copied += other.bytes_copied;
        self.bytes_punched += other.bytes_punched;
    }
}

/// Carries a plan out. When it is cancelled, what was copied is on stable storage and reported as durable.
pub fn transfer(job: &Transfer<'_>, steps: &dyn Steps) -> Result<CopyStats> {
    let phase = if job.plan.method == Method::Copy { "copying" } else { "comparing" };
    job.control.begin(phase, job.plan.bytes());
    let mut pieces = Pieces::new(&job.plan.extents, job.piece_bytes.max(job.block_size.bytes()));
    let mut total = CopyStats::default();
    loop {
        let batch = pieces.batch(job.batch_bytes);
        if batch.is_empty() {
            return Ok(total);
        }
        let (arrived, result) = run_batch(job, steps, batch);
        total.add(arrived.stats);
        // What did arrive is made durable and reported also when the batch failed in the middle.
        if job.sync_batches
            && let Err(error) = job.to.sync()
        {
            arrived.extents.iter().for_each(|extent| steps.unsaved(*extent, &error));
            return Err(error);
        }
        steps.durable(&arrived.extents)?;
        result?;
        if job.control.is_cancelled() {
            total.cancelled = true;
            return Ok(total);
        }
    }
}

/// What of a batch or piece arrived, and what that took.
#[derive(Debug, Default)]
struct Arrived {
    extents: Vec<Extent>,
    stats: CopyStats,
}

impl Arrived {
    fn add(&mut self, other: Self) {
        self.extents.extend(other.extents);
        self.stats.add(other.stats);
    }
}

fn run_batch(job: &Transfer<'_>, steps: &dyn Steps, batch: Vec<Extent>) -> (Arrived, Result<()>) {
    let queue = Mutex::new(batch.into_iter());
    let arrived = Mutex::new(Arrived::default());
    let stop = AtomicBool::new(false);
    let result = job.pool.each(|| {
        let mut buffers = Buffers::new();
        loop {
            let stopped = stop.load(Ordering::Relaxed) || job.control.is_cancelled();
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(piece) = next.filter(|_| !stopped) else { return Ok(()) };
            steps.before(piece);
            job.control.wait_for_rate(piece.length);
            let (done, result) = run_piece(job, steps, piece, &mut buffers);
            job.control.advance(piece.length);
            arrived.lock().unwrap_or_else(PoisonError::into_inner).add(done);
            result.inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
        }
    });
    (arrived.into_inner().unwrap_or_else(PoisonError::into_inner), result)
}

/// Copies a piece under its lock. One bad block must not cost its neighbours: after an error again, block by block.
fn run_piece(
    job: &Transfer<'_>,
    steps: &dyn Steps,
    piece: Extent,
    buffers: &mut Buffers,
) -> (Arrived, Result<()>) {
    let claim = steps.claim(piece);
    buffers.checked = None;
    let mut arrived = Arrived::default();
    let mut extents = claim.extents.iter();
    for extent in extents.by_ref() {
        if let Ok(stats) = run_extent(job, steps, *extent, buffers) {
            arrived.add(Arrived { extents: vec![*extent], stats });
        } else if let Err(fatal) = run_blocks(job, steps, *extent, buffers, &mut arrived) {
            extents.for_each(|rest| give_back(steps, *rest, &fatal));
            return (arrived, Err(fatal));
        }
    }
    drop(claim.guard);
    (arrived, Ok(()))
}

fn run_blocks(
    job: &Transfer<'_>,
    steps: &dyn Steps,
    extent: Extent,
    buffers: &mut Buffers,
    arrived: &mut Arrived,
) -> Result<()> {
    let mut blocks = extent.pieces(job.block_size.bytes());
    while let Some(block) = blocks.next() {
        match run_extent(job, steps, block, buffers) {
            Ok(stats) => arrived.add(Arrived { extents: vec![block], stats }),
            Err(error) => {
                if let Err(fatal) = steps.failed(block, error) {
                    blocks.for_each(|rest| give_back(steps, rest, &fatal));
                    return Err(fatal);
                }
            }
        }
    }
    Ok(())
}

/// Sets the marks of an extent again that a fatal error elsewhere kept from being copied.
fn give_back<S: Steps + ?Sized>(steps: &S, extent: Extent, cause: &Error) {
    if let Err(error) = steps.failed(extent, cause.clone()) {
        log::debug!(target: "splitmirror.engine", "{} bytes at {} stay marked: {error}", extent.length, extent.offset);
    }
}

fn run_extent(
    job: &Transfer<'_>,
    steps: &dyn Steps,
    extent: Extent,
    buffers: &mut Buffers,
) -> Result<CopyStats> {
    let check = |extent: Extent, buffers: &mut Buffers| match steps.block_check() {
        None => Ok(false),
        Some(check) => check_blocks(job, extent, buffers, check),
    };
    let done = match job.plan.method {
        Method::Copy => copy_extent(job.from, job.to, extent, buffers, job.spare_equal, &check)?,
        Method::Compare => compare_extent(job.from, job.to, extent, buffers, &check)?,
    };
    steps.changed(&done.written);
    steps.changed(&done.punched);
    Ok(count(job.block_size, extent, &done))
}

/// Reads the whole blocks round an extent and has them checked. Whether the buffer now holds the extent's bytes.
fn check_blocks(
    job: &Transfer<'_>,
    extent: Extent,
    buffers: &mut Buffers,
    check: BlockCheck<'_>,
) -> Result<bool> {
    let whole = job.block_size.aligned_out(extent, job.from.length()?);
    if buffers.checked == Some(whole) {
        return Ok(false);
    }
    let bytes = room(&mut buffers.from, whole.length);
    job.from.read_exact_at(bytes, whole.offset)?;
    let size = job.block_size.bytes();
    for (block, content) in (whole.offset / size..).zip(bytes.chunks(size as usize)) {
        check(block, content)?;
    }
    buffers.checked = Some(whole);
    Ok(whole.offset == extent.offset)
}

fn count(size: BlockSize, extent: Extent, done: &Done) -> CopyStats {
    let mut last = None;
    let mut blocks_copied = 0;
    let mut touched: Vec<Extent> = done.written.iter().chain(&done.punched).copied().collect();
    touched.sort_unstable();
    for run in touched.iter().map(|extent| size.touching(*extent)) {
        let first = last.map_or(run.first, |last: u64| run.first.max(last + 1));
        blocks_copied += run.end().saturating_sub(first);
        last = Some(last.unwrap_or(0).max(run.end().saturating_sub(1)));
    }
    CopyStats {
        blocks_examined: size.touching(extent).count,
        blocks_copied,
        bytes_copied: crate::units::total_bytes(&done.written),
        bytes_punched: crate::units::total_bytes(&done.punched),
        cancelled: false,
    }
}
