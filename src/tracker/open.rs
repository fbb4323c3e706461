//! The time while the pair is open: a watch on the source, and the reasons not to believe that have come up.
//!
//! The claim "source and mirror differ in the dirty blocks alone" holds from an *anchor* on: the open after a
//! proven close, or the moment before an establish or a restore looks at the source. What happened before the
//! anchor does not matter, for everything is read after it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::area::{Disturbance, Reader, Watch, forks_seen};
use crate::error::Result;
use crate::state::{Mode, Reason};

/// Watches one source for writes of others.
#[derive(Debug)]
pub struct Tracker {
    mode: Mode,
    watch: Option<Box<dyn Watch>>,
    lost: Mutex<Option<Reason>>,
    forks: AtomicU64,
    source: Reader,
    /// Bytes that the source had when it was last looked at, or written by us: only others make it shorter. Needed
    /// because `truncate(2)` by path leaves no event that can be told from those of our own writes.
    length: AtomicU64,
}

impl Tracker {
    /// Starts with what is known from the time before: `None` when the tracking was proven so far.
    pub fn start(mode: Mode, source: &Reader, known: Option<Reason>) -> Self {
        let watch = if mode == Mode::Shared { source.watch() } else { None };
        let length = AtomicU64::new(source.length().unwrap_or(0));
        let (lost, forks) = (Mutex::new(known), AtomicU64::new(forks_seen()));
        Self { mode, watch, lost, forks, source: source.clone(), length }
    }

    /// Why the tracking is not believed now; `None` when it is.
    pub fn doubt(&self) -> Option<Reason> {
        let mut lost = self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if lost.is_none() {
            let (doubt, lasting) = self.look();
            if lasting {
                *lost = doubt;
            }
            return doubt;
        }
        *lost
    }

    /// What can be seen now, and whether it will still count when it can no longer be seen.
    fn look(&self) -> (Option<Reason>, bool) {
        if self.mode == Mode::Exclusive {
            return (None, false);
        }
        if forks_seen() != self.forks.load(Ordering::Acquire) {
            return (Some(Reason::OutsideWrites), true);
        }
        if self.was_shortened() {
            return (Some(Reason::OutsideWrites), true);
        }
        match self.watch.as_ref().map(|watch| watch.disturbance()) {
            Some(Disturbance::None) => (None, false),
            Some(Disturbance::Seen) => (Some(Reason::OutsideWrites), true),
            // Who has it open now will leave an event if it writes; if it only reads, belief comes back.
            Some(Disturbance::Unknown) | None => (Some(Reason::UncleanTracker), false),
        }
    }

    /// Whether nobody else has the source open at this moment, as far as can be known.
    pub fn alone(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.sole())
    }

    /// Whether others have it open or mapped; `None` where nobody can tell.
    pub fn in_use(&self) -> Option<bool> {
        self.watch.as_ref().map(|watch| watch.in_use())
    }

    /// A new beginning: all of the source is about to be read.
    pub fn anchor(&self) {
        if let Some(watch) = &self.watch {
            watch.forget();
        }
        self.forks.store(forks_seen(), Ordering::Release);
        self.length.store(self.source.length().unwrap_or(0), Ordering::Release);
        *self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }

    /// Believes nothing until the next anchor.
    pub fn lose(&self, reason: Reason) {
        self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(reason);
    }

    /// Writes of our own are about to begin.
    pub fn expect_own_writes(&self) {
        if let Some(watch) = &self.watch {
            watch.expect_own_writes();
        }
    }

    /// As [`Tracker::doubt`], while no write of our own is under way: then a source that others made longer shows too.
    pub fn doubt_at_rest(&self) -> Option<Reason> {
        let known = self.length.load(Ordering::Acquire);
        if self.mode == Mode::Shared && self.source.length().is_ok_and(|length| length != known) {
            self.lose(Reason::OutsideWrites);
        }
        self.doubt()
    }

    fn was_shortened(&self) -> bool {
        let known = self.length.load(Ordering::Acquire);
        self.source.length().is_ok_and(|length| length < known)
    }

    /// A write of our own is about to begin: it may make a source long again that others cut.
    pub fn before_own_write(&self) {
        if self.mode == Mode::Shared && self.was_shortened() {
            self.lose(Reason::OutsideWrites);
        }
    }

    /// A write of our own ended there.
    pub fn after_own_write(&self, end: u64) {
        self.length.fetch_max(end, Ordering::AcqRel);
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
