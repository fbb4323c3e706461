//! Counts the forks of this process: a child shares our descriptors, so nobody can say any more that only
//! this process writes (design: "a fork while open is an outside write").

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

static FORKS: AtomicU64 = AtomicU64::new(0);
/// How many forks lie between the first process and this one.
static DESCENT: AtomicU64 = AtomicU64::new(0);
static REGISTERED: Once = Once::new();

extern "C" fn count_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

extern "C" fn count_descent() {
    DESCENT.fetch_add(1, Ordering::Relaxed);
}

/// A number that differs between a process and a child forked from it; costs no system call, unlike a process id.
pub fn descent() -> u64 {
    forks_seen();
    DESCENT.load(Ordering::Relaxed)
}

/// How many times this process has forked since the first call. A `vfork` or `posix_spawn`, after which the
/// child only calls `exec`, does not count; our descriptors close on `exec`.
pub fn forks_seen() -> u64 {
    REGISTERED.call_once(|| {
        // SAFETY: the handlers only add to an atomic, which is async-signal-safe, and is never unloaded:
        // Python does not unload extension modules.
        let failed = unsafe { libc::pthread_atfork(Some(count_fork), None, Some(count_descent)) };
        if failed != 0 {
            log::warn!("fork cannot be watched (error {failed}); every fork will go unseen");
        }
    });
    FORKS.load(Ordering::Relaxed)
}
