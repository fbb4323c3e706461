//! Where the inodes are: each group of blocks has a table of them, which its descriptor names.

use super::blocks::Blocks;
use super::checksum::crc32c;
use super::numbers::{joined, le16, le32};
use super::superblock::Superblock;
use crate::error::Result;

const CHECKSUM: usize = 0x1e;

/// The block and the byte in it at which an inode begins. `number` counts from 1 and was checked.
pub(super) fn place_of_inode(blocks: &Blocks, number: u32) -> Result<(u64, usize)> {
    let facts = blocks.facts();
    let index = number.saturating_sub(1);
    let table = table_of(blocks, u64::from(index / facts.inodes_a_group))?;
    let offset = u64::from(index % facts.inodes_a_group) * facts.inode_bytes as u64;
    let block = table.saturating_add(offset / facts.block_bytes);
    Ok((block, (offset % facts.block_bytes) as usize))
}

fn table_of(blocks: &Blocks, group: u64) -> Result<u64> {
    let facts = blocks.facts();
    let bytes = facts.descriptor_bytes;
    let in_block = facts.block_bytes / bytes as u64;
    let block = blocks.read(block_of_descriptors(facts, group / in_block))?;
    let start = (group % in_block) as usize * bytes;
    let descriptor = block.get(start..start.saturating_add(bytes)).unwrap_or_default();
    if facts.checksums {
        let seed = crc32c(facts.seed, &(group as u32).to_le_bytes());
        let sum = super::checksum::crc32c_without(seed, descriptor, CHECKSUM, 2);
        if sum as u16 != le16(descriptor, CHECKSUM) {
            return Err(blocks.wrong(format!("the checksum of group {group} is wrong")));
        }
    }
    let high = if bytes >= 64 { le32(descriptor, 0x28) } else { 0 };
    Ok(joined(high, le32(descriptor, 0x8)))
}

/// The block that holds the `index`-th block of descriptors.
fn block_of_descriptors(facts: &Superblock, index: u64) -> u64 {
    // With blocks of 1024 bytes the superblock is the second of them.
    let superblock = super::superblock::PLACE / facts.block_bytes;
    match facts.first_meta_group {
        Some(first) if index >= first => {
            let group = index * (facts.block_bytes / facts.descriptor_bytes as u64);
            let start =
                facts.first_block.saturating_add(group.saturating_mul(facts.blocks_a_group));
            start.saturating_add(u64::from(has_superblock(facts, group)))
        }
        _ => superblock + 1 + index,
    }
}

fn has_superblock(facts: &Superblock, group: u64) -> bool {
    let power_of = |base: u64| {
        let mut power = base;
        while power < group {
            power = power.saturating_mul(base);
        }
        power == group
    };
    match facts.backups {
        _ if group == 0 => true,
        Some(backups) => backups.map(u64::from).contains(&group),
        None => !facts.sparse_backups || group == 1 || [3, 5, 7].into_iter().any(power_of),
    }
}
