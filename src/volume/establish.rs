//! Synchronizing: the copier's side of an establish. Writes meanwhile are dealt with in `write`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Phase, Side, Volume};
use crate::area::{Order, Stamp, Writer};
use crate::bitmap::Bitmap;
use crate::catalog::MapKind;
use crate::engine::{Claim, Control, CopyPlan, CopyStats, Steps, Transfer, transfer};
use crate::error::{Error, Result};
use crate::units::{Extent, intersected};

/// The copier of an establish: blocks leave the dirty set before they are copied, and come back when that fails.
struct Forward<'a> {
    volume: &'a Volume,
}

impl Steps for Forward<'_> {
    fn claim(&self, piece: Extent) -> Claim<'_> {
        let volume = self.volume;
        let guard = volume.stripes.lock(piece);
        let blocks = volume.block_size.touching(piece);
        let runs = volume.dirty.runs_within(blocks);
        let marked: Vec<Extent> =
            runs.iter().map(|run| volume.block_size.extent(*run, u64::MAX)).collect();
        runs.into_iter().for_each(|run| volume.dirty.clear(run));
        Claim { extents: intersected(&marked, &[piece]), guard }
    }

    fn failed(&self, extent: Extent, error: Error) -> Result<()> {
        self.volume.dirty.set(self.volume.block_size.touching(extent));
        Err(error)
    }

    fn durable(&self, extents: &[Extent]) -> Result<()> {
        let volume = self.volume;
        let touched = Bitmap::touching(extents, volume.block_size, volume.dirty.blocks());
        volume.catalog().shrink(MapKind::Dirty, &volume.dirty, &touched)
    }
}

impl Volume {
    /// Takes the writable mirror out of a synchronized volume; from here on writes are marked alone.
    pub fn take_mirror(&self) -> Option<Writer> {
        let mut gate = self.close_gate();
        let source = gate.source.clone();
        let old = std::mem::replace(
            &mut *gate,
            Arc::new(Phase { source, side: Side::Absent, restore: None }),
        );
        let writer = old.side.writer().cloned();
        drop(old);
        writer.and_then(Arc::into_inner)
    }

    /// The mirror's stamp and length, while it is being written.
    pub fn mirror_now(&self) -> Result<(Stamp, u64)> {
        self.look(|phase| match phase.side.writer() {
            Some(mirror) => Ok((
                mirror.reader().stamp()?,
                phase.source.as_ref().map_or(Ok(0), |source| source.reader().length())?,
            )),
            None => Err(Error::Closed),
        })
    }

    /// From here on writes are forwarded to what of the mirror is not marked dirty.
    pub fn begin_synchronizing(&self, mirror: Writer, length: u64) -> Arc<Writer> {
        let mirror = Arc::new(mirror);
        let mut gate = self.close_gate();
        self.dirty.make_room(self.block_size.count(length));
        self.written_end.store(0, Ordering::Release);
        let side = Side::Synchronizing(Arc::clone(&mirror));
        *gate = Arc::new(Phase { source: gate.source.clone(), side, restore: None });
        mirror
    }

    /// Copies what the plan names and what writers mark meanwhile.
    pub fn synchronize(
        &self,
        mirror: &Writer,
        plan: &CopyPlan,
        control: &Control,
    ) -> Result<CopyStats> {
        let source = self.source()?;
        let steps = Forward { volume: self };
        let job = Transfer {
            from: source.reader(),
            to: mirror,
            plan,
            block_size: self.block_size,
            batch_bytes: self.settings.batch_bytes,
            sync_batches: self.host.keeps(Order::MirrorSyncedBeforeClear),
            pool: &self.pool,
            control,
        };
        transfer(&job, &steps)
    }

    /// The copy is complete: both sides get the same length and writes go to both from here.
    pub fn finish_synchronizing(&self) -> Result<()> {
        let mut gate = self.close_gate();
        let source = gate.source.clone().ok_or_else(|| self.source_missing())?;
        if let Side::Synchronizing(mirror) = &gate.side {
            let length = source.reader().length()?;
            mirror.set_length(length)?;
            source.tracker().after_own_write(length);
            if self.host.keeps(Order::MirrorSyncedBeforeSynchronized) {
                mirror.sync_all()?;
            }
            let side = Side::Synchronized(Arc::clone(mirror));
            *gate = Arc::new(Phase { source: Some(source), side, restore: None });
            return Ok(());
        }
        // A write that could not reach it has given it up meanwhile.
        Err(Error::MirrorFailed {
            path: self.catalog().record().mirror.path.0.clone(),
            problem: "a write to it failed while it was being synchronized".into(),
        })
    }

    /// The establish ended before its end: the mirror is let go, writes are marked.
    pub fn stop_synchronizing(&self) {
        let mut gate = self.close_gate();
        *gate = Arc::new(Phase { source: gate.source.clone(), side: Side::Absent, restore: None });
    }
}
