//! How busy the application is while a restore copies, so that the copier can give way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Reads and writes of the application during a restore. Not counted otherwise: a count that all share costs.
#[derive(Debug, Default)]
pub struct Traffic {
    entered: AtomicU64,
    under_way: AtomicU64,
}

/// One operation, until it is dropped.
#[derive(Debug)]
pub(super) struct Busy<'a>(&'a Traffic);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Traffic {
    pub(super) fn enter(&self) -> Busy<'_> {
        self.entered.fetch_add(1, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Busy(self)
    }

    /// How many operations have begun so far.
    pub(super) fn entered(&self) -> u64 {
        self.entered.load(Ordering::Relaxed)
    }

    fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }

    /// Waits as long as the copier worked, in steps, when the application was there meanwhile (`since`): so it takes
    /// half of the time at most, and less while operations wait. Returns at once when nobody is there.
    pub(super) fn give_way(&self, since: u64, worked: Duration) {
        if self.entered() == since && !self.is_busy() {
            return;
        }
        // A wait that is too short to sleep is none; one that is long would keep an idle application's copier waiting.
        std::thread::sleep(worked.clamp(Duration::from_micros(100), Duration::from_millis(5)));
    }
}
