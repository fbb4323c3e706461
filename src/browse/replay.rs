//! The journal of a file system that was mounted when its mirror was split: what a mount would write back is applied in
//! memory. Three passes as jbd2's own recovery: which transactions are whole, what they revoke, what they hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::blocks::{Blocks, JOURNAL_MARK, Replaced, Replay};
use super::checksum::{START, crc32c, crc32c_without};
use super::inode::Inode;
use super::numbers::{be32, byte};
use super::replay_block::{Features, Tag, descriptor_sum_holds, revoked_blocks, tags};
use super::runs;
use crate::error::{Error, Result};

const DESCRIPTOR: u32 = 1;
const COMMIT: u32 = 2;
const REVOKE: u32 = 5;

/// An open journal.
struct Journal<'a> {
    blocks: &'a Blocks,
    inode: Inode,
    features: Features,
    first: u64,
    /// One past its last block.
    end: u64,
    start: u64,
    sequence: u32,
}

/// What is done with the parts of a transaction, in the order in which they lie.
enum Part<'a> {
    /// The journal's block with newer content for the tag's block.
    Data(&'a Tag, u64),
    Revoke(&'a [u8]),
}

/// What the journal holds that is not in its place yet.
pub(super) fn replay(blocks: &Blocks) -> Result<Replay> {
    if !blocks.facts().needs_replay {
        return Ok(Replay::new());
    }
    let Some(number) = blocks.facts().journal else {
        return Err(
            blocks.wrong("it was in use when it was split, and its journal is on another device")
        );
    };
    let Some(journal) = Journal::open(blocks, number)? else { return Ok(Replay::new()) };
    let transactions = journal.whole_transactions()?;
    let mut revoked = BTreeMap::new();
    journal.walk(transactions, |sequence, part| {
        if let Part::Revoke(block) = part {
            for number in revoked_blocks(block, &journal.features) {
                revoked.insert(number, sequence);
            }
        }
        Ok(())
    })?;
    let mut found = Replay::new();
    journal.walk(transactions, |sequence, part| {
        let Part::Data(tag, block) = part else { return Ok(()) };
        // Sequences wrap round; none of two in one journal is half of all numbers ahead.
        let later =
            revoked.get(&tag.block).is_some_and(|last: &u32| last.wrapping_sub(sequence) < 1 << 31);
        if !later {
            journal.check_data(sequence, tag, block)?;
            found.insert(tag.block, Replaced { block, escaped: tag.escaped });
        }
        Ok(())
    })?;
    Ok(found)
}

impl<'a> Journal<'a> {
    /// None: it has nothing to apply.
    fn open(blocks: &'a Blocks, number: u32) -> Result<Option<Self>> {
        let inode = Inode::read(blocks, number)?;
        let mut journal = Self {
            blocks,
            inode,
            features: Features::default(),
            first: 0,
            end: 1,
            start: 0,
            sequence: 0,
        };
        let superblock = journal.block(0)?;
        let version = be32(&superblock, 4);
        if superblock.get(..4) != Some(&JOURNAL_MARK) || !matches!(version, 3 | 4) {
            return Err(journal.damaged("it has no superblock"));
        }
        journal.features = Features::of(&superblock, version);
        let summed = superblock.get(..1024).unwrap_or_default();
        if journal.features.summed() && crc32c_without(START, summed, 0xfc, 4) != be32(summed, 0xfc)
        {
            return Err(journal.damaged("the checksum of its superblock is wrong"));
        }
        journal.sequence = be32(&superblock, 0x18);
        journal.start = be32(&superblock, 0x1c).into();
        if journal.start == 0 {
            return Ok(None);
        }
        if let Some(problem) = journal.features.unknown() {
            return Err(journal.damaged(&format!("{problem}; mount a copy of the mirror once")));
        }
        let size = blocks.facts().block_bytes;
        journal.first = be32(&superblock, 0x14).into();
        journal.end = be32(&superblock, 0x10).into();
        let sizes_fit = u64::from(be32(&superblock, 0xc)) == size
            && journal.end.saturating_mul(size) <= journal.inode.size
            && journal.first > 0
            && (journal.first..journal.end).contains(&journal.start);
        if !sizes_fit || byte(summed, 0x50) > 4 {
            return Err(journal.damaged("its superblock does not fit the file system"));
        }
        Ok(Some(journal))
    }

    fn damaged(&self, problem: &str) -> Error {
        self.blocks.wrong(format!(
            "it was in use when it was split, and its journal is damaged: {problem}"
        ))
    }

    /// Where in the file system a block of the journal is.
    fn place(&self, index: u64) -> Result<u64> {
        let run = runs::run_at(self.blocks, &self.inode, index)?;
        run.at.ok_or_else(|| self.damaged("it has a hole"))
    }

    fn block(&self, index: u64) -> Result<Arc<[u8]>> {
        self.blocks.read(self.place(index)?)
    }

    fn after(&self, index: u64, count: u64) -> u64 {
        let next = index.saturating_add(count);
        if next >= self.end { next - (self.end - self.first) } else { next }
    }

    /// How many transactions, from the first on, were written to their end.
    fn whole_transactions(&self) -> Result<u32> {
        let (mut index, mut sequence, mut transactions) = (self.start, self.sequence, 0);
        let (mut left, mut torn) = (self.end - self.first, false);
        while left > 0 {
            let block = self.block(index)?;
            if !is_of(&block, sequence) {
                break;
            }
            let mut count = 1;
            match be32(&block, 4) {
                kind @ (DESCRIPTOR | REVOKE) => {
                    torn |= !descriptor_sum_holds(&block, &self.features);
                    let tags =
                        if kind == DESCRIPTOR { tags(&block, &self.features) } else { vec![] };
                    count += tags.len() as u64;
                }
                COMMIT if self.commit_holds(&block) => {
                    // The commit was written after all else: what is torn then was damaged later.
                    if torn {
                        return Err(self.damaged("the checksum of one of its blocks is wrong"));
                    }
                    transactions += 1;
                    sequence = sequence.wrapping_add(1);
                }
                // The end of what was written: as a mount does, all before is applied.
                _ => break,
            }
            left = left.saturating_sub(count);
            index = self.after(index, count);
        }
        Ok(transactions)
    }

    fn commit_holds(&self, block: &[u8]) -> bool {
        !self.features.summed()
            || crc32c_without(self.features.seed, block, 0x10, 4) == be32(block, 0x10)
    }

    /// Calls `visit` with the parts of the first `transactions` transactions.
    fn walk(
        &self,
        transactions: u32,
        mut visit: impl FnMut(u32, Part<'_>) -> Result<()>,
    ) -> Result<()> {
        let (mut index, mut sequence, mut left) = (self.start, self.sequence, transactions);
        while left > 0 {
            let block = self.block(index)?;
            let mut count = 1;
            match be32(&block, 4) {
                DESCRIPTOR => {
                    for tag in tags(&block, &self.features) {
                        let place = self.place(self.after(index, count))?;
                        visit(sequence, Part::Data(&tag, place))?;
                        count += 1;
                    }
                }
                REVOKE => visit(sequence, Part::Revoke(&block))?,
                _ => {
                    sequence = sequence.wrapping_add(1);
                    left -= 1;
                }
            }
            index = self.after(index, count);
        }
        Ok(())
    }

    fn check_data(&self, sequence: u32, tag: &Tag, place: u64) -> Result<()> {
        let Some((expected, mask)) = tag.sum else { return Ok(()) };
        let seed = crc32c(self.features.seed, &sequence.to_be_bytes());
        if crc32c(seed, &self.blocks.read(place)?) & mask == expected {
            return Ok(());
        }
        Err(self.damaged(&format!("the checksum of block {} in it is wrong", tag.block)))
    }
}

fn is_of(block: &[u8], sequence: u32) -> bool {
    block.get(..4) == Some(&JOURNAL_MARK) && be32(block, 8) == sequence
}
