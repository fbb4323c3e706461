//! Sets of blocks that many threads change at once: one bit a block, in 64-bit words.
//!
//! There is no lock. Marking a block that is marked already, which is what a hot write does, costs three loads (room,
//! segment, word) and no store, so no cache line is taken from another thread. Memory follows what was touched: a set
//! is a table of 16 KiB, and 32 KiB for each 262,144 blocks of which one was ever set (`words.rs`). What was never set
//! is passed over 262,144 blocks at a time.
//!
//! # What threads see of each other
//! - Each word changes in one atomic step, so no change undoes one to another block and none is lost. A call that
//!   looks at several words sees each at some moment of the call, not all at the same one.
//! - A change is a release and an acquire (`AcqRel`), a look an acquire: who finds a mark that was made, or made way for
//!   by a removal, sees what the thread did before it made the change.
//! - A mark that was there already changes nothing and so releases nothing (the look before it is `Relaxed`): the bit
//!   is right, but who takes it need not see what the second marker did before. Whoever orders bytes by marks holds a
//!   lock that both sides take, as the volume does for each stripe.
//! - The room only grows, and no memory hangs on it.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use crate::units::{BlockRun, BlockSize, Extent};

use bits::{WORD_BITS, clear_bits, mask, set_bits, words_of};
use words::Words;

mod bits;
#[cfg(test)]
mod tests;
mod words;

/// A set has room for no more blocks. Marks for more would cost more memory than a mistaken offset is worth: 16 TiB in
/// blocks of 64 KiB, and with blocks of 4 MiB a petabyte.
pub const BLOCKS_MAX: u64 = 1 << 28;

/// A set of block numbers below [`Bitmap::blocks`].
pub struct Bitmap {
    words: Words,
    blocks: AtomicU64,
}

impl Default for Bitmap {
    /// An empty set without room.
    fn default() -> Self {
        Self { words: Words::new(BLOCKS_MAX / WORD_BITS), blocks: AtomicU64::new(0) }
    }
}

impl std::fmt::Debug for Bitmap {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Bitmap")
            .field("blocks", &self.blocks())
            .field("count", &self.count())
            .field("segments", &self.words.allocated())
            .finish()
    }
}

impl Bitmap {
    /// An empty set with room for `blocks` blocks, at most [`BLOCKS_MAX`].
    pub fn new(blocks: u64) -> Self {
        let set = Self::default();
        set.make_room(blocks);
        set
    }

    /// The set of all blocks below `blocks`, at most [`BLOCKS_MAX`].
    pub fn full(blocks: u64) -> Self {
        let set = Self::new(blocks);
        set.set(set.all());
        set
    }

    /// The blocks that some extents touch, in an area of `blocks` blocks.
    pub fn touching(extents: &[Extent], size: BlockSize, blocks: u64) -> Self {
        let set = Self::new(blocks);
        for extent in extents {
            set.set(size.touching(*extent));
        }
        set
    }

    /// How many blocks it has room for.
    pub fn blocks(&self) -> u64 {
        self.blocks.load(Ordering::Acquire)
    }

    /// Makes room for at least `blocks` blocks; never forgets one. There is no room beyond [`BLOCKS_MAX`]: what is asked
    /// for more than that is not made, as [`Bitmap::blocks`] tells.
    pub fn make_room(&self, blocks: u64) {
        self.blocks.fetch_max(blocks.min(BLOCKS_MAX), Ordering::AcqRel);
    }

    fn all(&self) -> BlockRun {
        BlockRun::between(0, self.blocks())
    }

    fn within_room(&self, run: BlockRun) -> BlockRun {
        BlockRun::between(run.first, run.end().min(self.blocks()))
    }

    /// The words that may hold blocks of the run: number, mask of its bits that do, word.
    fn existing(&self, run: BlockRun) -> impl Iterator<Item = (u64, u64, &AtomicU64)> {
        let run = self.within_room(run);
        let words = self.words.existing(words_of(run));
        words.map(move |(index, word)| (index, mask(run, index), word))
    }

    /// Adds blocks; those beyond the room are ignored.
    pub fn set(&self, run: BlockRun) {
        let run = self.within_room(run);
        for (index, word) in self.words.making(words_of(run)) {
            set_bits(word, mask(run, index));
        }
    }

    /// Adds blocks of which something was done just before, without a lock that whoever takes them holds too: taken,
    /// what was done is seen. A plain `set` of a block that is there already stores nothing, and so orders nothing.
    pub fn publish(&self, run: BlockRun) {
        fence(Ordering::SeqCst);
        self.set(run);
    }

    /// Removes blocks.
    pub fn clear(&self, run: BlockRun) {
        self.existing(run).for_each(|(_, mask, word)| clear_bits(word, mask));
    }

    /// Removes all blocks.
    pub fn clear_all(&self) {
        self.clear(self.all());
    }

    /// Adds all blocks of another set; those beyond the room are ignored.
    pub fn add(&self, other: &Self) {
        for (index, mask, word) in other.existing(self.all()) {
            let bits = word.load(Ordering::Acquire) & mask;
            // A segment that holds no block is not made here either.
            if bits != 0
                && let Some(word) = self.words.make(index)
            {
                set_bits(word, bits);
            }
        }
    }

    /// Removes all blocks of another set.
    pub fn remove(&self, other: &Self) {
        for (index, mask, word) in other.existing(self.all()) {
            if let Some(own) = self.words.get(index) {
                clear_bits(own, word.load(Ordering::Acquire) & mask);
            }
        }
    }

    /// A copy.
    pub fn snapshot(&self) -> Self {
        let copy = Self::new(self.blocks());
        copy.add(self);
        copy
    }

    /// Removes all blocks and returns them. A block that is added meanwhile is either returned or stays.
    pub fn take(&self) -> Self {
        let taken = Self::default();
        for (index, _, word) in self.existing(self.all()) {
            // No store to words that hold nothing. A mark that this look misses stays.
            if word.load(Ordering::Relaxed) == 0 {
                continue;
            }
            // One step: a mark comes before it and is in `bits`, or after it and stays.
            let bits = word.swap(0, Ordering::AcqRel);
            if let Some(word) = taken.words.make(index) {
                word.store(bits, Ordering::Release);
            }
        }
        // With that of `publish`: a mark that was there before the swap is of something that is seen from here on.
        fence(Ordering::SeqCst);
        // Last, so that it is room for all of them: a swap may have taken a block of room that was made after the loop
        // began, and acquired with it the room that its marker saw.
        taken.make_room(self.blocks());
        taken
    }

    /// Whether any block of the run is in the set.
    pub fn any(&self, run: BlockRun) -> bool {
        self.existing(run).any(|(_, mask, word)| word.load(Ordering::Acquire) & mask != 0)
    }

    /// Whether the block is in the set.
    pub fn has(&self, block: u64) -> bool {
        self.any(BlockRun { first: block, count: 1 })
    }

    /// Whether no block is in the set.
    pub fn is_empty(&self) -> bool {
        !self.any(self.all())
    }

    /// How many blocks are in the set.
    pub fn count(&self) -> u64 {
        self.existing(self.all())
            .map(|(_, mask, word)| u64::from((word.load(Ordering::Acquire) & mask).count_ones()))
            .sum()
    }

    /// The runs of blocks in the set, in order. Changes meanwhile may or may not be seen.
    pub fn runs(&self) -> Vec<BlockRun> {
        self.runs_within(self.all())
    }

    /// The runs of blocks in the set that lie in `within`, in order.
    pub fn runs_within(&self, within: BlockRun) -> Vec<BlockRun> {
        let mut runs: Vec<BlockRun> = Vec::new();
        for (index, mask, word) in self.existing(within) {
            let base = index * WORD_BITS;
            let mut bits = word.load(Ordering::Acquire) & mask;
            while bits != 0 {
                let first = u64::from(bits.trailing_zeros());
                let count = u64::from((bits >> first).trailing_ones());
                bits &= !(u64::MAX.checked_shr(64 - count as u32).unwrap_or(0) << first);
                match runs.last_mut() {
                    Some(last) if last.end() == base + first => last.count += count,
                    _ => runs.push(BlockRun { first: base + first, count }),
                }
            }
        }
        runs
    }

    /// The bytes of the blocks in the set, in an area of `length` bytes.
    pub fn extents(&self, size: BlockSize, length: u64) -> Vec<Extent> {
        self.runs()
            .into_iter()
            .map(|run| size.extent(run, length))
            .filter(|extent| !extent.is_empty())
            .collect()
    }

    /// The words from `first` on, for storing; `count` of them, zeros beyond the end.
    pub fn words(&self, first: u64, count: usize) -> Vec<u64> {
        let value = |index| self.words.get(index).map_or(0, |word| word.load(Ordering::Acquire));
        (first..).take(count).map(value).collect()
    }

    /// Takes words from storage in place of those it has; bits beyond the room are dropped.
    pub fn load_words(&self, first: u64, values: impl Iterator<Item = u64>) {
        let all = self.all();
        for (index, value) in (first..words_of(all).end).zip(values) {
            let bits = value & mask(all, index);
            // Zeros need no segment.
            let word = if bits == 0 { self.words.get(index) } else { self.words.make(index) };
            if let Some(word) = word {
                word.store(bits, Ordering::Release);
            }
        }
    }
}
