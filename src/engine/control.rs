//! Progress out, cancellation in: plain atomics that the caller polls, so no callback runs on a copying thread.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// However slow the rate, a wait ends this soon, so that a change of the rate or a cancellation is seen.
const WAIT_MAX: Duration = Duration::from_millis(50);
/// What was not used of the rate in the past counts for so long: a copier that was held up may catch up a little.
const CREDIT: Duration = Duration::from_millis(100);

/// Asks running work to stop. Clones share one flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks; there is no way back.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What long work tells and asks.
#[derive(Debug, Default)]
pub struct Control {
    cancels: Vec<Cancel>,
    phase: AtomicU64,
    done: AtomicU64,
    total: AtomicU64,
    /// Bytes a second; 0: as fast as it goes.
    rate: AtomicU64,
    /// When what was taken so far will have been due.
    due: Mutex<Option<Instant>>,
}

const PHASES: [&str; 5] = ["", "copying", "comparing", "sealing", "verifying"];

impl Control {
    /// Stops when any of these says so.
    pub fn new(cancels: Vec<Cancel>) -> Self {
        Self { cancels, ..Self::default() }
    }

    /// Begins a phase of `total` bytes.
    pub fn begin(&self, phase: &'static str, total: u64) {
        let index = PHASES.iter().position(|name| *name == phase).unwrap_or(0);
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.phase.store(index as u64, Ordering::Release);
    }

    /// So many bytes more are done.
    pub fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Phase, bytes done, bytes in all. An empty phase: nothing has begun.
    pub fn progress(&self) -> (&'static str, u64, u64) {
        let phase = self.phase.load(Ordering::Acquire) as usize;
        let total = self.total.load(Ordering::Relaxed);
        (
            PHASES.get(phase).copied().unwrap_or(""),
            self.done.load(Ordering::Relaxed).min(total),
            total,
        )
    }

    /// Sets how many bytes a second are copied at most; 0: no limit. Counts at once.
    pub fn set_rate(&self, bytes_per_second: u64) {
        self.rate.store(bytes_per_second, Ordering::Release);
        // What was due by the old rate is not by the new one.
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits until the rate allows so many bytes more; not longer than it takes to be cancelled.
    pub fn wait_for_rate(&self, bytes: u64) {
        if self.rate.load(Ordering::Acquire) == 0 {
            return;
        }
        // Its turn among the workers: each pushes the moment on by what it takes.
        let rate = self.rate.load(Ordering::Acquire).max(1);
        let begun = {
            let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let earliest = now.checked_sub(CREDIT).unwrap_or(now);
            let begun = due.map_or(now, |due| due.max(earliest));
            *due = Some(begun + Duration::from_secs_f64(bytes as f64 / rate as f64));
            begun
        };
        while !self.is_cancelled() && self.rate.load(Ordering::Acquire) == rate {
            let left = begun.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(WAIT_MAX));
        }
    }

    /// Whether to stop at the next border of a piece.
    pub fn is_cancelled(&self) -> bool {
        self.cancels.iter().any(Cancel::is_cancelled)
    }
}
