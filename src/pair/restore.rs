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
use super::pending::Begun;
use super::plan::{Plan, space_needed};
use super::report::Receipt;
use crate::area::Kind;
use crate::catalog::{Scope, SourceRecord};
use crate::engine::{Control, CopyPlan};
use crate::error::{Error, Result};
use crate::state::{Reason, Verb};
use crate::units::{Extent, total_bytes};
use crate::volume::{Pace, Source};

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
                let sealed = self.leg.seal()?.is_some();
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
        let begun = self.begin_source(options, begun)?;
        let outcome = self.copy_pending(&begun, Pace::Eager, control);
        self.finish_restore(&begun, outcome)
    }

    /// Everything up to the instant from which on the source is seen as restored.
    pub(super) fn begin_source(&self, options: &RestoreOptions, begun: Instant) -> Result<Begun> {
        self.check_source_free(Risks {
            while_in_use: options.while_in_use,
            ignore_sidecars: options.ignore_sidecars,
        })?;
        // What programs stored into mapped memory is older than the restore.
        self.volume.write_back_exports()?;
        let (plan, scope) = self.planned_restore(options)?;
        let before = self.before(begun)?;
        self.check_target(&plan)?;
        let source = self.source_or_new()?;
        source.writer()?;
        let start = self.start_restoring(Verb::Restore)?;
        self.check_arrays_stay(source.length_to_set(&scope, self.leg.catalog().record().length)?)?;
        let marks = self.volume.hold_marks();
        let (plan, epoch) = self.anchored(&source, plan, &scope)?;
        let (restore, plan) = self.begin_pending(&source, plan, scope, epoch)?;
        drop((marks, start));
        self.volume.invalidate_exports();
        Ok(Begun { source, restore, plan, before, resumed: false })
    }

    /// The plan that the caller gave, or the one that is right now.
    fn planned_restore(&self, options: &RestoreOptions) -> Result<(CopyPlan, Scope)> {
        match &options.plan {
            Some(_) if options.full || options.ranges.is_some() => {
                Err(Error::argument("plan", "a plan excludes full and ranges: it has its own"))
            }
            Some(plan) => {
                self.check_plan(plan, Verb::Restore)?;
                Ok((plan.copy.clone(), scope_of(plan.ranges.clone())))
            }
            None => {
                let ranges = self.restore_ranges(options.full, options.ranges.as_deref())?;
                Ok((self.restore_plan(options.full, ranges.as_deref())?, scope_of(ranges)))
            }
        }
    }

    pub(super) fn check_target(&self, plan: &CopyPlan) -> Result<()> {
        let mirror = self.volume.frozen_mirror(&self.leg).ok_or(Error::Closed)?;
        let source = self.volume.source().ok();
        let (kind, needed) = match &source {
            Some(source) => (source.reader().kind(), plan.target_length.unwrap_or(0)),
            None => (Kind::File, 0),
        };
        match (kind, &source) {
            (Kind::Device, Some(source)) if source.reader().length()? < needed => {
                Err(Error::TooSmall {
                    path: self.source_path().to_path_buf(),
                    length: source.reader().length()?,
                    needed,
                })
            }
            (Kind::Device, _) => Ok(()),
            (Kind::File, source) => {
                let reader = source.as_ref().map(|source| source.reader());
                // To find what is data takes calls for each extent; mostly there is room for all of them.
                let most = total_bytes(&plan.extents);
                if self.host().free_bytes(self.source_path()).is_some_and(|free| free >= most) {
                    return Ok(());
                }
                check_space(
                    self.host(),
                    self.source_path(),
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
        let SourceRecord { kind, ownership, .. } = self.leg.catalog().record().source.clone();
        if kind == Kind::Device {
            return Err(Error::NotFound { path: self.source_path().to_path_buf() });
        }
        drop(self.host().create(self.source_path(), Some(ownership))?);
        self.host().sync_folder(self.source_path().parent().unwrap_or(self.source_path()))?;
        let source = Arc::new(Source::open(self.host(), self.source_path(), self.leg.mode())?);
        self.volume.replace_source(Some(Arc::clone(&source)))?;
        for leg in self.volume.legs() {
            leg.belief().lose_anew(Reason::SourceReplaced);
        }
        Ok(source)
    }

    /// When all of the source is looked at, the tracking begins anew here: before the look. The epoch up to which all
    /// sessions are seen then.
    fn anchored(
        &self,
        source: &Source,
        plan: CopyPlan,
        scope: &Scope,
    ) -> Result<(CopyPlan, Option<u64>)> {
        self.volume.ensure_session()?;
        self.volume.tag_source(&self.leg)?;
        if !plan.covers_all || !matches!(scope, Scope::Whole) {
            return Ok((plan, None));
        }
        let epoch = self.volume.own_epoch(&self.leg)?;
        self.volume.begin_tracking(&self.leg, source);
        // The tracker has just forgotten why; what is to be looked at is the same: everything.
        let again = self
            .restore_plan(true, None)
            .inspect_err(|_| self.leg.belief().lose(Reason::Compare))?;
        Ok((CopyPlan { reason: plan.reason, method: plan.method, ..again }, epoch))
    }
}

fn scope_of(ranges: Option<Vec<Extent>>) -> Scope {
    ranges.map_or(Scope::Whole, Scope::Ranges)
}
