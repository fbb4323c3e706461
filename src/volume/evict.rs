//! Eviction: regions leave the intent log in batches, so that a cold write finds a free place.
//!
//! The gate is closed for the moment in which they stop being active: from there on no write is under way in them.
//! Then both sides are synced, then the marks of the mirrors that do not follow are saved, and only then the regions
//! leave the log. A write that comes back meanwhile finds its region logged still.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread::JoinHandle;

use super::intent::takes_intents;
use super::{Side, Volume, unpoisoned};
use crate::area::Order;
use crate::error::{Error, Result};

/// The thread that evicts, when one is at it.
#[derive(Debug, Default)]
pub(super) struct Evictor {
    turn: Mutex<()>,
    running: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Evictor {
    /// Waits for a batch that is under way.
    pub(super) fn finish(&self) {
        let thread = unpoisoned(&self.thread).take();
        if let Some(thread) =
            thread.filter(|thread| thread.thread().id() != std::thread::current().id())
            && thread.join().is_err()
        {
            log::error!(target: "splitmirror.volume", "the thread of the intent log ended in a panic");
        }
    }
}

impl Volume {
    /// Makes room in the log, without the caller waiting for it.
    pub(super) fn evict_soon(&self) -> Result<()> {
        if !self.settings.background {
            return self.evict();
        }
        let Some(me) = self.me.upgrade() else { return Ok(()) };
        if self.evictor.running.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let run = move || {
            if let Err(error) = me.evict() {
                log::warn!(target: "splitmirror.volume", "the intent log stays full: {error}");
            }
            me.evictor.running.store(false, Ordering::Release);
        };
        self.evictor.finish();
        let spawned = std::thread::Builder::new().name("splitmirror-intent".into()).spawn(run);
        match spawned {
            Ok(thread) => {
                *unpoisoned(&self.evictor.thread) = Some(thread);
                Ok(())
            }
            Err(_) => {
                // No thread to be had: the writer does it.
                self.evictor.running.store(false, Ordering::Release);
                self.evict()
            }
        }
    }

    /// Keeps the marks from being saved while they are not complete: between a new beginning of the tracking and the commit
    /// of what is to be looked at instead.
    pub fn hold_marks(&self) -> MutexGuard<'_, ()> {
        unpoisoned(&self.evictor.turn)
    }

    /// Takes a quarter of the places free, unless somebody has done so while this waited.
    pub(super) fn evict(&self) -> Result<()> {
        let _turn = unpoisoned(&self.evictor.turn);
        let slots = self.intent.slots();
        let victims = {
            let mut log = self.intent.log();
            if log.logged() <= slots / 4 * 3 {
                return Ok(());
            }
            let gate = self.close_gate();
            self.intent.deactivate(slots / 4, &mut log);
            drop(gate);
            log.leaving.clone()
        };
        if self.host.keeps(Order::SidesSyncedBeforeIntentRemoved) {
            self.sync_sides(true)?;
        }
        if self.host.keeps(Order::MarksSavedBeforeIntentRemoved) {
            self.save_all_marks()?;
        }
        let mut log = self.intent.log();
        // Those that were not asked for again meanwhile.
        let gone = log.leaving.intersection(&victims).copied().collect();
        let pages = log.remove(&gone);
        log.leaving.retain(|region| !gone.contains(region));
        let failures = self.write_pages(&pages, &log, false);
        drop(log);
        self.catalogs_failed(failures)
    }

    /// The marks of the mirrors that do not follow the source. Those of one that is being synchronized are on disk
    /// already: only the copier takes marks away then, and on disk only what is durable.
    fn save_all_marks(&self) -> Result<()> {
        for leg in self.legs().into_iter().filter(|leg| takes_intents(leg)) {
            let marks = self.look_at(&leg, |side| {
                matches!(side, Side::Absent | Side::Paused(_) | Side::Frozen(_))
            });
            if !marks {
                continue;
            }
            match leg.save_marks() {
                Ok(()) => {}
                Err(error @ Error::Closed) => return Err(error),
                Err(error) => self.catalog_failed(&leg, error)?,
            }
        }
        Ok(())
    }
}
