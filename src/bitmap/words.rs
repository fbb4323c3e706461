//! A fixed array of zeros in which words appear as they are touched, without a lock.
//!
//! The top level is allocated once and never moves, and a segment that exists stays until the array is dropped: a
//! reference to a word is good for as long as one to the array. So a word is found with one atomic load, of the
//! segment's cell; that load acquires what the thread that made the segment released, which is its zeros. The one wait
//! is that of a thread that wants a segment while another makes it.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

/// 32 KiB: eight pages of memory, 262,144 blocks.
pub(super) const SEGMENT_WORDS: u64 = 4096;

/// An array and not a slice: its pointer is thin, which makes a cell 16 bytes and not 24.
type Segment = [AtomicU64; SEGMENT_WORDS as usize];
type Cell = OnceLock<Box<Segment>>;

pub(super) struct Words {
    cells: Box<[Cell]>,
}

fn zeros() -> Box<Segment> {
    Box::new([const { AtomicU64::new(0) }; SEGMENT_WORDS as usize])
}

/// The words of a segment that begins at `base`, numbered.
fn numbered(
    base: u64,
    part: Range<u64>,
    segment: &Segment,
) -> impl Iterator<Item = (u64, &AtomicU64)> {
    let words = segment.get(part.start as usize..part.end as usize).unwrap_or_default();
    (base + part.start..).zip(words)
}

impl Words {
    /// `count` zeros, rounded up to whole segments; 16 bytes of memory for each of these.
    pub(super) fn new(count: u64) -> Self {
        Self { cells: (0..count.div_ceil(SEGMENT_WORDS)).map(|_| Cell::new()).collect() }
    }

    /// How many segments take up memory.
    pub(super) fn allocated(&self) -> usize {
        self.cells.iter().filter(|cell| cell.get().is_some()).count()
    }

    /// Word `index`, if its segment exists; if not, it is zero.
    pub(super) fn get(&self, index: u64) -> Option<&AtomicU64> {
        let segment = self.cells.get((index / SEGMENT_WORDS) as usize)?.get()?;
        segment.get((index % SEGMENT_WORDS) as usize)
    }

    /// Word `index`; makes its segment. `None` only past the end of the array.
    pub(super) fn make(&self, index: u64) -> Option<&AtomicU64> {
        let segment = self.cells.get((index / SEGMENT_WORDS) as usize)?.get_or_init(zeros);
        segment.get((index % SEGMENT_WORDS) as usize)
    }

    /// The words of a range whose segments exist; all others are zero.
    pub(super) fn existing(&self, range: Range<u64>) -> impl Iterator<Item = (u64, &AtomicU64)> {
        self.parts(range)
            .filter_map(|(base, part, cell)| Some(numbered(base, part, cell.get()?)))
            .flatten()
    }

    /// The words of a range; makes their segments as it gets to them.
    pub(super) fn making(&self, range: Range<u64>) -> impl Iterator<Item = (u64, &AtomicU64)> {
        self.parts(range)
            .flat_map(|(base, part, cell)| numbered(base, part, cell.get_or_init(zeros)))
    }

    /// A range cut into segments: where each begins, which words of it are meant, its cell.
    fn parts(&self, range: Range<u64>) -> impl Iterator<Item = (u64, Range<u64>, &Cell)> {
        let segments = range.start / SEGMENT_WORDS..range.end.div_ceil(SEGMENT_WORDS);
        let cells = self.cells.get(segments.start as usize..segments.end as usize);
        segments.zip(cells.unwrap_or_default()).map(move |(segment, cell)| {
            let base = segment * SEGMENT_WORDS;
            let end = range.end.min(base + SEGMENT_WORDS) - base;
            (base, range.start.saturating_sub(base)..end, cell)
        })
    }
}
