//! Plans of the two copying verbs: what they would do and why, without doing it.

use super::Pair;
use super::report::{EXTENTS_MAX, PlanReport, SCHEMA};
use crate::area::{Kind, Reader};
use crate::bitmap::BLOCKS_MAX;
use crate::engine::CopyPlan;
use crate::error::{Error, Result, shown};
use crate::state::{Condition, Method, Mode, Reason, State, Verb};
use crate::units::{BlockSize, Extent, intersected, merged, total_bytes};

/// A plan that can be carried out as long as nothing has changed since it was made.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) verb: Verb,
    pub(super) copy: CopyPlan,
    /// Only these bytes; `None`: all.
    pub(super) ranges: Option<Vec<Extent>>,
    /// Commits of the catalog and marks when it was made.
    made_at: (String, u64, u64),
    report: PlanReport,
}

impl Plan {
    /// The plan as a document.
    pub fn report(&self) -> &PlanReport {
        &self.report
    }
}

/// Sorts and merges ranges, and refuses what lies beyond `limit`.
pub(super) fn checked_ranges(ranges: &[(u64, u64)], limit: u64) -> Result<Vec<Extent>> {
    if ranges.is_empty() {
        return Err(Error::argument("ranges", "the list is empty: nothing would be restored"));
    }
    let mut checked = Vec::with_capacity(ranges.len());
    for (offset, length) in ranges {
        let beyond = || Error::beyond_files(*offset, *length);
        let extent = Extent::checked(*offset, *length).ok_or_else(beyond)?;
        if extent.end() > limit {
            return Err(Error::Range { offset: *offset, length: *length, limit });
        }
        checked.push(extent);
    }
    let checked = merged(checked);
    if checked.is_empty() {
        return Err(Error::argument("ranges", "they hold no byte: nothing would be restored"));
    }
    Ok(checked)
}

impl Pair {
    /// What `establish` would do now.
    pub fn plan_establish(&self, force: bool) -> Result<Plan> {
        let _entered = self.enter(Verb::PlanEstablish, "idle", false)?;
        let copy = self.establish_plan(force)?;
        self.plan_of(Verb::Establish, copy, None)
    }

    /// What `restore` would do now.
    pub fn plan_restore(&self, full: bool, ranges: Option<&[(u64, u64)]>) -> Result<Plan> {
        let _entered = self.enter(Verb::PlanRestore, "idle", false)?;
        let ranges = self.restore_ranges(full, ranges)?;
        let copy = self.restore_plan(full, ranges.as_deref())?;
        self.plan_of(Verb::Restore, copy, ranges)
    }

    pub(super) fn restore_ranges(
        &self,
        full: bool,
        ranges: Option<&[(u64, u64)]>,
    ) -> Result<Option<Vec<Extent>>> {
        if full && ranges.is_some() {
            return Err(Error::argument("full", "full and ranges exclude each other"));
        }
        let limit = self.leg.catalog().record().length;
        ranges.map(|ranges| checked_ranges(ranges, limit)).transpose()
    }

    fn plan_of(&self, verb: Verb, copy: CopyPlan, ranges: Option<Vec<Extent>>) -> Result<Plan> {
        let source = self.volume.source().ok();
        let mirror = self.mirror_reader()?;
        let (from, to, target) = match verb {
            Verb::Establish => (
                source.as_ref().map(|source| source.reader().clone()),
                Some(mirror),
                self.mirror_path(),
            ),
            _ => (
                Some(mirror),
                source.as_ref().map(|source| source.reader().clone()),
                self.source_path(),
            ),
        };
        let space_needed = match &from {
            Some(from) => space_needed(from, to.as_ref(), &copy.extents)?,
            None => 0,
        };
        let source_length = source.map(|source| source.reader().length()).transpose()?;
        let target_length = match copy.target_length {
            Some(length) => length,
            None => source_length.unwrap_or(0),
        };
        let extents: Vec<Extent> = copy
            .extents
            .iter()
            .map(|extent| extent.intersect(Extent::between(0, target_length)))
            .collect();
        let report = PlanReport {
            schema: SCHEMA,
            kind: "plan",
            verb: verb.name(),
            reason: copy.reason.name(),
            method: copy.method,
            extents_total: extents.len() as u64,
            blocks: extents
                .iter()
                .map(|extent| self.leg.block_size().touching(*extent).count)
                .sum(),
            bytes: total_bytes(&extents),
            extents: extents.into_iter().take(EXTENTS_MAX).collect(),
            source_length,
            target_length,
            space_needed,
            overwrites: shown(target),
        };
        Ok(Plan { verb, copy, ranges, made_at: self.moment(), report })
    }

    fn moment(&self) -> (String, u64, u64) {
        let catalog = self.leg.catalog();
        (catalog.record().pair_id.to_string(), catalog.sequence(), self.leg.dirty().count())
    }

    /// Refuses a plan of another pair or verb, or one made before something changed.
    pub(super) fn check_plan(&self, plan: &Plan, verb: Verb) -> Result<()> {
        let stale = |problem: &str| Err(Error::StalePlan { problem: problem.into() });
        if plan.verb != verb {
            return stale(&format!("it is a plan of {}", plan.verb.name()));
        }
        let now = self.moment();
        if plan.made_at.0 != now.0 {
            return stale("it was made for another pair");
        }
        if plan.made_at.1 != now.1 {
            return stale("the pair has changed since it was made");
        }
        let doubt = self.doubt();
        if plan.made_at.2 != now.2 || (!plan.copy.covers_all && doubt.is_some()) {
            return stale("the source was written since it was made");
        }
        Ok(())
    }

    pub(super) fn has(&self, condition: Condition) -> bool {
        self.leg.catalog().record().conditions.has(condition)
    }

    /// Why the marks are not all that differs; `None` when they are. The tracker speaks of writes to the source alone: a
    /// mirror that others changed, and a side that failed, differ where nobody marked.
    pub(super) fn doubt(&self) -> Option<Reason> {
        let doubt = self.volume.source().ok().and_then(|source| self.leg.doubt(&source));
        // Memory of which nobody can tell where it was stored into.
        let doubt = doubt.or_else(|| self.volume.has_untracked().then_some(Reason::UncleanTracker));
        let catalog = self.leg.catalog();
        let has = |condition| catalog.record().conditions.has(condition);
        // Where everything goes through the volume, what a failed mirror lacks is marked: it is in the intent log.
        let failed = has(Condition::MirrorFailed) && self.leg.mode() == Mode::Shared;
        let touched = failed || has(Condition::MirrorSkewed) || has(Condition::SourceSuspect);
        doubt.or(touched.then_some(Reason::Compare))
    }

    /// The mirror for reading, in any state.
    pub(super) fn mirror_reader(&self) -> Result<Reader> {
        match self.volume.look_at(&self.leg, |side| side.reader()) {
            Some(reader) => Ok(reader),
            None => {
                Ok(Reader::new(self.host().open(self.mirror_path(), crate::area::Access::Read)?))
            }
        }
    }

    /// Which blocks an establish copies. Nothing is changed by asking.
    pub(super) fn establish_plan(&self, force: bool) -> Result<CopyPlan> {
        let source = self.volume.source()?;
        let length = source.reader().length()?;
        check_blocks(self.leg.block_size(), length)?;
        // Whole blocks, the last one too: what is appended to it meanwhile is left to the copier.
        let size = self.leg.block_size();
        let whole = vec![Extent::new(0, size.count(length) * size.bytes())];
        let state = self.leg.catalog().record().state;
        let (reason, method) = match (state, self.doubt()) {
            (State::Initialized, _) => (Reason::First, Method::Copy),
            _ if force => (Reason::Forced, Method::Copy),
            // After a failed sync a cache may show what its storage lacks: such a mirror is written anew.
            (_, Some(reason)) if self.has(Condition::MirrorFailed) => (reason, Method::Copy),
            (_, Some(reason)) => (reason, Method::Compare),
            (_, None) => self.by_marks(),
        };
        let target_length = Some(length);
        let covers_all = force || state == State::Initialized || self.doubt().is_some();
        if !covers_all {
            let extents = self.leg.dirty().extents(size, size.count(length) * size.bytes());
            return Ok(CopyPlan { reason, method, extents, target_length, covers_all });
        }
        let plan = CopyPlan { reason, method, extents: whole, target_length, covers_all };
        // An existing file that becomes a mirror is emptied first, so its data does not count.
        let target = self.mirror_reader()?;
        let emptied = reason == Reason::First && target.kind() == Kind::File;
        plan.without_common_holes(source.reader(), (!emptied).then_some(&target), size)
    }

    /// The marks are all that may differ. After an unclean close they are more: the logged regions with what was under
    /// way, of which most was not.
    fn by_marks(&self) -> (Reason, Method) {
        match (self.leg.is_recovered(), self.has(Condition::MirrorFailed)) {
            (true, false) => (Reason::UncleanClose, Method::Compare),
            (true, true) => (Reason::UncleanClose, Method::Copy),
            (false, _) => (Reason::Bitmap, Method::Copy),
        }
    }

    /// Which blocks a restore copies. Nothing is changed by asking.
    pub(super) fn restore_plan(&self, full: bool, ranges: Option<&[Extent]>) -> Result<CopyPlan> {
        let mirror = self.volume.frozen_mirror(&self.leg).ok_or(Error::Closed)?;
        let length = self.leg.catalog().record().length;
        let source = self.volume.source().ok();
        let doubt = source.as_ref().map(|_| self.doubt());
        let (reason, method) = match doubt {
            _ if full => (Reason::Forced, Method::Copy),
            None => (Reason::SourceReplaced, Method::Copy),
            Some(Some(reason)) if self.has(Condition::SourceSuspect) => (reason, Method::Copy),
            Some(Some(reason)) => (reason, Method::Compare),
            Some(None) => self.by_marks(),
        };
        let covers_all = full || doubt != Some(None);
        let size = self.leg.block_size();
        let wanted = ranges.map_or_else(|| vec![Extent::new(0, length)], <[Extent]>::to_vec);
        let target_length = ranges.is_none().then_some(length);
        if !covers_all {
            let mut extents = self.leg.dirty().extents(size, length);
            if source.is_some_and(|source| source.reader().length().is_ok_and(|now| now > length)) {
                // A file system may turn the hole that a file is cut in into data.
                extents.push(size.aligned_out(Extent::new(length.saturating_sub(1), 1), length));
            }
            let extents = intersected(&merged(extents), &wanted);
            return Ok(CopyPlan { reason, method, extents, target_length, covers_all });
        }
        let plan = CopyPlan { reason, method, extents: wanted, target_length, covers_all };
        plan.without_common_holes(&mirror, source.as_ref().map(|source| source.reader()), size)
    }
}

/// That the blocks of an area can be counted; more would be left out in silence.
pub(super) fn check_blocks(size: BlockSize, length: u64) -> Result<()> {
    if size.count(length) <= BLOCKS_MAX {
        return Ok(());
    }
    let needed = length.div_ceil(BLOCKS_MAX).next_power_of_two();
    Err(Error::argument(
        "block_size",
        format!("an area of {length} bytes needs blocks of at least {needed} bytes"),
    ))
}

/// How much free space the target needs at most: data of `from` where `to` has a hole or nothing.
pub(super) fn space_needed(from: &Reader, to: Option<&Reader>, extents: &[Extent]) -> Result<u64> {
    let mut needed = 0;
    for extent in extents {
        let data = from.data_extents(*extent)?;
        let there = to.map(|to| to.data_extents(*extent)).transpose()?.unwrap_or_default();
        needed += total_bytes(&data) - total_bytes(&intersected(&data, &there));
    }
    Ok(needed)
}
