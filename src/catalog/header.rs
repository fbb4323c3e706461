//! The first page of the catalog file: what it is and of which format, readable by any later release.
//!
//! | bytes | content |
//! |---|---|
//! | 0-15 | `splitmirror cat\n` |
//! | 16-23 | format version |
//! | 24-55 | BLAKE3 of bytes 0-23 |

use std::path::Path;

use crate::area::{Reader, Writer};
use crate::error::{Error, Result};

/// The version that this program writes and reads.
pub(super) const FORMAT_VERSION: u64 = 1;
const MAGIC: &[u8; 16] = b"splitmirror cat\n";
const LENGTH: usize = 56;

pub(super) fn write(file: &Writer) -> Result<()> {
    let mut bytes = Vec::with_capacity(LENGTH);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    let digest = blake3::hash(&bytes);
    bytes.extend_from_slice(digest.as_bytes());
    file.write_at(&bytes, 0)
}

pub(super) fn check(file: &Reader, path: &Path) -> Result<()> {
    let corrupt =
        |problem: &str| Error::CatalogCorrupt { path: path.to_path_buf(), problem: problem.into() };
    let mut bytes = [0u8; LENGTH];
    if file.read_at(&mut bytes, 0)? < LENGTH {
        return Err(corrupt("it is cut short"));
    }
    let (content, digest) = bytes.split_at(24);
    let (magic, version) = content.split_at(16);
    if magic != MAGIC {
        return Err(corrupt("it does not begin as a catalog does"));
    }
    if blake3::hash(content).as_bytes() != digest {
        return Err(corrupt("the checksum of its header does not match"));
    }
    let found = u64::from_le_bytes(version.try_into().unwrap_or_default());
    if found != FORMAT_VERSION {
        return Err(Error::CatalogVersion {
            path: path.to_path_buf(),
            found,
            supported: FORMAT_VERSION,
        });
    }
    Ok(())
}
