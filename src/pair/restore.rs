//! `restore`: mirror to source, while the mirror stays split.
//!
//! Order: plan → the pending set and `restore-pending` are on disk → the source changes → it is synced → blocks leave
//! the pending set → all is recorded as complete. The mirror is only ever read here: what this module holds of it is a
//! [`Reader`](crate::area::Reader) (I1, R8).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::Pair;
use super::checks::{Risks, check_space};
use super::plan::{Plan, space_needed};
use super::report::{CopyReport, EXTENTS_MAX, PairNow, Receipt, outside_writes};
use crate::area::{Kind, Order, Stamp};
use crate::bitmap::Bitmap;
use crate::catalog::{MapKind, MapRef, PendingRecord, SourceRecord};
use crate::engine::{Control, CopyPlan, CopyStats};
use crate::error::{Error, Result, shown};
use crate::state::{Condition, Reason, Verb};
use crate::units::{BlockRun, Extent};
use crate::volume::{Restoring, Source};

/// How to restore.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// A plan made before, refused when stale.
    pub plan: Option<Plan>,
    /// Copy everything, whatever is known (R7).
    pub full: bool,
    /// Only these bytes: offsets and lengths. The length of the source is then left alone.
    pub ranges: Option<Vec<(u64, u64)>>,
    /// Restore into this new file instead of the source (R18).
    pub to: Option<PathBuf>,
    /// `to` may exist and is overwritten.
    pub overwrite: bool,
    /// Begin anew although a restore is pending.
    pub restart: bool,
    /// Go on although others have the source open.
    pub while_in_use: bool,
    /// Go on although journals lie beside the source.
    pub ignore_sidecars: bool,
    /// Protections that the caller overrides.
    pub accept: Vec<String>,
}

/// What the receipt compares afterwards.
pub(super) struct Before {
    pub(super) stamp: Stamp,
    pub(super) root: Option<String>,
    pub(super) length: Option<u64>,
    pub(super) begun: Instant,
}

impl Pair {
    /// Brings the source back to the mirror's point in time.
    pub fn restore(&self, options: &RestoreOptions, control: &Control) -> Result<Receipt> {
        let begun = Instant::now();
        // Only reading the mirror: a pending restore of the source does not matter to a scratch copy.
        let restart = options.restart || options.to.is_some();
        let entered = self.enter(Verb::Restore, "restoring", restart)?;
        self.check_skew(Verb::Restore, &options.accept, control)?;
        let receipt = match &options.to {
            Some(to) => self.restore_to(to, options, begun, control),
            None => self.restore_source(options, begun, control),
        };
        drop(entered);
        receipt
    }

    /// A mirror that was touched since its split is used only if its seal still holds, or the caller accepts it.
    pub(super) fn check_skew(
        &self,
        verb: Verb,
        accept: &[String],
        control: &Control,
    ) -> Result<()> {
        match self.check_guards(verb, accept) {
            Err(error @ Error::MirrorSkewed { .. }) => {
                let sealed = self.volume.seal()?.is_some();
                if sealed && self.scrub_entered(control)?.intact {
                    self.check_guards(verb, accept)
                } else {
                    Err(error)
                }
            }
            result => result,
        }
    }

    fn restore_source(
        &self,
        options: &RestoreOptions,
        begun: Instant,
        control: &Control,
    ) -> Result<Receipt> {
        self.check_source_free(Risks {
            while_in_use: options.while_in_use,
            ignore_sidecars: options.ignore_sidecars,
        })?;
        let (plan, ranges) = self.planned_restore(options)?;
        let before = self.before(begun)?;
        self.check_target(&plan)?;
        let source = self.source_or_new()?;
        source.writer()?;
        let plan = self.anchored(&source, plan, ranges.as_deref())?;
        let restore = self.begin_pending(&source, &plan, ranges)?;
        let outcome = self.copy_pending(&source, &restore, &plan, control);
        self.finish_restore(&source, &restore, &plan, outcome, &before, false)
    }

    /// The plan that the caller gave, or the one that is right now.
    fn planned_restore(&self, options: &RestoreOptions) -> Result<(CopyPlan, Option<Vec<Extent>>)> {
        match &options.plan {
            Some(_) if options.full || options.ranges.is_some() => {
                Err(Error::argument("plan", "a plan excludes full and ranges: it has its own"))
            }
            Some(plan) => {
                self.check_plan(plan, Verb::Restore)?;
                Ok((plan.copy.clone(), plan.ranges.clone()))
            }
            None => {
                let ranges = self.restore_ranges(options.full, options.ranges.as_deref())?;
                Ok((self.restore_plan(options.full, ranges.as_deref())?, ranges))
            }
        }
    }

    pub(super) fn before(&self, begun: Instant) -> Result<Before> {
        let mirror = self.volume.frozen_mirror().ok_or(Error::Closed)?;
        let length =
            self.volume.source().ok().map(|source| source.reader().length()).transpose()?;
        Ok(Before { stamp: mirror.stamp()?, root: self.root_now()?, length, begun })
    }

    /// The root digest over the seal as it is stored now.
    fn root_now(&self) -> Result<Option<String>> {
        self.volume.forget_seal();
        Ok(self.volume.seal()?.map(|seal| seal.root()))
    }

    fn check_target(&self, plan: &CopyPlan) -> Result<()> {
        let mirror = self.volume.frozen_mirror().ok_or(Error::Closed)?;
        let source = self.volume.source().ok();
        let (kind, needed) = match &source {
            Some(source) => (source.reader().kind(), plan.target_length.unwrap_or(0)),
            None => (Kind::File, 0),
        };
        match (kind, &source) {
            (Kind::Device, Some(source)) if source.reader().length()? < needed => {
                Err(Error::TooSmall {
                    path: self.source_path.clone(),
                    length: source.reader().length()?,
                    needed,
                })
            }
            (Kind::Device, _) => Ok(()),
            (Kind::File, source) => {
                let reader = source.as_ref().map(|source| source.reader());
                check_space(
                    self.host(),
                    &self.source_path,
                    space_needed(&mirror, reader, &plan.extents)?,
                )
            }
        }
    }

    /// The open source; a missing file is made again with its recorded owner and mode.
    fn source_or_new(&self) -> Result<Arc<Source>> {
        if let Ok(source) = self.volume.source() {
            return Ok(source);
        }
        let SourceRecord { kind, ownership, .. } = self.volume.catalog().record().source.clone();
        if kind == Kind::Device {
            return Err(Error::NotFound { path: self.source_path.clone() });
        }
        drop(self.host().create(&self.source_path, Some(ownership))?);
        self.host().sync_folder(self.source_path.parent().unwrap_or(&self.source_path))?;
        let mode = self.volume.catalog().record().mode;
        let source = Source::open(self.host(), &self.source_path, mode, |_| {
            Ok(Some(Reason::SourceReplaced))
        })?;
        let source = Arc::new(source);
        self.volume.set_source(Some(Arc::clone(&source)));
        Ok(source)
    }

    /// When all of the source is looked at, the tracking begins anew here: before the look.
    fn anchored(
        &self,
        source: &Source,
        plan: CopyPlan,
        ranges: Option<&[Extent]>,
    ) -> Result<CopyPlan> {
        self.volume.ensure_session()?;
        self.volume.tag_source()?;
        if plan.reason == Reason::Bitmap || ranges.is_some() {
            return Ok(plan);
        }
        source.tracker().anchor();
        let dirty = self.volume.dirty();
        dirty.clear(BlockRun::between(0, dirty.blocks()));
        // The tracker has just forgotten why; what is to be looked at is the same: everything.
        let again = self
            .restore_plan(true, None)
            .inspect_err(|_| source.tracker().lose(Reason::Compare))?;
        Ok(CopyPlan { reason: plan.reason, method: plan.method, ..again })
    }

    /// The pending set is durable before the first byte of the source changes.
    fn begin_pending(
        &self,
        source: &Arc<Source>,
        plan: &CopyPlan,
        ranges: Option<Vec<Extent>>,
    ) -> Result<Arc<Restoring>> {
        let size = self.volume.block_size();
        let length = self.volume.catalog().record().length;
        let pending = Bitmap::touching(&plan.extents, size, size.count(length));
        self.volume.dirty().grow(size.count(length).max(self.volume.dirty().blocks()));
        self.volume.dirty().add(&pending);
        if self.host().keeps(Order::PendingBeforeSourceBytes) {
            let dirty = self.volume.dirty();
            self.volume.catalog().commit_with(
                &[(MapKind::Pending, &pending), (MapKind::Dirty, dirty)],
                |record| {
                    record.pending = Some(PendingRecord {
                        map: MapRef::default(),
                        ranges: ranges.clone(),
                        reason: plan.reason,
                        method: plan.method,
                    });
                    record.conditions.set(Condition::RestorePending);
                },
            )?;
        }
        let mirror = self.volume.frozen_mirror().ok_or(Error::Closed)?;
        let seal = self.volume.seal()?;
        let restore = Arc::new(Restoring::new(mirror, seal, size, length, ranges, pending));
        self.volume.begin_restore(Arc::clone(source), Some(Arc::clone(&restore)));
        Ok(restore)
    }

    pub(super) fn copy_pending(
        &self,
        source: &Source,
        restore: &Restoring,
        plan: &CopyPlan,
        control: &Control,
    ) -> Result<CopyStats> {
        if let Some(length) = restore.target_length() {
            source.writer()?.set_length(length)?;
        }
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
            Ok(stats) if stats.cancelled => {
                return Err(self.cancelled(
                    "resume_restore() goes on, abandon_restore() leaves the source as it is",
                ));
            }
            Err(error) => {
                self.note_source_error(&error);
                return Err(error);
            }
            Ok(stats) => stats,
        };
        if self.host().keeps(Order::SourceSyncedBeforeRestored) {
            source.writer()?.sync_all().inspect_err(|error| self.note_source_error(error))?;
        }
        let unrestored = restore.take_unrestored();
        let complete = restore.pending().is_empty();
        self.commit_restored(source, restore, complete)?;
        self.receipt(source, restore, plan, stats, unrestored, before, resumed)
    }

    fn note_source_error(&self, error: &Error) {
        if let Error::Io { path, .. } = error
            && *path == self.source_path
        {
            let committed = self.volume.catalog().commit(|record| {
                record.conditions.set(Condition::SourceSuspect);
            });
            if let Err(second) = committed {
                log::error!(target: "splitmirror.pair", "the catalog failed too: {second}");
            }
        }
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

    #[expect(clippy::too_many_arguments, reason = "a receipt is a summary of everything")]
    fn receipt(
        &self,
        source: &Source,
        restore: &Restoring,
        plan: &CopyPlan,
        stats: CopyStats,
        unrestored: Vec<(Extent, Error)>,
        before: &Before,
        resumed: bool,
    ) -> Result<Receipt> {
        let mirror = self.volume.frozen_mirror().ok_or(Error::Closed)?;
        let after = mirror.stamp()?;
        let root_after = self.root_now()?;
        let doubt = source.tracker().doubt();
        for (extent, error) in &unrestored {
            log::error!(target: "splitmirror.pair", "not restored, {extent:?}: {error}");
        }
        let catalog = self.volume.catalog();
        let record = catalog.record();
        let seconds = before.begun.elapsed().as_secs_f64();
        let receipt = Receipt {
            pair: PairNow::of("receipt", record),
            generation: record.generation,
            label: record.point.as_ref().and_then(|point| point.label.clone()),
            source: shown(&self.source_path),
            to: None,
            copy: CopyReport::of(plan, stats, self.volume.block_size(), record.length, seconds),
            blocks_app_written: restore.app_written().count(),
            length_before: before.length,
            length_after: source.reader().length()?,
            mirror_stamp_before: before.stamp.into(),
            mirror_stamp_after: after.into(),
            mirror_unchanged: after.same_content(&before.stamp) && root_after == before.root,
            root_before: before.root.clone(),
            root_after,
            outside_writes: outside_writes(doubt.is_some()),
            complete: restore.pending().is_empty(),
            unrestored: unrestored
                .into_iter()
                .map(|(extent, _)| extent)
                .take(EXTENTS_MAX)
                .collect(),
            resumed,
        };
        catalog.note("restore", serde_json::to_value(&receipt).unwrap_or_default());
        Ok(receipt)
    }
}
