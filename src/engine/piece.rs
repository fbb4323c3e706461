//! Pieces: what one thread copies at a time, and the buffers for it.

use std::collections::VecDeque;

use crate::units::{BlockSize, Extent, merged};

/// A megabyte: large enough that a system call costs nothing beside the copy, small enough for a CPU cache.
pub const PIECE_BYTES: u64 = 1 << 20;

/// The unit in which a volume is locked and copied: a piece never crosses a multiple of it, so that a piece is
/// covered by one lock. At least one block.
pub const fn piece_bytes(block: BlockSize) -> u64 {
    if block.bytes() > PIECE_BYTES { block.bytes() } else { PIECE_BYTES }
}

/// Hands out the pieces of a plan in order.
#[derive(Debug)]
pub(super) struct Pieces {
    open: VecDeque<Extent>,
    stripe: u64,
}

impl Pieces {
    pub(super) fn new(extents: &[Extent], stripe: u64) -> Self {
        Self { open: extents.iter().copied().filter(|extent| !extent.is_empty()).collect(), stripe }
    }

    /// Takes whole pieces until they hold `bytes`; none when all are out.
    pub(super) fn batch(&mut self, bytes: u64) -> Vec<Extent> {
        let mut taken = Vec::new();
        let mut room = bytes.max(1);
        while room > 0 {
            let Some(piece) = self.next() else { break };
            room = room.saturating_sub(piece.length);
            taken.push(piece);
        }
        taken
    }
}

impl Iterator for Pieces {
    type Item = Extent;

    fn next(&mut self) -> Option<Extent> {
        let first = self.open.front_mut()?;
        let piece = first.pieces(self.stripe).next()?;
        *first = Extent::between(piece.end(), first.end());
        if first.is_empty() {
            self.open.pop_front();
        }
        Some(piece)
    }
}

/// The buffers of one thread.
#[derive(Debug)]
pub(super) struct Buffers {
    pub(super) from: Vec<u8>,
    pub(super) to: Vec<u8>,
    /// Whole blocks of the piece that were checked already: many ranges may lie in one.
    pub(super) checked: Option<Extent>,
}

impl Buffers {
    /// Room for one piece a side; the second side is only taken when it is used.
    pub(super) fn new() -> Self {
        Self { from: Vec::new(), to: Vec::new(), checked: None }
    }
}

/// The first `length` bytes of a buffer, which grows when needed.
pub(super) fn room(buffer: &mut Vec<u8>, length: u64) -> &mut [u8] {
    let length = length as usize;
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    buffer.get_mut(..length).unwrap_or_default()
}

/// Runs of differing pages between two equally long buffers that begin at `offset`.
pub fn differing_pages(left: &[u8], right: &[u8], offset: u64, page: u64) -> Vec<Extent> {
    if left == right {
        return Vec::new();
    }
    let mut runs: Vec<Extent> = Vec::new();
    let end = offset + left.len() as u64;
    for piece in Extent::between(offset, end).pieces(page) {
        let range = (piece.offset - offset) as usize..(piece.end() - offset) as usize;
        if left.get(range.clone()) != right.get(range) {
            match runs.last_mut() {
                Some(last) if last.end() == piece.offset => last.length += piece.length,
                _ => runs.push(piece),
            }
        }
    }
    runs
}

/// Runs of pages of `bytes`, which begin at `offset`, that hold anything but zeros.
pub(super) fn pages_with_data(bytes: &[u8], offset: u64, page: u64) -> Vec<Extent> {
    let end = offset + bytes.len() as u64;
    let pages = Extent::between(offset, end).pieces(page).filter(|piece| {
        let range = (piece.offset - offset) as usize..(piece.end() - offset) as usize;
        bytes.get(range).is_some_and(|page| page.iter().any(|byte| *byte != 0))
    });
    merged(pages.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_handed_out_in_order_and_once() {
        let extents =
            [Extent::new(5, 20), Extent::new(100, 1), Extent::new(110, 0), Extent::new(119, 3)];
        let mut pieces = Pieces::new(&extents, 10);
        let first = pieces.batch(12);
        assert_eq!(first, [Extent::new(5, 5), Extent::new(10, 10)]);
        let rest: Vec<Extent> = pieces.collect();
        assert_eq!(
            rest,
            [Extent::new(20, 5), Extent::new(100, 1), Extent::new(119, 1), Extent::new(120, 2)]
        );
    }

    #[test]
    fn only_differing_pages_are_named() {
        let left = vec![1u8; 50];
        let mut right = left.clone();
        right[13] = 2;
        right[20] = 2;
        right[49] = 2;
        assert_eq!(
            differing_pages(&left, &right, 100, 10),
            [Extent::new(110, 20), Extent::new(140, 10)]
        );
        assert!(differing_pages(&left, &left, 100, 10).is_empty());
    }
}
