//! The pending set of a restore: begun before the source changes, worked off, ended. `restore`, `start_restore` and
//! `resume_restore` share it.

use std::sync::Arc;

use uuid::Uuid;

use super::Pair;
use super::provenance::Provenance;
use super::receipt::{Before, Done};
use super::report::Receipt;
use crate::area::Order;
use crate::bitmap::Bitmap;
use crate::catalog::{Epoch, MapKind, MapRef, PendingRecord, RestoredRecord, Scope};
use crate::engine::{Control, CopyPlan, CopyStats};
use crate::error::{Error, Result};
use crate::state::{Condition, Mode, Reason};
use crate::volume::{Beginning, Pace, Restoring, Source};

/// A restore that has begun: what is left of it, and the plan that it follows.
pub(super) struct Begun {
    pub(super) source: Arc<Source>,
    pub(super) restore: Arc<Restoring>,
    pub(super) plan: CopyPlan,
    pub(super) before: Before,
    pub(super) resumed: bool,
}

impl Pair {
    /// The pending set is durable before the first byte of the source changes, and the restore has taken effect when
    /// this returns. `epoch`: all that the source's sessions wrote up to it is looked at.
    pub(super) fn begin_pending(
        &self,
        source: &Arc<Source>,
        plan: CopyPlan,
        scope: Scope,
        epoch: Option<u64>,
    ) -> Result<(Arc<Restoring>, CopyPlan)> {
        let size = self.leg.block_size();
        let length = self.leg.catalog().record().length;
        let pending = Bitmap::touching(&plan.extents, size, size.count(length));
        self.leg.dirty().make_room(size.count(length));
        if self.host().keeps(Order::SourceSyncedBeforePending) {
            // What is not pending is taken for restored after a crash, so it must be durable too, or be pending.
            // An establish ends with a sync of the source, so what is not durable was written since, and not flushed:
            // by this volume, as long as nobody else is believed to write.
            let all_ours = match self.leg.mode() {
                Mode::Exclusive => true,
                Mode::Shared => plan.reason == Reason::Bitmap && self.doubt().is_none(),
            };
            if all_ours && !self.volume.has_untracked() {
                self.add_unsynced(&pending, &scope);
            } else {
                self.volume.sync_source(false)?;
            }
        }
        self.leg.dirty().add(&pending);
        let resize = source.length_to_set(&scope, length)?;
        let changed = pending.extents(size, length);
        let begin = Beginning {
            id: Uuid::new_v4(),
            mirror: self.volume.frozen_mirror(&self.leg).ok_or(Error::Closed)?,
            seal: self.leg.seal()?,
            block_size: size,
            length,
            scope,
            resize,
            planned: pending.snapshot(),
            app_written: Bitmap::new(pending.blocks()),
            pending,
        };
        let new_length = |source: &Source| source.length_to_set(&begin.scope, length);
        self.volume.tell_others(&self.leg, &changed, new_length)?;
        let stamp = source.stamp()?;
        if self.host().keeps(Order::PendingBeforeSourceBytes) {
            let record = PendingRecord {
                id: begin.id,
                map: MapRef::default(),
                scope: self.leg.catalog().store_scope(&begin.scope)?,
                resize,
                source: stamp,
                reason: plan.reason,
                method: plan.method,
            };
            self.commit_pending(
                [&begin.pending, &begin.planned, &begin.app_written],
                record,
                epoch,
            )?;
        }
        let restore = Arc::new(Restoring::new(begin));
        if self.volume.begin_restore(&self.leg, Arc::clone(source), &restore)? {
            // Something was written in between. It is durable as pending too before the caller is told.
            restore.commit_begun(&mut self.leg.catalog())?;
        }
        let plan = CopyPlan { extents: restore.pending_extents(), ..plan };
        Ok((restore, plan))
    }

    fn commit_pending(
        &self,
        layers: [&Bitmap; 3],
        pending: PendingRecord,
        epoch: Option<u64>,
    ) -> Result<()> {
        let dirty = [self.leg.dirty()];
        let mut maps: Vec<(MapKind, &[&Bitmap])> = vec![(MapKind::Restore, &layers)];
        if epoch.is_some() || self.leg.mode() == Mode::Shared {
            // Else the marks on disk, the intent log and the pending set hold all of them together.
            maps.push((MapKind::Dirty, &dirty));
        }
        self.leg.catalog().commit_with(&maps, |record| {
            record.pending = Some(pending);
            record.restored = None;
            record.conditions.set(Condition::RestorePending);
            if let Some(current) = epoch {
                record.epoch = Epoch { current, next: None };
            }
        })
    }

    /// Blocks that were written and not flushed: after a crash nobody could tell what they hold.
    fn add_unsynced(&self, pending: &Bitmap, scope: &Scope) {
        let unsynced = self.volume.unsynced_blocks(&self.leg, pending.blocks());
        match scope {
            Scope::Whole => pending.add(&unsynced),
            Scope::Blocks => {}
            Scope::Ranges(ranges) => {
                for extent in ranges {
                    let touched = self.leg.block_size().touching(*extent);
                    unsynced.runs_within(touched).into_iter().for_each(|run| pending.set(run));
                }
            }
        }
    }

    pub(super) fn copy_pending(
        &self,
        begun: &Begun,
        pace: Pace,
        control: &Control,
    ) -> Result<CopyStats> {
        self.volume.apply_resize()?;
        let copied = self.volume.copy_back(&self.leg, &begun.restore, &begun.plan, pace, control);
        self.volume.reserve_handed_out();
        copied
    }

    /// Commits how it ended, and writes the receipt.
    pub(super) fn finish_restore(
        &self,
        begun: &Begun,
        outcome: Result<CopyStats>,
    ) -> Result<Receipt> {
        let (source, restore) = (&begun.source, &begun.restore);
        let stats = match outcome {
            Ok(stats) if stats.cancelled && !restore.pending().is_empty() => {
                return Err(self.cancelled(
                    "resume_restore() goes on, abandon_restore() leaves the source as it is",
                ));
            }
            Err(error) => {
                return Err(match &error {
                    Error::Io { path, .. } if path == self.source_path() => {
                        self.volume.source_sync_failed(error, true)
                    }
                    _ => error,
                });
            }
            Ok(stats) => stats,
        };
        // What was stored into arrays meanwhile is the application's.
        self.collect();
        // First this: a block that the application writes from now on may not be in the sync.
        let complete = restore.pending().is_empty();
        if self.host().keeps(Order::SourceSyncedBeforeRestored) {
            self.volume.sync_source(true)?;
        }
        let provenance = Provenance::of(restore, self.leg.block_size());
        self.commit_restored(source, restore, complete)?;
        let unrestored = restore.take_unrestored();
        for (extent, error) in &unrestored {
            log::error!(target: "splitmirror.pair", "not restored, {extent:?}: {error}");
        }
        let done = Done {
            plan: &begun.plan,
            stats,
            to: None,
            restore: Some((restore.id(), provenance)),
            length_after: source.reader().length()?,
            suspected: self.leg.doubt(source).is_some(),
            unrestored: unrestored.into_iter().map(|(extent, _)| extent).collect(),
            complete,
            resumed: begun.resumed,
        };
        self.receipt(&begun.before, done)
    }

    fn commit_restored(&self, source: &Source, restore: &Restoring, complete: bool) -> Result<()> {
        let whole = restore.target_length().is_some();
        let doubt = self.leg.doubt(source);
        let (path, kind) = (self.source_path().into(), source.reader().kind());
        let at_ns = self.host().now_ns();
        let dirty = [self.leg.dirty()];
        let layers = [restore.pending(), restore.planned(), restore.app_written()];
        let mut maps: Vec<(MapKind, &[&Bitmap])> = vec![(MapKind::Dirty, &dirty)];
        if complete {
            maps.push((MapKind::Restore, &layers));
            self.leg.set_recovered(self.leg.is_recovered() && !whole);
        }
        self.leg.catalog().commit_with(&maps, |record| {
            if !complete {
                return;
            }
            record.pending = None;
            record.restored = Some(RestoredRecord {
                id: restore.id(),
                generation: record.generation,
                map: MapRef::default(),
                at_ns,
            });
            record.conditions.clear(Condition::RestorePending);
            record.source.path = path;
            record.source.kind = kind;
            if whole {
                record.conditions.clear(Condition::SourceSuspect);
                record.conditions.clear(Condition::SourceReplaced);
                record.conditions.clear(Condition::SourceRestoring);
                if doubt.is_none() {
                    record.conditions.clear(Condition::OutsideWrites);
                    record.conditions.clear(Condition::TrackerLost);
                }
            }
        })?;
        if complete {
            self.volume.end_restore(&self.leg);
        }
        Ok(())
    }
}
