//! The seal: the BLAKE3 digest of each block of a mirror at its point in time, with one root digest over them.
//!
//! The file `seal` is replaced as a whole by renaming; the record holds the root, so a seal that does not belong
//! to the point is not believed. A stranger can make it again: the root is BLAKE3 in its key-derivation mode with
//! the context [`CONTEXT`] over the whole file.
//!
//! | bytes | content |
//! |---|---|
//! | 0-7 | bytes in a block |
//! | 8-15 | bytes in the mirror |
//! | 16- | 32 bytes a block |

use std::path::Path;

use crate::area::{Access, Host, Order, Reader, Writer};
use crate::error::{Error, Result};
use crate::units::{BlockRun, BlockSize};

const NAME: &str = "seal";
const NEXT_NAME: &str = "seal.next";
const CONTEXT: &str = "splitmirror 2026-11-22 seal root v1";
const HEAD_BYTES: usize = 16;
/// Bytes in a digest.
pub const DIGEST_BYTES: usize = 32;

/// The digest of one block.
pub type Digest = [u8; DIGEST_BYTES];

/// The digests of all blocks of a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Bytes in a block.
    pub block_size: BlockSize,
    /// Bytes in the mirror.
    pub length: u64,
    /// One a block.
    pub digests: Vec<Digest>,
}

impl Seal {
    fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.digests.len() * DIGEST_BYTES);
        bytes.extend_from_slice(&self.block_size.bytes().to_le_bytes());
        bytes.extend_from_slice(&self.length.to_le_bytes());
        bytes.extend_from_slice(self.digests.as_flattened());
        bytes
    }

    /// The root digest, as hexadecimal text.
    pub fn root(&self) -> String {
        blake3::Hasher::new_derive_key(CONTEXT)
            .update(&self.encoded())
            .finalize()
            .to_hex()
            .to_string()
    }

    /// Whether the bytes of a block are those that were sealed. A device goes on where the sealed content ends: what
    /// lies beyond is not looked at.
    pub fn matches(&self, block: u64, bytes: &[u8]) -> bool {
        let left = self.length.saturating_sub(block.saturating_mul(self.block_size.bytes()));
        let bytes = usize::try_from(left).ok().and_then(|left| bytes.get(..left)).unwrap_or(bytes);
        let sealed = usize::try_from(block).ok().and_then(|block| self.digests.get(block));
        sealed.is_some_and(|digest| blake3::hash(bytes).as_bytes() == digest)
    }

    /// Refuses the bytes of a block of the mirror at `path` that are not those that were sealed.
    pub fn check(&self, path: &Path, block: u64, bytes: &[u8]) -> Result<()> {
        if self.matches(block, bytes) {
            return Ok(());
        }
        let bad = self.block_size.extent(BlockRun { first: block, count: 1 }, self.length);
        Err(Error::SealMismatch { path: path.to_path_buf(), blocks: 1, bad: vec![bad.into()] })
    }
}

/// Writes the seal; it is on stable storage when this returns.
pub(super) fn write(host: &dyn Host, folder: &Path, seal: &Seal) -> Result<()> {
    let next = folder.join(NEXT_NAME);
    host.remove(&next)?;
    let file = Writer::new(host.create(&next, None)?);
    file.write_at(&seal.encoded(), 0)?;
    if host.keeps(Order::SealSyncedBeforeRoot) {
        file.sync_all()?;
    }
    host.rename(&next, &folder.join(NAME))?;
    if host.keeps(Order::FolderSynced) {
        host.sync_folder(folder)?;
    }
    Ok(())
}

/// Reads the seal whose root the record holds.
pub(super) fn read(host: &dyn Host, folder: &Path, root: &str) -> Result<Seal> {
    let path = folder.join(NAME);
    let corrupt =
        |problem: &str| Error::CatalogCorrupt { path: path.clone(), problem: problem.into() };
    let file = Reader::new(host.open(&path, Access::Read)?);
    let mut bytes = vec![0u8; usize::try_from(file.length()?).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0)?;
    let (head, digests) =
        bytes.split_at_checked(HEAD_BYTES).ok_or_else(|| corrupt("it is cut short"))?;
    let number =
        |at: usize| head.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let (digests, rest) = digests.as_chunks::<DIGEST_BYTES>();
    let seal = Seal {
        block_size: BlockSize::new(number(0).unwrap_or(0))
            .ok_or_else(|| corrupt("it is not a seal"))?,
        length: number(8).unwrap_or(0),
        digests: digests.to_vec(),
    };
    let complete =
        rest.is_empty() && seal.digests.len() as u64 == seal.block_size.count(seal.length);
    if complete && seal.root() == root {
        Ok(seal)
    } else {
        Err(corrupt("it does not have the recorded root digest"))
    }
}

/// Removes a seal that no longer belongs to a point.
pub(super) fn remove(host: &dyn Host, folder: &Path) -> Result<()> {
    host.remove(&folder.join(NAME))
}
