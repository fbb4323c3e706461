//! The intent log's memory side: which regions may be written now.
//!
//! A region is *active* once it is durably logged in the catalog of each mirror that is believed after a crash (mode
//! `exclusive`; a shared source is compared after a crash whatever was logged). A write into active regions costs a
//! look at a bit; a cold one is activated before the write enters the gate. After a crash the regions that are
//! logged are all in which source and mirror may differ beside the marks on disk (I2).
//!
//! What waits for the log meanwhile is logged with it, and so are the next regions of a run that grows: up to
//! [`BATCH`] in one durable write, which is made in all catalogs at once. Regions leave in batches: see `evict`.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Leg, Settings, Volume, unpoisoned};
use crate::area::Order;
use crate::bitmap::Bitmap;
use crate::catalog::IntentLog;
use crate::error::{Error, Result};
use crate::state::Mode;
use crate::units::Extent;

/// So many regions are logged in one durable write at most.
const BATCH: u64 = 64;

/// Mirrors whose catalogs failed, with why.
pub(super) type Failures = Vec<(Arc<Leg>, Error)>;

#[derive(Debug)]
pub(super) struct Intent {
    region_bytes: u64,
    slots: usize,
    /// Some mirror needs the log.
    needed: AtomicBool,
    active: Bitmap,
    /// Written since the evictor last passed by.
    recent: Bitmap,
    /// Regions that somebody waits for.
    wanted: Mutex<BTreeSet<u64>>,
    log: Mutex<Log>,
}

/// What is in the log files.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The regions of each page.
    pub(super) pages: Vec<Vec<u64>>,
    /// Active regions, in the order in which they came.
    pub(super) order: VecDeque<u64>,
    /// Not active any more, and still logged.
    pub(super) leaving: BTreeSet<u64>,
    /// Where the last activation ended, and how many regions it took: a run that goes on takes twice as many.
    run: (u64, u64),
}

impl Log {
    pub(super) fn logged(&self) -> usize {
        self.pages.iter().map(Vec::len).sum()
    }

    /// Puts regions into the emptiest pages; the numbers of these pages.
    fn place(&mut self, regions: &[u64], per_page: usize) -> BTreeSet<usize> {
        let mut touched = BTreeSet::new();
        let mut rest = regions.iter().copied().peekable();
        while rest.peek().is_some() {
            let emptiest = (0..).zip(self.pages.iter_mut()).min_by_key(|(_, page)| page.len());
            let Some((number, page)) = emptiest else { break };
            let room = per_page.saturating_sub(page.len());
            if room == 0 {
                break;
            }
            page.extend(rest.by_ref().take(room));
            touched.insert(number);
        }
        touched
    }

    /// Takes regions out; the numbers of the pages that they were in.
    pub(super) fn remove(&mut self, regions: &BTreeSet<u64>) -> BTreeSet<usize> {
        let mut touched = BTreeSet::new();
        for (number, page) in (0..).zip(self.pages.iter_mut()) {
            let before = page.len();
            page.retain(|region| !regions.contains(region));
            if page.len() != before {
                touched.insert(number);
            }
        }
        touched
    }
}

impl Intent {
    pub(super) fn new(settings: &Settings) -> Self {
        let pages = vec![Vec::new(); IntentLog::PAGES];
        let slots = settings.region_slots.min(IntentLog::PAGES * IntentLog::SLOTS_PER_PAGE);
        Self {
            region_bytes: settings.region_bytes,
            slots: slots.max(4),
            needed: AtomicBool::new(false),
            active: Bitmap::default(),
            recent: Bitmap::default(),
            wanted: Mutex::default(),
            log: Mutex::new(Log { pages, ..Log::default() }),
        }
    }

    pub(super) fn region_bytes(&self) -> u64 {
        self.region_bytes
    }

    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        unpoisoned(&self.log)
    }

    /// From here on writes are logged.
    pub(super) fn need(&self) {
        self.needed.store(true, Ordering::Release);
    }

    fn regions(&self, extent: Extent) -> std::ops::Range<u64> {
        extent.offset / self.region_bytes..extent.end().div_ceil(self.region_bytes)
    }

    /// Whether a write may go on: the look of the hot path.
    pub(super) fn is_active(&self, extent: Extent) -> bool {
        !self.needed.load(Ordering::Acquire)
            || self.regions(extent).all(|region| {
                let active = self.active.has(region);
                if active && !self.recent.has(region) {
                    self.recent.set(run_of(region));
                }
                active
            })
    }

    fn activate(&self, regions: &BTreeSet<u64>, log: &mut Log) {
        let room = regions.last().map_or(0, |last| last + 1);
        self.active.make_room(room);
        self.recent.make_room(room);
        for region in regions {
            self.recent.set(run_of(*region));
            self.active.set(run_of(*region));
            log.order.push_back(*region);
        }
    }

    /// Takes up to `count` regions out of the active ones, those first that came first and were not written since
    /// the last pass. No write is under way.
    pub(super) fn deactivate(&self, count: usize, log: &mut Log) -> BTreeSet<u64> {
        let mut victims = BTreeSet::new();
        // Twice round at most: in the second round nothing is recent any more.
        for _ in 0..2 * log.order.len() {
            if victims.len() >= count {
                break;
            }
            let Some(region) = log.order.pop_front() else { break };
            if self.recent.has(region) {
                self.recent.clear(run_of(region));
                log.order.push_back(region);
            } else {
                self.active.clear(run_of(region));
                victims.insert(region);
            }
        }
        log.leaving.extend(&victims);
        victims
    }
}

const fn run_of(region: u64) -> crate::units::BlockRun {
    crate::units::BlockRun { first: region, count: 1 }
}

/// Whether a mirror's catalog is to name what may differ.
pub(super) fn takes_intents(leg: &Leg) -> bool {
    leg.mode() == Mode::Exclusive && leg.is_logged()
}

impl Volume {
    /// Makes the regions of an extent active: durably logged in every catalog that takes intents. Not under the gate.
    pub(super) fn log_intent(&self, extent: Extent) -> Result<()> {
        let asked: BTreeSet<u64> = self.intent.regions(extent).collect();
        if asked.len() > self.intent.slots / 2 {
            // A write that large is cut by its caller.
            return Err(Error::argument(
                "data",
                "the write touches more regions than can be logged",
            ));
        }
        unpoisoned(&self.intent.wanted).extend(&asked);
        let mut log = self.intent.log();
        if asked.iter().all(|region| self.intent.active.has(*region)) {
            // Somebody else has logged them while this waited.
            return Ok(());
        }
        let wanted = std::mem::take(&mut *unpoisoned(&self.intent.wanted));
        let mut regions: BTreeSet<u64> = wanted
            .into_iter()
            .filter(|region| !asked.contains(region))
            .take(BATCH as usize)
            .chain(asked.iter().copied())
            .collect();
        regions.extend(ahead(&mut log, &asked));
        regions.retain(|region| !self.intent.active.has(*region));
        if log.logged() + regions.len() > self.intent.slots {
            // What was asked for alone, once there is room.
            regions.retain(|region| asked.contains(region));
            if log.logged() + regions.len() > self.intent.slots {
                drop(log);
                self.evict()?;
                return self.log_intent(extent);
            }
        }
        let failures = self.store_intent(&regions, &mut log);
        let crowded = log.logged() > self.intent.slots / 4 * 3;
        drop(log);
        if !failures.is_empty() {
            // Nothing was activated: those that failed are given up first.
            self.catalogs_failed(failures)?;
            return self.log_intent(extent);
        }
        if crowded {
            self.evict_soon()?;
        }
        Ok(())
    }

    fn store_intent(&self, regions: &BTreeSet<u64>, log: &mut Log) -> Failures {
        // What was about to leave is still on disk.
        let fresh: Vec<u64> =
            regions.iter().copied().filter(|region| !log.leaving.remove(region)).collect();
        if !fresh.is_empty() && self.host.keeps(Order::RegionLoggedBeforeWrite) {
            let pages = log.place(&fresh, IntentLog::SLOTS_PER_PAGE);
            let failures = self.write_pages(&pages, log, true);
            if !failures.is_empty() {
                // Not active. What was logged before stays; the rest is named where it did not fail until its page is
                // written again, and is logged anew by whoever asks for it.
                let fresh: BTreeSet<u64> = fresh.into_iter().collect();
                log.remove(&fresh);
                log.leaving.extend(regions.difference(&fresh));
                return failures;
            }
        }
        self.intent.activate(regions, log);
        Failures::new()
    }

    /// Gives up the mirrors whose catalogs failed.
    pub(super) fn catalogs_failed(&self, failures: Failures) -> Result<()> {
        failures.into_iter().try_for_each(|(leg, error)| self.catalog_failed(&leg, error))
    }

    /// Writes pages of the log into every catalog that takes them; those that failed. The caller lets go of the log
    /// before it gives them up.
    pub(super) fn write_pages(
        &self,
        pages: &BTreeSet<usize>,
        log: &Log,
        durable: bool,
    ) -> Failures {
        let legs: Vec<Arc<Leg>> =
            self.legs().into_iter().filter(|leg| takes_intents(leg)).collect();
        let write = |leg: Arc<Leg>| -> Option<(Arc<Leg>, Error)> {
            let written = pages.iter().try_for_each(|page| {
                leg.intents().store(*page, log.pages.get(*page).map_or(&[], Vec::as_slice))
            });
            let synced = written.and_then(|()| if durable { leg.intents().sync() } else { Ok(()) });
            synced.err().map(|error| (leg, error))
        };
        if legs.len() < 2 {
            return legs.into_iter().filter_map(write).collect();
        }
        // Each waits for its own storage.
        std::thread::scope(|scope| {
            let threads: Vec<_> = legs.into_iter().map(|leg| scope.spawn(|| write(leg))).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok().flatten()).collect()
        })
    }
}

/// The next regions of a run that goes on: as many as it has had so far, up to a batch.
fn ahead(log: &mut Log, asked: &BTreeSet<u64>) -> std::ops::Range<u64> {
    let (Some(first), Some(last)) = (asked.first(), asked.last()) else { return 0..0 };
    let (end, count) = log.run;
    let count = if *first == end { (count * 2).clamp(1, BATCH) } else { 1 };
    log.run = (last + count, count);
    last + 1..last + count
}
