//! Two areas compared, nothing written. A difference is reported only after it was read again under a lock:
//! under load the two reads are of different instants, and false alarms teach people to ignore true ones.

use std::sync::{Mutex, PoisonError};

use super::piece::{Buffers, Pieces, differing_pages, piece_bytes, room};
use super::{Control, Held, Pool};
use crate::area::Reader;
use crate::error::Result;
use crate::units::{BlockSize, Extent, intersected, merged, total_bytes};

/// The blocks in which two areas differ, as sorted extents. An area that ends before an extent does differs there
/// unless the other one is zero.
pub fn differences<'a>(
    left: &Reader,
    right: &Reader,
    extents: &[Extent],
    size: BlockSize,
    pool: &Pool,
    control: &Control,
    lock: &(dyn Fn(Extent) -> Held<'a> + Sync),
) -> Result<Vec<Extent>> {
    control.begin("verifying", total_bytes(extents));
    let queue = Mutex::new(Pieces::new(extents, piece_bytes(size)));
    let found = Mutex::new(Vec::new());
    pool.each(|| {
        let mut buffers = Buffers::new();
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(piece) = next.filter(|_| !control.is_cancelled()) else { return Ok(()) };
            let mut differing = compare(left, right, piece, size, &mut buffers)?;
            if !differing.is_empty() {
                let _held = lock(piece);
                differing = compare(left, right, piece, size, &mut buffers)?;
            }
            control.advance(piece.length);
            found.lock().unwrap_or_else(PoisonError::into_inner).extend(differing);
        }
    })?;
    Ok(merged(found.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

fn compare(
    left: &Reader,
    right: &Reader,
    piece: Extent,
    size: BlockSize,
    buffers: &mut Buffers,
) -> Result<Vec<Extent>> {
    let data = [left.data_extents(piece)?, right.data_extents(piece)?].concat();
    // Whole blocks are named, also where one of them begins with a hole.
    let data = merged(data.into_iter().map(|part| size.aligned_out(part, u64::MAX)).collect());
    let mut found = Vec::new();
    for part in intersected(&[piece], &data) {
        let one = filled(left, &mut buffers.from, part)?;
        let other = filled(right, &mut buffers.to, part)?;
        found.extend(differing_pages(one, other, part.offset, size.bytes()));
    }
    Ok(found)
}

/// Reads an extent; beyond the end of the area there are zeros.
fn filled<'b>(area: &Reader, buffer: &'b mut Vec<u8>, extent: Extent) -> Result<&'b [u8]> {
    let bytes = room(buffer, extent.length);
    let read = area.read_at(bytes, extent.offset)?;
    bytes.get_mut(read..).unwrap_or_default().fill(0);
    Ok(bytes)
}
