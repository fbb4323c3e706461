//! What of a restore is on disk: a block leaves the pending set there only after the source was synced with its bytes
//! in it, by the copier in batches and by the application's flush; and what the application wrote is recorded with it,
//! in one page. What could not be copied, or not be made durable, is pending again.

use super::{Restoring, unpoisoned};
use crate::bitmap::Bitmap;
use crate::catalog::{Catalog, MapKind};
use crate::error::{Error, Result};
use crate::units::{BlockRun, Extent};

/// The sets as they are on disk.
#[derive(Debug)]
pub(super) struct OnDisk {
    pub(super) pending: Bitmap,
    pub(super) app_written: Bitmap,
}

impl Restoring {
    /// The blocks that were written since the last call; the caller syncs the source and then commits them.
    pub(super) fn take_landed(&self) -> Bitmap {
        self.landed.take()
    }

    /// They could not be made durable: the next flush tries again.
    pub(super) fn return_landed(&self, landed: &Bitmap) {
        self.landed.add(landed);
    }

    /// Blocks that the application wrote, and whose bytes are durable, leave the pending set on disk.
    pub(super) fn commit_landed(&self, catalog: &mut Catalog, landed: &Bitmap) -> Result<()> {
        self.rewrite(catalog, landed, true)
    }

    /// The copier has changed these bytes of the source.
    pub(super) fn brought_back(&self, extents: &[Extent]) {
        extents.iter().for_each(|extent| self.brought.set(self.block_size.touching(*extent)));
    }

    /// Blocks that the copier brought back, and whose bytes are durable, leave the pending set on disk.
    pub(super) fn commit_copied(&self, catalog: &mut Catalog, extents: &[Extent]) -> Result<()> {
        let copied = self.landed_of(extents);
        // What was compared and found equal was kept.
        let equal = copied.snapshot();
        equal.remove(&self.brought);
        self.planned.remove(&equal);
        self.rewrite(catalog, &copied, false)
    }

    /// What became pending in the instant in which the restore took effect, and the length that is then to be set. What
    /// the application has written since is not durable: it stays pending on disk.
    pub fn commit_begun(&self, catalog: &mut Catalog) -> Result<()> {
        let on_disk = unpoisoned(&self.on_disk);
        // Under the catalog's lock: a write may be setting the length.
        let resize = self.resize();
        let layers = [&on_disk.pending, &self.planned, &on_disk.app_written];
        catalog.commit_with(&[(MapKind::Restore, &layers)], |record| {
            if let Some(pending) = record.pending.as_mut() {
                pending.resize = resize;
            }
        })
    }

    fn rewrite(&self, catalog: &mut Catalog, gone: &Bitmap, app_written: bool) -> Result<()> {
        let on_disk = unpoisoned(&self.on_disk);
        // It may have ended since, and another may have begun.
        let ours = catalog.record().pending.as_ref().is_some_and(|pending| pending.id == self.id);
        if gone.is_empty() || !ours {
            return Ok(());
        }
        on_disk.pending.remove(gone);
        if app_written {
            on_disk.app_written.add(gone);
        }
        let layers = [&on_disk.pending, &self.planned, &on_disk.app_written];
        catalog.rewrite(MapKind::Restore, &layers, gone)
    }

    /// The blocks of extents that the copier has brought back. One that it brought back in part, because the rest
    /// failed, stays pending.
    fn landed_of(&self, extents: &[Extent]) -> Bitmap {
        let blocks = Bitmap::touching(extents, self.block_size, self.pending.blocks());
        for (failed, _) in unpoisoned(&self.unrestored).iter() {
            blocks.clear(self.block_size.touching(*failed));
        }
        blocks
    }

    /// A claimed extent could not be copied: it is pending again. What the mirror cannot give is listed and stays so;
    /// what the source cannot take ends the restore.
    pub(super) fn give_back(&self, extent: Extent, error: Error) -> Result<()> {
        self.pending.set(self.block_size.touching(extent));
        let from_mirror = match &error {
            Error::SealMismatch { .. } => true,
            Error::Io { path, .. } | Error::TooSmall { path, .. } => path == self.mirror().path(),
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
            if !self.app_written().has(block) {
                self.pending.set(BlockRun { first: block, count: 1 });
            }
        }
    }
}
