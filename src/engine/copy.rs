//! One piece, copied as it is: data is written, holes become holes.

use super::piece::{Buffers, differing_pages, pages_with_data, room};
use crate::area::{Kind, Reader, Writer};
use crate::error::Result;
use crate::units::{Extent, PAGE_BYTES, merged, subtracted};

/// What was done to the target.
#[derive(Debug, Clone, Default)]
pub(super) struct Done {
    /// Bytes written.
    pub(super) written: Vec<Extent>,
    /// Bytes turned into holes.
    pub(super) punched: Vec<Extent>,
}

/// Copies one extent. `checked` is called with the extent's bytes before any of them is written. `spare_equal`: pages
/// that the target's cache shows to be equal are left as they are.
pub(super) fn copy_extent(
    from: &Reader,
    to: &Writer,
    extent: Extent,
    buffers: &mut Buffers,
    spare_equal: bool,
    checked: &dyn Fn(Extent, &mut Buffers) -> Result<bool>,
) -> Result<Done> {
    let data = from.data_extents(extent)?;
    let read_already = checked(extent, buffers)?;
    let mut done = punch(to, &holes(from, to, extent, &data)?)?;
    for part in data {
        let start = (part.offset - extent.offset) as usize;
        let whole = room(&mut buffers.from, extent.length);
        let bytes = whole.get_mut(start..start + part.length as usize).unwrap_or_default();
        if !read_already {
            from.read_exact_at(bytes, part.offset)?;
        }
        let wanted = match spare_equal {
            true => differing_from_cache(to, part, bytes, &mut buffers.to)?,
            false => worth_writing(from, to, part, bytes)?,
        };
        for part in wanted {
            let start = (part.offset - extent.offset) as usize;
            let bytes = whole.get(start..start + part.length as usize).unwrap_or_default();
            to.write_at(bytes, part.offset)?;
            to.write_behind(part);
            done.written.push(part);
        }
    }
    Ok(done)
}

/// The pages of an extent that are not known to hold these `bytes` already. A hole is none that does: afterwards both
/// sides are allocated alike. What is not in the cache is not read: writing a block costs less than reading it.
fn differing_from_cache(
    to: &Writer,
    extent: Extent,
    bytes: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<Vec<Extent>> {
    let there = to.reader().data_extents(extent)?;
    let mut wanted = subtracted(&[extent], &there);
    for part in there {
        let cached = room(buffer, part.length);
        if to.reader().read_cached_at(cached, part.offset) {
            let start = (part.offset - extent.offset) as usize;
            let bytes = bytes.get(start..start + part.length as usize).unwrap_or_default();
            wanted.extend(differing_pages(bytes, cached, part.offset, PAGE_BYTES));
        } else {
            wanted.push(part);
        }
    }
    Ok(merged(wanted))
}

/// The parts of an extent whose `bytes` have to be written: a device does not tell where it has holes, so its zeros
/// leave those of a file as they are.
pub(super) fn worth_writing(
    from: &Reader,
    to: &Writer,
    extent: Extent,
    bytes: &[u8],
) -> Result<Vec<Extent>> {
    if from.kind() != Kind::Device || to.reader().kind() != Kind::File {
        return Ok(vec![extent]);
    }
    let mut parts = to.reader().data_extents(extent)?;
    for hole in subtracted(&[extent], &parts) {
        let start = (hole.offset - extent.offset) as usize;
        let bytes = bytes.get(start..start + hole.length as usize).unwrap_or_default();
        parts.extend(pages_with_data(bytes, hole.offset, PAGE_BYTES));
    }
    Ok(merged(parts))
}

/// What of an extent is a hole of `from`. What lies behind the end of a file is none of a device's business.
pub(super) fn holes(
    from: &Reader,
    to: &Writer,
    extent: Extent,
    data: &[Extent],
) -> Result<Vec<Extent>> {
    let end = if to.reader().kind() == Kind::Device { from.length()? } else { u64::MAX };
    Ok(subtracted(&[extent.intersect(Extent::new(0, end))], data))
}

/// Makes holes where the target has none yet.
pub(super) fn punch(to: &Writer, holes: &[Extent]) -> Result<Done> {
    let mut done = Done::default();
    for hole in holes {
        for data in to.reader().data_extents(*hole)? {
            to.discard(data)?;
            done.punched.push(data);
        }
    }
    Ok(done)
}
