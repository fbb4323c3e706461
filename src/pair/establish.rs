//! `establish`: source to mirror. The only verb, with `refresh`, that writes a mirror (I6).
//!
//! Order: `unsynchronized` is on disk, and the point is given up, before the first byte of the mirror changes; the
//! copy is durable before `synchronized` is on disk. An interruption in between leaves `unsynchronized`, and calling
//! it again goes on: with the blocks that are still marked when the marks are believed, by comparing when not.

use std::sync::Arc;
use std::time::Instant;

use super::Pair;
use super::plan::Plan;
use super::report::{CopyReport, EstablishReport, PairNow, outside_writes};
use crate::area::{Kind, Order, Writer};
use crate::bitmap::Bitmap;
use crate::catalog::{Epoch, Established, MapKind};
use crate::engine::{Control, CopyPlan, CopyStats};
use crate::error::{Error, Result};
use crate::state::{Condition, Conditions, Consistency, Method, Mode, Reason, State, Verb};
use crate::units::OFFSET_MAX;
use crate::volume::Source;

/// How to establish.
#[derive(Debug, Clone, Default)]
pub struct EstablishOptions {
    /// A plan made before, refused when stale.
    pub plan: Option<Plan>,
    /// Copy everything, whatever is known.
    pub force: bool,
    /// Protections that the caller overrides.
    pub accept: Vec<String>,
}

impl Pair {
    /// Starts or resumes mirroring: the mirror is brought to the source's content, and follows it from then on.
    pub fn establish(
        &self,
        options: &EstablishOptions,
        control: &Control,
    ) -> Result<EstablishReport> {
        let entered = self.enter(Verb::Establish, "synchronizing", false)?;
        let report = self.establish_entered(options, Verb::Establish, control);
        drop(entered);
        report
    }

    /// The verb's body; also the first half of `refresh`.
    pub(super) fn establish_entered(
        &self,
        options: &EstablishOptions,
        verb: Verb,
        control: &Control,
    ) -> Result<EstablishReport> {
        let begun = Instant::now();
        let given_up = self.gives_up_restore()?;
        // First whether a restore is under way, which sets a guard as it begins and takes it away as it ends.
        let start = self.start_copying(verb)?;
        self.check_guards(verb, &options.accept)?;
        let source = self.volume.source()?;
        self.volume.take_identity(&source)?;
        let plan = match &options.plan {
            Some(plan) => {
                self.check_plan(plan, Verb::Establish)?;
                plan.copy.clone()
            }
            None => self.establish_plan(options.force)?,
        };
        self.check_mirror_ready(&source, &plan)?;
        let before = self.leg.catalog().record().conditions.clone();
        let unseen = self.end_views()?;
        let marks = self.volume.hold_marks();
        let plan = self.begin_establish(&source, plan)?;
        let mirror = self.begin_copying(&source, &plan);
        drop((marks, start, unseen));
        if given_up {
            self.volume.invalidate_exports();
        }
        let outcome = mirror.and_then(|mirror| self.copy_forward(&mirror, &plan, control));
        // From here the mirror follows, and a restore from another one may end that: not before it is recorded.
        let end = self.volume.starting();
        let outcome = outcome.and_then(|stats| self.follow(stats));
        let (stats, length) = self.end_establish(outcome, &before)?;
        drop(end);
        let doubt = self.leg.doubt(&source);
        let catalog = self.leg.catalog();
        let size = self.leg.block_size();
        let report = EstablishReport {
            pair: PairNow::of("establish", catalog.record()),
            copy: CopyReport::of(&plan, stats, size, length, begun.elapsed().as_secs_f64()),
            source_length: length,
            outside_writes: outside_writes(doubt.is_some()),
        };
        catalog.note("establish", serde_json::to_value(&report).unwrap_or_default());
        Ok(report)
    }

    /// Gives up the point, durably, and begins to watch the source anew when all of it is about to be read.
    fn begin_establish(&self, source: &Source, plan: CopyPlan) -> Result<CopyPlan> {
        self.volume.readmit(&self.leg)?;
        let epoch = self.volume.own_epoch(&self.leg)?;
        let (dirty, size) = (self.leg.dirty(), self.leg.block_size());
        let (anchored, plan) = if plan.covers_all {
            // First the anchor and the marks, then the look at what is data: what is written from here on is seen or
            // marked.
            self.volume.begin_tracking(&self.leg, source);
            let again = self
                .establish_plan(true)
                .inspect_err(|_| self.leg.belief().lose(Reason::Compare))?;
            (true, CopyPlan { reason: plan.reason, method: plan.method, ..again })
        } else {
            (false, plan)
        };
        let length = plan.target_length.unwrap_or(0);
        dirty.make_room(size.count(length));
        dirty.add(&Bitmap::touching(&plan.extents, size, dirty.blocks()));
        let begun = self.commit_unsynchronized(epoch.filter(|_| anchored), length);
        if begun.is_err() && anchored {
            self.leg.belief().lose(Reason::Compare);
        }
        self.leg.forget_seal();
        begun?;
        // A restore that was given up redirects nobody any more: the mirror is no point from here on.
        self.volume.end_restore(&self.leg);
        Ok(plan)
    }

    /// The mirror is no copy of any instant from here on. `epoch`: all that the source's sessions wrote up to it is
    /// about to be looked at.
    fn commit_unsynchronized(&self, epoch: Option<u64>, length: u64) -> Result<()> {
        let mut catalog = self.leg.catalog();
        if self.host().keeps(Order::StateBeforeMirrorBytes) {
            catalog.commit_with(&[(MapKind::Dirty, &[self.leg.dirty()])], |record| {
                record.state = State::Unsynchronized;
                record.point = None;
                record.pending = None;
                record.restored = None;
                record.hold = None;
                record.length = length;
                record.established = None;
                if let Some(current) = epoch {
                    record.epoch = Epoch { current, next: None };
                }
                for gone in [Condition::RestorePending, Condition::MirrorSkewed] {
                    record.conditions.clear(gone);
                }
            })?;
            catalog.remove_seal();
        }
        Ok(())
    }

    fn begin_copying(&self, source: &Source, plan: &CopyPlan) -> Result<Arc<Writer>> {
        let length = source.reader().length()?;
        // In `synchronized` the writable handle is there already; else it is made now, after the point was given up.
        let open = || {
            let mirror = self.open_mirror()?;
            if plan.reason == Reason::First && mirror.reader().kind() == Kind::File {
                mirror.set_length(0)?;
            }
            Ok(mirror)
        };
        let planned = plan.target_length.unwrap_or(length);
        self.volume.begin_synchronizing(&self.leg, planned, length, open)
    }

    fn copy_forward(
        &self,
        mirror: &Writer,
        plan: &CopyPlan,
        control: &Control,
    ) -> Result<CopyStats> {
        let mut stats = self.volume.synchronize(&self.leg, mirror, plan, control)?;
        // Marks of writers that came while a block was under way, or beyond the planned end.
        while !stats.cancelled && !self.leg.dirty().is_empty() {
            let extents = self.leg.dirty().extents(self.leg.block_size(), OFFSET_MAX);
            let rest = CopyPlan { method: Method::Copy, extents, ..plan.clone() };
            let more = self.volume.synchronize(&self.leg, mirror, &rest, control)?;
            stats = CopyStats { cancelled: more.cancelled, ..stats };
        }
        Ok(stats)
    }

    /// Writes go to the mirror too, unless the copy was cancelled.
    fn follow(&self, stats: CopyStats) -> Result<CopyStats> {
        if !stats.cancelled {
            self.volume.finish_synchronizing(&self.leg)?;
        }
        Ok(stats)
    }

    /// Commits how it ended.
    fn end_establish(
        &self,
        outcome: Result<CopyStats>,
        before: &Conditions,
    ) -> Result<(CopyStats, u64)> {
        match outcome {
            Ok(stats) if stats.cancelled => {
                self.stop_establish(None);
                Err(self.cancelled("establish() goes on where it stopped"))
            }
            Err(error) => {
                let failed = self.blame(&error);
                // What reached the mirror since its last sync is not known.
                self.leg.belief().lose(Reason::Compare);
                self.stop_establish(failed);
                Err(error)
            }
            Ok(stats) => Ok((stats, self.commit_synchronized(before)?)),
        }
    }

    /// Whose error ended an establish, as a condition.
    fn blame(&self, error: &Error) -> Option<Condition> {
        match error {
            Error::Io { path, .. } if path == self.mirror_path() => Some(Condition::MirrorFailed),
            Error::Io { path, .. } if path == self.source_path() => Some(Condition::SourceSuspect),
            _ => None,
        }
    }

    fn stop_establish(&self, failed: Option<Condition>) {
        self.volume.stop_synchronizing(&self.leg);
        let stamp = self.host().find(self.mirror_path()).ok().flatten().map(|found| found.stamp);
        let committed =
            self.leg.catalog().commit_with(&[(MapKind::Dirty, &[self.leg.dirty()])], |record| {
                record.state = State::Unsynchronized;
                if let Some(stamp) = stamp {
                    record.mirror.stamp = stamp;
                }
                if let Some(condition) = failed {
                    record.conditions.set(condition);
                    record.conditions.set(Condition::TrackerLost);
                }
            });
        if let Err(error) = committed {
            log::error!(target: "splitmirror.pair", "the catalog failed too: {error}");
        }
    }

    fn commit_synchronized(&self, before: &Conditions) -> Result<u64> {
        let source = self.volume.source()?;
        if self.leg.mode() == Mode::Exclusive
            && source.writer().is_ok()
            && self.host().keeps(Order::SourceSyncedBeforePending)
        {
            // What equals its mirror is not restored, so it must be durable before anything else is.
            self.volume.sync_source(false)?;
        }
        let consistency = match (self.leg.doubt(&source), self.volume.is_flushed()) {
            (Some(_), _) => Consistency::Fuzzy,
            (None, false) => Consistency::Crash,
            (None, true) => Consistency::Flushed,
        };
        let (stamp, length) = self.volume.mirror_now(&self.leg)?;
        let established = Established { at_ns: self.host().now_ns(), consistency };
        let session = self.volume.has_session();
        self.leg.set_recovered(false);
        let mut catalog = self.leg.catalog();
        catalog.commit_with(&[(MapKind::Dirty, &[self.leg.dirty()])], |record| {
            record.state = State::Synchronized;
            record.length = length;
            record.established = Some(established);
            record.point = None;
            record.pending = None;
            record.mirror.stamp = stamp;
            // What came up meanwhile stays.
            for old in before.iter() {
                record.conditions.clear(old);
            }
            if !session {
                record.open_for_writing = false;
                record.clean = None;
                let current = source.epoch_seen(record.volume_id, record.epoch);
                record.epoch = Epoch { current, next: None };
            }
        })?;
        Ok(length)
    }
}
