//! The array mirrorer: a thread that collects what the program stores, so that the mirrors of an array follow it by
//! themselves.
//!
//! To collect costs the program: a page that was collected faults once more when it is stored into again, which costs
//! as much as after an fsync. So the time between two collections grows with the pages found and with what a fault
//! costs here, until the faults take a twentieth of the time at most.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Volume, unpoisoned};
use crate::area::Usage;
use crate::units::PAGE_BYTES;

const INTERVAL_MIN: Duration = Duration::from_millis(50);
const INTERVAL_MAX: Duration = Duration::from_secs(60);
/// Faults, and the collecting itself, take this part of the time at most: one in so many.
const SHARE: u32 = 20;
/// What a fault costs until it was measured, and what is believed of a measurement.
const FAULT: Duration = Duration::from_micros(10);
const FAULT_MIN: Duration = Duration::from_micros(1);
const FAULT_MAX: Duration = Duration::from_micros(50);
/// Fewer faults say nothing.
const FAULTS_MEASURED: u64 = 256;

/// The thread, when there is one, and how far behind the mirrors are.
#[derive(Debug, Default)]
pub(super) struct Mirrorer {
    bell: Arc<Bell>,
    running: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
    interval_ns: AtomicU64,
    last: Mutex<Option<Instant>>,
}

/// Ends a wait before its time.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    fn ring(&self) {
        *unpoisoned(&self.rung) = true;
        self.heard.notify_all();
    }

    /// Whether it was rung meanwhile.
    fn wait(&self, timeout: Duration) -> bool {
        let rung = unpoisoned(&self.rung);
        let waited = self.heard.wait_timeout_while(rung, timeout, |rung| !*rung);
        *waited.unwrap_or_else(std::sync::PoisonError::into_inner).0
    }
}

/// How often to collect, learnt from what it found and cost.
#[derive(Debug)]
struct Rhythm {
    interval: Duration,
    fault: Duration,
    process: Usage,
    own: Usage,
}

impl Rhythm {
    fn new() -> Self {
        let (process, own) = (Usage::of_process(), Usage::of_thread());
        Self { interval: INTERVAL_MIN, fault: FAULT, process, own }
    }

    /// After a collection that found so many pages and took so long.
    fn learn(&mut self, pages: u64, took: Duration) {
        let (process, own) = (Usage::of_process(), Usage::of_thread());
        // The program's own: this thread's system calls are not its faults.
        let all = process.since(self.process);
        let program = all.system.saturating_sub(own.since(self.own).system);
        (self.process, self.own) = (process, own);
        self.adapt(pages, took, all.faults, program);
    }

    fn adapt(&mut self, pages: u64, took: Duration, faults: u64, system: Duration) {
        if faults >= FAULTS_MEASURED.max(pages / 2) {
            let cost = system / u32::try_from(faults).unwrap_or(u32::MAX);
            self.fault = (self.fault + cost.clamp(FAULT_MIN, FAULT_MAX)) / 2;
        }
        let faults = self.fault.saturating_mul(u32::try_from(pages).unwrap_or(u32::MAX));
        let cost = faults.max(took).saturating_mul(SHARE);
        self.interval = cost.clamp(INTERVAL_MIN, INTERVAL_MAX);
    }
}

impl Mirrorer {
    /// Everything that was stored before has been collected just now.
    pub(super) fn collected(&self) {
        *unpoisoned(&self.last) = Some(Instant::now());
    }

    /// The time between two collections, when they happen by themselves; and since the last one.
    pub(super) fn lag(&self) -> (Option<Duration>, Option<Duration>) {
        let running = self.running.load(Ordering::Acquire);
        let interval = Duration::from_nanos(self.interval_ns.load(Ordering::Acquire));
        (running.then_some(interval), unpoisoned(&self.last).map(|last| last.elapsed()))
    }

    /// Ends the thread and waits for it.
    pub(super) fn finish(&self) {
        self.bell.ring();
        let thread = unpoisoned(&self.thread).take();
        if let Some(thread) =
            thread.filter(|thread| thread.thread().id() != std::thread::current().id())
            && thread.join().is_err()
        {
            log::error!(target: "splitmirror.volume", "the thread that mirrors arrays ended in a panic");
        }
    }
}

impl Volume {
    /// From here on what is stored into memory that is handed out is collected by and by.
    pub(super) fn mirror_periodically(&self) {
        let mirrorer = &self.mirrorer;
        if !self.settings.background || mirrorer.running.swap(true, Ordering::AcqRel) {
            return;
        }
        mirrorer.interval_ns.store(INTERVAL_MIN.as_nanos() as u64, Ordering::Release);
        let (volume, bell) = (self.me.clone(), Arc::clone(&mirrorer.bell));
        let spawned = std::thread::Builder::new()
            .name("splitmirror-arrays".into())
            .spawn(move || mirror_arrays(&volume, &bell));
        match spawned {
            Ok(thread) => *unpoisoned(&mirrorer.thread) = Some(thread),
            Err(error) => {
                mirrorer.running.store(false, Ordering::Release);
                log::warn!(target: "splitmirror.volume", "arrays are mirrored at flush() and split() only: {error}");
            }
        }
    }

    /// How far the mirrors of memory that is handed out are behind.
    pub fn lag(&self) -> (Option<Duration>, Option<Duration>) {
        self.mirrorer.lag()
    }

    /// Whether anything is still out that the thread is for, and one turn of it if so.
    fn mirror_arrays_once(&self, rhythm: &mut Rhythm) -> bool {
        let Ok(Some(_)) = self.handed_out() else {
            self.mirrorer.running.store(false, Ordering::Release);
            return false;
        };
        // Marks of a mirror that does not follow are made when somebody asks: until then stores cost nothing.
        let followed =
            self.look(|phase| phase.legs.iter().any(|attached| attached.side.followed().is_some()));
        if !followed {
            return true;
        }
        let begun = Instant::now();
        match self.collect_tracked() {
            Ok(bytes) => rhythm.learn(bytes / PAGE_BYTES, begun.elapsed()),
            Err(error) => {
                log::warn!(target: "splitmirror.volume", "mirroring what was stored: {error}");
            }
        }
        self.mirrorer.interval_ns.store(rhythm.interval.as_nanos() as u64, Ordering::Release);
        true
    }
}

fn mirror_arrays(volume: &Weak<Volume>, bell: &Bell) {
    let mut rhythm = Rhythm::new();
    while !bell.wait(rhythm.interval) {
        match volume.upgrade() {
            Some(volume) if volume.mirror_arrays_once(&mut rhythm) => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_take_a_twentieth_of_the_time_at_most() {
        let mut rhythm = Rhythm::new();
        rhythm.adapt(10, Duration::ZERO, 0, Duration::ZERO);
        assert_eq!(rhythm.interval, INTERVAL_MIN, "few pages: as often as may be");
        rhythm.adapt(26_214, Duration::ZERO, 0, Duration::ZERO);
        assert_eq!(rhythm.interval, FAULT * 26_214 * 20, "not measured yet");
        for _ in 0..20 {
            rhythm.adapt(26_214, Duration::ZERO, 26_214, Duration::from_micros(2 * 26_214));
        }
        let expected = Duration::from_micros(2 * 26_214 * 20);
        assert!(rhythm.interval.abs_diff(expected) < expected / 50, "{:?}", rhythm.interval);
        rhythm.adapt(1, Duration::from_millis(10), 1, Duration::ZERO);
        assert_eq!(rhythm.interval, Duration::from_millis(200), "the collecting counts too");
        rhythm.adapt(u64::MAX, Duration::ZERO, u64::MAX, Duration::from_secs(1));
        assert_eq!(rhythm.interval, INTERVAL_MAX);
    }

    #[test]
    fn a_bell_ends_a_wait() {
        let bell = Bell::default();
        assert!(!bell.wait(Duration::ZERO));
        bell.ring();
        assert!(bell.wait(Duration::from_secs(3600)));
    }
}
