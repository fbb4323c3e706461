//! A restore under way: which blocks are still to be brought back, and what a write to one of them does.
//!
//! | block | read | write of the whole block | partial write | copier |
//! |---|---|---|---|---|
//! | pending | the mirror's bytes | to the source, `app-written` | the mirror's content is put in place, then the write, `app-written` | copies it once |
//! | anything else | the source's bytes | to the source | to the source | never touches it again |
//!
//! All under the lock of the stripe. There are two pending sets: the one in memory is cleared before a block is
//! copied and set again when that fails; the one on disk loses a block only after the source was synced with its
//! bytes in it. So after any crash a block is pending or holds durable bytes.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Phase, Source, Volume, unpoisoned};
use crate::area::{Order, Reader, Writer};
use crate::bitmap::Bitmap;
use crate::catalog::{Catalog, MapKind, Seal};
use crate::engine::{Claim, Control, CopyPlan, CopyStats, Steps, Transfer, transfer};
use crate::error::{Error, Result};
use crate::units::{BlockRun, BlockSize, Extent, intersected, merged, subtracted};

/// Where the bytes of an extent are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// In the source.
    Source,
    /// Still in the mirror alone.
    Mirror,
}

/// A restore that has not ended.
#[derive(Debug)]
pub struct Restoring {
    mirror: Reader,
    seal: Option<Arc<Seal>>,
    block_size: BlockSize,
    /// Bytes of the mirror at its point.
    length: u64,
    /// Only these bytes are restored; `None`: all, and the length too.
    ranges: Option<Vec<Extent>>,
    pending: Bitmap,
    on_disk: Mutex<Bitmap>,
    app_written: Bitmap,
    /// Written by the application, not yet durable.
    landed: Mutex<Bitmap>,
    unrestored: Mutex<Vec<(Extent, Error)>>,
}

impl Restoring {
    /// A restore of the blocks in `pending`, which are pending on disk too.
    pub fn new(
        mirror: Reader,
        seal: Option<Arc<Seal>>,
        block_size: BlockSize,
        length: u64,
        ranges: Option<Vec<Extent>>,
        pending: Bitmap,
    ) -> Self {
        let blocks = pending.blocks();
        Self {
            mirror,
            seal,
            block_size,
            length,
            ranges,
            on_disk: Mutex::new(pending.snapshot()),
            pending,
            app_written: Bitmap::new(blocks),
            landed: Mutex::new(Bitmap::new(blocks)),
            unrestored: Mutex::new(Vec::new()),
        }
    }

    /// The blocks that are still to be restored.
    pub fn pending(&self) -> &Bitmap {
        &self.pending
    }

    /// The blocks that the application wrote meanwhile (R10).
    pub fn app_written(&self) -> &Bitmap {
        &self.app_written
    }

    /// The mirror's length where the restore brings it back.
    pub fn target_length(&self) -> Option<u64> {
        self.ranges.is_none().then_some(self.length)
    }

    /// What is pending, in bytes.
    pub fn pending_extents(&self) -> Vec<Extent> {
        let blocks = self.pending.extents(self.block_size, self.length);
        self.within_ranges(&blocks)
    }

    /// What could not be restored, with why.
    pub fn take_unrestored(&self) -> Vec<(Extent, Error)> {
        std::mem::take(&mut unpoisoned(&self.unrestored))
    }

    fn within_ranges(&self, extents: &[Extent]) -> Vec<Extent> {
        match &self.ranges {
            Some(ranges) => intersected(extents, ranges),
            None => extents.to_vec(),
        }
    }

    /// Whether anything in the extent may have to be read from the mirror.
    pub(super) fn touches(&self, extent: Extent) -> bool {
        self.pending.any(self.block_size.touching(extent))
    }

    /// Where each byte of a piece is; the caller holds its stripe.
    pub(super) fn origins(&self, piece: Extent) -> Vec<(Extent, Origin)> {
        let runs = self.pending.runs_within(self.block_size.touching(piece));
        let marked: Vec<Extent> = runs
            .into_iter()
            .map(|run| self.block_size.extent(run, self.length).intersect(piece))
            .collect();
        let mirror = self.within_ranges(&merged(marked));
        let source = subtracted(&[piece], &mirror);
        let mut parts: Vec<(Extent, Origin)> =
            mirror.into_iter().map(|part| (part, Origin::Mirror)).collect();
        parts.extend(source.into_iter().map(|part| (part, Origin::Source)));
        parts.sort_unstable_by_key(|(part, _)| *part);
        parts
    }

    /// Reads the mirror; a block that does not match its seal is an error, never served.
    pub(super) fn read_mirror(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        if self.seal.is_some() {
            let whole =
                self.block_size.aligned_out(Extent::new(offset, buffer.len() as u64), self.length);
            let bytes = self.checked(whole)?;
            let start = (offset - whole.offset) as usize;
            buffer.copy_from_slice(bytes.get(start..start + buffer.len()).unwrap_or_default());
            return Ok(buffer.len());
        }
        self.mirror.read_at(buffer, offset)
    }

    /// Whole blocks of the mirror, checked.
    fn checked(&self, whole: Extent) -> Result<Vec<u8>> {
        let mut bytes = vec![0u8; whole.length as usize];
        self.mirror.read_exact_at(&mut bytes, whole.offset)?;
        let size = self.block_size.bytes();
        for (block, content) in (whole.offset / size..).zip(bytes.chunks(size as usize)) {
            self.check(block, content)?;
        }
        Ok(bytes)
    }

    fn check(&self, block: u64, content: &[u8]) -> Result<()> {
        match &self.seal {
            Some(seal) if !seal.matches(block, content) => {
                let bad = self.block_size.extent(BlockRun { first: block, count: 1 }, self.length);
                Err(Error::SealMismatch {
                    path: self.mirror.path().to_path_buf(),
                    blocks: 1,
                    bad: vec![bad.into()],
                })
            }
            _ => Ok(()),
        }
    }

    /// An application's write of a piece; the caller holds its stripe and has marked it dirty.
    pub(super) fn write(&self, source: &Writer, piece: Extent, bytes: &[u8]) -> Result<()> {
        let touched = self.block_size.touching(piece);
        for run in self.pending.runs_within(touched) {
            for block in run.indexes() {
                self.take_over(source, block, piece)?;
            }
        }
        source.write_at(bytes, piece.offset)?;
        // Blocks beyond the mirror's length were never to be restored; the sets have no room for them.
        self.app_written.set(touched);
        unpoisoned(&self.landed).set(touched);
        Ok(())
    }

    /// A pending block that the application is about to write: what the write leaves is put in place first (R11).
    fn take_over(&self, source: &Writer, block: u64, piece: Extent) -> Result<()> {
        let run = BlockRun { first: block, count: 1 };
        let extent = self.block_size.extent(run, self.length);
        let left = subtracted(&self.within_ranges(&[extent]), &[piece]);
        if !left.is_empty() {
            let content = self.checked(extent)?;
            for part in left {
                let start = (part.offset - extent.offset) as usize;
                let bytes = content.get(start..start + part.length as usize).unwrap_or_default();
                source.write_at(bytes, part.offset)?;
            }
        }
        self.pending.clear(run);
        Ok(())
    }

    /// The blocks that were written since the last call; the caller syncs the source and then commits them.
    pub(super) fn take_landed(&self) -> Bitmap {
        let mut landed = unpoisoned(&self.landed);
        let blocks = landed.blocks();
        std::mem::replace(&mut landed, Bitmap::new(blocks))
    }

    /// Blocks whose bytes are durable leave the pending set on disk.
    pub(super) fn commit_landed(&self, catalog: &mut Catalog, landed: &Bitmap) -> Result<()> {
        let on_disk = unpoisoned(&self.on_disk);
        if landed.is_empty() {
            return Ok(());
        }
        on_disk.remove(landed);
        catalog.shrink(MapKind::Pending, &on_disk, landed)
    }
}

/// The copier of a restore.
struct Backward<'a> {
    volume: &'a Volume,
    restore: &'a Restoring,
    check: Option<&'a (dyn Fn(u64, &[u8]) -> Result<()> + Sync)>,
}

impl Steps for Backward<'_> {
    fn claim(&self, piece: Extent) -> Claim<'_> {
        let guard = self.volume.stripes.lock(piece);
        let size = self.restore.block_size;
        let runs = self.restore.pending.runs_within(size.touching(piece));
        let marked: Vec<Extent> = runs
            .iter()
            .map(|run| size.extent(*run, self.restore.length).intersect(piece))
            .collect();
        runs.into_iter().for_each(|run| self.restore.pending.clear(run));
        let extents = self.restore.within_ranges(&merged(marked));
        // A block of which only a part is restored stays marked: the rest of it may differ.
        extents
            .iter()
            .for_each(|extent| self.volume.dirty.clear(size.within(*extent, self.restore.length)));
        Claim { extents, guard }
    }

    fn failed(&self, extent: Extent, error: Error) -> Result<()> {
        let blocks = self.restore.block_size.touching(extent);
        self.restore.pending.set(blocks);
        self.volume.dirty.set(blocks);
        // What the mirror cannot give stays pending and is listed; what the source cannot take ends the restore.
        let from_mirror = match &error {
            Error::SealMismatch { .. } => true,
            Error::Io { path, .. } | Error::TooSmall { path, .. } => {
                path == self.restore.mirror.path()
            }
            _ => false,
        };
        if !from_mirror {
            return Err(error);
        }
        self.restore
            .unrestored
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((extent, error));
        Ok(())
    }

    fn durable(&self, pieces: &[Extent]) -> Result<()> {
        let restore = self.restore;
        let blocks = Bitmap::touching(pieces, restore.block_size, restore.pending.blocks());
        // Blocks that failed in these pieces are pending in memory again and stay so on disk.
        blocks.remove(&restore.pending);
        restore.commit_landed(&mut self.volume.catalog(), &blocks)
    }

    fn block_check(&self) -> Option<&(dyn Fn(u64, &[u8]) -> Result<()> + Sync)> {
        self.check
    }
}

impl Volume {
    /// From here on pending blocks are read from the mirror and written by the block table.
    pub fn begin_restore(&self, source: Arc<Source>, restore: Option<Arc<Restoring>>) {
        let mut gate = self.close_gate();
        *gate = Arc::new(Phase { source: Some(source), side: gate.side.clone(), restore });
    }

    /// Copies what is pending.
    pub fn copy_back(
        &self,
        restore: &Restoring,
        plan: &CopyPlan,
        control: &Control,
    ) -> Result<CopyStats> {
        let source = self.source()?;
        let check = |block: u64, content: &[u8]| restore.check(block, content);
        let steps = Backward {
            volume: self,
            restore,
            check: restore.seal.is_some().then_some(&check as _),
        };
        let job = Transfer {
            from: &restore.mirror,
            to: source.writer()?,
            plan,
            block_size: self.block_size,
            batch_bytes: self.settings.batch_bytes,
            sync_batches: self.host.keeps(Order::SourceSyncedBeforeClear),
            pool: &self.pool,
            control,
        };
        transfer(&job, &steps)
    }

    /// No block is redirected any more.
    pub fn end_restore(&self) {
        let mut gate = self.close_gate();
        *gate =
            Arc::new(Phase { source: gate.source.clone(), side: gate.side.clone(), restore: None });
    }
}
