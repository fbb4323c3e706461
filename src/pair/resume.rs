//! `resume_restore` and `abandon_restore`: what becomes of a restore that did not end.

use std::sync::Arc;
use std::time::Instant;

use super::Pair;
use super::checks::Risks;
use super::pending::Begun;
use super::report::{AbandonReport, EXTENTS_MAX, PairNow, Receipt};
use crate::area::Kind;
use crate::catalog::MapKind;
use crate::engine::{Control, CopyPlan};
use crate::error::{Error, Result};
use crate::state::{Condition, Method, Reason, Verb};
use crate::volume::{Pace, Restoring};

/// How to resume a restore.
#[derive(Debug, Clone, Default)]
pub struct ResumeOptions {
    /// Go on although others have the source open.
    pub while_in_use: bool,
    /// Go on although journals lie beside the source.
    pub ignore_sidecars: bool,
    /// Protections that the caller overrides.
    pub accept: Vec<String>,
}

impl Pair {
    /// Copies what is still pending. Blocks that the application wrote since stay as it wrote them (I5).
    pub fn resume_restore(&self, options: &ResumeOptions, control: &Control) -> Result<Receipt> {
        let begun = Instant::now();
        let _entered = self.enter(Verb::ResumeRestore, "restoring", false)?;
        self.check_skew(Verb::ResumeRestore, &options.accept, control)?;
        self.check_source_free(Risks {
            while_in_use: options.while_in_use,
            ignore_sidecars: options.ignore_sidecars,
        })?;
        let begun = self.begin_resumed(begun)?;
        let outcome = self.copy_pending(&begun, Pace::Eager, control);
        self.finish_restore(&begun, outcome)
    }

    /// What is left of a restore, provided that the source is still the one that it was begun on.
    pub(super) fn begin_resumed(&self, begun: Instant) -> Result<Begun> {
        let restore = self.pending_restore()?;
        let before = self.before(begun)?;
        let source = self.volume.source()?;
        let begun_with = self.leg.catalog().record().pending.as_ref().map(|pending| pending.source);
        let is_file = source.reader().kind() == Kind::File;
        let stamp = source.stamp()?;
        let same = self.leg.doubt(&source) != Some(Reason::SourceReplaced)
            && !(is_file && begun_with.is_some_and(|known| !known.same_file(&stamp)));
        if !same {
            return Err(Error::StalePlan {
                problem: "the source is another file than the one being restored: restore(restart=True) restores it \
                          as a whole"
                    .into(),
            });
        }
        self.volume.ensure_session()?;
        let _start = self.start_restoring(Verb::ResumeRestore)?;
        // Memory may have outlived the pair that handed it out, and the restore been begun by another process since.
        self.check_arrays_stay(restore.resize())?;
        let pending = restore.pending_extents();
        self.volume.tell_others(&self.leg, &pending, |_| Ok(restore.resize()))?;
        let plan = self.resumed_plan(&restore);
        Ok(Begun { source, restore, plan, before, resumed: true })
    }

    fn pending_restore(&self) -> Result<Arc<Restoring>> {
        let restore = self.volume.look(|phase| phase.restore_of(&self.leg).cloned());
        restore.ok_or_else(|| Error::StalePlan {
            problem:
                "the source was being restored from another mirror too when this one was opened: \
                      restore(restart=True) begins anew, abandon_restore() gives it up"
                    .into(),
        })
    }

    fn resumed_plan(&self, restore: &Restoring) -> CopyPlan {
        let catalog = self.leg.catalog();
        let pending = catalog.record().pending.as_ref();
        let (reason, method) = pending
            .map_or((Reason::Compare, Method::Compare), |pending| (pending.reason, pending.method));
        let suspect = catalog.record().conditions.has(Condition::SourceSuspect);
        let method = if suspect { Method::Copy } else { method };
        CopyPlan {
            reason,
            method,
            extents: restore.pending_extents(),
            target_length: restore.target_length(),
            covers_all: false,
        }
    }

    /// Before a verb that ends the redirection of a pending restore, if there is one: what programs have mapped of the
    /// point, and stored into, is written while it is still seen. Afterwards they are to forget it.
    pub(super) fn gives_up_restore(&self) -> Result<bool> {
        let redirected = self.volume.look(|phase| phase.restore_of(&self.leg).is_some());
        if redirected {
            self.volume.write_back_exports()?;
        }
        Ok(redirected)
    }

    /// Gives the restore up: the source stays partly restored, and the report lists what was not.
    pub fn abandon_restore(&self) -> Result<AbandonReport> {
        let _entered = self.enter(Verb::AbandonRestore, "idle", false)?;
        self.gives_up_restore()?;
        let restore = self.volume.look(|phase| phase.restore_of(&self.leg).cloned());
        let pending = match &restore {
            Some(restore) => restore.pending().snapshot(),
            None => {
                let layers = self.leg.catalog().load_map(MapKind::Restore)?;
                layers.and_then(|layers| layers.into_iter().next()).unwrap_or_default()
            }
        };
        let length = self.leg.catalog().record().length;
        let unrestored = match &restore {
            Some(restore) => restore.pending_extents(),
            None => pending.extents(self.leg.block_size(), length),
        };
        self.leg.dirty().add(&pending);
        self.leg.catalog().commit_with(&[(MapKind::Dirty, &[self.leg.dirty()])], |record| {
            record.pending = None;
            record.conditions.clear(Condition::RestorePending);
        })?;
        self.volume.end_restore(&self.leg);
        self.volume.invalidate_exports();
        let catalog = self.leg.catalog();
        let report = AbandonReport {
            pair: PairNow::of("abandon", catalog.record()),
            blocks_unrestored: pending.count(),
            unrestored: unrestored.into_iter().take(EXTENTS_MAX).collect(),
        };
        catalog.note("abandon-restore", serde_json::to_value(&report).unwrap_or_default());
        Ok(report)
    }
}
