//! What a restore of ranges brings back. A few are in the record; many, such as a column of an array has, are in a file
//! beside it, which the record names with its digest.
//!
//! There are two such files, and a new one takes the place that the record does not name: until the record is
//! committed the ranges of the restore before are still there.
//!
//! | bytes | content |
//! |---|---|
//! | 16 a range | offset, length |

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Catalog, Scope};
use crate::area::{Access, Host, Order, Reader, Writer};
use crate::error::{Error, Result};
use crate::units::Extent;

pub(super) const NAMES: [&str; 2] = ["ranges.0", "ranges.1"];
/// So many are in the record itself.
const INLINE_MAX: usize = 256;

/// A [`Scope`] as the record has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoredScope {
    /// As it is.
    Here(Scope),
    /// Ranges in a file.
    File {
        /// Which of the two.
        place: usize,
        /// BLAKE3 of its bytes, as hexadecimal text.
        digest: String,
    },
}

impl Catalog {
    /// What to put into the record for a scope; what does not fit there is on stable storage when this returns.
    pub fn store_scope(&self, scope: &Scope) -> Result<StoredScope> {
        let ranges = match scope {
            Scope::Ranges(ranges) if ranges.len() > INLINE_MAX => ranges,
            _ => return Ok(StoredScope::Here(scope.clone())),
        };
        let place = self.free_place();
        let bytes = encoded(ranges);
        write(&*self.host, &self.folder, &path_of(&self.folder, place), &bytes)?;
        Ok(StoredScope::File { place, digest: blake3::hash(&bytes).to_hex().to_string() })
    }

    fn free_place(&self) -> usize {
        let named = self.record.pending.as_ref().map(|pending| &pending.scope);
        match named {
            Some(StoredScope::File { place, .. }) => (place + 1) % NAMES.len(),
            _ => 0,
        }
    }

    /// The scope that the record names.
    pub fn load_scope(&self, stored: &StoredScope) -> Result<Scope> {
        match stored {
            StoredScope::Here(scope) => Ok(scope.clone()),
            StoredScope::File { place, digest } => {
                read(&*self.host, &path_of(&self.folder, *place), digest).map(Scope::Ranges)
            }
        }
    }
}

fn path_of(folder: &Path, place: usize) -> PathBuf {
    folder.join(NAMES.get(place).unwrap_or(&"ranges"))
}

fn encoded(ranges: &[Extent]) -> Vec<u8> {
    let numbers = ranges.iter().flat_map(|range| [range.offset, range.length]);
    numbers.flat_map(u64::to_le_bytes).collect()
}

fn write(host: &dyn Host, folder: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    host.remove(path)?;
    let file = Writer::new(host.create(path, None)?);
    file.write_at(bytes, 0)?;
    if host.keeps(Order::RangesSyncedBeforeRecord) {
        file.sync_all()?;
        host.sync_folder(folder)?;
    }
    Ok(())
}

fn read(host: &dyn Host, path: &Path, digest: &str) -> Result<Vec<Extent>> {
    let corrupt =
        |problem: &str| Error::CatalogCorrupt { path: path.to_path_buf(), problem: problem.into() };
    if host.find(path)?.is_none() {
        return Err(corrupt("the ranges of the restore that is pending are gone"));
    }
    let file = Reader::new(host.open(path, Access::Read)?);
    let mut bytes = vec![0u8; usize::try_from(file.length()?).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0)?;
    if blake3::hash(&bytes).to_hex().as_str() != digest {
        return Err(corrupt("it does not have the recorded digest"));
    }
    let (numbers, _) = bytes.as_chunks::<8>();
    let (pairs, _) = numbers.as_chunks::<2>();
    Ok(pairs
        .iter()
        .map(|[offset, length]| {
            Extent::new(u64::from_le_bytes(*offset), u64::from_le_bytes(*length))
        })
        .collect())
}
