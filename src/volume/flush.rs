//! Flush: what was written before is on stable storage when it returns.

use std::sync::{Arc, PoisonError, TryLockError};

use super::{Leg, Running, Source, Volume};
use crate::area::Writer;
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};

/// What a sync has to do, taken under the gate; the sync itself waits outside of it.
struct Due {
    source: Arc<Source>,
    restore: Option<(Running, Bitmap)>,
    mirrors: Vec<(Arc<Leg>, Arc<Writer>)>,
}

impl Volume {
    /// Collects what was stored into arrays, and syncs the source and each mirror that follows it. A mirror that fails never fails a flush: it is given up
    /// instead (I8). During a restore, blocks that were written and are now durable leave the pending set on disk, so
    /// that no crash brings the mirror's bytes back over them.
    pub fn flush(&self) -> Result<()> {
        self.take_lost_sync()?;
        self.collect()?;
        self.sync_sides(false)
    }

    /// As [`Volume::flush`]. `silent`: nobody is told but by the next flush.
    pub(super) fn sync_sides(&self, silent: bool) -> Result<()> {
        let legs = self.legs();
        let failures = {
            let _handles: Vec<_> = legs.iter().map(|leg| leg.use_handles()).collect();
            let due = self.due()?;
            self.sync_and_record(&due, silent)?;
            sync_mirrors(due.mirrors)
        };
        failures.into_iter().try_for_each(|(leg, error)| self.mirror_failed(&leg, error))
    }

    fn due(&self) -> Result<Due> {
        let phase = self.gate();
        let source = phase.source.clone().ok_or_else(|| self.source_missing())?;
        let taken = |running: &Running| (running.clone(), running.restore.take_landed());
        let restore = phase.restore.as_ref().map(taken);
        let mirrors = phase
            .legs
            .iter()
            .filter_map(|attached| {
                // One that is paused too: it may hold bytes of regions that are about to leave the intent log.
                let writer = attached.side.writer()?;
                Some((Arc::clone(&attached.leg), Arc::clone(writer)))
            })
            .collect();
        Ok(Due { source, restore, mirrors })
    }

    fn sync_and_record(&self, due: &Due, silent: bool) -> Result<()> {
        let give_back = || {
            if let Some((running, landed)) = &due.restore {
                running.restore.return_landed(landed);
            }
        };
        self.sync_file(&due.source, false, silent).inspect_err(|_| give_back())?;
        if let Some((running, landed)) = &due.restore {
            running
                .restore
                .commit_landed(&mut running.leg.catalog(), landed)
                .inspect_err(|_| give_back())?;
        }
        Ok(())
    }

    /// Puts what the source holds on stable storage; `all`: its times too. The kernel reports a failure once, so
    /// whoever meets it records it for all: every pair is suspect, and, when it was `silent`, the application's next
    /// flush fails.
    pub(super) fn sync_file(&self, source: &Source, all: bool, silent: bool) -> Result<()> {
        let writer = source.writer()?;
        let synced = {
            let _syncing = self.syncing.read().unwrap_or_else(PoisonError::into_inner);
            let unsynced = self.unsynced.take();
            let synced = if all { writer.sync_all() } else { writer.sync() };
            synced.inspect_err(|_| self.unsynced.add(&unsynced))
        };
        synced.map_err(|error| self.source_sync_failed(error, silent))
    }

    /// As [`Volume::flush`] for the source alone, by a verb.
    pub fn sync_source(&self, all: bool) -> Result<()> {
        self.sync_file(&*self.source()?, all, true)
    }

    /// Whether everything that was written through this volume has been flushed. Never waits: what a sync that is under
    /// way has taken is not durable yet, so then the answer is no.
    pub fn is_flushed(&self) -> bool {
        let idle = match self.syncing.try_write() {
            Ok(idle) => idle,
            Err(TryLockError::Poisoned(idle)) => idle.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let flushed = self.unsynced.is_empty();
        drop(idle);
        flushed
    }

    /// The mirror of a leg on stable storage, while it is written.
    pub fn sync_mirror(&self, leg: &Leg) -> Result<()> {
        let _handles = leg.use_handles();
        match self.look_at(leg, |side| side.writer().cloned()) {
            Some(mirror) => mirror.sync_all(),
            None => Ok(()),
        }
    }
}

/// Syncs mirrors, each on its own storage and so at the same time; those that failed.
fn sync_mirrors(mut mirrors: Vec<(Arc<Leg>, Arc<Writer>)>) -> Vec<(Arc<Leg>, Error)> {
    let failed =
        |(leg, mirror): (Arc<Leg>, Arc<Writer>)| mirror.sync().err().map(|error| (leg, error));
    let Some(last) = mirrors.pop() else { return Vec::new() };
    std::thread::scope(|scope| {
        let others: Vec<_> =
            mirrors.into_iter().map(|mirror| scope.spawn(move || failed(mirror))).collect();
        let mut failures: Vec<_> = failed(last).into_iter().collect();
        failures.extend(others.into_iter().filter_map(|thread| thread.join().ok().flatten()));
        failures
    })
}
