//! The volume: the one controller that every read and write of a pair's source goes through.
//!
//! What a write does to the mirror is decided here and nowhere else, by the [`Side`] that the mirror is on:
//!
//! | side | a write goes to | and |
//! |---|---|---|
//! | `Absent` (initialized, unsynchronized, failed) | the source | marks its blocks |
//! | `Synchronizing` | the source; the mirror where its block was copied already | |
//! | `Synchronized` | both | |
//! | `Paused` (point taken, or source suspect) | the source | marks its blocks |
//! | `Frozen` (split) | the source | marks its blocks; during a restore by the block table of `restoring` |
//!
//! A write passes the gate (`phase`, held for reading), then the lock of each stripe that it touches, in order.
//! Changing the side takes the gate for writing: that drains the writes under way. The copier takes stripe locks
//! only. Lock order: gate, stripe, catalog.

mod establish;
mod failure;
mod flush;
mod read;
mod restore;
mod restoring;
mod session;
mod side;
mod source;
mod split;
mod stripes;
mod verify;
mod write;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::area::{Host, Reader};
use crate::bitmap::Bitmap;
use crate::catalog::{Catalog, Seal};
use crate::engine::Pool;
use crate::error::{Error, Result};
use crate::units::{BlockSize, Extent};

pub use restoring::{Origin, Restoring};
pub use side::{Phase, Side};
pub use source::Source;
pub(crate) use source::read_tag;
pub use split::Taken;
use stripes::Stripes;
pub use write::BLOCKS_MAX;

/// How a volume works; tests make batches small.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Threads for bulk work; 0: one a core, up to four.
    pub workers: usize,
    /// After so many copied bytes progress is made durable.
    pub batch_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        // A gigabyte is copied in well under a second or two: little is lost by an interruption, and the copy
        // rarely waits for the storage.
        Self { workers: 0, batch_bytes: 1 << 30 }
    }
}

/// A source with its mirror, open.
#[derive(Debug)]
pub struct Volume {
    host: Arc<dyn Host>,
    block_size: BlockSize,
    settings: Settings,
    pool: Pool,
    phase: RwLock<Arc<Phase>>,
    stripes: Stripes,
    dirty: Bitmap,
    catalog: Mutex<Catalog>,
    /// The seal of the point, for checking blocks before they are used.
    seal: Mutex<Option<Arc<Seal>>>,
    /// The intent is durable: this session may write.
    session: AtomicBool,
    /// Something was written since the last flush.
    unflushed: AtomicBool,
    /// A sync of the source failed outside a flush; the next one reports it.
    sync_lost: AtomicBool,
    /// Where the last byte ends that was written since the mirror was last brought up to date.
    written_end: AtomicU64,
    /// Held by a write that makes a file longer whose mirror is a device.
    growing: Mutex<()>,
}

fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run of bytes that a file can have.
fn checked(offset: u64, length: usize) -> Result<Extent> {
    let length = length as u64;
    Extent::checked(offset, length).ok_or_else(|| Error::beyond_files(offset, length))
}

impl Volume {
    /// Puts the parts of an opened pair together.
    pub fn new(
        host: Arc<dyn Host>,
        settings: Settings,
        catalog: Catalog,
        phase: Phase,
        dirty: Bitmap,
    ) -> Self {
        let block_size = catalog.record().block_size;
        let pool =
            if settings.workers == 0 { Pool::default() } else { Pool::new(settings.workers) };
        Self {
            host,
            block_size,
            settings,
            pool,
            phase: RwLock::new(Arc::new(phase)),
            stripes: Stripes::new(block_size),
            dirty,
            catalog: Mutex::new(catalog),
            seal: Mutex::new(None),
            session: AtomicBool::new(false),
            unflushed: AtomicBool::new(false),
            sync_lost: AtomicBool::new(false),
            written_end: AtomicU64::new(0),
            growing: Mutex::new(()),
        }
    }

    /// The machine it runs on.
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.host
    }

    /// Unit of tracking.
    pub fn block_size(&self) -> BlockSize {
        self.block_size
    }

    /// The threads for bulk work.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The catalog. Taken last of all locks.
    pub fn catalog(&self) -> MutexGuard<'_, Catalog> {
        unpoisoned(&self.catalog)
    }

    /// Blocks in which source and mirror may differ, as far as this volume knows.
    pub fn dirty(&self) -> &Bitmap {
        &self.dirty
    }

    /// A new beginning of the tracking, because all of the source is about to be looked at. No write is under way
    /// meanwhile: a mark that is cleared here is of bytes that the look will see.
    pub fn begin_tracking(&self, source: &Source) {
        let _gate = self.close_gate();
        source.tracker().anchor();
        self.dirty.clear_all();
    }

    /// Whether anything was written through this volume since it was opened.
    pub fn has_session(&self) -> bool {
        self.session.load(Ordering::Acquire)
    }

    fn gate(&self) -> RwLockReadGuard<'_, Arc<Phase>> {
        self.phase.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the gate: returns when no write is under way, and keeps others out while held.
    fn close_gate(&self) -> RwLockWriteGuard<'_, Arc<Phase>> {
        self.phase.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the phase while no side can change. Nothing of it is kept: a handle of the mirror that outlived the
    /// gate would outlive a split.
    pub fn look<T>(&self, at: impl FnOnce(&Phase) -> T) -> T {
        at(&self.gate())
    }

    /// The source, or the error that it is missing.
    pub fn source(&self) -> Result<Arc<Source>> {
        self.look(|phase| phase.source.clone()).ok_or_else(|| self.source_missing())
    }

    fn source_missing(&self) -> Error {
        Error::SourceMissing { path: self.catalog().record().source.path.0.clone() }
    }

    /// A reader of the split mirror.
    pub fn frozen_mirror(&self) -> Option<Reader> {
        self.look(|phase| match &phase.side {
            Side::Frozen(reader) => Some(reader.clone()),
            _ => None,
        })
    }

    /// Puts another source in place of the present one (it was replaced, or recreated).
    pub fn set_source(&self, source: Option<Arc<Source>>) {
        if let Some(source) = source.as_ref().filter(|_| self.has_session()) {
            // The session's writes go on to this file: they are ours.
            source.tracker().expect_own_writes();
        }
        let mut phase = self.close_gate();
        *phase =
            Arc::new(Phase { source, side: phase.side.clone(), restore: phase.restore.clone() });
    }

    /// The seal of the point, read once. A seal file that is gone or damaged is an error: the point was sealed.
    pub fn seal(&self) -> Result<Option<Arc<Seal>>> {
        let mut known = unpoisoned(&self.seal);
        if known.is_none() {
            *known = self.catalog().read_seal()?.map(Arc::new);
        }
        Ok(known.clone())
    }

    /// Lets go of both files and of the lock: the volume is of no more use.
    pub fn shut(&self) {
        *self.close_gate() = Arc::new(Phase { source: None, side: Side::Absent, restore: None });
        self.catalog().unlock();
    }

    /// Forgets the seal in memory: the record has a new one, or none.
    pub fn forget_seal(&self) {
        *unpoisoned(&self.seal) = None;
    }
}
