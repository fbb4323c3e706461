//! What page faults cost this process, as the kernel counts it.

use std::time::Duration;

/// Counts since the process, or the thread, began.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Page faults that needed no I/O.
    pub faults: u64,
    /// Time in the kernel.
    pub system: Duration,
}

impl Usage {
    /// Of the whole process.
    pub fn of_process() -> Self {
        Self::of(libc::RUSAGE_SELF)
    }

    /// Of the calling thread.
    pub fn of_thread() -> Self {
        Self::of(libc::RUSAGE_THREAD)
    }

    fn of(who: libc::c_int) -> Self {
        // SAFETY: all fields are numbers, for which zeros are valid.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: the struct is valid for the call.
        if unsafe { libc::getrusage(who, &raw mut usage) } != 0 {
            return Self::default();
        }
        let whole = |number: i64| u64::try_from(number).unwrap_or(0);
        let system = Duration::from_secs(whole(usage.ru_stime.tv_sec))
            + Duration::from_micros(whole(usage.ru_stime.tv_usec));
        Self { faults: whole(usage.ru_minflt), system }
    }

    /// What was counted since.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            faults: self.faults.saturating_sub(earlier.faults),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}
