//! `restore(to=…)`: the mirror's content into a file of its own (R18). Neither source nor pair changes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::checks::check_space;
use super::plan::space_needed;
use super::receipt::Done;
use super::report::Receipt;
use super::{Pair, RestoreOptions};
use crate::area::{Access, Kind, Reader, Writer, check_different};
use crate::catalog::Seal;
use crate::engine::{
    BlockCheck, Claim, Control, CopyPlan, CopyStats, Held, PIECE_BYTES, Steps, Transfer, transfer,
};
use crate::error::{Error, Result, shown};
use crate::state::{Method, Reason};
use crate::units::{BlockSize, Extent};
use crate::volume::{Export, tag_of};

/// Nobody else writes the target: every piece is claimed whole.
struct Alone<'a> {
    lock: Mutex<()>,
    check: Option<BlockCheck<'a>>,
}

impl Steps for Alone<'_> {
    fn claim(&self, piece: Extent) -> Claim<'_> {
        Claim {
            extents: vec![piece],
            guard: Held::One(self.lock.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn failed(&self, _extent: Extent, error: Error) -> Result<()> {
        Err(error)
    }

    fn durable(&self, _extents: &[Extent]) -> Result<()> {
        Ok(())
    }

    fn block_check(&self) -> Option<BlockCheck<'_>> {
        self.check
    }
}

impl Pair {
    /// A mount of this volume is served by this process, which would wait for itself.
    fn check_not_exported(&self, path: &Path) -> Result<()> {
        let on = |export: &Arc<dyn Export>| {
            let file = export.path();
            let folder = file.parent().unwrap_or(&file);
            path.starts_with(folder) || self.host().lies_through(path, export.device(), folder)
        };
        match self.volume.exports().iter().find(|export| on(export)) {
            None => Ok(()),
            Some(export) => Err(Error::argument(
                "to",
                format!(
                    "it lies on the mount of this volume ({}), or on a file system on it; choose another place",
                    shown(&export.path())
                ),
            )),
        }
    }

    pub(super) fn restore_to(
        &self,
        to: &Path,
        options: &RestoreOptions,
        begun: Instant,
        control: &Control,
    ) -> Result<Receipt> {
        if options.plan.is_some() {
            return Err(Error::argument("plan", "a plan is for the source; it excludes to="));
        }
        self.check_not_exported(&std::path::absolute(to).unwrap_or_else(|_| to.to_path_buf()))?;
        let path = self.host().absolute(to)?;
        self.check_not_exported(&path)?;
        if path.parent() == Some(self.catalog_folder()) {
            return Err(Error::argument("to", "it lies in the catalog of the pair"));
        }
        let made = self.check_scratch(&path, options.overwrite)?;
        let ranges = self.restore_ranges(options.full, options.ranges.as_deref())?;
        let before = self.before(begun)?;
        let copied = self.copy_to_scratch(&path, made, ranges, control);
        match copied {
            Ok((plan, stats)) if !stats.cancelled => {
                let length_after = plan.target_length.unwrap_or(0);
                let done = Done {
                    plan: &plan,
                    stats,
                    to: Some(&path),
                    restore: None,
                    length_after,
                    suspected: false,
                    unrestored: Vec::new(),
                    complete: true,
                    resumed: false,
                };
                self.receipt(&before, done)
            }
            failed => {
                // One that somebody else made meanwhile is not ours to remove.
                if made && !matches!(failed, Err(Error::MirrorExists { .. })) {
                    self.host().remove(&path)?;
                }
                failed.and_then(|_| Err(self.cancelled("restore(to=…) begins anew")))
            }
        }
    }

    /// Whether the file is to be made.
    fn check_scratch(&self, path: &Path, overwrite: bool) -> Result<bool> {
        let Some(found) = self.host().find(path)? else { return Ok(true) };
        for own in [self.source_path(), self.mirror_path()] {
            if let Some(own) = self.host().find(own)? {
                check_different(&own, &found, path)?;
            }
        }
        if let Some(Some(_)) = tag_of(self.host(), &found)? {
            // Of whatever pair: a restore writes no mirror, and no source but its own.
            let other = self.host().catalog_folder(&found.path)?;
            return Err(Error::AlreadyPaired { path: found.path, other });
        }
        if !overwrite {
            return Err(Error::MirrorExists { path: path.to_path_buf() });
        }
        match self.host().mounted_on(&found) {
            Some(mountpoint) => Err(Error::SourceMounted { path: path.to_path_buf(), mountpoint }),
            None => Ok(false),
        }
    }

    fn copy_to_scratch(
        &self,
        path: &Path,
        make: bool,
        ranges: Option<Vec<Extent>>,
        control: &Control,
    ) -> Result<(CopyPlan, CopyStats)> {
        let mirror = self.volume.frozen_mirror(&self.leg).ok_or(Error::Closed)?;
        let length = self.leg.catalog().record().length;
        let size = self.leg.block_size();
        let wanted = ranges.unwrap_or_else(|| vec![Extent::new(0, length)]);
        let plan = CopyPlan {
            reason: Reason::First,
            method: Method::Copy,
            extents: wanted,
            target_length: Some(length),
            covers_all: true,
        };
        let medium = if make {
            self.host().create(path, None)?
        } else {
            self.host().open(path, Access::Write)?
        };
        let target = Writer::new(medium);
        let emptied = target.reader().kind() == Kind::File;
        let plan =
            plan.without_common_holes(&mirror, (!emptied).then_some(&target.reader()), size)?;
        if emptied {
            check_space(self.host(), path, space_needed(&mirror, None, &plan.extents)?)?;
            target.set_length(0)?;
        }
        target.set_length(length)?;
        let seal = self.leg.seal()?;
        let stats = self.copy_alone(&mirror, &target, &plan, size, seal.as_deref(), control)?;
        target.sync_all()?;
        self.host().sync_folder(path.parent().unwrap_or(path))?;
        Ok((plan, stats))
    }
    /// Copies to a file that nobody else writes, each block checked against a seal where there is one.
    pub(super) fn copy_alone(
        &self,
        from: &Reader,
        to: &Writer,
        plan: &CopyPlan,
        block_size: BlockSize,
        seal: Option<&Seal>,
        control: &Control,
    ) -> Result<CopyStats> {
        let check = |block: u64, content: &[u8]| {
            seal.map_or(Ok(()), |seal| seal.check(from.path(), block, content))
        };
        let steps = Alone { lock: Mutex::new(()), check: seal.is_some().then_some(&check as _) };
        let job = Transfer {
            from,
            to,
            plan,
            block_size,
            piece_bytes: PIECE_BYTES,
            spare_equal: false,
            batch_bytes: u64::MAX,
            sync_batches: true,
            pool: self.volume.pool(),
            control,
        };
        transfer(&job, &steps)
    }
}
