//! Where the bytes of a file are: one run of blocks at a time, by extents or by the older map of block numbers.
//!
//! Each look begins at the inode and takes at most six blocks, so the memory that a map needs does not depend on it.

use super::blocks::Blocks;
use super::checksum::crc32c;
use super::inode::Inode;
use super::numbers::{joined, le16, le32};
use crate::error::Result;

const ENTRY: usize = 12;
const MAGIC: u16 = 0xf30a;
const DEPTH_MAX: u16 = 5;
/// An extent that is longer was reserved and never written: it reads as zeros.
const WRITTEN_MAX: u64 = 1 << 15;
/// One past the last block that a file can have.
const END: u64 = 1 << 32;

/// Blocks of a file that follow each other, and where they begin; `None`: they read as zeros.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) blocks: u64,
    pub(super) at: Option<u64>,
}

/// The run that begins with block `logical` of a file. It has at least one block.
pub(super) fn run_at(blocks: &Blocks, inode: &Inode, logical: u64) -> Result<Run> {
    let found = if inode.has_extents() {
        extent_at(blocks, inode, logical)?
    } else {
        mapped_at(blocks, inode, logical)?
    };
    match found.at {
        Some(at)
            if at < blocks.facts().first_block.max(1)
                || at.saturating_add(found.blocks) > blocks.facts().blocks =>
        {
            let number = inode.number;
            Err(blocks.wrong(format!("inode {number} has a block {at}, which is none of a file")))
        }
        _ => Ok(found),
    }
}

/// The last entry of a node that begins at `logical` or before it, and where the next one begins.
fn entry_for(node: &[u8], logical: u64, end: u64) -> (Option<&[u8]>, u64) {
    let count = usize::from(le16(node, 2));
    let entries = node.get(ENTRY..).unwrap_or_default().chunks_exact(ENTRY).take(count);
    let (mut found, mut next): (Option<&[u8]>, u64) = (None, end);
    for entry in entries {
        let start = u64::from(le32(entry, 0));
        if start > logical {
            next = next.min(start);
        } else if found.is_none_or(|best| start >= u64::from(le32(best, 0))) {
            found = Some(entry);
        }
    }
    (found, next)
}

fn extent_at(blocks: &Blocks, inode: &Inode, logical: u64) -> Result<Run> {
    let wrong = |problem: &str| blocks.wrong(format!("inode {}: {problem}", inode.number));
    let mut node: Box<dyn AsRef<[u8]> + '_> = Box::new(inode.map());
    let (mut end, mut depth) = (END.max(logical + 1), None);
    loop {
        let bytes = (*node).as_ref();
        let (count, most, here) = (le16(bytes, 2), le16(bytes, 4), le16(bytes, 6));
        if le16(bytes, 0) != MAGIC || count > most || ENTRY * (usize::from(most) + 1) > bytes.len()
        {
            return Err(wrong("a part of its map is damaged"));
        }
        if depth.map_or(here > DEPTH_MAX, |expected| here != expected) {
            return Err(wrong("its map has a wrong depth"));
        }
        let (entry, next) = entry_for(bytes, logical, end);
        let Some(entry) = entry else { return Ok(Run { blocks: next - logical, at: None }) };
        if here == 0 {
            return Ok(leaf(entry, logical, next));
        }
        let child = joined(le16(entry, 8).into(), le32(entry, 4));
        let block = blocks.read(child)?;
        let most = ENTRY * (usize::from(le16(&block, 4)) + 1);
        if blocks.facts().checksums
            && crc32c(inode.seed, block.get(..most).unwrap_or_default()) != le32(&block, most)
        {
            return Err(wrong("the checksum of a part of its map is wrong"));
        }
        (end, depth) = (next, Some(here - 1));
        node = Box::new(block);
    }
}

fn leaf(entry: &[u8], logical: u64, next: u64) -> Run {
    let (start, length) = (u64::from(le32(entry, 0)), u64::from(le16(entry, 4)));
    let written = length <= WRITTEN_MAX;
    let length = if written { length } else { length - WRITTEN_MAX };
    let into = logical - start;
    if into >= length {
        return Run { blocks: next - logical, at: None };
    }
    let count = (length - into).min(next - logical);
    let at = joined(le16(entry, 6).into(), le32(entry, 8)) + into;
    Run { blocks: count, at: written.then_some(at) }
}

/// Twelve numbers of blocks, then the numbers of blocks of numbers: of one, two and three levels.
fn mapped_at(blocks: &Blocks, inode: &Inode, logical: u64) -> Result<Run> {
    let in_block = blocks.facts().block_bytes / 4;
    if logical < 12 {
        return Ok(numbers_at(inode.map().get(..48).unwrap_or_default(), logical));
    }
    let (mut rest, mut span, mut level) = (logical - 12, in_block, 0);
    while rest >= span {
        rest -= span;
        span = span.saturating_mul(in_block);
        level += 1;
        if level == 3 {
            return Err(blocks.wrong(format!("inode {} is longer than its map", inode.number)));
        }
    }
    let mut number = u64::from(le32(inode.map(), 48 + 4 * level));
    loop {
        if number == 0 {
            return Ok(Run { blocks: span - rest, at: None });
        }
        let block = blocks.read(number)?;
        if span == in_block {
            return Ok(numbers_at(&block, rest));
        }
        span /= in_block;
        number = le32(&block, (rest / span) as usize * 4).into();
        rest %= span;
    }
}

/// The run that begins with the `index`-th number of a table: numbers that count up, or zeros.
fn numbers_at(table: &[u8], index: u64) -> Run {
    let mut numbers =
        table.chunks_exact(4).skip(index as usize).map(|entry| u64::from(le32(entry, 0)));
    let first = numbers.next().unwrap_or_default();
    let step = u64::from(first != 0);
    let more = numbers.zip(1..).take_while(|(number, count)| *number == first + step * count);
    Run { blocks: 1 + more.count() as u64, at: (first != 0).then_some(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(start: u32, length: u16, at: u32) -> Vec<u8> {
        [&start.to_le_bytes()[..], &length.to_le_bytes(), &[0, 0], &at.to_le_bytes()].concat()
    }

    #[test]
    fn an_extent_ends_where_the_next_begins_and_what_was_only_reserved_is_a_hole() {
        assert_eq!(leaf(&entry(10, 5, 100), 12, 99), Run { blocks: 3, at: Some(102) });
        assert_eq!(leaf(&entry(10, 5, 100), 12, 14), Run { blocks: 2, at: Some(102) });
        assert_eq!(leaf(&entry(10, 0x8005, 100), 12, 99), Run { blocks: 3, at: None });
        assert_eq!(leaf(&entry(0, 0x8000, 100), 0, END), Run { blocks: 0x8000, at: Some(100) });
        assert_eq!(leaf(&entry(10, 5, 100), 15, 99), Run { blocks: 84, at: None });
    }

    #[test]
    fn the_entry_for_a_block_is_found_in_any_order() {
        let node = [
            vec![0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            entry(30, 1, 3),
            entry(10, 1, 1),
            entry(20, 1, 2),
        ]
        .concat();
        let of = |logical| {
            let (found, next) = entry_for(&node, logical, 40);
            (found.map(|entry| le32(entry, 8)), next)
        };
        assert_eq!(
            (of(5), of(10), of(25), of(39)),
            ((None, 10), (Some(1), 20), (Some(2), 30), (Some(3), 40))
        );
    }

    #[test]
    fn numbers_that_count_up_are_one_run_and_zeros_are_one_hole() {
        let table: Vec<u8> =
            [7u32, 8, 9, 0, 0, 12].into_iter().flat_map(u32::to_le_bytes).collect();
        assert_eq!(numbers_at(&table, 1), Run { blocks: 2, at: Some(8) });
        assert_eq!(numbers_at(&table, 3), Run { blocks: 2, at: None });
        assert_eq!(numbers_at(&table, 5), Run { blocks: 1, at: Some(12) });
    }
}
