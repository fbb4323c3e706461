//! `status` and `history`: what is known of a pair, with or without opening it.

use std::path::{Path, PathBuf};

use super::report::{ArraysInUse, PairNow, SiblingStatus, Status, Tracking, seconds};
use super::{Pair, situation};
use crate::area::{Host, StoreTracking};
use crate::catalog::{Catalog, Event, MapKind, Record, Sibling};
use crate::error::{Result, shown};
use crate::state::{Reason, legal_verbs};
use crate::volume::Leg;

fn status_from(record: &Record, folder: &Path) -> Status {
    let point = record.point.as_ref();
    Status {
        pair: PairNow::of("status", record),
        volume_id: record.volume_id.to_string(),
        mirror: shown(&record.mirror.path.0),
        source: shown(&record.source.path.0),
        catalog: shown(folder),
        mode: record.mode.name(),
        block_size: record.block_size.bytes(),
        activity: "idle",
        generation: record.generation,
        label: point.and_then(|point| point.label.clone()),
        split_at: point.map(|point| seconds(point.taken_ns)),
        consistency: point.map(|point| point.consistency.name()),
        established_at: record.established.map(|established| seconds(established.at_ns)),
        length: record.length,
        sealed: point.is_some_and(|point| point.root.is_some()),
        root: point.and_then(|point| point.root.clone()),
        hold: record.hold.clone(),
        owner_pid: None,
        mounted: None,
        tracking: None,
        changed_blocks: None,
        pending_blocks: 0,
        arrays: None,
        siblings: Vec::new(),
        next: legal_verbs(situation(record, false)),
        advice: record.conditions.iter().map(|condition| condition.advice(record.state)).collect(),
    }
}

/// The catalog's folder of a mirror.
pub(super) fn folder_of(host: &dyn Host, mirror: &Path, catalog: Option<&Path>) -> Result<PathBuf> {
    match catalog {
        Some(folder) => host.absolute(folder),
        None => host.catalog_folder(&host.absolute(mirror)?),
    }
}

/// The status as it was last committed: works beside the process that has the pair open, and changes nothing.
pub fn status_of(host: &dyn Host, mirror: &Path, catalog: Option<&Path>) -> Result<Status> {
    let folder = folder_of(host, mirror, catalog)?;
    let record = Catalog::peek(host, &folder)?;
    let mut status = status_from(&record, &folder);
    status.owner_pid = Catalog::owner(host, &folder);
    status.siblings = record.siblings.iter().map(|sibling| peek_sibling(host, sibling)).collect();
    let pending = Catalog::peek_map(host, &folder, &record, MapKind::Restore)?;
    let pending = pending.filter(|_| record.pending.is_some());
    status.pending_blocks =
        pending.and_then(|layers| layers.first().map(|set| set.count())).unwrap_or(0);
    Ok(status)
}

/// The folder of a pair's catalog, which can be read.
pub fn catalog_of(host: &dyn Host, mirror: &Path, catalog: Option<&Path>) -> Result<PathBuf> {
    let folder = folder_of(host, mirror, catalog)?;
    Catalog::peek(host, &folder)?;
    Ok(folder)
}

/// Another mirror of the source, as its catalog says.
fn peek_sibling(host: &dyn Host, sibling: &Sibling) -> SiblingStatus {
    let found = Catalog::peek(host, &sibling.catalog.0);
    let known = found.as_ref().ok();
    SiblingStatus {
        pair_id: sibling.pair_id.to_string(),
        mirror: shown(&sibling.mirror.0),
        state: known.map(|record| record.state.name()),
        conditions: known.map(|record| record.conditions.names()).unwrap_or_default(),
        open: Catalog::owner(host, &sibling.catalog.0).is_some(),
        problem: found.err().map(|error| error.to_string()),
    }
}

/// All that happened to a pair, oldest first.
pub fn history_of(host: &dyn Host, mirror: &Path, catalog: Option<&Path>) -> Result<Vec<Event>> {
    Catalog::history(host, &folder_of(host, mirror, catalog)?)
}

impl Pair {
    /// The status now, with what a plan made now would say.
    pub fn status(&self) -> Result<Status> {
        // Beside a running verb: then only what was last found.
        if let Ok(_turn) = self.verbs.try_lock() {
            self.check_usable()?;
            self.revisit()?;
            self.collect();
        }
        self.check_usable()?;
        let doubt = self.volume.source().ok().map(|_| self.doubt());
        let pending = self
            .volume
            .look(|phase| phase.restore_of(&self.leg).map(|restore| restore.pending().count()));
        let catalog = self.leg.catalog();
        let mut status = status_from(catalog.record(), self.catalog_folder());
        status.activity = if self.restore_job().is_some() { "restoring" } else { self.activity() };
        status.owner_pid = Some(self.process);
        status.mounted = self.volume.exports().first().map(|export| shown(&export.path()));
        let reason = match doubt {
            Some(None) => Reason::Bitmap,
            Some(Some(reason)) => reason,
            None => Reason::SourceReplaced,
        };
        let believed = reason == Reason::Bitmap;
        status.tracking = Some(Tracking { believed, reason: reason.name() });
        status.changed_blocks = believed.then(|| self.leg.dirty().count());
        status.pending_blocks = pending.unwrap_or(0);
        drop(catalog);
        status.next = self.legal_now(&self.record());
        status.arrays = self.arrays_in_use()?;
        status.siblings = self.siblings();
        status.source = shown(self.source_path());
        Ok(status)
    }

    /// The other mirrors of the source: those that are open with this one, and those that could not be opened.
    fn siblings(&self) -> Vec<SiblingStatus> {
        let of = |leg: &Leg| {
            let catalog = leg.catalog();
            let record = catalog.record();
            SiblingStatus {
                pair_id: record.pair_id.to_string(),
                mirror: shown(leg.mirror_path()),
                state: Some(record.state.name()),
                conditions: record.conditions.names(),
                open: true,
                problem: None,
            }
        };
        let legs = self.volume.legs();
        let open = legs.iter().filter(|leg| !leg.is(&self.leg)).map(|leg| of(leg));
        let missing = self.volume.missing_siblings().into_iter().map(|missing| SiblingStatus {
            open: false,
            problem: Some(missing.problem),
            ..peek_sibling(self.host(), &missing.sibling)
        });
        open.chain(missing).collect()
    }

    /// All that happened to the pair, oldest first.
    pub fn history(&self) -> Result<Vec<Event>> {
        self.check_usable()?;
        Catalog::history(self.host(), self.catalog_folder())
    }

    /// The record as it was last committed, for light questions.
    pub fn record(&self) -> Record {
        self.leg.catalog().record().clone()
    }

    fn arrays_in_use(&self) -> Result<Option<ArraysInUse>> {
        let (interval, lag) = self.volume.lag();
        let tracking =
            |tracked| if tracked { StoreTracking::Pages } else { StoreTracking::Compare };
        Ok(self.volume.handed_out()?.map(|out| ArraysInUse {
            views: out.views,
            bytes: out.bytes,
            tracking: tracking(out.tracked).name(),
            mirroring: if interval.is_some() { "interval" } else { "on-flush" },
            interval_seconds: interval.map(|time| time.as_secs_f64()),
            lag_seconds: lag.map(|time| time.as_secs_f64()),
        }))
    }

    /// One byte a block: 0 same, 1 changed since the point, 2 still to be restored, 255 not known.
    pub fn block_map(&self) -> Result<Vec<u8>> {
        self.check_usable()?;
        self.collect();
        let doubt = self.volume.source().is_err() || self.doubt().is_some();
        let blocks = self.leg.block_size().count(self.leg.catalog().record().length);
        let mut map = vec![if doubt { 255u8 } else { 0 }; blocks as usize];
        let mut paint = |runs: Vec<crate::units::BlockRun>, value: u8| {
            for run in runs {
                let end = run.end().min(blocks) as usize;
                map.get_mut(run.first as usize..end).unwrap_or_default().fill(value);
            }
        };
        if !doubt {
            paint(self.leg.dirty().runs(), 1);
        }
        if let Some(runs) = self
            .volume
            .look(|phase| phase.restore_of(&self.leg).map(|restore| restore.pending().runs()))
        {
            paint(runs, 2);
        }
        Ok(map)
    }
}
