//! What a file system says of itself, checked before anything else is believed.

use super::checksum::{START, crc32c};
use super::image::Window;
use super::numbers::{byte, joined, le16, le32};
use crate::error::Result;

/// Where it lies, and how long it is.
pub(super) const PLACE: u64 = 1024;
pub(super) const BYTES: usize = 1024;
const MAGIC: u16 = 0xef53;
const CHECKSUM: usize = 0x3fc;

const SPARSE_BACKUPS_2: u32 = 0x200;
const HAS_JOURNAL: u32 = 0x4;

const NAMES_HAVE_KINDS: u32 = 0x2;
const NEEDS_REPLAY: u32 = 0x4;
const META_GROUPS: u32 = 0x10;
const WIDE: u32 = 0x80;
const OWN_SEED: u32 = 0x2000;
const LARGE_FOLDERS: u32 = 0x4000;
/// What this reader knows: the above, recovery, extents (0x40), mount protection (0x100), flexible groups (0x200),
/// values in inodes (0x400), data in inodes (0x8000), encryption (0x10000), names without case (0x20000).
const KNOWN: u32 = 0x3_e7d6;

const SPARSE_BACKUPS: u32 = 0x1;
const CHECKSUMS: u32 = 0x400;

/// A superblock that was checked.
#[derive(Debug, Clone)]
pub(super) struct Superblock {
    pub(super) block_bytes: u64,
    pub(super) blocks: u64,
    pub(super) first_block: u64,
    pub(super) blocks_a_group: u64,
    pub(super) groups: u64,
    pub(super) inodes: u32,
    pub(super) inodes_a_group: u32,
    pub(super) inode_bytes: usize,
    pub(super) descriptor_bytes: usize,
    pub(super) first_meta_group: Option<u64>,
    pub(super) sparse_backups: bool,
    /// The two groups with copies, where only these have them.
    pub(super) backups: Option<[u32; 2]>,
    pub(super) checksums: bool,
    pub(super) seed: u32,
    pub(super) names_have_kinds: bool,
    pub(super) large_folders: bool,
    pub(super) needs_replay: bool,
    /// The journal's inode, when it has one inside.
    pub(super) journal: Option<u32>,
}

/// Whether a superblock's mark stands where one would be in these first bytes of a place.
pub(super) fn is_marked(superblock: &[u8]) -> bool {
    le16(superblock, 0x38) == MAGIC
}

impl Superblock {
    /// Reads and checks the bytes of a superblock of a file system in `window`.
    pub(super) fn parse(bytes: &[u8], window: &Window) -> Result<Self> {
        if !is_marked(bytes) {
            return Err(window.without_tree("there is no ext2, ext3 or ext4 file system"));
        }
        let (compatible, needed, read_only) =
            (le32(bytes, 0x5c), le32(bytes, 0x60), le32(bytes, 0x64));
        if needed & !KNOWN != 0 {
            let problem =
                format!("it has features that this reader does not know ({:#x})", needed & !KNOWN);
            return Err(window.wrong(problem));
        }
        let checksums = read_only & CHECKSUMS != 0;
        let own = bytes.get(..CHECKSUM).unwrap_or_default();
        if checksums && crc32c(START, own) != le32(bytes, CHECKSUM) {
            return Err(window.wrong("the checksum of its superblock is wrong"));
        }
        let high = if needed & WIDE != 0 { le32(bytes, 0x150) } else { 0 };
        let classic = le32(bytes, 0x4c) == 0;
        let uuid = bytes.get(0x68..0x78).unwrap_or_default();
        let inside = compatible & HAS_JOURNAL != 0 && le32(bytes, 0xe0) != 0;
        let found = Self {
            block_bytes: 1024 << le32(bytes, 0x18).min(7),
            blocks: joined(high, le32(bytes, 0x4)),
            first_block: le32(bytes, 0x14).into(),
            blocks_a_group: le32(bytes, 0x20).into(),
            groups: 0,
            inodes: le32(bytes, 0x0),
            inodes_a_group: le32(bytes, 0x28),
            inode_bytes: if classic { 128 } else { le16(bytes, 0x58).into() },
            descriptor_bytes: if needed & WIDE != 0 { le16(bytes, 0xfe).into() } else { 32 },
            first_meta_group: (needed & META_GROUPS != 0).then(|| le32(bytes, 0x104).into()),
            sparse_backups: read_only & SPARSE_BACKUPS != 0,
            backups: (compatible & SPARSE_BACKUPS_2 != 0)
                .then(|| [le32(bytes, 0x24c), le32(bytes, 0x250)]),
            checksums,
            seed: if needed & OWN_SEED != 0 { le32(bytes, 0x270) } else { crc32c(START, uuid) },
            names_have_kinds: needed & NAMES_HAVE_KINDS != 0,
            large_folders: needed & LARGE_FOLDERS != 0,
            needs_replay: needed & NEEDS_REPLAY != 0,
            journal: inside.then(|| le32(bytes, 0xe0)),
        };
        // Byte 0x175 names the sum; there is one.
        let sum_known = !checksums || byte(bytes, 0x175) <= 1;
        found.checked(window, sum_known)
    }

    fn checked(mut self, window: &Window, sum_known: bool) -> Result<Self> {
        let size = self.block_bytes;
        let fits = |bytes: usize, least: usize| {
            bytes >= least && bytes as u64 <= size && bytes.is_power_of_two()
        };
        let wide = self.descriptor_bytes != 32;
        let problem = if size > 65536 {
            "its block size is not between 1024 and 65536"
        } else if self.blocks_a_group == 0 || self.inodes_a_group == 0 {
            "its groups are empty"
        } else if !fits(self.inode_bytes, 128) {
            "the size of its inodes is wrong"
        } else if !fits(self.descriptor_bytes, if wide { 64 } else { 32 }) {
            "the size of its group descriptors is wrong"
        } else if self.first_block >= self.blocks {
            "it has no blocks"
        } else if !sum_known {
            "it has checksums of a kind that this reader does not know"
        } else {
            ""
        };
        if !problem.is_empty() {
            return Err(window.wrong(problem));
        }
        match self.blocks.checked_mul(size) {
            Some(bytes) if bytes <= window.length => {}
            _ => {
                let (blocks, length) = (self.blocks, window.length);
                let problem = format!(
                    "it has {blocks} blocks of {size} bytes, but only {length} bytes are there"
                );
                return Err(window.wrong(problem));
            }
        }
        self.groups = (self.blocks - self.first_block).div_ceil(self.blocks_a_group);
        Ok(self)
    }
}
