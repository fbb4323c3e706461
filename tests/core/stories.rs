//! The stories: together they run every verb, from every state it is legal in.

use splitmirror::pair::RestoreOptions;

use crate::story::{BLOCK, Story, Told};
use crate::story_jobs::Step;

/// A story and its name.
pub(crate) type Tale = (&'static str, fn(&mut Story) -> Told);

/// Stories in which other programs write the source too.
pub(crate) const SHARED: &[Tale] = &[
    ("first", first),
    ("native corruption", native_corruption),
    ("lost source", lost_source),
    ("ranges", ranges),
    ("interrupted establish", interrupted_establish),
    ("interrupted restore", interrupted_restore),
    ("seal", seal),
    ("again", again),
    ("detach and adopt", detach_and_adopt),
    ("never flushed", never_flushed),
    ("abandoned", abandoned),
    ("restored before a flush", restored_before_a_flush),
    ("fresh source, restored", fresh_source_restored),
    ("settled source, restored", settled_source_restored),
];

/// Stories in which everything goes through the pair.
pub(crate) const EXCLUSIVE: &[Tale] = &[
    ("first", first),
    ("written corruption", written_corruption),
    ("sessions", sessions),
    ("grow", grow),
    ("interrupted establish", interrupted_establish),
    ("interrupted restore", interrupted_restore),
    ("again", again),
    ("never flushed", never_flushed),
    ("fresh source", fresh_source),
    ("fresh source, restored", fresh_source_restored),
    ("settled source, restored", settled_source_restored),
    ("longer source", longer_source),
    ("taken over", taken_over),
    ("under writes", under_writes),
    ("writes between syncs", writes_between_syncs),
    ("restored before a flush", restored_before_a_flush),
    ("abandoned", abandoned),
    ("many ranges", many_ranges),
    ("cold regions, synchronized", cold_synchronized),
    ("cold regions, split", cold_split),
    ("cold regions, synchronizing", cold_synchronizing),
    ("cold regions, restoring", cold_restoring),
];

/// Stories in which the application writes at the worst moment of a verb.
pub(crate) const RACES: &[Tale] = &[
    ("cold regions while it is split", cold_while_split),
    ("cold regions after an interruption", cold_after_interruption),
    ("a mirror fails while it is synchronized", fails_while_synchronized),
    ("behind the application", behind),
    ("behind the application, paused", behind_paused),
];

fn restore() -> RestoreOptions {
    RestoreOptions::default()
}

fn full() -> RestoreOptions {
    RestoreOptions { full: true, ..RestoreOptions::default() }
}

fn start(story: &mut Story) -> Told {
    story.create()?;
    story.establish()
}

/// A pair as most have it: made, mirrored, written, split, closed and opened.
fn first(story: &mut Story) -> Told {
    start(story)?;
    story.writes(3)?;
    story.flush()?;
    story.writes(3)?;
    story.split()?;
    story.reopen()?;
    story.writes(2)?;
    story.close()
}

/// The source is corrupted by another program, restored, corrupted and restored again.
fn native_corruption(story: &mut Story) -> Told {
    start(story)?;
    story.split()?;
    story.native_writes(4, true)?;
    story.restore(restore())?;
    story.native_writes(3, false)?;
    story.restore(restore())?;
    let length = 20 * BLOCK + 77;
    story.native_length(length, true)?;
    story.restore(full())
}

/// The source is removed and comes back.
fn lost_source(story: &mut Story) -> Told {
    start(story)?;
    story.split()?;
    story.close()?;
    story.native_remove()?;
    story.open()?;
    story.restore(restore())?;
    story.reopen()
}

fn ranges(story: &mut Story) -> Told {
    start(story)?;
    story.split()?;
    story.native_writes(6, true)?;
    let block = BLOCK as u64;
    let ranges =
        vec![(100, 3 * block), (9 * block, block), (15 * block + 5, 900), (15 * block + 990, 7)];
    story.restore(RestoreOptions { ranges: Some(ranges), ..RestoreOptions::default() })?;
    story.restore(restore())
}

/// More ranges than a record has room for, many of them in each block.
fn many_ranges(story: &mut Story) -> Told {
    start(story)?;
    story.split()?;
    story.writes(5)?;
    story.flush()?;
    let stride = story.bytes.len() as u64 / 300;
    let ranges = (0..300).map(|number| (number * stride, 17)).collect();
    story.restore(RestoreOptions { ranges: Some(ranges), ..RestoreOptions::default() })?;
    story.writes(2)?;
    story.restore(restore())
}

/// The source is corrupted through the pair: the recorded changes are believed.
fn written_corruption(story: &mut Story) -> Told {
    start(story)?;
    story.writes(3)?;
    story.split()?;
    story.writes(5)?;
    story.flush()?;
    story.restore(restore())?;
    story.writes(4)?;
    story.restore(restore())?;
    story.reopen()?;
    story.writes(4)?;
    story.reopen()?;
    story.restore(full())
}

/// Sessions that end cleanly are believed by the next one, whatever was cut in between.
fn sessions(story: &mut Story) -> Told {
    start(story)?;
    story.reopen()?;
    story.writes(2)?;
    story.reopen()?;
    story.writes(1)?;
    story.split()?;
    story.reopen()?;
    story.writes(3)?;
    story.reopen()?;
    story.establish()?;
    story.close()
}

fn grow(story: &mut Story) -> Told {
    start(story)?;
    story.grow()?;
    story.flush()?;
    story.split()?;
    story.grow()?;
    story.reopen()?;
    story.establish()?;
    story.writes(2)?;
    story.split()?;
    story.grow()?;
    story.flush()?;
    story.restore(restore())
}

/// Establish is called again until it has ended.
fn interrupted_establish(story: &mut Story) -> Told {
    story.create()?;
    story.interrupted_establish(2)?;
    story.reopen()?;
    story.interrupted_establish(3)?;
    story.writes(2)?;
    story.interrupted_establish(1)?;
    story.establish()?;
    story.split()
}

/// A restore is interrupted, the application goes on writing, and it is resumed.
fn interrupted_restore(story: &mut Story) -> Told {
    start(story)?;
    story.split()?;
    story.writes(8)?;
    story.flush()?;
    story.interrupted_restore(restore(), 2)?;
    story.write_pending(4 * BLOCK, BLOCK, true)?;
    story.write_pending(11 * BLOCK + 100, 700, false)?;
    story.write_pending(8 * BLOCK + 9, 2 * BLOCK, true)?;
    story.reopen()?;
    story.write_pending(13 * BLOCK, 50, false)?;
    story.resume_restore()
}

fn seal(story: &mut Story) -> Told {
    start(story)?;
    story.split()?;
    story.seal()?;
    story.native_writes(2, true)?;
    story.restore(restore())?;
    story.reopen()?;
    story.seal()
}

/// A new point every night.
fn again(story: &mut Story) -> Told {
    start(story)?;
    story.split()?;
    story.writes(3)?;
    story.refresh()?;
    story.writes(2)?;
    story.establish()?;
    story.writes(2)?;
    story.split()
}

fn detach_and_adopt(story: &mut Story) -> Told {
    start(story)?;
    story.split()?;
    story.detach()?;
    story.adopt()?;
    story.native_writes(3, true)?;
    story.restore(restore())
}

/// Nothing is flushed by the application: what the verbs promise they must make durable themselves.
fn never_flushed(story: &mut Story) -> Told {
    start(story)?;
    story.writes(5)?;
    story.split()?;
    story.writes(4)?;
    story.restore(restore())?;
    story.writes(3)?;
    story.interrupted_restore(restore(), 1)?;
    story.resume_restore()
}

/// The source was written just before it became one, and nobody has synced it.
fn fresh_source(story: &mut Story) -> Told {
    story.native_writes(6, false)?;
    start(story)?;
    story.reopen()?;
    story.split()?;
    story.reopen()
}

/// As before, and what was written through the pair, and not flushed, is restored.
fn fresh_source_restored(story: &mut Story) -> Told {
    story.native_writes(6, false)?;
    start(story)?;
    story.split()?;
    story.writes(3)?;
    story.interrupted_restore(restore(), 1)?;
    story.resume_restore()?;
    story.writes(2)?;
    story.restore(restore())
}

/// A flush has followed: what is not on stable storage is known block by block from then on.
fn settled_source_restored(story: &mut Story) -> Told {
    story.native_writes(6, false)?;
    start(story)?;
    story.writes(2)?;
    story.flush()?;
    story.writes(2)?;
    story.split()?;
    story.writes(3)?;
    story.interrupted_restore(restore(), 1)?;
    story.resume_restore()?;
    story.writes(2)?;
    story.restore(restore())
}

/// All that a restore has to undo is a new length.
fn longer_source(story: &mut Story) -> Told {
    story.native_length(20 * BLOCK, true)?;
    start(story)?;
    story.split()?;
    story.write_at(21 * BLOCK, &[7; 100])?;
    story.flush()?;
    story.restore(restore())?;
    story.reopen()
}

/// The application takes over every block that is still pending, so that the copier has nothing left to do.
fn taken_over(story: &mut Story) -> Told {
    start(story)?;
    story.split()?;
    for block in [3, 7, 11] {
        story.write_at(block * BLOCK + 100, &[9; 3000])?;
    }
    story.flush()?;
    story.interrupted_restore(restore(), 1)?;
    for block in [3, 7, 11] {
        story.write_pending(block * BLOCK + 20, 50, false)?;
    }
    story.resume_restore()
}

/// The application writes while the mirror is being synchronized.
fn under_writes(story: &mut Story) -> Told {
    story.create()?;
    story.writes(1)?;
    story.establish_under_writes()?;
    story.split()?;
    story.writes(2)?;
    story.establish_under_writes()?;
    story.close()
}

/// The application writes between the last sync of a batch and the end of an establish.
fn writes_between_syncs(story: &mut Story) -> Told {
    story.create()?;
    // Three regions that stay active: six blocks.
    for block in [4, 8, 12] {
        story.write_at(block * BLOCK, &[3; 500])?;
    }
    let active = [4, 9, 12, 5, 8, 13];
    story.establish_under_writes_to(&active)?;
    story.split()?;
    story.write_at(20 * BLOCK, &[4; 500])?;
    story.establish_under_writes_to(&active)?;
    story.close()
}

/// A restore of a source that holds bytes from before the split which nobody has flushed: a power cut may take them
/// away, and the mirror has them.
fn restored_before_a_flush(story: &mut Story) -> Told {
    start(story)?;
    story.write_at(3 * BLOCK, &[5; BLOCK])?;
    story.split()?;
    for block in [7, 11] {
        story.write_at(block * BLOCK, &[6; BLOCK])?;
    }
    story.interrupted_restore(restore(), 1)?;
    story.resume_restore()
}

/// A restore is given up in the middle, and another one brings all of it.
fn abandoned(story: &mut Story) -> Told {
    start(story)?;
    story.split()?;
    story.writes(6)?;
    story.interrupted_restore(restore(), 1)?;
    story.abandon_restore()?;
    story.reopen()?;
    story.restore(restore())
}

/// Writes far from each other, so that regions enter the intent log and leave it all the time: it has room for eight,
/// and the source has twelve and a half. Nothing is flushed.
fn cold_writes(story: &mut Story, first: usize, count: usize) -> Told {
    for turn in 0..count {
        let block = (first + turn * 7) % 24;
        let data = story.random.bytes(if turn % 3 == 0 { BLOCK + 300 } else { 700 });
        story.write_at(block * BLOCK + 100 * (turn % 4), &data)?;
    }
    Ok(())
}

fn cold_synchronized(story: &mut Story) -> Told {
    start(story)?;
    cold_writes(story, 1, 14)?;
    story.flush()?;
    cold_writes(story, 3, 6)?;
    story.reopen()?;
    cold_writes(story, 2, 3)
}

fn cold_split(story: &mut Story) -> Told {
    start(story)?;
    cold_writes(story, 0, 3)?;
    story.split()?;
    cold_writes(story, 1, 12)?;
    story.reopen()?;
    cold_writes(story, 4, 8)?;
    story.grow()?;
    story.restore(restore())
}

/// While the mirror is synchronized, and again after that was interrupted.
fn cold_synchronizing(story: &mut Story) -> Told {
    story.create()?;
    cold_writes(story, 2, 8)?;
    story.interrupted_establish(3)?;
    cold_writes(story, 5, 8)?;
    story.establish_under_writes()?;
    story.split()?;
    cold_writes(story, 6, 8)?;
    story.establish_under_writes()
}

/// What is pending is on disk in a set of its own; the regions that leave the log meanwhile are those of the marks.
fn cold_restoring(story: &mut Story) -> Told {
    start(story)?;
    story.split()?;
    cold_writes(story, 1, 10)?;
    story.interrupted_restore(restore(), 2)?;
    for turn in 0..10 {
        let block = (3 + turn * 7) % 24;
        story.write_pending(block * BLOCK + 60, if turn % 3 == 0 { BLOCK } else { 900 }, false)?;
    }
    story.reopen()?;
    story.write_pending(2 * BLOCK, 800, true)?;
    story.resume_restore()
}

/// Split, and every other block changed since, durably: a restore has many batches to copy.
fn changed_everywhere(story: &mut Story) -> Told {
    start(story)?;
    story.split()?;
    story.host.settle();
    story.facts_anew();
    for block in (0..24).step_by(2) {
        story.write_at(block * BLOCK, &[8; 2000])?;
    }
    story.flush()
}

/// A restore copies behind an application that writes what is still pending, what was brought back, and what never
/// was to be.
fn behind(story: &mut Story) -> Told {
    changed_everywhere(story)?;
    story.restore_behind(&[
        Step::Write(20 * BLOCK, BLOCK),
        Step::Discard(22 * BLOCK + 100, BLOCK),
        Step::Write(18 * BLOCK + 500, 700),
        Step::Flush,
        Step::Write(2 * BLOCK + 10, 600),
        Step::Write(16 * BLOCK + 10, 600),
    ])?;
    story.write_at(5 * BLOCK, &[9; 100])?;
    story.flush()
}

/// The same, paused in the middle, and gone on with twice.
fn behind_paused(story: &mut Story) -> Told {
    changed_everywhere(story)?;
    story.restore_behind(&[
        Step::Discard(20 * BLOCK, BLOCK),
        Step::Flush,
        Step::Write(14 * BLOCK + 77, 900),
        Step::Slow,
    ])?;
    story.write_pending(16 * BLOCK, 300, false)?;
    story.reopen()?;
    story.restore_behind(&[Step::Write(22 * BLOCK, 200), Step::Flush, Step::Write(BLOCK, BLOCK)])
}

/// Regions leave the log between the instant of a split and its end: the mirror is not followed any more, and not
/// synced yet.
fn cold_while_split(story: &mut Story) -> Told {
    start(story)?;
    cold_writes(story, 0, 6)?;
    story.split_under_writes(&[1, 9, 17, 5, 13, 21, 3])?;
    story.restore(restore())
}

/// What was written to both sides while an establish copied is not synced when that is interrupted.
fn cold_after_interruption(story: &mut Story) -> Told {
    start(story)?;
    story.split()?;
    for block in [2, 6, 10, 14, 18, 22] {
        story.write_at(block * BLOCK, &[7; 600])?;
    }
    story.interrupted_establish_under_writes(&[2, 3, 6])?;
    cold_writes(story, 8, 8)
}

/// A write cannot be forwarded, while blocks that were copied are not on stable storage yet.
fn fails_while_synchronized(story: &mut Story) -> Told {
    start(story)?;
    story.split()?;
    for block in [2, 6, 10, 14, 18, 22] {
        story.write_at(block * BLOCK, &[7; 600])?;
    }
    // Nothing is logged of them any more: they are marked.
    story.reopen()?;
    story.failing_establish(21 * BLOCK)?;
    story.establish()
}
