//! Stories in which the program stores into arrays: memory that is the source, so that nothing is called when it changes.

use splitmirror::area::StoreTracking;
use splitmirror::error::Error;
use splitmirror::pair::{ArrayOptions, RestoreOptions};
use splitmirror::state::State;

use crate::model::source;
use crate::stories::Tale;
use crate::story::{BLOCK, Story, Told};

/// Stories for both modes.
pub(crate) const ARRAYS: &[Tale] = &[
    ("arrays, synchronized", synchronized),
    ("arrays, split", split),
    ("arrays, synchronizing", synchronizing),
    ("arrays, outliving the pair", outliving),
    ("arrays, not tracked", untracked),
    ("arrays, restored", restored),
];

impl Story {
    /// Part of the source as memory.
    fn array(&mut self, offset: usize, length: usize, tracking: StoreTracking) -> Told {
        let now = self.now.clone();
        self.tell("array", vec![], now, |story| {
            let options = ArrayOptions { tracking, on_flush: true };
            let view = story.open_pair()?.array(offset as u64, length as u64, options)?;
            story.arrays.push(view);
            Ok(())
        })
    }

    fn whole_array(&mut self) -> Told {
        self.array(0, self.bytes.len(), StoreTracking::Auto)
    }

    /// The program stores bytes into an array. Nobody is told.
    fn store(&mut self, offset: usize, length: usize) -> Told {
        let data = self.random.bytes(length);
        self.bytes[offset..offset + length].copy_from_slice(&data);
        let mut after = self.now.clone().with_source(None);
        if after.state == Some(State::Synchronized) {
            after.mirror = None;
        }
        self.tell("a store", vec![], after, |story| {
            story.host.store(&source(), offset as u64, &data);
            Ok::<_, Error>(())
        })
    }

    fn stores(&mut self, count: usize) -> Told {
        for turn in 0..count {
            let block = self.random.below(23) as usize;
            self.store(block * BLOCK + 300 * (turn % 5), 200 + 1500 * (turn % 3))?;
        }
        Ok(())
    }

    /// The program lets go of its arrays.
    fn drop_arrays(&mut self) -> Told {
        let now = self.now.clone();
        self.tell("giving the arrays back", vec![], now, |story| {
            story.arrays.clear();
            Ok::<_, Error>(())
        })
    }
}

fn start(story: &mut Story) -> Told {
    story.create()?;
    story.establish()?;
    story.whole_array()
}

fn restore(story: &mut Story) -> Told {
    story.restore(RestoreOptions::default())
}

/// Stores reach a mirror that follows; the last ones too, when the array is given back just before a close.
fn synchronized(story: &mut Story) -> Told {
    start(story)?;
    story.stores(4)?;
    story.flush()?;
    story.stores(3)?;
    story.writes(2)?;
    story.stores(2)?;
    story.split()?;
    story.establish()?;
    story.stores(2)?;
    story.drop_arrays()?;
    story.reopen()?;
    story.writes(1)?;
    story.split()
}

/// Stores are marked in a mirror that does not follow; they are believed after a clean close.
fn split(story: &mut Story) -> Told {
    start(story)?;
    story.split()?;
    story.stores(5)?;
    story.drop_arrays()?;
    story.reopen()?;
    story.array(5 * BLOCK, 7 * BLOCK, StoreTracking::Pages)?;
    story.store(6 * BLOCK + 100, 5 * BLOCK)?;
    story.drop_arrays()?;
    story.close()?;
    story.open()?;
    restore(story)
}

/// An establish begins, is interrupted and is resumed while an array is stored into.
fn synchronizing(story: &mut Story) -> Told {
    story.create()?;
    story.whole_array()?;
    story.stores(3)?;
    story.interrupted_establish(2)?;
    story.stores(3)?;
    story.establish()?;
    story.split()?;
    story.stores(3)?;
    story.interrupted_establish(1)?;
    story.stores(2)?;
    story.drop_arrays()?;
    story.reopen()?;
    story.establish()
}

/// An array that is stored into after its pair was closed: that close was no clean one.
fn outliving(story: &mut Story) -> Told {
    start(story)?;
    story.stores(2)?;
    story.split()?;
    story.stores(2)?;
    story.close()?;
    story.stores(3)?;
    story.open()?;
    story.stores(2)?;
    restore(story)?;
    story.stores(2)?;
    story.close()?;
    story.stores(1)?;
    story.drop_arrays()?;
    story.open()?;
    restore(story)
}

/// Nobody tells which pages are stored into.
fn untracked(story: &mut Story) -> Told {
    story.create()?;
    story.establish()?;
    story.array(2 * BLOCK, 20 * BLOCK, StoreTracking::Compare)?;
    story.store(3 * BLOCK, 900)?;
    story.flush()?;
    story.store(9 * BLOCK + 7, 2 * BLOCK)?;
    story.split()?;
    story.store(4 * BLOCK, 900)?;
    restore(story)?;
    story.store(14 * BLOCK, 900)?;
    story.drop_arrays()?;
    story.reopen()?;
    restore(story)
}

/// An array sees what is restored; one that is stored into before the restore is flushed loses it.
fn restored(story: &mut Story) -> Told {
    start(story)?;
    story.split()?;
    story.stores(4)?;
    restore(story)?;
    story.stores(4)?;
    story.writes(2)?;
    story.interrupted_restore(RestoreOptions::default(), 1)?;
    story.resume_restore()?;
    story.stores(2)?;
    story.drop_arrays()?;
    story.reopen()
}
