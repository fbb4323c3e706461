//! The names in a folder.

use super::blocks::Blocks;
use super::checksum::crc32c;
use super::image::Window;
use super::inline;
use super::inode::Inode;
use super::numbers::{byte, le16, le32};
use super::runs::run_at;
use crate::error::Result;

/// So many blocks are looked at in one call.
const BLOCKS_A_PART: u64 = 64;
const TAIL: usize = 12;
const TAIL_KIND: u8 = 0xde;

/// A name in a folder, and the number of its inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Any bytes but `/` and NUL; never `.` or `..`.
    pub name: Vec<u8>,
    /// The number of its inode.
    pub inode: u32,
}

/// The names in some blocks of a folder from block `from` on, and where to go on.
pub(super) fn part(blocks: &Blocks, inode: &Inode, from: u64) -> Result<(Vec<Entry>, Option<u64>)> {
    if inode.is_encrypted() {
        return Err(blocks.wrong(format!("the folder of inode {} is encrypted", inode.number)));
    }
    let mut found = Vec::new();
    if inode.is_inline() {
        let (first, second) = inline::parts(inode);
        // The first four bytes name the parent.
        names(blocks, inode, first.get(4..).unwrap_or_default(), &mut found)?;
        names(blocks, inode, second, &mut found)?;
        return Ok((found, None));
    }
    let size = blocks.facts().block_bytes;
    let end = inode.size / size;
    if end > blocks.facts().blocks {
        return Err(
            blocks.wrong(format!("the folder of inode {} is longer than all", inode.number))
        );
    }
    let (mut index, stop) = (from, end.min(from.saturating_add(BLOCKS_A_PART)));
    while index < stop {
        let run = run_at(blocks, inode, index)?;
        let count = run.blocks.min(stop - index);
        for (block, logical) in run.at.into_iter().flat_map(|at| at..at + count).zip(index..) {
            let block = blocks.read(block)?;
            if !is_index(inode, logical, &block) {
                check_sum(blocks, inode, &block)?;
                names(blocks, inode, &block, &mut found)?;
            }
        }
        // A hole has no names, however long it is.
        index = if run.at.is_none() { index.saturating_add(run.blocks) } else { index + count };
    }
    Ok((found, (index < end).then_some(index)))
}

/// Whether a block holds a part of the folder's index, which is not needed to list it: the first one, and those that an
/// unused entry fills.
fn is_index(inode: &Inode, logical: u64, block: &[u8]) -> bool {
    let fills = entry_bytes(le16(block, 4), block.len() as u64) == block.len();
    inode.is_indexed() && (logical == 0 || le32(block, 0) == 0 && fills)
}

/// A block of names ends with its checksum, in what looks like an unused entry.
fn check_sum(blocks: &Blocks, inode: &Inode, block: &[u8]) -> Result<()> {
    let place = block.len().saturating_sub(TAIL);
    let (content, tail) = block.split_at_checked(place).unwrap_or_default();
    let is_tail = le32(tail, 0) == 0
        && le16(tail, 4) == 12
        && (byte(tail, 6), byte(tail, 7)) == (0, TAIL_KIND);
    if !blocks.facts().checksums || is_tail && crc32c(inode.seed, content) == le32(tail, 8) {
        return Ok(());
    }
    Err(blocks
        .wrong(format!("the checksum of a block of the folder of inode {} is wrong", inode.number)))
}

/// The length of an entry; one of 64 KiB does not fit its 16 bits.
fn entry_bytes(stored: u16, block_bytes: u64) -> usize {
    match usize::from(stored) {
        0 | 0xffff if block_bytes == 65536 => 65536,
        length => length,
    }
}

fn names(blocks: &Blocks, inode: &Inode, bytes: &[u8], found: &mut Vec<Entry>) -> Result<()> {
    let facts = blocks.facts();
    let wrong =
        |problem: &str| blocks.wrong(format!("the folder of inode {} {problem}", inode.number));
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = entry_bytes(le16(rest, 4), facts.block_bytes);
        let (number, kept) = (le32(rest, 0), rest.get(..length));
        let Some(entry) = kept.filter(|_| length >= 12 && length.is_multiple_of(4)) else {
            return Err(wrong("is damaged: an entry does not end in its block"));
        };
        rest = rest.get(length..).unwrap_or_default();
        if number == 0 {
            continue;
        }
        let letters = match facts.names_have_kinds {
            true => usize::from(byte(entry, 6)),
            false => usize::from(le16(entry, 6)),
        };
        let name = entry.get(8..8 + letters).unwrap_or_default();
        if name.is_empty()
            || name.len() > 255
            || name.iter().any(|letter| matches!(letter, 0 | b'/'))
        {
            return Err(wrong(&format!(
                "holds the name '{}', which no file can have",
                Window::shown(name)
            )));
        }
        if name != b"." && name != b".." {
            found.push(Entry { name: name.to_vec(), inode: number });
        }
    }
    Ok(())
}
