//! Is the volume linearisable? Many threads against one source with three mirrors, on the real machine, checked by a
//! plain model. Mode `exclusive`; readers, writers, discards and growth beside threads that establish, split, restore,
//! pause, resume, restart, heal, seal and verify.
//!
//! The area is cut into cells of 4 KiB and of 512 bytes (`cells`). Every write fills whole cells with records that say
//! of themselves which cell they belong to and which write they are from. Each call takes a number from one clock
//! before and after, so an operation has an interval (call, return), and it takes effect at one instant in it. What a
//! cell may hold follows from the operations on it (`model`):
//!
//! 1. A read returns a whole record of its cell, or zeros. Only where a write of that cell overlaps the read may it be
//!    torn (file systems promise no more); then it is read again without the writer.
//! 2. What it holds is explained by an operation (a write, a discard, a restore, or what the cell held when the round
//!    began) that was called before the read returned, and that no other operation overwrote for certain before the
//!    read was called: one that was called after the first had returned. A restore is an operation on every cell, which
//!    puts back what the mirror holds.
//! 3. A split mirror holds one instant of the split's interval: each of its cells is explained as a read is, and gives
//!    bounds for the instant: after its operation was called, before the operation that overwrote it had returned. All
//!    bounds together leave room for an instant.
//! 4. A restore takes effect at one instant: it is later than the call of each write that it undid, and earlier than
//!    the return of each write that outlived it.
//! 5. A split mirror never changes: byte for byte what was read when it had been split.
//! 6. The length is that of the last restore, or larger by writes that may have come after it.
//! 7. A mirror that is synchronized equals the source byte for byte, and `verify` under load says so.
//!
//! The run is cut into rounds. Between two of them all threads have ended (a restore may copy on): the whole source is
//! read, and what it holds is all that the next round has to know. Overlapping writes of one cell happen in some cells
//! only; elsewhere a cell has one writer at a time.
//!
//! `SPLITMIRROR_SOAK_SECONDS` is how long it runs (20, with `CI=true` 60), `SPLITMIRROR_SOAK_SEED` what the threads
//! choose; not how they meet. A thread that does the same for a minute ends the process, with what each is doing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of it is test code"
)]

mod application;
mod cells;
mod model;
mod operator;
mod scene;
mod watchdog;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use splitmirror::sim::Random;

use watchdog::Watchdog;

/// How often each kind of operation happened.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

/// What a run of a quarter of a minute or more must have done.
const WANTED: [&str; 26] = [
    "write part of a block",
    "write whole blocks",
    "write several blocks",
    "write racing",
    "read",
    "read all",
    "discard",
    "grow",
    "flush",
    "establish",
    "split",
    "refresh",
    "restore",
    "start_restore",
    "start_restore, restart",
    "start_resume",
    "pause",
    "wait",
    "set_rate",
    "heal",
    "seal",
    "scrub",
    "verify",
    "verify synchronized",
    "status",
    "refused",
];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn the_volume_is_linearisable() {
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let seconds = number("SPLITMIRROR_SOAK_SECONDS").unwrap_or(if ci { 60 } else { 20 });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("SPLITMIRROR_SOAK_SEED").unwrap_or(now.as_nanos() as u64);
    println!("SPLITMIRROR_SOAK_SEED={seed} SPLITMIRROR_SOAK_SECONDS={seconds}");
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let mut random = Random::new(seed);
    let mut counts = Counts::new();
    let watchdog = Arc::new(Watchdog::new(scene::THREADS + 1));
    let watching = Arc::clone(&watchdog);
    std::thread::spawn(move || watching.watch());
    while Instant::now() < end {
        *counts.entry("scenes").or_default() += 1;
        if let Err(problems) = scene::play(&mut random, end, &watchdog, &mut counts) {
            panic!(
                "seed {seed}, after {:?}, {counts:?}:\n{}",
                begun.elapsed(),
                problems.join("\n")
            );
        }
    }
    watchdog.end();
    counts.iter().for_each(|(what, count)| println!("{count:>9} {what}"));
    let lacking: Vec<_> = WANTED.iter().filter(|what| !counts.contains_key(**what)).collect();
    assert!(seconds < 15 || lacking.is_empty(), "never happened: {lacking:?}");
}
