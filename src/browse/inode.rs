//! What is said of a file.

use super::blocks::Blocks;
use super::checksum::{crc32c, crc32c_without};
use super::groups::place_of_inode;
use super::numbers::{joined, le16, le32};
use crate::error::Result;

const SUM_LOW: usize = 0x7c;
const SUM_HIGH: usize = 0x82;

const COMPRESSED: u32 = 0x4;
const ENCRYPTED: u32 = 0x800;
const INDEXED: u32 = 0x1000;
const EXTENTS: u32 = 0x8_0000;
const INLINE: u32 = 0x1000_0000;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symlink.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
}

impl FileKind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Symlink => "symlink",
            Self::CharacterDevice => "character-device",
            Self::BlockDevice => "block-device",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
        }
    }

    fn of(mode: u16) -> Option<Self> {
        Some(match mode >> 12 {
            0x1 => Self::Fifo,
            0x2 => Self::CharacterDevice,
            0x4 => Self::Folder,
            0x6 => Self::BlockDevice,
            0x8 => Self::File,
            0xa => Self::Symlink,
            0xc => Self::Socket,
            _ => return None,
        })
    }
}

/// An instant: seconds since 1970, and nanoseconds after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// Whole seconds; negative before 1970.
    pub seconds: i64,
    /// Less than a second.
    pub nanoseconds: u32,
}

/// A file, without its name.
#[derive(Debug, Clone)]
pub struct Inode {
    /// Its number.
    pub number: u32,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits with set-id and sticky.
    pub mode: u16,
    /// Owner.
    pub user: u32,
    /// Group.
    pub group: u32,
    /// Bytes.
    pub size: u64,
    /// How many names it has.
    pub links: u16,
    /// When its content changed.
    pub modified: Time,
    flags: u32,
    /// Seeds the sums of what belongs to it.
    pub(super) seed: u32,
    pub(super) bytes: Vec<u8>,
}

impl Inode {
    /// Reads and checks an inode.
    pub(super) fn read(blocks: &Blocks, number: u32) -> Result<Self> {
        let facts = blocks.facts();
        if number == 0 || number > facts.inodes {
            return Err(blocks.wrong(format!("it names inode {number}, which it does not have")));
        }
        let (block, start) = place_of_inode(blocks, number)?;
        let block = blocks.read(block)?;
        let bytes =
            block.get(start..start.saturating_add(facts.inode_bytes)).unwrap_or_default().to_vec();
        let seed = crc32c(facts.seed, &number.to_le_bytes());
        let seed = crc32c(seed, bytes.get(0x64..0x68).unwrap_or_default());
        if facts.checksums && !sum_holds(&bytes, seed) {
            return Err(blocks.wrong(format!("the checksum of inode {number} is wrong")));
        }
        let mode = le16(&bytes, 0);
        let Some(kind) = FileKind::of(mode).filter(|_| le16(&bytes, 0x1a) > 0) else {
            return Err(blocks.wrong(format!("inode {number} is no file")));
        };
        // Elsewhere the field means something else, or nothing.
        let long = kind == FileKind::File || kind == FileKind::Folder && facts.large_folders;
        let size = joined(if long { le32(&bytes, 0x6c) } else { 0 }, le32(&bytes, 0x4));
        if size.div_ceil(facts.block_bytes) > 1 << 32 {
            return Err(blocks.wrong(format!("inode {number} has more bytes than a file can have")));
        }
        Ok(Self {
            number,
            kind,
            mode: mode & 0o7777,
            user: u32::from(le16(&bytes, 0x78)) << 16 | u32::from(le16(&bytes, 0x2)),
            group: u32::from(le16(&bytes, 0x7a)) << 16 | u32::from(le16(&bytes, 0x18)),
            size,
            links: le16(&bytes, 0x1a),
            modified: time(&bytes, 0x10, 0x88),
            flags: le32(&bytes, 0x20),
            seed,
            bytes,
        })
    }

    /// The 60 bytes that hold its map, or a short content.
    pub(super) fn map(&self) -> &[u8] {
        self.bytes.get(0x28..0x64).unwrap_or_default()
    }

    pub(super) fn has_extents(&self) -> bool {
        self.flags & EXTENTS != 0
    }

    pub(super) fn is_inline(&self) -> bool {
        self.flags & INLINE != 0
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.flags & ENCRYPTED != 0
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.flags & COMPRESSED != 0
    }

    /// Whether its blocks of names are found by an index, some of which lies among them.
    pub(super) fn is_indexed(&self) -> bool {
        self.flags & INDEXED != 0
    }

    /// Where what is stored in the inode itself, beyond the classic 128 bytes, begins.
    pub(super) fn extra_end(bytes: &[u8]) -> usize {
        if bytes.len() > 128 { 128 + usize::from(le16(bytes, 0x80)) } else { 128 }
    }
}

fn sum_holds(bytes: &[u8], seed: u32) -> bool {
    let high = Inode::extra_end(bytes) >= SUM_HIGH + 2;
    let before = bytes.get(..SUM_HIGH).unwrap_or(bytes);
    let mut sum = crc32c_without(seed, before, SUM_LOW, 2);
    let rest = bytes.get(SUM_HIGH..).unwrap_or_default();
    sum = crc32c_without(sum, rest, 0, if high { 2 } else { 0 });
    if high {
        sum == u32::from(le16(bytes, SUM_HIGH)) << 16 | u32::from(le16(bytes, SUM_LOW))
    } else {
        sum as u16 == le16(bytes, SUM_LOW)
    }
}

/// 32 bits of signed seconds; where the inode has room, two more bits of them and nanoseconds.
fn time(bytes: &[u8], place: usize, extra_place: usize) -> Time {
    let has_extra = Inode::extra_end(bytes) >= extra_place + 4;
    let extra = if has_extra { le32(bytes, extra_place) } else { 0 };
    let seconds = i64::from(le32(bytes, place).cast_signed()) + (i64::from(extra & 3) << 32);
    Time { seconds, nanoseconds: (extra >> 2).min(999_999_999) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_and_after_2038_are_told() {
        let of = |seconds: i32, extra: u32| {
            let mut bytes = vec![0; 256];
            bytes[0x10..0x14].copy_from_slice(&seconds.to_le_bytes());
            bytes[0x80..0x82].copy_from_slice(&32u16.to_le_bytes());
            bytes[0x88..0x8c].copy_from_slice(&extra.to_le_bytes());
            let found = time(&bytes, 0x10, 0x88);
            (found.seconds, found.nanoseconds)
        };
        assert_eq!(of(-5, 0), (-5, 0));
        assert_eq!(of(i32::MIN, 1), (i64::from(i32::MAX) + 1, 0));
        assert_eq!(of(7, 123 << 2 | 3), ((3 << 32) + 7, 123));
        assert_eq!(time(&[0; 128], 0x10, 0x88), Time { seconds: 0, nanoseconds: 0 });
    }
}
