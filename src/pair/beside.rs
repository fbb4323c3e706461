//! What a verb must not run beside: a restore in the background, or one from another mirror of the same source.

use std::sync::MutexGuard;

use super::{Pair, described, situation};
use crate::catalog::Record;
use crate::error::{Error, Result, shown};
use crate::state::{Verb, legal_verbs};

/// Verbs that change neither the source nor the mirror nor what a restore relies on.
const HARMLESS: [Verb; 3] = [Verb::Hold, Verb::Release, Verb::OpenMirror];
/// Verbs for which the source must stand still, or be what it says.
const NEEDS_SOURCE: [Verb; 9] = [
    Verb::Establish,
    Verb::Refresh,
    Verb::Split,
    Verb::Restore,
    Verb::ResumeRestore,
    Verb::Seal,
    Verb::Scrub,
    Verb::Verify,
    Verb::Array,
];

impl Pair {
    /// Refuses a verb that would meet a restore.
    pub(super) fn refuse_beside(&self, verb: Verb) -> Result<()> {
        if self.restore_job().is_some() && !HARMLESS.contains(&verb) {
            return Err(self.refused(
                verb,
                "a restore is copying in the background: wait for it, or pause it first",
            ));
        }
        self.refuse_beside_other(verb)
    }

    /// The mirror that the source is being restored from, when that is another one.
    fn other_restore(&self) -> Option<String> {
        self.volume.look(|phase| {
            let running = phase.restore.as_ref().filter(|running| !running.leg.is(&self.leg));
            running.map(|running| shown(running.leg.mirror_path()))
        })
    }

    fn refuse_beside_other(&self, verb: Verb) -> Result<()> {
        match self.other_restore().filter(|_| NEEDS_SOURCE.contains(&verb)) {
            Some(mirror) => Err(self.refused(
                verb,
                &format!("the source is being restored from {mirror}: that one first"),
            )),
            None => Ok(()),
        }
    }

    /// Begins something that must not begin at the same time as a restore. Held until it has begun.
    pub(super) fn start_copying(&self, verb: Verb) -> Result<MutexGuard<'_, ()>> {
        let start = self.volume.starting();
        self.refuse_beside_other(verb)?;
        if self.leg.is_lent() {
            return Err(self.refused(verb, "another mirror is being repaired from this one"));
        }
        Ok(start)
    }

    /// Begins a restore: one a source at a time, and not while a mirror is being synchronized from it.
    pub(super) fn start_restoring(&self, verb: Verb) -> Result<MutexGuard<'_, ()>> {
        let start = self.volume.starting();
        self.refuse_beside_other(verb)?;
        let busy = self.volume.synchronizing().filter(|leg| !leg.is(&self.leg));
        match busy {
            Some(leg) => {
                let mirror = shown(leg.mirror_path());
                Err(self.refused(
                    verb,
                    &format!(
                        "{mirror} is being synchronized from the source: wait for it, or cancel it"
                    ),
                ))
            }
            None => Ok(start),
        }
    }

    /// Begins a split of a mirror that follows: a restore from another one may have begun since the verb was asked for,
    /// and have ended again. Held until the point is taken.
    pub(super) fn start_splitting(&self, verb: Verb) -> Result<MutexGuard<'_, ()>> {
        let start = self.volume.starting();
        self.refuse_beside_other(verb)?;
        self.check_table(verb, Verb::Split, false)?;
        Ok(start)
    }

    pub(super) fn refused(&self, verb: Verb, why: &str) -> Error {
        let record = self.record();
        let mut legal = self.legal_now(&record);
        legal.retain(|name| *name != verb.name());
        let state = described(record.state.name(), &record.conditions.names());
        Error::State { verb: verb.name(), state: format!("{state} ({why})"), legal }
    }

    /// The verbs that would not be refused now, as far as the record, the other mirrors and a running restore say. Takes
    /// the gate, so the caller holds no catalog.
    pub(super) fn legal_now(&self, record: &Record) -> Vec<&'static str> {
        let mut legal = legal_verbs(situation(record, false));
        let mut without = |verbs: &[Verb]| {
            legal.retain(|name| !verbs.iter().any(|verb| verb.name() == *name));
        };
        let others: Vec<_> =
            self.volume.legs().into_iter().filter(|leg| !leg.is(&self.leg)).collect();
        if self.other_restore().is_some() {
            without(&NEEDS_SOURCE);
        }
        if !others.iter().any(|leg| self.volume.frozen_mirror(leg).is_some()) {
            without(&[Verb::Repair]);
        }
        if self.restore_job().is_some() {
            let harmless = |name: &&str| HARMLESS.iter().any(|verb| verb.name() == *name);
            legal.retain(|name| harmless(name));
        }
        legal
    }
}
