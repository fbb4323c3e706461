//! `repair`: a mirror is rebuilt from another one of the same source, whether or not the source is still there (R13).
//! Afterwards it holds that mirror's point in time.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::Pair;
use super::report::{CopyReport, PairNow, RepairReport};
use crate::area::{Access, Kind, Reader};
use crate::catalog::{MapKind, Record};
use crate::engine::{Control, CopyPlan, CopyStats};
use crate::error::{Error, Result, shown};
use crate::state::{Condition, Method, Reason, State, Verb};
use crate::units::{BlockSize, Extent};
use crate::volume::Leg;

impl Pair {
    /// Makes this mirror a copy of another, split one. The only verb beside `establish` and `refresh` that writes a
    /// mirror (I6).
    pub fn repair(
        &self,
        from: &Path,
        accept: &[String],
        control: &Control,
    ) -> Result<RepairReport> {
        let begun = Instant::now();
        let _entered = self.enter(Verb::Repair, "synchronizing", false)?;
        self.check_guards(Verb::Repair, accept)?;
        let start = self.start_copying(Verb::Repair)?;
        let donor = self.donor(from)?;
        let lent = donor.lend();
        drop(start);
        let good = self.volume.frozen_mirror(&donor).ok_or_else(|| not_split(from))?;
        let point = donor.catalog().record().clone();
        // A seal vouches for each block that is copied; without one the stamp has to.
        let touched = point.conditions.has(Condition::MirrorSkewed)
            || !good.stamp()?.same_content(&point.mirror.stamp);
        if touched && donor.seal()?.is_none() {
            return Err(Error::MirrorSkewed {
                path: from.to_path_buf(),
                verb: Verb::Repair.name(),
            });
        }
        let unseen = self.end_views()?;
        self.host().check_writable(self.mirror_path())?;
        let plan = self.repair_plan(&good, point.length, donor.block_size())?;
        let given_up = self.gives_up_restore()?;
        self.begin_repair(point.length)?;
        drop(unseen);
        if given_up {
            self.volume.invalidate_exports();
        }
        let copied = self.copy_mirror(&donor, &good, &plan, control);
        let stats = match copied {
            Ok(stats) if stats.cancelled => return Err(self.cancelled("repair() begins anew")),
            copied => copied?,
        };
        self.finish_repair(&donor, &point)?;
        drop(lent);
        let catalog = self.leg.catalog();
        let record = catalog.record();
        let report = RepairReport {
            pair: PairNow::of("repair", record),
            copy: CopyReport::of(
                &plan,
                stats,
                donor.block_size(),
                point.length,
                begun.elapsed().as_secs_f64(),
            ),
            from_mirror: shown(from),
            generation: record.generation,
            label: record.point.as_ref().and_then(|point| point.label.clone()),
        };
        catalog.note("repair", serde_json::to_value(&report).unwrap_or_default());
        Ok(report)
    }

    /// The mirror to copy from: one of the same source, open here.
    fn donor(&self, from: &Path) -> Result<Arc<Leg>> {
        let refused = |problem: String| Err(Error::argument("from_mirror", problem));
        let path = self.host().find(from)?.map(|found| found.path);
        let path = path.ok_or_else(|| Error::NotFound { path: from.to_path_buf() })?;
        if path == self.mirror_path() {
            return refused("it is the mirror that is to be repaired".into());
        }
        match self.volume.legs().into_iter().find(|leg| leg.mirror_path() == path) {
            Some(leg) => Ok(leg),
            None => {
                let missing = self.volume.missing_siblings();
                let known = missing.into_iter().find(|missing| missing.sibling.mirror.0 == path);
                refused(match known {
                    Some(missing) => format!("it cannot be opened: {}", missing.problem),
                    None => format!("{} is not a mirror of the same source", shown(from)),
                })
            }
        }
    }

    fn repair_plan(&self, good: &Reader, length: u64, size: BlockSize) -> Result<CopyPlan> {
        let target = self.mirror_reader()?;
        if target.kind() == Kind::Device && target.length()? < length {
            return Err(Error::TooSmall {
                path: self.mirror_path().to_path_buf(),
                length: target.length()?,
                needed: length,
            });
        }
        // After a failed sync its cache may show what its storage lacks: written anew, not compared.
        let failed = self.has(Condition::MirrorFailed);
        let method = if failed { Method::Copy } else { Method::Compare };
        let plan = CopyPlan {
            reason: Reason::Compare,
            method,
            extents: vec![Extent::new(0, length)],
            target_length: Some(length),
            covers_all: true,
        };
        plan.without_common_holes(good, Some(&target), size)
    }

    /// The mirror is no copy of any instant from here on.
    fn begin_repair(&self, length: u64) -> Result<()> {
        self.volume.readmit(&self.leg)?;
        self.volume.stop_following(&self.leg);
        self.leg.belief().lose(Reason::Compare);
        let mut catalog = self.leg.catalog();
        catalog.commit(|record| {
            record.state = State::Unsynchronized;
            record.point = None;
            record.pending = None;
            record.restored = None;
            record.length = length;
            record.established = None;
            record.conditions.set(Condition::TrackerLost);
            for gone in [Condition::RestorePending, Condition::MirrorSkewed] {
                record.conditions.clear(gone);
            }
        })?;
        catalog.remove_seal();
        drop(catalog);
        self.leg.forget_seal();
        // A restore that was given up redirects nobody any more.
        self.volume.end_restore(&self.leg);
        Ok(())
    }

    fn copy_mirror(
        &self,
        donor: &Leg,
        good: &Reader,
        plan: &CopyPlan,
        control: &Control,
    ) -> Result<CopyStats> {
        let target = self.open_mirror()?;
        target.set_length(plan.target_length.unwrap_or(0))?;
        let seal = donor.seal()?;
        // In the other mirror's blocks: its seal is of these.
        let stats =
            self.copy_alone(good, &target, plan, donor.block_size(), seal.as_deref(), control)?;
        target.sync_all()?;
        Ok(stats)
    }

    /// It holds the other mirror's point now, and differs from the source where that one does.
    fn finish_repair(&self, donor: &Arc<Leg>, point: &Record) -> Result<()> {
        let frozen = Reader::new(self.host().open(self.mirror_path(), Access::Read)?);
        let stamp = frozen.stamp()?;
        self.volume.copy_standing(donor, &self.leg, frozen);
        let doubt = self.leg.belief().lost().is_some();
        let seal = donor.seal()?.filter(|_| donor.block_size() == self.leg.block_size());
        let mut catalog = self.leg.catalog();
        if let Some(seal) = &seal {
            catalog.write_seal(seal)?;
        }
        catalog.commit_with(&[(MapKind::Dirty, &[self.leg.dirty()])], |record| {
            record.state = State::Split;
            record.generation += 1;
            record.length = point.length;
            record.point = point.point.clone();
            if let Some(taken) = record.point.as_mut() {
                taken.root = seal.as_ref().map(|seal| seal.root());
            }
            record.mirror.stamp = stamp;
            record.epoch = point.epoch;
            record.conditions.clear(Condition::MirrorFailed);
            if !doubt {
                record.conditions.clear(Condition::TrackerLost);
                record.conditions.clear(Condition::OutsideWrites);
            }
        })
    }
}

fn not_split(from: &Path) -> Error {
    Error::argument(
        "from_mirror",
        format!(
            "{} is not split: only a point in time can be copied; establish() follows the source",
            shown(from)
        ),
    )
}
