//! The pending set of a restore: begun before the source changes, worked off, ended. `restore` and `resume_restore`
//! share it.

use std::sync::Arc;

use super::Pair;
use super::receipt::{Before, Done};
use super::report::Receipt;
use crate::area::{Kind, Order};
use crate::bitmap::Bitmap;
use crate::catalog::{MapKind, MapRef, PendingRecord};
use crate::engine::{Control, CopyPlan, CopyStats};
use crate::error::{Error, Result};
use crate::state::Condition;
use crate::units::Extent;
use crate::volume::{Restoring, Source};

impl Pair {
    /// The pending set is durable before the first byte of the source changes.
    pub(super) fn begin_pending(
        &self,
        source: &Arc<Source>,
        plan: &CopyPlan,
        ranges: Option<Vec<Extent>>,
    ) -> Result<Arc<Restoring>> {
        let size = self.volume.block_size();
        let length = self.volume.catalog().record().length;
        let pending = Bitmap::touching(&plan.extents, size, size.count(length));
        self.volume.dirty().make_room(size.count(length));
        self.volume.dirty().add(&pending);
        if self.host().keeps(Order::SourceSyncedBeforePending) {
            // What is not pending is taken for restored after a crash, so it must be durable too.
            self.volume.sync_source(false)?;
        }
        let resize = length_to_set(source, ranges.as_deref(), length)?;
        let stamp = source.stamp()?;
        if self.host().keeps(Order::PendingBeforeSourceBytes) {
            let dirty = self.volume.dirty();
            self.volume.catalog().commit_with(
                &[(MapKind::Pending, &pending), (MapKind::Dirty, dirty)],
                |record| {
                    record.pending = Some(PendingRecord {
                        map: MapRef::default(),
                        ranges: ranges.clone(),
                        resize,
                        source: stamp,
                        reason: plan.reason,
                        method: plan.method,
                    });
                    record.conditions.set(Condition::RestorePending);
                },
            )?;
        }
        let mirror = self.volume.frozen_mirror().ok_or(Error::Closed)?;
        let seal = self.volume.seal()?;
        let restore = Arc::new(Restoring::new(mirror, seal, size, length, ranges, resize, pending));
        self.volume.begin_restore(Arc::clone(source), Some(Arc::clone(&restore)));
        Ok(restore)
    }

    pub(super) fn copy_pending(
        &self,
        restore: &Restoring,
        plan: &CopyPlan,
        control: &Control,
    ) -> Result<CopyStats> {
        self.volume.apply_resize()?;
        self.volume.copy_back(restore, plan, control)
    }

    /// Commits how it ended, and writes the receipt.
    pub(super) fn finish_restore(
        &self,
        source: &Source,
        restore: &Restoring,
        plan: &CopyPlan,
        outcome: Result<CopyStats>,
        before: &Before,
        resumed: bool,
    ) -> Result<Receipt> {
        let stats = match outcome {
            Ok(stats) if stats.cancelled && !restore.pending().is_empty() => {
                return Err(self.cancelled(
                    "resume_restore() goes on, abandon_restore() leaves the source as it is",
                ));
            }
            Err(error) => {
                return Err(match &error {
                    Error::Io { path, .. } if *path == self.source_path => {
                        self.volume.source_sync_failed(error, true)
                    }
                    _ => error,
                });
            }
            Ok(stats) => stats,
        };
        if self.host().keeps(Order::SourceSyncedBeforeRestored) {
            self.volume.sync_source(true)?;
        }
        let complete = restore.pending().is_empty();
        self.commit_restored(source, restore, complete)?;
        let unrestored = restore.take_unrestored();
        for (extent, error) in &unrestored {
            log::error!(target: "splitmirror.pair", "not restored, {extent:?}: {error}");
        }
        let done = Done {
            plan,
            stats,
            to: None,
            blocks_app_written: restore.app_written().count(),
            length_after: source.reader().length()?,
            suspected: source.tracker().doubt().is_some(),
            unrestored: unrestored.into_iter().map(|(extent, _)| extent).collect(),
            complete,
            resumed,
        };
        self.receipt(before, done)
    }

    fn commit_restored(&self, source: &Source, restore: &Restoring, complete: bool) -> Result<()> {
        let whole = restore.target_length().is_some();
        let doubt = source.tracker().doubt();
        let (path, kind) = (self.source_path.as_path().into(), source.reader().kind());
        let mut catalog = self.volume.catalog();
        catalog.commit_with(&[(MapKind::Dirty, self.volume.dirty())], |record| {
            if !complete {
                return;
            }
            record.pending = None;
            record.conditions.clear(Condition::RestorePending);
            record.source.path = path;
            record.source.kind = kind;
            if whole {
                record.conditions.clear(Condition::SourceSuspect);
                record.conditions.clear(Condition::SourceReplaced);
                if doubt.is_none() {
                    record.conditions.clear(Condition::OutsideWrites);
                    record.conditions.clear(Condition::TrackerLost);
                }
            }
        })?;
        drop(catalog);
        if complete {
            self.volume.end_restore();
        }
        Ok(())
    }
}

/// The length that the source has still to get: that of the mirror, or, when only ranges are restored, enough to hold
/// them.
fn length_to_set(source: &Source, ranges: Option<&[Extent]>, length: u64) -> Result<Option<u64>> {
    if source.reader().kind() == Kind::Device {
        return Ok(None);
    }
    let now = source.reader().length()?;
    let wanted = match ranges.map(|ranges| ranges.last().map_or(0, |last| last.end())) {
        None => length,
        Some(end) => end.max(now),
    };
    Ok((wanted != now).then_some(wanted))
}
