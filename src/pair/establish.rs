//! `establish`: source to mirror. The only verb, with `refresh`, that writes a mirror (I6).
//!
//! Order: `unsynchronized` is on disk, and the point is given up, before the first byte of the mirror changes; the
//! copy is durable before `synchronized` is on disk. An interruption in between leaves `unsynchronized`, and calling
//! it again goes on: with the blocks that are still marked when the marks are believed, by comparing when not.

use std::sync::Arc;
use std::time::Instant;

use super::Pair;
use super::checks::check_space;
use super::plan::{Plan, space_needed};
use super::report::{CopyReport, EstablishReport, PairNow, outside_writes};
use crate::area::{Access, Kind, Order, Writer};
use crate::bitmap::Bitmap;
use crate::catalog::{Epoch, Established, MapKind};
use crate::engine::{Control, CopyPlan, CopyStats};
use crate::error::{Error, Result};
use crate::state::{Condition, Conditions, Consistency, Method, Reason, State, Verb};
use crate::tracker::Tag;
use crate::units::{Extent, total_bytes};
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
        self.check_guards(verb, &options.accept)?;
        let source = self.volume.source()?;
        self.join_volume(&source)?;
        let plan = match &options.plan {
            Some(plan) => {
                self.check_plan(plan, Verb::Establish)?;
                plan.copy.clone()
            }
            None => self.establish_plan(options.force)?,
        };
        self.check_mirror_ready(&source, &plan)?;
        let before = self.volume.catalog().record().conditions.clone();
        let plan = self.begin_establish(&source, plan)?;
        let outcome = self.copy_forward(&source, &plan, control);
        let (stats, length) = self.end_establish(outcome, &before)?;
        let doubt = source.tracker().doubt();
        let catalog = self.volume.catalog();
        let size = self.volume.block_size();
        let report = EstablishReport {
            pair: PairNow::of("establish", catalog.record()),
            copy: CopyReport::of(&plan, stats, size, length, begun.elapsed().as_secs_f64()),
            source_length: length,
            outside_writes: outside_writes(doubt.is_some()),
        };
        catalog.note("establish", serde_json::to_value(&report).unwrap_or_default());
        Ok(report)
    }

    /// Everything that can be known to fail is asked before the point of the mirror is given up.
    fn check_mirror_ready(&self, source: &Source, plan: &CopyPlan) -> Result<()> {
        self.check_no_views()?;
        self.host().check_writable(&self.mirror_path)?;
        let mirror = self.mirror_reader()?;
        let length = source.reader().length()?;
        match mirror.kind() {
            Kind::Device if mirror.length()? < length => Err(Error::TooSmall {
                path: self.mirror_path.clone(),
                length: mirror.length()?,
                needed: length,
            }),
            Kind::Device => {
                let found = self.host().find(&self.mirror_path)?;
                match found.and_then(|found| self.host().mounted_on(&found)) {
                    Some(mountpoint) => {
                        Err(Error::SourceMounted { path: self.mirror_path.clone(), mountpoint })
                    }
                    None => Ok(()),
                }
            }
            Kind::File => {
                let needed = space_needed(source.reader(), Some(&mirror), &plan.extents)?;
                // What lies behind the new length is given back first.
                let behind = mirror.data_extents(Extent::between(length, mirror.length()?))?;
                let needed = needed.saturating_sub(total_bytes(&behind));
                check_space(self.host(), &self.mirror_path, needed)
            }
        }
    }

    /// Gives up the point, durably, and begins to watch the source anew when all of it is about to be read.
    fn begin_establish(&self, source: &Source, plan: CopyPlan) -> Result<CopyPlan> {
        let tag = self.next_tag(source)?;
        let (dirty, size) = (self.volume.dirty(), self.volume.block_size());
        let plan = if plan.reason == Reason::Bitmap {
            plan
        } else {
            if let Some(tag) = tag {
                source.set_tag(tag, true)?;
            }
            // First the anchor and the marks, then the look at what is data: what is written from here on is seen or
            // marked.
            self.volume.begin_tracking(source);
            let again = self
                .establish_plan(true)
                .inspect_err(|_| source.tracker().lose(Reason::Compare))?;
            CopyPlan { reason: plan.reason, method: plan.method, ..again }
        };
        let length = plan.target_length.unwrap_or(0);
        dirty.make_room(size.count(length));
        dirty.add(&Bitmap::touching(&plan.extents, size, dirty.blocks()));
        let begun = self.commit_unsynchronized(tag, length);
        if begun.is_err() && plan.reason != Reason::Bitmap {
            source.tracker().lose(Reason::Compare);
        }
        self.volume.forget_seal();
        begun.map(|()| plan)
    }

    /// The mirror is no copy of any instant from here on.
    fn commit_unsynchronized(&self, tag: Option<Tag>, length: u64) -> Result<()> {
        let mut catalog = self.volume.catalog();
        if self.host().keeps(Order::StateBeforeMirrorBytes) {
            catalog.commit_with(&[(MapKind::Dirty, self.volume.dirty())], |record| {
                record.state = State::Unsynchronized;
                record.point = None;
                record.pending = None;
                record.hold = None;
                record.length = length;
                record.established = None;
                if let Some(Tag::Source { epoch, .. }) = tag {
                    record.epoch.next = Some(epoch);
                }
                for gone in [Condition::RestorePending, Condition::MirrorSkewed] {
                    record.conditions.clear(gone);
                }
            })?;
            catalog.remove_seal();
        }
        Ok(())
    }

    fn copy_forward(
        &self,
        source: &Source,
        plan: &CopyPlan,
        control: &Control,
    ) -> Result<CopyStats> {
        // In `synchronized` the writable handle is there already; else it is made now, after the point was given up.
        let mirror = match self.volume.take_mirror() {
            Some(mirror) => mirror,
            None => self.open_mirror()?,
        };
        let length = source.reader().length()?;
        if plan.reason == Reason::First && mirror.reader().kind() == Kind::File {
            mirror.set_length(0)?;
        }
        mirror.set_length(length)?;
        let mirror: Arc<Writer> = self.volume.begin_synchronizing(mirror, length);
        let mut stats = self.volume.synchronize(&mirror, plan, control)?;
        // Marks of writers that came while a block was under way, or beyond the planned end.
        while !stats.cancelled && !self.volume.dirty().is_empty() {
            let size = self.volume.block_size();
            let extents = self.volume.dirty().extents(size, u64::MAX >> 1);
            let rest = CopyPlan { method: Method::Copy, extents, ..plan.clone() };
            let more = self.volume.synchronize(&mirror, &rest, control)?;
            stats = CopyStats { cancelled: more.cancelled, ..stats };
        }
        drop(mirror);
        if !stats.cancelled {
            self.volume.finish_synchronizing()?;
        }
        Ok(stats)
    }

    /// The mirror, for writing: the recorded file and no other.
    fn open_mirror(&self) -> Result<Writer> {
        let mirror = Writer::new(self.host().open(&self.mirror_path, Access::Write)?);
        let stamp = mirror.reader().stamp()?;
        if mirror.reader().kind() == Kind::File
            && !stamp.same_file(&self.volume.catalog().record().mirror.stamp)
        {
            return Err(Error::MovedPair {
                path: self.mirror_path.clone(),
                problem: "another file stands at its path".into(),
            });
        }
        Ok(mirror)
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
                if let Ok(source) = self.volume.source() {
                    source.tracker().lose(Reason::Compare);
                }
                self.stop_establish(failed);
                Err(error)
            }
            Ok(stats) => Ok((stats, self.commit_synchronized(before)?)),
        }
    }

    /// Whose error ended an establish, as a condition.
    fn blame(&self, error: &Error) -> Option<Condition> {
        match error {
            Error::Io { path, .. } if *path == self.mirror_path => Some(Condition::MirrorFailed),
            Error::Io { path, .. } if *path == self.source_path => Some(Condition::SourceSuspect),
            _ => None,
        }
    }

    fn stop_establish(&self, failed: Option<Condition>) {
        self.volume.stop_synchronizing();
        let stamp = self.host().find(&self.mirror_path).ok().flatten().map(|found| found.stamp);
        let committed =
            self.volume.catalog().commit_with(&[(MapKind::Dirty, self.volume.dirty())], |record| {
                record.state = State::Unsynchronized;
                if let Some(stamp) = stamp {
                    record.mirror.stamp = stamp;
                }
                if let Some(condition) = failed {
                    record.conditions.set(condition);
                }
            });
        if let Err(error) = committed {
            log::error!(target: "splitmirror.pair", "the catalog failed too: {error}");
        }
    }

    fn commit_synchronized(&self, before: &Conditions) -> Result<u64> {
        let source = self.volume.source()?;
        let consistency = match (source.tracker().doubt(), self.volume.is_flushed()) {
            (Some(_), _) => Consistency::Fuzzy,
            (None, false) => Consistency::Crash,
            (None, true) => Consistency::Flushed,
        };
        let (stamp, length) = self.volume.mirror_now()?;
        let established = Established { at_ns: self.host().now_ns(), consistency };
        let session = self.volume.has_session();
        let mut catalog = self.volume.catalog();
        catalog.commit_with(&[(MapKind::Dirty, self.volume.dirty())], |record| {
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
