//! The BLAKE3 digest of each block of an area, on all threads.

use std::sync::{Mutex, PoisonError};

use super::piece::{Pieces, piece_bytes, room};
use super::{Control, Pool};
use crate::area::Reader;
use crate::error::Result;
use crate::units::{BlockSize, Extent};

/// One digest a block, in order; `None` when it was cancelled. Blocks that lie in holes are not read: their digest
/// is that of zeros.
pub fn block_digests(
    area: &Reader,
    length: u64,
    size: BlockSize,
    pool: &Pool,
    control: &Control,
) -> Result<Option<Vec<[u8; 32]>>> {
    let whole = Extent::new(0, length);
    control.begin("sealing", length);
    let zeros = *blake3::hash(&vec![0u8; size.bytes() as usize]).as_bytes();
    let digests = Mutex::new(vec![zeros; size.count(length) as usize]);
    let queue = Mutex::new(Pieces::new(&[whole], piece_bytes(size)));
    pool.each(|| {
        let mut buffer = Vec::new();
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(piece) = next.filter(|_| !control.is_cancelled()) else { return Ok(()) };
            let hole = piece.end() < length && area.data_extents(piece)?.is_empty();
            if !hole {
                let bytes = room(&mut buffer, piece.length);
                area.read_exact_at(bytes, piece.offset)?;
                let found: Vec<[u8; 32]> = bytes
                    .chunks(size.bytes() as usize)
                    .map(|block| *blake3::hash(block).as_bytes())
                    .collect();
                let first = (piece.offset / size.bytes()) as usize;
                let mut digests = digests.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(place) = digests.get_mut(first..first + found.len()) {
                    place.copy_from_slice(&found);
                }
            }
            control.advance(piece.length);
        }
    })?;
    if control.is_cancelled() {
        return Ok(None);
    }
    Ok(Some(digests.into_inner().unwrap_or_else(PoisonError::into_inner)))
}
