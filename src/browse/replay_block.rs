//! The blocks of a journal's own: which blocks a descriptor speaks of, which a revoke takes back.

use super::checksum::{START, crc32c, crc32c_without};
use super::numbers::{be16, be32, joined};

const HEADER: usize = 12;
const WIDE: u32 = 0x2;
const SUMS_2: u32 = 0x8;
const SUMS_3: u32 = 0x10;
/// Revokes (1), wide (2), commits without waiting (4), sums.
const KNOWN: u32 = 0x1f;

const ESCAPED: u32 = 0x1;
const SAME_ID: u32 = 0x2;
const LAST: u32 = 0x8;

/// How a journal is written.
#[derive(Debug, Default)]
pub(super) struct Features {
    bits: u32,
    pub(super) seed: u32,
}

/// A block of the file system whose newer content follows the descriptor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) block: u64,
    pub(super) escaped: bool,
    /// The sum of the content, and which of its bits are kept.
    pub(super) sum: Option<(u32, u32)>,
}

impl Features {
    /// Those of a journal's superblock.
    pub(super) fn of(superblock: &[u8], version: u32) -> Self {
        let bits = if version == 4 { be32(superblock, 0x28) } else { 0 };
        Self { bits, seed: crc32c(START, superblock.get(0x30..0x40).unwrap_or_default()) }
    }

    /// Whether its blocks carry checksums.
    pub(super) fn summed(&self) -> bool {
        self.bits & (SUMS_2 | SUMS_3) != 0
    }

    /// What of it is not known here.
    pub(super) fn unknown(&self) -> Option<String> {
        let bits = self.bits & !KNOWN;
        (bits != 0).then(|| format!("it has features that this reader does not know ({bits:#x})"))
    }

    fn wide(&self) -> bool {
        self.bits & WIDE != 0
    }

    fn tag_bytes(&self) -> usize {
        if self.bits & SUMS_3 != 0 {
            return 16;
        }
        8 + if self.wide() { 4 } else { 0 } + if self.bits & SUMS_2 != 0 { 2 } else { 0 }
    }

    /// The part of a block before its checksum.
    fn content<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        let end = block.len().saturating_sub(if self.summed() { 4 } else { 0 });
        block.get(..end).unwrap_or_default()
    }
}

/// Whether the sum at the end of a descriptor, or of a list of revoked blocks, is right.
pub(super) fn descriptor_sum_holds(block: &[u8], features: &Features) -> bool {
    let place = block.len().saturating_sub(4);
    !features.summed() || crc32c_without(features.seed, block, place, 4) == be32(block, place)
}

/// The blocks that a descriptor speaks of, in order.
pub(super) fn tags(block: &[u8], features: &Features) -> Vec<Tag> {
    let (content, bytes) = (features.content(block), features.tag_bytes());
    let (mut found, mut place) = (Vec::new(), HEADER);
    while place + bytes <= content.len() {
        let third = features.bits & SUMS_3 != 0;
        let flags = if third { be32(content, place + 4) } else { be16(content, place + 6).into() };
        let high = if features.wide() { be32(content, place + 8) } else { 0 };
        let sum = if third {
            Some((be32(content, place + 12), u32::MAX))
        } else {
            features.summed().then(|| (be16(content, place + 4).into(), 0xffff))
        };
        let number = joined(high, be32(content, place));
        found.push(Tag { block: number, escaped: flags & ESCAPED != 0, sum });
        place += bytes + if flags & SAME_ID == 0 { 16 } else { 0 };
        if flags & LAST != 0 {
            break;
        }
    }
    found
}

/// The blocks whose content in this and earlier transactions is not to be used.
pub(super) fn revoked_blocks(block: &[u8], features: &Features) -> Vec<u64> {
    let content = features.content(block);
    let end = (be32(content, HEADER) as usize).min(content.len());
    let bytes = if features.wide() { 8 } else { 4 };
    let entries = content.get(HEADER + 4..end).unwrap_or_default().chunks_exact(bytes);
    let number = |entry: &[u8]| match bytes {
        8 => joined(be32(entry, 0), be32(entry, 4)),
        _ => be32(entry, 0).into(),
    };
    entries.map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(bits: u32) -> Features {
        Features { bits, seed: 0 }
    }

    fn block(parts: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes.extend(parts.concat());
        bytes.resize(1024, 0);
        bytes
    }

    #[test]
    fn tags_end_with_the_last_and_are_as_long_as_the_features_say() {
        let id = [7; 16];
        let old = block(&[&[0, 0, 0, 9, 0, 0, 0, 1], &id, &[0, 0, 0, 8, 0, 0, 0, 10]]);
        let plain = |block, escaped| Tag { block, escaped, sum: None };
        assert_eq!(tags(&old, &features(0)), [plain(9, true), plain(8, false)]);
        let new =
            block(&[&[0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 5], &[0, 0, 0, 8, 0, 0, 0, 10]]);
        let found = tags(&new, &features(WIDE | SUMS_3));
        assert_eq!(found.iter().map(|tag| tag.block).collect::<Vec<_>>(), [0x1_0000_0009, 8]);
        assert_eq!(found.first().and_then(|tag| tag.sum), Some((5, u32::MAX)));
        let second = block(&[&[0, 0, 0, 9, 1, 2, 0, 10, 0, 0, 0, 0, 0, 0]]);
        assert_eq!(
            tags(&second, &features(WIDE | SUMS_2)).first().and_then(|tag| tag.sum),
            Some((0x102, 0xffff))
        );
    }

    #[test]
    fn a_descriptor_without_a_last_tag_ends_with_its_block() {
        let never = vec![0; 1024];
        assert!(tags(&never, &features(SUMS_3)).len() <= 1024 / 16);
    }

    #[test]
    fn a_list_of_revoked_blocks_is_cut_at_the_block() {
        let wide = block(&[&[0, 0, 0, 24], &[0, 0, 0, 0, 0, 0, 0, 7]]);
        assert_eq!(revoked_blocks(&wide, &features(WIDE)), [7]);
        let lying = block(&[&[255, 255, 255, 255], &[0, 0, 0, 7]]);
        assert_eq!(revoked_blocks(&lying, &features(0)).len(), (1024 - 16) / 4);
        assert!(revoked_blocks(&[0; 1024], &features(0)).is_empty());
    }
}
