//! The time while the pair is open: a watch on the source, and the reasons not to believe that have come up.
//!
//! The claim "source and mirror differ in the dirty blocks alone" holds from an *anchor* on: the open after a
//! proven close, or the moment before an establish or a restore looks at the source. What happened before the
//! anchor does not matter, for everything is read after it.
//!
//! One [`Tracker`] a source counts how often others were seen; each mirror has a [`Belief`] of its own, which
//! remembers that count at its anchor. So one mirror that looks at everything does not make the others believe.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::area::{Disturbance, Reader, Watch, forks_seen};
use crate::error::Result;
use crate::state::{Mode, Reason};

/// Watches one source for writes of others.
#[derive(Debug)]
pub struct Tracker {
    watch: Option<Box<dyn Watch>>,
    /// How often others were seen: what was claimed before the last of them does not hold.
    disturbances: AtomicU64,
    /// The forks that are counted already. Held while the watch is looked at.
    forks: Mutex<u64>,
    source: Reader,
    /// Bytes that the source had when it was last looked at, or written by us: only others make it shorter. Needed
    /// because `truncate(2)` by path leaves no event that can be told from those of our own writes.
    length: AtomicU64,
}

/// Whether the marks of one mirror are believed.
#[derive(Debug)]
pub struct Belief {
    mode: Mode,
    /// The tracker's count at the anchor.
    since: AtomicU64,
    lost: Mutex<Option<Reason>>,
}

fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Belief {
    /// Believed from now on, as far as others are concerned.
    pub fn new(mode: Mode, tracker: Option<&Tracker>) -> Self {
        let since = AtomicU64::new(tracker.map_or(0, |tracker| tracker.look().0));
        Self { mode, since, lost: Mutex::new(None) }
    }

    /// Believes nothing until the next anchor. The first reason stays.
    pub fn lose(&self, reason: Reason) {
        unpoisoned(&self.lost).get_or_insert(reason);
    }

    /// As [`Belief::lose`], for a reason that takes the place of any other: the source is another file.
    pub fn lose_anew(&self, reason: Reason) {
        *unpoisoned(&self.lost) = Some(reason);
    }

    /// Believes what another one does.
    pub fn copy(&self, other: &Self) {
        let reason = other.lost();
        self.since.store(other.since.load(Ordering::Acquire), Ordering::Release);
        *unpoisoned(&self.lost) = reason;
    }

    /// The lasting reason, if there is one by now.
    pub fn lost(&self) -> Option<Reason> {
        *unpoisoned(&self.lost)
    }

    /// Why the tracking is not believed now; `None` when it is.
    pub fn doubt(&self, tracker: &Tracker) -> Option<Reason> {
        let mut lost = unpoisoned(&self.lost);
        if lost.is_some() || self.mode == Mode::Exclusive {
            return *lost;
        }
        let (count, certain) = tracker.look();
        if count != self.since.load(Ordering::Acquire) {
            *lost = Some(Reason::OutsideWrites);
        }
        // Who has it open now will leave an event if it writes; if it only reads, belief comes back.
        lost.or((!certain).then_some(Reason::UncleanTracker))
    }

    /// As [`Belief::doubt`], while no write of our own is under way: then a source that others made longer shows too.
    pub fn doubt_at_rest(&self, tracker: &Tracker) -> Option<Reason> {
        if self.mode == Mode::Shared {
            tracker.check_length();
        }
        self.doubt(tracker)
    }

    /// A new beginning: all of the source is about to be read.
    pub fn anchor(&self, tracker: &Tracker) {
        let mut lost = unpoisoned(&self.lost);
        tracker.check_length();
        self.since.store(tracker.look().0, Ordering::Release);
        *lost = None;
    }
}

impl Tracker {
    /// Starts to watch, where others may write and that can be seen.
    pub fn start(source: &Reader, watched: bool) -> Self {
        let watch = if watched { source.watch() } else { None };
        let length = AtomicU64::new(source.length().unwrap_or(0));
        let forks = Mutex::new(forks_seen());
        Self { watch, disturbances: AtomicU64::new(0), forks, source: source.clone(), length }
    }

    fn disturbed(&self) {
        self.disturbances.fetch_add(1, Ordering::AcqRel);
    }

    /// How often others were seen by now, and whether nobody can have come unseen.
    fn look(&self) -> (u64, bool) {
        let mut forks = unpoisoned(&self.forks);
        let now = forks_seen();
        if now != *forks {
            *forks = now;
            self.disturbed();
        }
        if self.was_shortened() {
            self.length.store(self.source.length().unwrap_or(0), Ordering::Release);
            self.disturbed();
        }
        let certain = match self.watch.as_ref().map(|watch| (watch, watch.disturbance())) {
            Some((_, Disturbance::None)) => true,
            Some((watch, Disturbance::Seen)) => {
                // What comes between the two calls is forgotten, and counted here all the same.
                watch.forget();
                self.disturbed();
                watch.sole()
            }
            Some((_, Disturbance::Unknown)) | None => false,
        };
        (self.disturbances.load(Ordering::Acquire), certain)
    }

    /// Whether nobody else has the source open at this moment, as far as can be known.
    pub fn alone(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.sole())
    }

    /// Whether others have it open or mapped; `None` where nobody can tell.
    pub fn in_use(&self) -> Option<bool> {
        self.watch.as_ref().map(|watch| watch.in_use())
    }

    /// Writes of our own are about to begin.
    pub fn expect_own_writes(&self) {
        if let Some(watch) = &self.watch {
            watch.expect_own_writes();
        }
    }

    /// While no write of our own is under way: a length that is not ours is the work of others.
    fn check_length(&self) {
        let known = self.length.load(Ordering::Acquire);
        if let Ok(length) = self.source.length()
            && length != known
        {
            self.length.store(length, Ordering::Release);
            self.disturbed();
        }
    }

    fn was_shortened(&self) -> bool {
        let known = self.length.load(Ordering::Acquire);
        self.source.length().is_ok_and(|length| length < known)
    }

    /// A write of our own is about to begin: it may make a source long again that others cut.
    pub fn before_own_write(&self) {
        if self.watch.is_some() && self.was_shortened() {
            self.disturbed();
        }
    }

    /// A write of our own ended there.
    pub fn after_own_write(&self, end: u64) {
        // A look first: nearly all writes end before, and writers share this number.
        if self.length.load(Ordering::Acquire) < end {
            self.length.fetch_max(end, Ordering::AcqRel);
        }
    }

    /// A change of the source's length by ourselves.
    pub fn own_resize(&self, length: u64, change: impl FnOnce() -> Result<()>) -> Result<()> {
        self.before_own_write();
        self.length.fetch_min(length, Ordering::AcqRel);
        change()?;
        self.after_own_write(length);
        Ok(())
    }

    /// A change of the source's attributes by ourselves, which is not to be taken for that of others.
    pub fn own_change(&self, change: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        match &self.watch {
            Some(watch) => watch.own_change(change),
            None => change(),
        }
    }
}
