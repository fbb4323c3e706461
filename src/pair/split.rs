//! `split`: the mirror leaves the mirroring and becomes a point-in-time copy.
//!
//! begin (is the mirror what the caller thinks?) → point (writers drain, then go on) → finish (durable, frozen,
//! committed). Between point and finish hooks may let the application go on.

use std::time::Instant;

use super::report::{PairNow, SplitReport, seconds};
use super::{Pair, check_text};
use crate::catalog::{MapKind, Point};
use crate::error::{Error, Result};
use crate::state::{Condition, Consistency, Reason, State, Verb};
use crate::volume::Taken;

/// How to split.
#[derive(Debug, Clone, Default)]
pub struct SplitOptions {
    /// A name for the point.
    pub label: Option<String>,
    /// Keep the mirror as it is although others may have written the source since.
    pub as_of_last_establish: bool,
    /// Refuse to give less than this.
    pub require: Option<Consistency>,
}

/// What the application does round the point: it pauses, and goes on as soon as the point is taken.
pub trait SplitHooks: Sync {
    /// Pauses the application; whether it is at rest now. An error ends the split, with nothing changed.
    fn freeze(&self) -> Result<bool>;
    /// Lets it go on. Called once, whatever happened since [`SplitHooks::freeze`] was called.
    fn thaw(&self);
}

/// An application that is not told.
struct NoHooks;

impl SplitHooks for NoHooks {
    fn freeze(&self) -> Result<bool> {
        Ok(false)
    }

    fn thaw(&self) {}
}

/// The hooks of a verb that was called without any.
pub(super) const NO_HOOKS: &dyn SplitHooks = &NoHooks;

impl Pair {
    /// Splits the mirror: durable and consistent when it returns.
    pub fn split(&self, options: &SplitOptions) -> Result<SplitReport> {
        self.split_with(options, NO_HOOKS)
    }

    /// As [`Pair::split`], with an application that is told.
    pub fn split_with(
        &self,
        options: &SplitOptions,
        hooks: &dyn SplitHooks,
    ) -> Result<SplitReport> {
        check_text("label", options.label.as_deref())?;
        let entered = self.enter(Verb::Split, "synchronizing", false)?;
        let report = self.split_entered(options, hooks, false);
        drop(entered);
        report
    }

    /// The verb's body; `fresh`: the source was copied a moment ago, and is taken as it is then.
    pub(super) fn split_entered(
        &self,
        options: &SplitOptions,
        hooks: &dyn SplitHooks,
        fresh: bool,
    ) -> Result<SplitReport> {
        let begun = Instant::now();
        let keeps_mirror = options.as_of_last_establish || fresh;
        let frozen = hooks.freeze();
        // What is stored into arrays, or into memory that a program has mapped through a mount, has nobody to flush it;
        // outside of the gate, for the writers' sake.
        let settle = || {
            let mapped = self.volume.write_back_exports()?;
            self.volume.settle_stores().map(|()| mapped)
        };
        let frozen = frozen.and_then(|frozen| settle().map(|mapped| (frozen, mapped)));
        let point = frozen.and_then(|(frozen, mapped)| {
            let _start = self.start_splitting(if fresh { Verb::Refresh } else { Verb::Split })?;
            // Before the gate is closed: a commit that waits for its storage would keep the writers waiting too.
            let untouched = self.untouched();
            let promised = |taken: &Taken| promised(taken, (frozen, mapped), untouched);
            let judge = |taken: &Taken| self.judge(taken, promised(taken), options, keeps_mirror);
            let taken = self.volume.take_point(&self.leg, judge)?;
            Ok((taken, promised(&taken)))
        });
        // The application goes on whatever came of it; what is still to be made durable does not concern it.
        hooks.thaw();
        let (taken, consistency) = point?;
        self.finish_split(options, taken, consistency, begun)
    }

    /// What the last establish promised, when nothing has reached the mirror since.
    fn untouched(&self) -> Option<Consistency> {
        let record = self.record();
        let written = record.open_for_writing || self.volume.has_session();
        record.established.filter(|_| !written).map(|established| established.consistency)
    }

    fn judge(
        &self,
        taken: &Taken,
        reached: Consistency,
        options: &SplitOptions,
        keeps_mirror: bool,
    ) -> Result<()> {
        if let (Some(reason), false) = (taken.doubt, keeps_mirror) {
            return Err(Error::OutsideWrites {
                path: self.source_path().to_path_buf(),
                reason: reason.name().to_owned(),
            });
        }
        match options.require {
            Some(required) if required > reached => Err(Error::Consistency {
                required: required.name().to_owned(),
                reached: reached.name().to_owned(),
                why: match taken.doubt {
                    Some(reason) => format!("{}: others may have been writing", reason.name()),
                    None if required == Consistency::Application => {
                        "no freeze hook was given, or it failed".to_owned()
                    }
                    None => "something was written and not flushed".to_owned(),
                },
            }),
            _ => Ok(()),
        }
    }

    fn finish_split(
        &self,
        options: &SplitOptions,
        taken: Taken,
        consistency: Consistency,
        begun: Instant,
    ) -> Result<SplitReport> {
        let mirror =
            self.volume.freeze_mirror(&self.leg).map_err(|error| self.split_failed(error))?;
        let stamp = mirror.stamp()?;
        let point =
            Point { label: options.label.clone(), taken_ns: taken.at_ns, consistency, root: None };
        let generation = {
            let mut catalog = self.leg.catalog();
            catalog.commit_with(&[(MapKind::Dirty, &[self.leg.dirty()])], |record| {
                record.state = State::Split;
                record.generation += 1;
                record.point = Some(point);
                record.length = taken.length;
                record.mirror.stamp = stamp;
            })?;
            catalog.record().generation
        };
        let catalog = self.leg.catalog();
        let report = SplitReport {
            pair: PairNow::of("split", catalog.record()),
            generation,
            label: options.label.clone(),
            taken_at: seconds(taken.at_ns),
            consistency: consistency.name(),
            length: taken.length,
            writers_paused_seconds: taken.writers_waited.as_secs_f64(),
            seconds: begun.elapsed().as_secs_f64(),
            mirror_stamp: stamp.into(),
        };
        catalog.note("split", serde_json::to_value(&report).unwrap_or_default());
        Ok(report)
    }

    /// The mirror could not be made durable: what it holds is unknown, and no point was taken.
    fn split_failed(&self, error: Error) -> Error {
        self.leg.belief().lose(Reason::Compare);
        let committed = self.leg.catalog().commit(|record| {
            record.state = State::Unsynchronized;
            record.conditions.set(Condition::MirrorFailed);
            record.conditions.set(Condition::TrackerLost);
        });
        if let Err(second) = committed {
            log::error!(target: "splitmirror.pair", "the catalog failed too: {second}");
        }
        Error::MirrorFailed { path: self.mirror_path().to_path_buf(), problem: error.to_string() }
    }
}

/// What the point promises, when the application was frozen, or stores into memory that it has mapped; given that the mirror may be older than the source, but is what it was when it was
/// established when nothing has reached it since.
fn promised(
    taken: &Taken,
    (frozen, mapped): (bool, bool),
    untouched: Option<Consistency>,
) -> Consistency {
    match taken.doubt {
        // An application that goes on storing into an array is not at rest, whatever its hook said.
        None if frozen && taken.consistency > Consistency::Fuzzy => Consistency::Application,
        // Nobody knows what it has stored since.
        None if mapped => taken.consistency.min(Consistency::Crash),
        None => taken.consistency,
        Some(_) => untouched.unwrap_or(Consistency::Fuzzy),
    }
}
