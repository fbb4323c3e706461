//! The copier of a restore: mirror to source, under the locks that writers take too.

use std::sync::Arc;

use super::{Phase, Restoring, Source, Volume};
use crate::area::Order;
use crate::engine::{BlockCheck, Claim, Control, CopyPlan, CopyStats, Steps, Transfer, transfer};
use crate::error::{Error, Result};
use crate::units::Extent;

struct Backward<'a> {
    volume: &'a Volume,
    restore: &'a Restoring,
    check: Option<BlockCheck<'a>>,
}

impl Steps for Backward<'_> {
    fn claim(&self, piece: Extent) -> Claim<'_> {
        let guard = self.volume.stripes.lock(piece);
        let extents = self.restore.claim(piece);
        // A block of which only a part is restored stays marked: the rest of it may differ.
        let size = self.volume.block_size;
        // Ranges leave the length alone, so the source may go on behind the mirror's end.
        let end = self.restore.target_length().unwrap_or(u64::MAX);
        extents.iter().for_each(|extent| self.volume.dirty.clear(size.within(*extent, end)));
        Claim { extents, guard }
    }

    fn failed(&self, extent: Extent, error: Error) -> Result<()> {
        self.volume.dirty.set(self.volume.block_size.touching(extent));
        self.restore.give_back(extent, error)
    }

    fn unsaved(&self, extent: Extent, _error: &Error) {
        for piece in self.volume.stripes.pieces(extent) {
            let _lock = self.volume.stripes.lock(piece);
            self.volume.dirty.set(self.volume.block_size.touching(piece));
            self.restore.unsaved(piece);
        }
    }

    fn durable(&self, extents: &[Extent]) -> Result<()> {
        self.restore.commit_landed(&mut self.volume.catalog(), &self.restore.landed_of(extents))
    }

    fn block_check(&self) -> Option<BlockCheck<'_>> {
        self.check
    }
}

impl Volume {
    /// From here on pending blocks are read from the mirror and written by the block table.
    pub fn begin_restore(&self, source: Arc<Source>, restore: Option<Arc<Restoring>>) {
        let mut gate = self.close_gate();
        *gate = Arc::new(Phase { source: Some(source), side: gate.side.clone(), restore });
    }

    /// Gives the source the length that a restore brings back, once, before anything is written behind it.
    pub fn apply_resize(&self) -> Result<()> {
        let pending = |phase: &Phase| phase.restore.as_ref().and_then(|restore| restore.resize());
        if self.look(pending).is_none() {
            return Ok(());
        }
        self.ensure_session()?;
        let gate = self.close_gate();
        let (Some(restore), Some(source)) = (&gate.restore, &gate.source) else { return Ok(()) };
        let Some(length) = restore.resize() else { return Ok(()) };
        let writer = source.writer()?;
        source.tracker().own_resize(length, || writer.set_length(length))?;
        writer.sync()?;
        self.catalog().commit(|record| {
            if let Some(pending) = record.pending.as_mut() {
                pending.resize = None;
            }
        })?;
        restore.resized();
        Ok(())
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
        let steps =
            Backward { volume: self, restore, check: restore.is_sealed().then_some(&check as _) };
        let job = Transfer {
            from: restore.mirror(),
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
