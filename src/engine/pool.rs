//! An own pool of threads: the global one of rayon does not survive a fork and belongs to the host program.

use std::sync::OnceLock;

use crate::error::{Error, Result};

/// More threads gain nothing: a file system lets one writer into a file at a time, so the second thread reads
/// while the first writes, and digests are bounded by memory soon after.
const WORKERS_MAX: usize = 4;

/// Threads for bulk work, started when first needed.
#[derive(Debug)]
pub struct Pool {
    workers: usize,
    threads: OnceLock<rayon::ThreadPool>,
}

impl Default for Pool {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new(cores.min(WORKERS_MAX))
    }
}

impl Pool {
    /// So many threads; 1 runs all work on the caller's thread, in order.
    pub fn new(workers: usize) -> Self {
        Self { workers, threads: OnceLock::new() }
    }

    /// Runs `work` on every thread of the pool at once and waits; the first error is returned.
    pub fn each(&self, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
        if self.workers <= 1 {
            return work();
        }
        self.threads()?.broadcast(|_| work()).into_iter().collect()
    }

    fn threads(&self) -> Result<&rayon::ThreadPool> {
        if let Some(threads) = self.threads.get() {
            return Ok(threads);
        }
        let built = rayon::ThreadPoolBuilder::new()
            .num_threads(self.workers)
            .thread_name(|index| format!("splitmirror-{index}"))
            .build()
            .map_err(|error| {
                Error::argument("workers", format!("threads cannot be started: {error}"))
            })?;
        Ok(self.threads.get_or_init(|| built))
    }
}
