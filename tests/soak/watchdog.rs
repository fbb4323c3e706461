//! What each thread is doing. One that does the same for a minute is stuck: the process ends and says where all are.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const STUCK: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Watchdog {
    doing: Vec<Mutex<(String, Instant)>>,
    ended: AtomicBool,
}

impl Watchdog {
    pub(crate) fn new(threads: usize) -> Self {
        let idle = || Mutex::new((String::new(), Instant::now()));
        Self { doing: (0..threads).map(|_| idle()).collect(), ended: AtomicBool::new(false) }
    }

    /// A thread begins something; an empty text when it has ended.
    pub(crate) fn tell(&self, thread: usize, what: impl Into<String>) {
        *self.doing[thread].lock().unwrap() = (what.into(), Instant::now());
    }

    /// There is nothing to watch any more.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Watches until the end.
    pub(crate) fn watch(&self) {
        while !self.ended.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(20));
            let stuck = self.doing.iter().any(|doing| {
                let (what, since) = &*doing.lock().unwrap();
                !what.is_empty() && since.elapsed() > STUCK
            });
            if stuck {
                for (thread, doing) in self.doing.iter().enumerate() {
                    let (what, since) = &*doing.lock().unwrap();
                    eprintln!("thread {thread:2}: {what} since {:?}", since.elapsed());
                }
                eprintln!("no progress for {STUCK:?}");
                std::process::abort();
            }
        }
    }
}
