//! A restore under way: which blocks are still to be brought back, and what a write to one of them does.
//!
//! | block | read | write of the whole block | partial write | copier |
//! |---|---|---|---|---|
//! | pending | the mirror's bytes | to the source, `app-written` | the mirror's content is put in place, then the write, `app-written` | copies it once |
//! | anything else | the source's bytes | to the source | to the source | never touches it again |
//!
//! A discard of a whole block drops it from pending and punches the source; of a part of it, the rest is put in place
//! first. All under the lock of the stripe. There are two pending sets: the one in memory is cleared before a block is
//! copied and set again when that fails; the one on disk loses a block only after the source was synced with its
//! bytes in it. So after any crash a block is pending or holds durable bytes.

use std::sync::{Arc, Mutex};

use uuid::Uuid;

use super::landing::OnDisk;
use super::{Source, unpoisoned};
use crate::area::Reader;
use crate::bitmap::Bitmap;
use crate::catalog::{Scope, Seal};
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

/// What a restore begins with.
#[derive(Debug)]
pub struct Beginning {
    /// Which restore it is.
    pub id: Uuid,
    /// The split mirror.
    pub mirror: Reader,
    /// Its seal.
    pub seal: Option<Arc<Seal>>,
    /// Unit of tracking.
    pub block_size: BlockSize,
    /// Bytes of the mirror at its point.
    pub length: u64,
    /// What of it is restored.
    pub scope: Scope,
    /// The length that the source is still to get.
    pub resize: Option<u64>,
    /// Blocks that are to be restored, on disk too.
    pub pending: Bitmap,
    /// What the restore set out to bring back.
    pub planned: Bitmap,
    /// Blocks that the application wrote, durably.
    pub app_written: Bitmap,
}

/// A restore that has not ended.
#[derive(Debug)]
pub struct Restoring {
    pub(super) id: Uuid,
    mirror: Reader,
    seal: Option<Arc<Seal>>,
    pub(super) block_size: BlockSize,
    length: u64,
    pub(super) scope: Scope,
    resize: Mutex<Option<u64>>,
    pub(super) pending: Bitmap,
    pub(super) planned: Bitmap,
    /// Of them, what the copier has changed; the others were equal.
    pub(super) brought: Bitmap,
    app_written: Bitmap,
    /// Of them, blocks that were written from a page that a program had mapped, while they were pending: the rest of
    /// the page may be older than the restore. Known as long as the process lives.
    mapped: Bitmap,
    pub(super) on_disk: Mutex<OnDisk>,
    /// Written by the application, not yet durable.
    pub(super) landed: Bitmap,
    pub(super) unrestored: Mutex<Vec<(Extent, Error)>>,
}

impl Restoring {
    /// A restore of the blocks that are pending.
    pub fn new(begin: Beginning) -> Self {
        let on_disk =
            OnDisk { pending: begin.pending.snapshot(), app_written: begin.app_written.snapshot() };
        Self {
            id: begin.id,
            mirror: begin.mirror,
            seal: begin.seal,
            block_size: begin.block_size,
            length: begin.length,
            scope: begin.scope,
            resize: Mutex::new(begin.resize),
            landed: Bitmap::new(begin.pending.blocks()),
            mapped: Bitmap::new(begin.pending.blocks()),
            brought: Bitmap::new(begin.pending.blocks()),
            pending: begin.pending,
            planned: begin.planned,
            app_written: begin.app_written,
            on_disk: Mutex::new(on_disk),
            unrestored: Mutex::new(Vec::new()),
        }
    }

    /// Which restore it is.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Bytes of the mirror at its point.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The blocks that are still to be restored.
    pub fn pending(&self) -> &Bitmap {
        &self.pending
    }

    /// The blocks that it set out to bring back.
    pub fn planned(&self) -> &Bitmap {
        &self.planned
    }

    /// The blocks that the application wrote meanwhile (R10).
    pub fn app_written(&self) -> &Bitmap {
        &self.app_written
    }

    /// The blocks that were written from mapped pages while they were pending.
    pub fn mapped(&self) -> &Bitmap {
        &self.mapped
    }

    pub(super) fn note_mapped(&self, extent: Extent) {
        let pending = self.pending.runs_within(self.block_size.touching(extent));
        pending.into_iter().for_each(|run| self.mapped.set(run));
    }

    /// The mirror's length where the restore brings it back.
    pub fn target_length(&self) -> Option<u64> {
        matches!(self.scope, Scope::Whole).then_some(self.length)
    }

    /// The length that the source is still to get, before anything else of it changes.
    pub fn resize(&self) -> Option<u64> {
        *unpoisoned(&self.resize)
    }

    /// The source may have grown since the restore was planned; it takes effect now, and no write is under way. Whether
    /// that changes the length that is to be set.
    pub(super) fn settle_length(&self, source: &Source) -> Result<bool> {
        let resize = source.length_to_set(&self.scope, self.length)?;
        Ok(std::mem::replace(&mut *unpoisoned(&self.resize), resize) != resize)
    }

    pub(super) fn resized(&self) {
        *unpoisoned(&self.resize) = None;
    }

    /// What is pending, in bytes.
    pub fn pending_extents(&self) -> Vec<Extent> {
        let blocks = self.pending.extents(self.block_size, self.length);
        self.within_ranges(&blocks)
    }

    /// The program stored into these bytes, since the restore took effect or just before. Blocks that are still to be
    /// brought back will be, over it; the others hold what it stored.
    pub(super) fn stored(&self, piece: Extent) {
        for block in self.block_size.touching(piece).indexes() {
            if !self.pending.has(block) {
                self.app_written.set(BlockRun { first: block, count: 1 });
            }
        }
    }

    /// What could not be restored, with why.
    pub fn take_unrestored(&self) -> Vec<(Extent, Error)> {
        std::mem::take(&mut unpoisoned(&self.unrestored))
    }

    /// Blocks that were written since the plan was made are to be restored too, for the restore takes effect now. No
    /// write is under way. The blocks that there were.
    pub(super) fn extend(&self, written: &Bitmap) -> Vec<BlockRun> {
        let all = BlockRun::between(0, self.pending.blocks());
        let late = match &self.scope {
            Scope::Whole => written.runs_within(all),
            Scope::Blocks => Vec::new(),
            Scope::Ranges(ranges) => {
                let touched = Bitmap::touching(ranges, self.block_size, all.count);
                let runs = touched.runs();
                runs.into_iter().flat_map(|run| written.runs_within(run)).collect()
            }
        };
        let is_new = |run: &BlockRun| run.indexes().any(|block| !self.pending.has(block));
        let late: Vec<BlockRun> = late.into_iter().filter(is_new).collect();
        for run in &late {
            self.pending.set(*run);
            self.planned.set(*run);
            unpoisoned(&self.on_disk).pending.set(*run);
        }
        late
    }

    pub(super) fn within_ranges(&self, extents: &[Extent]) -> Vec<Extent> {
        match &self.scope {
            Scope::Ranges(ranges) => {
                // Of many ranges only those near: asked for every piece and every read.
                let Some((first, last)) = extents.first().zip(extents.last()) else {
                    return Vec::new();
                };
                let from = ranges.partition_point(|range| range.end() <= first.offset);
                let to = ranges.partition_point(|range| range.offset < last.end());
                intersected(extents, ranges.get(from..to).unwrap_or_default())
            }
            Scope::Whole | Scope::Blocks => extents.to_vec(),
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
    pub(super) fn checked(&self, whole: Extent) -> Result<Vec<u8>> {
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

    pub(super) fn mirror(&self) -> &Reader {
        &self.mirror
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.seal.is_some()
    }
}
