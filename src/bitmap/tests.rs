//! A bitmap is a set of numbers, and threads lose nothing in it.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::words::SEGMENT_WORDS;
use super::*;

const SEGMENT_BLOCKS: u64 = SEGMENT_WORDS * WORD_BITS;

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

proptest! {
    /// The same steps on two sets, at the border of two segments and of the room.
    #[test]
    fn sets_are_added_removed_and_taken(
        left in some_runs(), right in some_runs(), room in 1u64..400, start in prop_oneof![Just(0), Just(SEGMENT_BLOCKS - 200)]
    ) {
        let make = |runs: &[BlockRun], blocks: u64| {
            let set = Bitmap::new(blocks);
            runs.iter().for_each(|run| set.set(BlockRun { first: start + run.first, ..*run }));
            set
        };
        let (a, b) = (make(&left, start + room), make(&right, start + 300));
        let (has_a, has_b) = (model(&a), model(&b));
        let fits: BTreeSet<u64> = has_b.iter().copied().filter(|block| *block < a.blocks()).collect();

        let sum = a.snapshot();
        prop_assert_eq!((model(&sum), sum.blocks()), (has_a.clone(), a.blocks()));
        sum.add(&b);
        prop_assert_eq!(model(&sum), &has_a | &fits);
        let wider = sum.snapshot();
        wider.make_room(start + 900);
        prop_assert_eq!(model(&wider), &has_a | &fits, "what was ignored shows in new room");
        let rest = a.snapshot();
        rest.remove(&b);
        prop_assert_eq!(model(&rest), &has_a - &has_b);

        let taken = sum.take();
        prop_assert_eq!((model(&taken), taken.blocks()), (&has_a | &fits, sum.blocks()));
        prop_assert!(sum.is_empty());
        prop_assert_eq!(sum.blocks(), a.blocks());
        sum.add(&taken);
        sum.clear_all();
        prop_assert_eq!(sum.count(), 0);
        prop_assert_eq!(model(&b), has_b);
    }
}

fn some_runs() -> impl Strategy<Value = Vec<BlockRun>> {
    proptest::collection::vec(
        (0u64..350, 0u64..90).prop_map(|(first, count)| BlockRun { first, count }),
        0..8,
    )
}

#[test]
fn memory_follows_what_was_touched() {
    let set = Bitmap::new(1 << 24);
    assert_eq!(size_of::<OnceLock<Box<[AtomicU64; 4096]>>>() * 1024, 16 * 1024);
    let whole = BlockRun::between(0, 1 << 24);
    set.clear(whole);
    set.load_words(0, std::iter::repeat_n(0, 1 << 18));
    set.add(&Bitmap::new(1 << 24));
    set.remove(&Bitmap::full(1000));
    assert!(set.is_empty() && set.take().is_empty() && !set.any(whole) && set.runs().is_empty());
    assert_eq!((set.words.allocated(), set.snapshot().words.allocated()), (0, 0));

    set.set(BlockRun { first: (1 << 24) - 1, count: 5 });
    assert_eq!(set.runs(), [BlockRun { first: (1 << 24) - 1, count: 1 }]);
    assert_eq!((set.words.allocated(), set.snapshot().words.allocated()), (1, 1));
    assert_eq!((set.words(0, 3), set.words((1 << 18) - 1, 2)), (vec![0; 3], vec![1 << 63, 0]));

    // One that was emptied keeps its memory, its copy has none.
    assert_eq!(set.take().words.allocated(), 1);
    assert_eq!((set.words.allocated(), set.snapshot().words.allocated()), (1, 0));
}

#[test]
fn there_is_no_room_beyond_the_most() {
    let set = Bitmap::default();
    assert_eq!((set.blocks(), set.is_empty()), (0, true));
    set.set(BlockRun { first: 0, count: 1 });
    assert!(set.is_empty());
    set.make_room(u64::MAX);
    assert_eq!(set.blocks(), BLOCKS_MAX);
    set.set(BlockRun { first: BLOCKS_MAX - 1, count: 70 });
    assert_eq!(set.runs(), [BlockRun { first: BLOCKS_MAX - 1, count: 1 }]);
    assert!(!set.has(BLOCKS_MAX));
    assert_eq!(set.words(BLOCKS_MAX / 64 - 1, 3), [1 << 63, 0, 0]);
    set.load_words(BLOCKS_MAX / 64 - 1, [3, 5].into_iter());
    assert_eq!((set.count(), set.has(BLOCKS_MAX - 64)), (2, true));
}

/// Runs threads that mark, each with its number, and two that take meanwhile and hand what they took to `each`.
fn mark_and_take<T: Send>(
    set: &Bitmap,
    markers: u64,
    mark: impl Fn(u64) + Sync,
    each: impl Fn(&mut T, Bitmap) + Sync,
    start: impl Fn() -> T + Sync,
) -> [T; 2] {
    let marking = AtomicU64::new(markers);
    let take = || {
        let mut all = start();
        while marking.load(Ordering::Acquire) > 0 {
            each(&mut all, set.take());
            // On one core the markers would wait for the end of each time slice.
            std::thread::yield_now();
        }
        all
    };
    std::thread::scope(|scope| {
        let takers = [scope.spawn(take), scope.spawn(take)];
        for marker in 0..markers {
            let (mark, marking) = (&mark, &marking);
            scope.spawn(move || {
                mark(marker);
                marking.fetch_sub(1, Ordering::Release);
            });
        }
        takers.map(|taker| taker.join().unwrap())
    })
}

#[test]
fn every_mark_in_one_word_is_taken_once() {
    const ROUNDS: u64 = 3_000;
    let set = Bitmap::new(64);
    let mark = |block| {
        for _ in 0..ROUNDS {
            set.set(BlockRun { first: block, count: 1 });
            while set.has(block) {
                std::thread::yield_now();
            }
        }
    };
    let taken = mark_and_take(&set, 3, mark, |all, taken| *all += taken.count(), || 0);
    assert_eq!(taken.iter().sum::<u64>() + set.count(), 3 * ROUNDS);
}

#[test]
fn marks_in_new_room_and_new_segments_are_taken_once() {
    const MARKERS: u64 = 3;
    let (first, blocks) = (SEGMENT_BLOCKS - 20_000, SEGMENT_BLOCKS + 20_000);
    let set = Bitmap::new(1);
    let mark = |marker| {
        for block in (first + marker..blocks).step_by(MARKERS as usize) {
            set.make_room(block + 1);
            set.set(BlockRun { first: block, count: 1 });
        }
    };
    let each = |(all, count): &mut (Bitmap, u64), taken: Bitmap| {
        *count += taken.count();
        all.add(&taken);
    };
    let [(all, left), (other, right)] =
        mark_and_take(&set, MARKERS, mark, each, || (Bitmap::new(blocks), 0));
    all.add(&other);
    all.add(&set);
    assert_eq!(all.runs(), [BlockRun::between(first, blocks)]);
    assert_eq!(left + right + set.count(), blocks - first);
}
