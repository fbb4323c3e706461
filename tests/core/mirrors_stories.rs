//! Stories of several mirrors, with power cuts at every moment of them.

use splitmirror::area::Order;
use splitmirror::sim::{Calls, Random, SimHost};
use splitmirror::state::Mode;

use crate::campaign::{Figures, assert_all_clean, campaign, samples_over, seed};
use crate::mirrors::{Mirrors, catalog_at, mirror_at};
use crate::mirrors_recovery::check;
use crate::story::{BLOCK, Told};

/// Blocks of the source; a bit more than that, so that the last block is not whole.
const BLOCKS: usize = 24;

type Tale = (&'static str, usize, fn(&mut Mirrors) -> Told);

const TALES: &[Tale] = &[
    ("from nothing", 2, from_nothing),
    ("split at different times", 3, split_at_different_times),
    ("established beside a split one", 2, established_beside),
    ("restored beside a synchronized one", 2, restored_beside_synchronized),
    ("restored beside a split one", 2, restored_beside_split),
    ("interrupted restore beside others", 3, interrupted_beside),
    ("growing", 2, growing),
    ("one closed and opened", 2, one_closed),
    ("a mirror fails", 2, mirror_fails),
    ("a catalog fails", 2, catalog_fails),
    ("a split mirror's catalog fails", 2, split_catalog_fails),
    ("repaired", 2, repaired),
    ("repaired, then interrupted", 3, repaired_among_three),
    ("never flushed", 2, never_flushed),
    ("all closed and opened", 3, all_closed),
    ("left behind by a restore", 2, left_behind),
];

/// Mirrors that all follow; what came before is durable.
fn following(all: &mut Mirrors) -> Told {
    for number in 0..all.pairs.len() {
        all.create(number)?;
        all.establish(number)?;
    }
    all.settle();
    Ok(())
}

fn from_nothing(all: &mut Mirrors) -> Told {
    all.create(0)?;
    all.establish(0)?;
    all.write_at(5 * BLOCK, 900)?;
    all.create(1)?;
    all.write_at(6 * BLOCK, 900)?;
    all.establish(1)?;
    all.split(0)?;
    all.write_at(7 * BLOCK, 900)
}

fn split_at_different_times(all: &mut Mirrors) -> Told {
    following(all)?;
    all.writes(&[7, 14, 21])?;
    all.split(0)?;
    all.writes(&[21, 4, 11, 18])?;
    all.split(1)?;
    all.writes(&[18, 1, 8])?;
    all.flush()?;
    all.restore(0)?;
    all.write_at(2 * BLOCK, 300)?;
    all.restore(1)?;
    all.establish(2)?;
    all.split(2)
}

/// Regions come and go, one mirror is split, and the other is established from what it missed.
fn established_beside(all: &mut Mirrors) -> Told {
    following(all)?;
    all.split(0)?;
    all.split(1)?;
    all.writes(&[0, 7, 14, 21, 4, 11, 18, 1, 8, 15, 22, 5])?;
    all.interrupted_establish(1, 1)?;
    all.write_at(13 * BLOCK, 900)?;
    all.establish(1)?;
    all.write_at(4 * BLOCK + 200, 900)?;
    all.flush()?;
    all.restore(0)
}

fn restored_beside_synchronized(all: &mut Mirrors) -> Told {
    following(all)?;
    all.split(0)?;
    all.writes(&[14, 21, 4, 11])?;
    all.flush()?;
    all.restore(0)?;
    all.write_at(9 * BLOCK, 600)?;
    all.establish(1)?;
    all.split(1)
}

fn restored_beside_split(all: &mut Mirrors) -> Told {
    following(all)?;
    all.writes(&[7, 14])?;
    all.split(0)?;
    all.writes(&[14, 21, 4])?;
    all.split(1)?;
    // What is to be undone was written before the second split: nothing else marks it there.
    all.restore(0)?;
    all.restore(1)?;
    all.restore(0)
}

fn interrupted_beside(all: &mut Mirrors) -> Told {
    following(all)?;
    all.split(0)?;
    all.writes(&[7, 14, 21, 4])?;
    all.split(1)?;
    all.writes(&[4, 11, 18])?;
    all.interrupted_restore(0, 1)?;
    all.write_at(3 * BLOCK + 50, 500)?;
    all.write_at(10 * BLOCK, BLOCK)?;
    all.flush()?;
    all.write_at(6 * BLOCK, 700)?;
    for number in 0..3 {
        all.close(number)?;
    }
    all.open(1)?;
    all.write_at(5 * BLOCK, 700)?;
    all.open(0)?;
    all.resume_restore(0)?;
    all.open(2)?;
    all.establish(2)
}

fn growing(all: &mut Mirrors) -> Told {
    following(all)?;
    all.split(0)?;
    all.grow()?;
    all.flush()?;
    all.split(1)?;
    all.grow()?;
    all.restore(0)?;
    all.restore(1)?;
    all.establish(0)
}

fn one_closed(all: &mut Mirrors) -> Told {
    following(all)?;
    all.split(1)?;
    all.close(1)?;
    all.writes(&[14, 21, 4])?;
    all.open(1)?;
    all.close(0)?;
    all.write_at(8 * BLOCK, 900)?;
    all.close(1)?;
    all.open(0)?;
    all.write_at(9 * BLOCK, 900)?;
    all.close(0)
}

/// The storage of a mirror fails in the middle, and is mended.
fn mirror_fails(all: &mut Mirrors) -> Told {
    following(all)?;
    all.writes(&[7, 14, 21])?;
    all.write_failing(1, mirror_at(1), Calls::Changes, 5 * BLOCK)?;
    all.writes(&[18, 1])?;
    all.flush()?;
    all.split(0)?;
    all.mend();
    all.write_at(3 * BLOCK, 800)?;
    all.establish(1)?;
    all.write_at(2 * BLOCK, 800)
}

/// Neither the mirror's bytes nor what is believed of them can be recorded: the source's epoch goes on without it.
fn catalog_fails(all: &mut Mirrors) -> Told {
    following(all)?;
    all.writes(&[7, 14])?;
    all.write_failing(1, catalog_at(1), Calls::Any, 12 * BLOCK)?;
    all.writes(&[18, 1])?;
    all.flush()?;
    all.write_at(10 * BLOCK, 800)
}

/// The marks of a split mirror cannot be kept any more: it has missed writes, and finds that, whoever opens it.
fn split_catalog_fails(all: &mut Mirrors) -> Told {
    following(all)?;
    all.split(1)?;
    all.writes(&[7, 14])?;
    all.write_failing(1, catalog_at(1), Calls::Any, 12 * BLOCK)?;
    all.writes(&[18, 1, 8, 15, 22, 5])?;
    all.mend();
    all.close(1)?;
    all.write_at(3 * BLOCK, 800)?;
    all.close(0)?;
    all.open(0)?;
    all.write_at(4 * BLOCK, 800)?;
    all.open(1)?;
    all.restore(1)
}

/// Nothing is flushed by the application.
fn never_flushed(all: &mut Mirrors) -> Told {
    following(all)?;
    all.writes(&[3, 17])?;
    all.split(0)?;
    all.writes(&[7, 3])?;
    all.interrupted_restore(0, 1)?;
    all.write_at(17 * BLOCK + 9, 100)?;
    all.resume_restore(0)?;
    all.write_at(11 * BLOCK, 900)?;
    all.establish(1)?;
    all.write_at(19 * BLOCK, 900)?;
    all.split(1)?;
    all.restore(0)?;
    all.restore(1)
}

/// A mirror that has followed up to a restore holds bytes that nobody has synced, and their regions then leave the log.
fn left_behind(all: &mut Mirrors) -> Told {
    following(all)?;
    all.split(0)?;
    all.writes(&[2, 9, 16])?;
    all.restore(0)?;
    all.writes(&[0, 7, 14, 21, 4, 11, 18])
}

/// Sessions that end cleanly, in which each mirror is on another side.
fn all_closed(all: &mut Mirrors) -> Told {
    following(all)?;
    all.split(1)?;
    all.writes(&[2, 9])?;
    for (closed, opened) in [(0, 1), (1, 2), (2, 0)] {
        for number in 0..3 {
            if all.pairs[number].is_some() {
                all.close(number)?;
            }
        }
        all.open(opened)?;
        all.writes(&[4 + closed, 20 - closed])?;
    }
    all.split(0)?;
    all.open(2)?;
    all.write_at(13 * BLOCK, BLOCK)?;
    all.split(2)?;
    all.restore(0)
}

/// A mirror that follows is made a copy of a split one, while a third follows.
fn repaired_among_three(all: &mut Mirrors) -> Told {
    following(all)?;
    all.split(0)?;
    all.writes(&[2, 9, 16, 23])?;
    all.repair(1, 0)?;
    all.writes(&[5, 12])?;
    all.interrupted_restore(1, 1)?;
    all.write_at(9 * BLOCK + 20, 400)?;
    all.flush()?;
    all.resume_restore(1)?;
    all.establish(2)
}

/// A mirror takes over another one's point.
fn repaired(all: &mut Mirrors) -> Told {
    following(all)?;
    all.writes(&[7, 14])?;
    all.split(0)?;
    all.writes(&[14, 21, 4, 11])?;
    all.repair(1, 0)?;
    all.write_at(7 * BLOCK, 900)?;
    all.restore(1)?;
    all.write_at(8 * BLOCK, 900)?;
    all.restore(0)
}

fn run(tale: &Tale, mode: Mode, rule: Option<Order>, samples: u64) -> Figures {
    let (name, mirrors, tell) = tale;
    let mut all = Mirrors::new(mode, BLOCKS, *mirrors, rule, seed());
    if let Err(what) = tell(&mut all) {
        let violation = Some(format!("{name}, {}: {what}", mode.name()));
        return Figures { violation, ..Figures::default() };
    }
    let check = |image: &SimHost, position: usize, random: &mut Random| {
        check(&all, image, position, random)
            .map_err(|what| format!("{name}, {}: {what}", mode.name()))
    };
    campaign(&all.host, 0..all.host.log_len(), samples, &check)
}

fn every(mode: Mode) {
    // Each image is recovered from every mirror in turn, so fewer of them are tried.
    let told = TALES.iter().map(|tale| (tale.0, run(tale, mode, None, samples_over(100))));
    assert_all_clean(mode.name(), told);
}

#[test]
fn r13_several_mirrors_after_power_cuts_exclusive() {
    every(Mode::Exclusive);
}

#[test]
fn r13_several_mirrors_after_power_cuts_shared() {
    every(Mode::Shared);
}

#[test]
fn r13_that_the_others_are_told_of_a_restore_is_needed() {
    let tale = TALES.iter().find(|tale| tale.0 == "restored beside a split one").unwrap();
    let figures =
        run(tale, Mode::Exclusive, Some(Order::OthersMarkedBeforeRestore), samples_over(16));
    let found = figures.violation.unwrap_or_default();
    println!("OthersMarkedBeforeRestore left out: after {} images: {found}", figures.images);
    assert!(found.contains("mirror 1"), "it can be left out unnoticed");
}
