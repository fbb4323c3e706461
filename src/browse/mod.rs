//! Looking into the ext2, ext3 or ext4 file system on a split mirror: folders, files and links, without mounting it,
//! without root, and without a call that could write.
//!
//! What is read is judged as a stranger's: each number from the image is checked before it is used, each loop is bounded
//! by what a file of the image can hold, and memory by its block size. So a damaged or hostile image gives an error.
//!
//! | file | one sentence |
//! |---|---|
//! | `image` | where the bytes come from: a window of an [`Image`] |
//! | `superblock`, `groups` | what the file system says of itself; where its inodes are |
//! | `replay`, `replay_block` | the journal of a file system that was in use, applied in memory |
//! | `blocks` | its blocks, as they are after that |
//! | `inode`, `runs`, `inline` | a file: what is said of it, where its bytes are |
//! | `folder`, `tree` | names, paths and symlinks |
//! | `partitions` | where on a disk a file system begins |
//!
//! The layout is that of the Linux kernel's documentation (Documentation/filesystems/ext4, and jbd2's recovery).

mod blocks;
mod checksum;
mod folder;
mod groups;
mod image;
mod inline;
mod inode;
mod numbers;
mod partitions;
mod replay;
mod replay_block;
mod runs;
mod superblock;
mod tree;

pub use folder::Entry;
pub use image::Image;
pub use inode::{FileKind, Inode, Time};
pub use partitions::{Partition, Place, find};
pub use tree::{Follow, Found, Tree};
