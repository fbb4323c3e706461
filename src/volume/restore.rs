//! A restore: the instant in which it takes effect, and its copier, mirror to source, under the locks that writers
//! take too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Leg, Phase, Restoring, Running, Side, Source, Volume, unpoisoned};
use crate::area::{Kind, Order};
use crate::bitmap::Bitmap;
use crate::catalog::{MapKind, Record};
use crate::engine::{
    BlockCheck, Claim, Control, CopyPlan, CopyStats, PIECE_BYTES, Pool, Steps, Transfer, transfer,
};
use crate::error::{Error, Result};
use crate::state::{Condition, Reason, State};
use crate::units::{Extent, OFFSET_MAX, merged};

/// How a restore copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// The caller waits: on all threads.
    Eager,
    /// Behind the application: one thread, small pieces, so that nobody waits long for one.
    Behind,
}

/// A piece of a copier that gives way: some tens of microseconds of work.
const SMALL_PIECE_BYTES: u64 = 256 << 10;

struct Backward<'a> {
    volume: &'a Volume,
    leg: &'a Leg,
    restore: &'a Restoring,
    check: Option<BlockCheck<'a>>,
    /// Operations of the application that had begun before the last piece, and when that was.
    last: Mutex<(u64, Instant)>,
}

impl Steps for Backward<'_> {
    fn before(&self, _piece: Extent) {
        let (since, begun) = *unpoisoned(&self.last);
        self.volume.traffic.give_way(since, begun.elapsed());
        *unpoisoned(&self.last) = (self.volume.traffic.entered(), Instant::now());
    }

    fn claim(&self, piece: Extent) -> Claim<'_> {
        let guard = self.volume.stripes.lock(piece);
        let extents = self.restore.claim(piece);
        // A block of which only a part is restored stays marked: the rest of it may differ.
        let size = self.leg.block_size();
        // Ranges leave the length alone, so the source may go on behind the mirror's end.
        let end = self.restore.target_length().unwrap_or(u64::MAX);
        extents.iter().for_each(|extent| self.leg.dirty().clear(size.within(*extent, end)));
        Claim { extents, guard }
    }

    fn failed(&self, extent: Extent, error: Error) -> Result<()> {
        self.leg.mark(extent);
        self.restore.give_back(extent, error)
    }

    fn changed(&self, extents: &[Extent]) {
        self.restore.brought_back(extents);
    }

    fn unsaved(&self, extent: Extent, _error: &Error) {
        for piece in self.volume.stripes.pieces(extent) {
            let _held = self.volume.stripes.lock(piece);
            self.leg.mark(piece);
            self.restore.unsaved(piece);
        }
    }

    fn durable(&self, extents: &[Extent]) -> Result<()> {
        self.restore.commit_copied(&mut self.leg.catalog(), extents)
    }

    fn block_check(&self) -> Option<BlockCheck<'_>> {
        self.check
    }
}

impl Volume {
    /// What a restore from one mirror means for the others: the blocks that it will write, and the tail that a new
    /// length cuts off or adds, may differ in each of them; one that followed the source does not any more. All of
    /// that is durable before the source changes. `new_length`: what the source's will be, if it is to change.
    pub fn tell_others(
        &self,
        leg: &Leg,
        extents: &[Extent],
        new_length: impl Fn(&Source) -> Result<Option<u64>>,
    ) -> Result<()> {
        for other in self.legs().iter().filter(|other| !other.is(leg)) {
            let (size, known) = (other.block_size(), other.catalog().record().length);
            // Its own lengthening ends here: what the source grows by from now on is marked by who writes it.
            let (stamp, (length, new)) = self.unfollow(other, |phase| {
                let source = phase.source.clone().ok_or_else(|| self.source_missing())?;
                Ok((source.reader().length()?, new_length(&source)?))
            })?;
            // One whose point was just taken is about to be split; one that stands still for another reason is not.
            let splitting = self.look_at(other, |side| matches!(side, Side::Paused(_)));
            let mut touched = extents.to_vec();
            if let Some(new) = new {
                touched.push(Extent::between(new.min(length), known.max(length).max(new)));
            }
            let end = touched.iter().map(|extent| extent.end()).max().unwrap_or(0);
            other.dirty().make_room(size.count(end));
            touched.iter().for_each(|extent| other.mark(*extent));
            if !self.host.keeps(Order::OthersMarkedBeforeRestore) {
                continue;
            }
            let committed =
                other.catalog().commit_with(&[(MapKind::Dirty, &[other.dirty()])], |record| {
                    record.conditions.set(Condition::SourceRestoring);
                    if let Some(stamp) = stamp {
                        record.mirror.stamp = stamp;
                    }
                    if record.state == State::Synchronized && !splitting {
                        record.state = State::Unsynchronized;
                    }
                });
            if let Err(error) = committed {
                self.catalog_failed(other, error)?;
            }
        }
        Ok(())
    }

    /// Blocks that were written and not flushed: nobody knows what of them a power cut would leave.
    pub fn unsynced_blocks(&self, leg: &Leg, blocks: u64) -> Bitmap {
        // What a sync that is under way has taken is not durable yet.
        drop(self.syncing.write().unwrap_or_else(PoisonError::into_inner));
        let unsynced = self.unsynced.extents(self.unit, OFFSET_MAX);
        Bitmap::touching(&unsynced, leg.block_size(), blocks)
    }

    /// The restore takes effect: from here on pending blocks are read from the mirror and written by the block table.
    /// What was written since the plan was made is pending too, and what the source has grown by is cut off; whether
    /// there was any.
    pub fn begin_restore(
        &self,
        leg: &Arc<Leg>,
        source: Arc<Source>,
        restore: &Arc<Restoring>,
    ) -> Result<bool> {
        // What is stored into arrays up to this instant is to be restored too.
        let (mut gate, _) = self.close_gate_at_rest()?;
        let grown = restore.settle_length(&source)?;
        let late = restore.extend(leg.dirty());
        for run in &late {
            let extent = leg.block_size().extent(*run, OFFSET_MAX);
            for other in gate.legs.iter().map(|other| &other.leg).filter(|other| !other.is(leg)) {
                other.mark(extent);
            }
        }
        gate.source = Some(source);
        gate.restore = Some(Running { leg: Arc::clone(leg), restore: Arc::clone(restore) });
        Ok(!late.is_empty() || grown)
    }

    /// Gives the source the length that a restore brings back, once, before anything is written behind it.
    pub fn apply_resize(&self) -> Result<()> {
        let pending =
            |phase: &Phase| phase.restore.as_ref().and_then(|running| running.restore.resize());
        if self.look(pending).is_none() {
            return Ok(());
        }
        self.ensure_session()?;
        let gate = self.close_gate();
        let (Some(running), Some(source)) = (&gate.restore, &gate.source) else { return Ok(()) };
        let Some(length) = running.restore.resize() else { return Ok(()) };
        let writer = source.writer()?;
        source.tracker().own_resize(length, || writer.set_length(length))?;
        writer.sync()?;
        // Both under the catalog's lock: whoever records what is left to do sees both or none.
        let mut catalog = running.leg.catalog();
        catalog.commit(|record| {
            if let Some(pending) = record.pending.as_mut() {
                pending.resize = None;
            }
        })?;
        running.restore.resized();
        Ok(())
    }

    /// Copies what is pending.
    pub fn copy_back(
        &self,
        leg: &Leg,
        restore: &Restoring,
        plan: &CopyPlan,
        pace: Pace,
        control: &Control,
    ) -> Result<CopyStats> {
        let source = self.source()?;
        let check = |block: u64, content: &[u8]| restore.check(block, content);
        let steps = Backward {
            volume: self,
            leg,
            restore,
            check: restore.is_sealed().then_some(&check as _),
            last: Mutex::new((self.traffic.entered(), Instant::now())),
        };
        // A block is claimed as a whole, with all ranges of it that are to be restored.
        let size = leg.block_size();
        let blocks = plan.extents.iter().map(|extent| size.aligned_out(*extent, restore.length()));
        let plan = &CopyPlan { extents: merged(blocks.collect()), ..plan.clone() };
        let alone = Pool::new(1);
        let (pool, piece_bytes) = match pace {
            Pace::Eager => (&self.pool, PIECE_BYTES),
            Pace::Behind => (&alone, SMALL_PIECE_BYTES),
        };
        let job = Transfer {
            from: restore.mirror(),
            to: source.writer()?,
            plan,
            block_size: leg.block_size(),
            piece_bytes,
            spare_equal: self.may_spare(leg, restore, plan),
            batch_bytes: self.settings.batch_bytes,
            sync_batches: self.host.keeps(Order::SourceSyncedBeforeClear),
            pool,
            control,
        };
        transfer(&job, &steps)
    }

    /// What was marked was written lately, so it is in the cache, and mostly a page of a block and not all of it.
    fn may_spare(&self, leg: &Leg, restore: &Restoring, plan: &CopyPlan) -> bool {
        let files = self.source().is_ok_and(|source| source.reader().kind() == Kind::File)
            && restore.mirror().kind() == Kind::File;
        // After a failed sync a cache may show what its storage lacks; and forced is forced.
        let suspect = leg.catalog().record().conditions.has(Condition::SourceSuspect);
        files && plan.reason == Reason::Bitmap && !suspect
    }

    /// No block is redirected any more; the other mirrors are told.
    pub fn end_restore(&self, leg: &Leg) {
        // First what they say, then what is so: in between they are refused as beside a restore.
        self.settle_restoring();
        let mut gate = self.close_gate();
        if gate.restore_of(leg).is_some() {
            gate.restore = None;
        }
    }

    /// The source is whole again for the mirrors that were told of a restore, unless one is pending.
    pub(super) fn settle_restoring(&self) {
        let legs = self.legs();
        if legs.iter().any(|leg| leg.catalog().record().pending.is_some()) {
            return;
        }
        for leg in legs {
            let mut catalog = leg.catalog();
            if !catalog.record().conditions.has(Condition::SourceRestoring) {
                continue;
            }
            let whole = |record: &mut Record| {
                record.conditions.clear(Condition::SourceRestoring);
            };
            if let Err(error) = catalog.commit(whole) {
                log::info!(target: "splitmirror.volume", "it stays source-restoring: {error}");
            }
        }
    }
}
