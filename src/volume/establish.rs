//! Synchronizing: the copier's side of an establish. Writes meanwhile are dealt with in `write`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Leg, Phase, Side, Volume};
use crate::area::{Order, Stamp, Writer};
use crate::bitmap::Bitmap;
use crate::catalog::{MapKind, Record};
use crate::engine::{Claim, Control, CopyPlan, CopyStats, PIECE_BYTES, Steps, Transfer, transfer};
use crate::error::{Error, Result};
use crate::state::{Condition, Reason};
use crate::units::{Extent, intersected};

/// The copier of an establish: blocks leave the dirty set before they are copied, and come back when that fails.
struct Forward<'a> {
    volume: &'a Volume,
    leg: &'a Leg,
}

impl Steps for Forward<'_> {
    fn claim(&self, piece: Extent) -> Claim<'_> {
        let guard = self.volume.stripes.lock(piece);
        let (size, dirty) = (self.leg.block_size(), self.leg.dirty());
        let runs = dirty.runs_within(size.touching(piece));
        let marked: Vec<Extent> = runs.iter().map(|run| size.extent(*run, u64::MAX)).collect();
        runs.into_iter().for_each(|run| dirty.clear(run));
        Claim { extents: intersected(&marked, &[piece]), guard }
    }

    fn failed(&self, extent: Extent, error: Error) -> Result<()> {
        self.leg.mark(extent);
        Err(error)
    }

    fn durable(&self, extents: &[Extent]) -> Result<()> {
        let dirty = self.leg.dirty();
        let touched = Bitmap::touching(extents, self.leg.block_size(), dirty.blocks());
        self.leg.catalog().rewrite(MapKind::Dirty, &[dirty], &touched)
    }
}

impl Volume {
    /// The mirror's stamp and length, while it is being written.
    pub fn mirror_now(&self, leg: &Leg) -> Result<(Stamp, u64)> {
        self.look(|phase| match phase.side(leg).writer() {
            Some(mirror) => Ok((
                mirror.reader().stamp()?,
                phase.source.as_ref().map_or(Ok(0), |source| source.reader().length())?,
            )),
            None => Err(Error::Closed),
        })
    }

    /// From here on writes are forwarded to what of the mirror is not marked dirty. A mirror that follows already
    /// stays the one that it is; else `open` gives it, after its point was given up. What was marked up to here is on
    /// disk when this returns: only the copier takes marks away then. `planned`: the source's length when the plan was
    /// made. What the source has grown by since is marked where it was written; in between are zeros, so an old tail
    /// of the mirror must not show there.
    pub fn begin_synchronizing(
        &self,
        leg: &Leg,
        planned: u64,
        length: u64,
        open: impl FnOnce() -> Result<Writer>,
    ) -> Result<Arc<Writer>> {
        let (held, follows) =
            self.look_at(leg, |side| (side.writer().cloned(), side.followed().is_some()));
        let mirror = match held {
            Some(mirror) => mirror,
            None => Arc::new(open()?),
        };
        if !follows {
            mirror.set_length(mirror.reader().length()?.min(planned))?;
            mirror.set_length(length)?;
        }
        {
            let mut gate = self.close_gate();
            leg.dirty().make_room(leg.block_size().count(length));
            leg.written_end.store(0, Ordering::Release);
            gate.put(leg, Side::Synchronizing(Arc::clone(&mirror)));
        }
        if let Err(error) = leg.save_marks() {
            self.stop_synchronizing(leg);
            return Err(error);
        }
        Ok(mirror)
    }

    /// Copies what the plan names and what writers mark meanwhile.
    pub fn synchronize(
        &self,
        leg: &Leg,
        mirror: &Writer,
        plan: &CopyPlan,
        control: &Control,
    ) -> Result<CopyStats> {
        let source = self.source()?;
        let steps = Forward { volume: self, leg };
        let job = Transfer {
            from: source.reader(),
            to: mirror,
            plan,
            block_size: leg.block_size(),
            piece_bytes: PIECE_BYTES,
            spare_equal: false,
            batch_bytes: self.settings.batch_bytes,
            sync_batches: self.host.keeps(Order::MirrorSyncedBeforeClear),
            pool: &self.pool,
            control,
        };
        transfer(&job, &steps)
    }

    /// The copy is complete: both sides get the same length and writes go to both from here.
    pub fn finish_synchronizing(&self, leg: &Leg) -> Result<()> {
        if self.host.keeps(Order::MirrorSyncedBeforeSynchronized) {
            // Most of it outside the gate, for the writers' sake.
            self.sync_mirror(leg)?;
        }
        let mut gate = self.close_gate();
        let source = gate.source.clone().ok_or_else(|| self.source_missing())?;
        let Side::Synchronizing(mirror) = gate.side(leg).clone() else {
            // A write that could not reach it has given it up meanwhile.
            return Err(Error::MirrorFailed {
                path: leg.mirror_path().to_path_buf(),
                problem: "a write to it failed while it was being synchronized".into(),
            });
        };
        let length = source.reader().length()?;
        mirror.set_length(length)?;
        source.tracker().after_own_write(length);
        if self.host.keeps(Order::MirrorSyncedBeforeSynchronized) {
            mirror.sync_all()?;
        }
        gate.put(leg, Side::Synchronized(mirror));
        Ok(())
    }

    /// The establish ended before its end: the mirror is let go, writes are marked.
    pub fn stop_synchronizing(&self, leg: &Leg) {
        // That there is nothing to be looked at beside it cannot fail.
        let _ = self.unfollow(leg, |_| Ok(()));
    }

    /// Writes do not go to a mirror any more, and are marked; `look` sees the phase at that instant. What the mirror got
    /// is on stable storage when this returns: from then on its regions may leave the intent log without it. Until then
    /// it counts as paused, so that whoever syncs the sides syncs it too. How it looks then, if it was followed.
    pub(super) fn unfollow<T>(
        &self,
        leg: &Leg,
        look: impl FnOnce(&Phase) -> Result<T>,
    ) -> Result<(Option<Stamp>, T)> {
        let _handles = leg.use_handles();
        let (followed, seen) = {
            let mut gate = self.close_gate();
            let seen = look(&gate)?;
            let followed = gate.side(leg).followed().cloned();
            if let Some(mirror) = &followed {
                gate.put(leg, Side::Paused(Arc::clone(mirror)));
            }
            (followed, seen)
        };
        let Some(mirror) = followed else { return Ok((None, seen)) };
        let synced = mirror.sync().and_then(|()| mirror.reader().stamp());
        if let Err(error) = &synced {
            log::error!(target: "splitmirror.volume", "the mirror {} failed: {error}", leg.mirror_path().display());
            leg.belief().lose(Reason::Compare);
            let failed = |record: &mut Record| {
                record.conditions.set(Condition::MirrorFailed);
                record.conditions.set(Condition::TrackerLost);
            };
            let mut catalog = leg.catalog();
            if catalog.commit(failed).is_err() {
                catalog.assume(failed);
            }
        }
        drop(mirror);
        self.close_gate().put(leg, Side::Absent);
        let stamp = synced.unwrap_or(leg.catalog().record().mirror.stamp);
        Ok((Some(stamp), seen))
    }
}
