//! Sets of blocks that many threads change at once: one bit a block, in 64-bit words.
//!
//! Marking a block that is marked already costs one load and no store, which is what a hot write does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::units::{BlockRun, BlockSize, Extent};

const WORD_BITS: u64 = 64;

/// A set of block numbers below [`Bitmap::blocks`].
#[derive(Debug, Default)]
pub struct Bitmap {
    words: RwLock<Vec<AtomicU64>>,
    blocks: AtomicU64,
}

/// The bits of word `index` that belong to `run`.
const fn mask(run: BlockRun, index: u64) -> u64 {
    let start = index * WORD_BITS;
    let first = run.first.saturating_sub(start);
    let end = if run.end() < start + WORD_BITS { run.end() - start } else { WORD_BITS };
    let ones = end - first;
    (if ones == WORD_BITS { u64::MAX } else { (1 << ones) - 1 }) << first
}

impl Bitmap {
    /// An empty set with room for `blocks` blocks.
    pub fn new(blocks: u64) -> Self {
        let set = Self::default();
        set.make_room(blocks);
        set
    }

    /// The set of all blocks below `blocks`.
    pub fn full(blocks: u64) -> Self {
        let set = Self::new(blocks);
        set.set(BlockRun::between(0, blocks));
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

    /// Makes room for at least `blocks` blocks; never forgets one.
    pub fn make_room(&self, blocks: u64) {
        let mut words = self.words.write().unwrap_or_else(PoisonError::into_inner);
        if blocks > self.blocks() {
            words.resize_with(blocks.div_ceil(WORD_BITS) as usize, AtomicU64::default);
            self.blocks.store(blocks, Ordering::Release);
        }
    }

    /// Removes all blocks.
    pub fn clear_all(&self) {
        self.clear(BlockRun::between(0, self.blocks()));
    }

    /// Runs `visit` with each word that holds blocks of the run, with the mask of its bits that do.
    /// Stops when `visit` says so.
    fn visit(&self, run: BlockRun, mut visit: impl FnMut(u64, u64, &AtomicU64) -> bool) {
        let words = self.words.read().unwrap_or_else(PoisonError::into_inner);
        let run = BlockRun::between(run.first, run.end().min(self.blocks()));
        if run.count == 0 {
            return;
        }
        let (first, end) = (run.first / WORD_BITS, run.end().div_ceil(WORD_BITS));
        for (index, word) in
            (first..).zip(words.get(first as usize..end as usize).unwrap_or_default())
        {
            if !visit(index * WORD_BITS, mask(run, index), word) {
                return;
            }
        }
    }

    /// Adds blocks; those beyond the room are ignored.
    pub fn set(&self, run: BlockRun) {
        self.visit(run, |_, mask, word| {
            if word.load(Ordering::Relaxed) & mask != mask {
                word.fetch_or(mask, Ordering::AcqRel);
            }
            true
        });
    }

    /// Removes blocks.
    pub fn clear(&self, run: BlockRun) {
        self.visit(run, |_, mask, word| {
            if word.load(Ordering::Relaxed) & mask != 0 {
                word.fetch_and(!mask, Ordering::AcqRel);
            }
            true
        });
    }

    /// Adds all blocks of another set.
    pub fn add(&self, other: &Self) {
        for run in other.runs() {
            self.set(run);
        }
    }

    /// Removes all blocks of another set.
    pub fn remove(&self, other: &Self) {
        for run in other.runs() {
            self.clear(run);
        }
    }

    /// Whether any block of the run is in the set.
    pub fn any(&self, run: BlockRun) -> bool {
        let mut any = false;
        self.visit(run, |_, mask, word| {
            any = word.load(Ordering::Acquire) & mask != 0;
            !any
        });
        any
    }

    /// Whether the block is in the set.
    pub fn has(&self, block: u64) -> bool {
        self.any(BlockRun { first: block, count: 1 })
    }

    /// Whether no block is in the set.
    pub fn is_empty(&self) -> bool {
        !self.any(BlockRun::between(0, self.blocks()))
    }

    /// How many blocks are in the set.
    pub fn count(&self) -> u64 {
        let mut count = 0;
        self.visit(BlockRun::between(0, self.blocks()), |_, mask, word| {
            count += u64::from((word.load(Ordering::Acquire) & mask).count_ones());
            true
        });
        count
    }

    /// The runs of blocks in the set, in order. Changes meanwhile may or may not be seen.
    pub fn runs(&self) -> Vec<BlockRun> {
        self.runs_within(BlockRun::between(0, self.blocks()))
    }

    /// The runs of blocks in the set that lie in `within`, in order.
    pub fn runs_within(&self, within: BlockRun) -> Vec<BlockRun> {
        let mut runs: Vec<BlockRun> = Vec::new();
        self.visit(within, |base, mask, word| {
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
            true
        });
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

    /// Moves all blocks out.
    pub fn take(&self) -> Self {
        let out = self.snapshot();
        self.remove(&out);
        out
    }

    /// A copy.
    pub fn snapshot(&self) -> Self {
        let copy = Self::new(self.blocks());
        copy.add(self);
        copy
    }

    /// The words from `first` on, for storing; `count` of them, zeros beyond the end.
    pub fn words(&self, first: u64, count: usize) -> Vec<u64> {
        let words = self.words.read().unwrap_or_else(PoisonError::into_inner);
        let stored = words.iter().skip(first as usize).map(|word| word.load(Ordering::Acquire));
        stored.chain(std::iter::repeat(0)).take(count).collect()
    }

    /// Takes words from storage; bits beyond the room are dropped.
    pub fn load_words(&self, first: u64, values: impl Iterator<Item = u64>) {
        let words = self.words.read().unwrap_or_else(PoisonError::into_inner);
        for (index, value) in (first..).zip(values) {
            let Some(word) = words.get(index as usize) else { break };
            let room =
                BlockRun::between(index * WORD_BITS, self.blocks().min((index + 1) * WORD_BITS));
            word.store(value & mask(room, index), Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn model(set: &Bitmap) -> BTreeSet<u64> {
        set.runs().into_iter().flat_map(BlockRun::indexes).collect()
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_of_numbers(steps in proptest::collection::vec((any::<bool>(), 0u64..300, 0u64..150), 0..40), room in 1u64..300) {
            let (set, mut expected) = (Bitmap::new(room), BTreeSet::new());
            for (add, first, count) in steps {
                let run = BlockRun { first, count };
                if add { set.set(run); expected.extend(run.indexes().filter(|b| *b < room)); }
                else { set.clear(run); expected.retain(|b| !run.indexes().contains(b)); }
                prop_assert_eq!(set.any(run), run.indexes().any(|b| expected.contains(&b)));
            }
            prop_assert_eq!(model(&set), expected.clone());
            prop_assert_eq!(set.count(), expected.len() as u64);
            prop_assert_eq!(set.is_empty(), expected.is_empty());
            let runs = set.runs();
            prop_assert!(runs.windows(2).all(|pair| pair[0].end() < pair[1].first));
            let within = BlockRun { first: 70, count: 100 };
            let inside: BTreeSet<u64> = set.runs_within(within).into_iter().flat_map(BlockRun::indexes).collect();
            prop_assert_eq!(inside, expected.iter().copied().filter(|b| within.indexes().contains(b)).collect::<BTreeSet<_>>());
            let loaded = Bitmap::new(room);
            loaded.load_words(0, set.words(0, 7).into_iter());
            prop_assert_eq!(model(&loaded), model(&set));
        }

        #[test]
        fn room_is_made_and_never_taken(first in 0u64..200, count in 0u64..200, asked in 0u64..900) {
            let set = Bitmap::new(400);
            set.set(BlockRun { first, count });
            set.make_room(asked);
            prop_assert_eq!(set.blocks(), asked.max(400));
            prop_assert_eq!(model(&set), (first..first + count).collect::<BTreeSet<_>>());
        }
    }

    #[test]
    fn threads_lose_no_mark() {
        let set = Bitmap::new(64 * 64);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let set = &set;
                scope.spawn(move || {
                    for block in (thread..set.blocks()).step_by(4) {
                        set.set(BlockRun { first: block, count: 1 });
                    }
                });
            }
        });
        assert_eq!(set.count(), set.blocks());
    }

    #[test]
    fn threads_that_make_room_lose_no_mark() {
        let set = Bitmap::new(1);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let set = &set;
                scope.spawn(move || {
                    for block in (thread..4000).step_by(4) {
                        set.make_room(block + 1);
                        set.set(BlockRun { first: block, count: 1 });
                    }
                });
            }
        });
        assert_eq!(set.count(), 4000);
    }
}
