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

use std::sync::{Arc, Mutex};

use super::unpoisoned;
use crate::area::{Reader, Writer};
use crate::bitmap::Bitmap;
use crate::catalog::{Catalog, MapKind, Seal};
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
    /// The length that the source is still to get.
    resize: Mutex<Option<u64>>,
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
        resize: Option<u64>,
        pending: Bitmap,
    ) -> Self {
        let blocks = pending.blocks();
        Self {
            mirror,
            seal,
            block_size,
            length,
            ranges,
            resize: Mutex::new(resize),
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

    /// The length that the source is still to get, before anything else of it changes.
    pub fn resize(&self) -> Option<u64> {
        *unpoisoned(&self.resize)
    }

    pub(super) fn resized(&self) {
        *unpoisoned(&self.resize) = None;
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

    pub(super) fn check(&self, block: u64, content: &[u8]) -> Result<()> {
        let seal = self.seal.as_ref();
        seal.map_or(Ok(()), |seal| seal.check(self.mirror.path(), block, content))
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

    /// They could not be made durable: the next flush tries again.
    pub(super) fn return_landed(&self, landed: &Bitmap) {
        unpoisoned(&self.landed).add(landed);
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

    /// Takes what is pending of a piece for the copier, who holds its stripe: the blocks leave the set before they
    /// are copied.
    pub(super) fn claim(&self, piece: Extent) -> Vec<Extent> {
        let runs = self.pending.runs_within(self.block_size.touching(piece));
        let marked = self.marked(&runs, piece);
        runs.into_iter().for_each(|run| self.pending.clear(run));
        self.within_ranges(&marked)
    }

    /// The bytes of pending runs in a piece.
    fn marked(&self, runs: &[BlockRun], piece: Extent) -> Vec<Extent> {
        merged(
            runs.iter()
                .map(|run| self.block_size.extent(*run, self.length).intersect(piece))
                .collect(),
        )
    }

    /// A claimed extent could not be copied: it is pending again. What the mirror cannot give is listed and stays so;
    /// what the source cannot take ends the restore.
    pub(super) fn give_back(&self, extent: Extent, error: Error) -> Result<()> {
        self.pending.set(self.block_size.touching(extent));
        let from_mirror = match &error {
            Error::SealMismatch { .. } => true,
            Error::Io { path, .. } | Error::TooSmall { path, .. } => path == self.mirror.path(),
            _ => false,
        };
        if !from_mirror {
            return Err(error);
        }
        unpoisoned(&self.unrestored).push((extent, error));
        Ok(())
    }

    /// What was copied could not be made durable: it is pending again, but for what the application has written since.
    pub(super) fn unsaved(&self, extent: Extent) {
        for block in self.block_size.touching(extent).indexes() {
            if !self.app_written.has(block) {
                self.pending.set(BlockRun { first: block, count: 1 });
            }
        }
    }

    /// The blocks of extents that the copier has brought back. One that it brought back in part, because the rest
    /// failed, stays pending.
    pub(super) fn landed_of(&self, extents: &[Extent]) -> Bitmap {
        let blocks = Bitmap::touching(extents, self.block_size, self.pending.blocks());
        for (failed, _) in unpoisoned(&self.unrestored).iter() {
            blocks.clear(self.block_size.touching(*failed));
        }
        blocks
    }

    pub(super) fn mirror(&self) -> &Reader {
        &self.mirror
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.seal.is_some()
    }
}
