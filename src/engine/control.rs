//! Progress out, cancellation in: plain atomics that the caller polls, so no callback runs on a copying thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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

    /// Whether to stop at the next border of a piece.
    pub fn is_cancelled(&self) -> bool {
        self.cancels.iter().any(Cancel::is_cancelled)
    }
}
