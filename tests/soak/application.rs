//! The application's threads: they write, read, discard, grow and flush.

use std::ops::Range;
use std::sync::RwLock;
use std::sync::atomic::Ordering;

use splitmirror::sim::Random;
use splitmirror::volume::Volume;

use crate::Counts;
use crate::cells::{
    AREA, CELLS, GROUP, cell_at, is_raced, length_of, offset_of, records, version_in,
};
use crate::model::Span;
use crate::scene::{Outcome, Scene};

/// What a thread does until the round ends.
pub(crate) fn work(scene: &Scene, thread: usize, mut random: Random) -> Counts {
    let mut counts = Counts::new();
    while !scene.stop.load(Ordering::Acquire) {
        let done = step(scene, thread, &mut random);
        match done {
            Ok(what) => *counts.entry(what).or_default() += 1,
            Err(problem) => scene.fail(problem),
        }
    }
    scene.watchdog.tell(thread, "");
    counts
}

fn step(scene: &Scene, thread: usize, random: &mut Random) -> Outcome<&'static str> {
    let length = scene.volume()?.length().map_err(|error| error.to_string())?;
    let end = cell_at(length.min(AREA)).max(1);
    let some = |random: &mut Random, most: u64| {
        let first = random.below(end as u64) as usize;
        first..(first + 1 + random.below(most) as usize).min(end)
    };
    let groups = |random: &mut Random, most: u64| {
        let first = random.below(length.div_ceil(GROUP).max(1)) * GROUP;
        let end = (first + (1 + random.below(most)) * GROUP).min(AREA);
        cell_at(first)..cell_at(end)
    };
    match random.below(200) {
        0..64 => {
            let cells = some(random, 4);
            let raced = cells.clone().all(is_raced);
            write(scene, thread, cells)?;
            Ok(if raced { "write racing" } else { "write part of a block" })
        }
        64..72 => write(scene, thread, groups(random, 1)).map(|()| "write whole blocks"),
        72..86 => {
            let cells = if random.chance(1, 2) { some(random, 300) } else { groups(random, 5) };
            write(scene, thread, cells).map(|()| "write several blocks")
        }
        86..100 => {
            let cells = if random.chance(1, 3) { groups(random, 2) } else { some(random, 40) };
            discard(scene, thread, cells).map(|()| "discard")
        }
        100..102 => {
            let first = (end + random.below(40) as usize * random.below(2) as usize).min(CELLS - 1);
            let cells = first..(first + 1 + random.below(3) as usize).min(CELLS);
            write(scene, thread, cells).map(|()| "grow")
        }
        102..105 => {
            scene.watchdog.tell(thread, "flush");
            scene.volume()?.flush().map_err(|error| format!("flush: {error}"))?;
            Ok("flush")
        }
        105 => read(scene, thread, 0..CELLS).map(|()| "read all"),
        _ => read(scene, thread, some(random, 60)).map(|()| "read"),
    }
}

/// Keeps other writers from these cells, but from those that are raced for.
fn with_turn<T>(
    turns: &[RwLock<()>],
    cells: Range<usize>,
    alone: bool,
    run: impl FnOnce() -> T,
) -> T {
    let (mut shared, mut own) = (Vec::new(), Vec::new());
    for cell in cells {
        if is_raced(cell) && !alone {
            shared.push(turns[cell].read().unwrap());
        } else {
            own.push(turns[cell].write().unwrap());
        }
    }
    run()
}

fn extent(cells: &Range<usize>) -> (u64, u64) {
    let offset = offset_of(cells.start);
    (offset, offset_of(cells.end) - offset)
}

fn write(scene: &Scene, thread: usize, cells: Range<usize>) -> Outcome<()> {
    scene.watchdog.tell(thread, format!("write {cells:?}"));
    let (offset, _) = extent(&cells);
    with_turn(&scene.turns, cells.clone(), false, || {
        let call = scene.model.now();
        let bytes = records(cells.clone(), call);
        scene.model.begin_change(cells.clone(), call, call);
        let written = scene.volume()?.write(&bytes, offset);
        scene.model.end_change(cells.clone(), call);
        written.map_err(|error| format!("write {cells:?}: {error}"))
    })
}

fn discard(scene: &Scene, thread: usize, cells: Range<usize>) -> Outcome<()> {
    scene.watchdog.tell(thread, format!("discard {cells:?}"));
    let (offset, length) = extent(&cells);
    with_turn(&scene.turns, cells.clone(), false, || {
        let call = scene.model.now();
        scene.model.begin_change(cells.clone(), 0, call);
        let done = scene.volume()?.discard(offset, length);
        scene.model.end_change(cells.clone(), call);
        done.map_err(|error| format!("discard {cells:?}: {error}"))
    })
}

/// Reads cells as bytes, zeros behind the end, with the interval.
fn bytes_of(scene: &Scene, volume: &Volume, cells: &Range<usize>) -> Outcome<(Vec<u8>, Span)> {
    let (offset, length) = extent(cells);
    let mut bytes = vec![0xee; length as usize];
    let call = scene.model.now();
    let read = volume.read(&mut bytes, offset).map_err(|error| format!("read: {error}"))?;
    let ret = scene.model.now();
    bytes[read..].fill(0);
    Ok((bytes, Span { call, ret }))
}

fn read(scene: &Scene, thread: usize, cells: Range<usize>) -> Outcome<()> {
    scene.watchdog.tell(thread, format!("read {cells:?}"));
    let volume = scene.volume()?;
    let (bytes, seen) = bytes_of(scene, volume, &cells)?;
    let start = offset_of(cells.start);
    for cell in cells {
        let at = (offset_of(cell) - start) as usize;
        match version_in(cell, &bytes[at..at + length_of(cell)]) {
            Some(version) => scene.model.check(cell, version, seen)?,
            None if !scene.model.is_changing(cell, seen) => {
                return Err(format!("cell {cell} at {} is torn in {seen:?}", offset_of(cell)));
            }
            None => with_turn(&scene.turns, cell..cell + 1, true, || {
                let (bytes, seen) = bytes_of(scene, volume, &(cell..cell + 1))?;
                let version = version_in(cell, &bytes)
                    .ok_or_else(|| format!("cell {cell} stays torn in {seen:?}"))?;
                scene.model.check(cell, version, seen)
            })?,
        }
    }
    Ok(())
}
