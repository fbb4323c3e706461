//! Units of bytes and blocks. All rounding between the two lives in this file.
//!
//! An [`Extent`] is a run of bytes, a [`BlockRun`] a run of blocks. A block is the unit of tracking:
//! a power of two between 4 KiB and 4 MiB. Marks that say "may differ" are rounded *outward*
//! ([`BlockSize::touching`]), claims that say "is equal" are rounded *inward* ([`BlockSize::within`]).

use serde::{Deserialize, Serialize};

/// One page: the unit in which differences inside a block are written, and the smallest block.
pub const PAGE_BYTES: u64 = 4096;

/// The last offset that a file can have.
pub const OFFSET_MAX: u64 = i64::MAX as u64;

/// A run of bytes in an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Extent {
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

impl From<(u64, u64)> for Extent {
    fn from((offset, length): (u64, u64)) -> Self {
        Self { offset, length }
    }
}

impl From<Extent> for (u64, u64) {
    fn from(extent: Extent) -> Self {
        (extent.offset, extent.length)
    }
}

impl Extent {
    /// `length` bytes from `offset`.
    pub const fn new(offset: u64, length: u64) -> Self {
        Self { offset, length }
    }

    /// The bytes from `start` up to, not including, `end`; empty when `end <= start`.
    pub const fn between(start: u64, end: u64) -> Self {
        Self::new(start, end.saturating_sub(start))
    }

    /// One past the last byte.
    pub const fn end(self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    /// Whether it holds no byte.
    pub const fn is_empty(self) -> bool {
        self.length == 0
    }

    /// What both have in common; empty when nothing.
    pub fn intersect(self, other: Self) -> Self {
        Self::between(self.offset.max(other.offset), self.end().min(other.end()))
    }

    /// `None` for what no file can address: Linux file offsets are signed 64-bit numbers.
    pub fn checked(offset: u64, length: u64) -> Option<Self> {
        let end = offset.checked_add(length)?;
        (end <= OFFSET_MAX).then_some(Self { offset, length })
    }

    /// Cuts the extent at every multiple of `unit` bytes.
    pub fn pieces(self, unit: u64) -> impl Iterator<Item = Self> {
        let mut at = self.offset;
        std::iter::from_fn(move || {
            if at >= self.end() {
                return None;
            }
            let end = ((at / unit).saturating_add(1)).saturating_mul(unit).min(self.end());
            let piece = Self::between(at, end);
            at = end;
            Some(piece)
        })
    }
}

/// Sorts extents and merges those that touch or overlap; drops empty ones.
pub fn merged(mut extents: Vec<Extent>) -> Vec<Extent> {
    extents.retain(|extent| !extent.is_empty());
    extents.sort_unstable();
    let mut out: Vec<Extent> = Vec::with_capacity(extents.len());
    for extent in extents {
        match out.last_mut() {
            Some(last) if extent.offset <= last.end() => {
                *last = Extent::between(last.offset, last.end().max(extent.end()));
            }
            _ => out.push(extent),
        }
    }
    out
}

/// What two sorted, merged lists of extents have in common.
pub fn intersected(left: &[Extent], right: &[Extent]) -> Vec<Extent> {
    let (mut left_rest, mut right_rest) = (left.iter().peekable(), right.iter().peekable());
    let mut out = Vec::new();
    while let (Some(a), Some(b)) = (left_rest.peek(), right_rest.peek()) {
        let common = a.intersect(**b);
        if !common.is_empty() {
            out.push(common);
        }
        if a.end() <= b.end() {
            left_rest.next();
        } else {
            right_rest.next();
        }
    }
    out
}

/// What is in the sorted, merged list `whole` and in none of the sorted, merged list `cut`.
pub fn subtracted(whole: &[Extent], cut: &[Extent]) -> Vec<Extent> {
    let mut out = Vec::new();
    let mut cuts = cut.iter().peekable();
    for extent in whole {
        let mut at = extent.offset;
        while let Some(gone) = cuts.peek() {
            if gone.end() <= at {
                cuts.next();
                continue;
            }
            if gone.offset >= extent.end() {
                break;
            }
            if gone.offset > at {
                out.push(Extent::between(at, gone.offset));
            }
            at = gone.end().min(extent.end());
            if gone.end() > extent.end() {
                break;
            }
            cuts.next();
        }
        if at < extent.end() {
            out.push(Extent::between(at, extent.end()));
        }
    }
    out
}

/// How many bytes a list of extents holds.
pub fn total_bytes(extents: &[Extent]) -> u64 {
    extents.iter().map(|extent| extent.length).sum()
}

/// A run of blocks, by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockRun {
    /// First block.
    pub first: u64,
    /// Number of blocks.
    pub count: u64,
}

impl BlockRun {
    /// The blocks from `first` up to, not including, `end`.
    pub const fn between(first: u64, end: u64) -> Self {
        Self { first, count: end.saturating_sub(first) }
    }

    /// One past the last block.
    pub const fn end(self) -> u64 {
        self.first + self.count
    }

    /// The block numbers.
    pub fn indexes(self) -> std::ops::Range<u64> {
        self.first..self.end()
    }
}

/// The size of a block in bytes: a power of two, 4 KiB to 4 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct BlockSize(u64);

impl BlockSize {
    /// 64 KiB: what a mirror has unless told otherwise.
    pub const DEFAULT: Self = Self(64 * 1024);
    /// The largest block.
    pub const MAX: Self = Self(4 * 1024 * 1024);

    /// `None` when the number of bytes is not a power of two from 4 KiB to 4 MiB.
    pub fn new(bytes: u64) -> Option<Self> {
        (bytes.is_power_of_two() && (PAGE_BYTES..=Self::MAX.0).contains(&bytes))
            .then_some(Self(bytes))
    }

    /// Bytes in a block.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// How many blocks hold `length` bytes; the last one may be partly filled.
    pub const fn count(self, length: u64) -> u64 {
        length.div_ceil(self.0)
    }

    /// Every block that the extent touches (rounded outward).
    pub const fn touching(self, extent: Extent) -> BlockRun {
        if extent.length == 0 {
            return BlockRun { first: extent.offset / self.0, count: 0 };
        }
        BlockRun::between(extent.offset / self.0, extent.end().div_ceil(self.0))
    }

    /// Every block of an area of `area_length` bytes that lies wholly in the extent (rounded inward).
    /// The last, partly filled block counts as whole when the extent reaches the end of the area.
    pub const fn within(self, extent: Extent, area_length: u64) -> BlockRun {
        let first = extent.offset.div_ceil(self.0);
        let end = if extent.end() >= area_length {
            self.count(area_length)
        } else {
            extent.end() / self.0
        };
        BlockRun::between(first, end)
    }

    /// The bytes of a run of blocks, cut at the area's end.
    pub fn extent(self, run: BlockRun, area_length: u64) -> Extent {
        Extent::between(
            run.first.saturating_mul(self.0),
            run.end().saturating_mul(self.0).min(area_length),
        )
    }

    /// The extent enlarged to whole blocks, cut at the area's end.
    pub fn aligned_out(self, extent: Extent, area_length: u64) -> Extent {
        self.extent(self.touching(extent), area_length)
    }
}

impl TryFrom<u64> for BlockSize {
    type Error = &'static str;
    fn try_from(bytes: u64) -> Result<Self, Self::Error> {
        Self::new(bytes).ok_or("not a power of two between 4096 (4 KiB) and 4194304 (4 MiB)")
    }
}

impl From<BlockSize> for u64 {
    fn from(size: BlockSize) -> Self {
        size.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(extents: &[Extent]) -> std::collections::BTreeSet<u64> {
        extents.iter().flat_map(|extent| extent.offset..extent.end()).collect()
    }

    fn some_extents() -> impl Strategy<Value = Vec<Extent>> {
        proptest::collection::vec((0u64..200, 0u64..40).prop_map(Extent::from), 0..12)
    }

    proptest! {
        #[test]
        fn extent_lists_behave_as_sets_of_bytes(a in some_extents(), b in some_extents()) {
            let (left, right) = (merged(a.clone()), merged(b.clone()));
            prop_assert_eq!(set(&left), set(&a));
            prop_assert!(left.windows(2).all(|pair| pair[0].end() < pair[1].offset));
            prop_assert_eq!(set(&intersected(&left, &right)), &set(&a) & &set(&b));
            prop_assert_eq!(set(&subtracted(&left, &right)), &set(&a) - &set(&b));
            prop_assert_eq!(total_bytes(&left), set(&a).len() as u64);
        }

        #[test]
        fn marks_round_outward_and_claims_inward(offset in 0u64..50_000, length in 0u64..50_000, area in 1u64..90_000) {
            let size = BlockSize::new(4096).unwrap();
            let extent = Extent::new(offset, length).intersect(Extent::new(0, area));
            let touching: Vec<u64> = size.touching(extent).indexes().collect();
            let within: Vec<u64> = size.within(extent, area).indexes().collect();
            for block in 0..size.count(area) {
                let bytes = size.extent(BlockRun { first: block, count: 1 }, area);
                let common = bytes.intersect(extent);
                prop_assert_eq!(touching.contains(&block), !common.is_empty());
                if within.contains(&block) { prop_assert_eq!(common, bytes); }
                if !extent.is_empty() && common == bytes { prop_assert!(within.contains(&block)); }
            }
        }

        #[test]
        fn pieces_cover_exactly_and_never_cross_a_border(offset in 0u64..9_000, length in 0u64..9_000) {
            let extent = Extent::new(offset, length);
            let pieces: Vec<Extent> = extent.pieces(1000).collect();
            prop_assert_eq!(merged(pieces.clone()), merged(vec![extent]));
            prop_assert!(pieces.iter().all(|piece| piece.offset / 1000 == (piece.end() - 1) / 1000));
        }
    }

    #[test]
    fn block_sizes_out_of_range_are_refused() {
        for bad in [0, 1, 512, 2048, 5000, 8 * 1024 * 1024, u64::MAX] {
            assert!(BlockSize::new(bad).is_none(), "{bad}");
        }
        assert!(BlockSize::new(4096).is_some() && BlockSize::new(4 << 20).is_some());
    }

    #[test]
    fn offsets_that_no_file_can_address_are_refused() {
        assert!(Extent::checked(u64::MAX, 1).is_none());
        assert!(Extent::checked(i64::MAX as u64, 1).is_none());
        assert!(Extent::checked(i64::MAX as u64, 0).is_some());
    }
}
