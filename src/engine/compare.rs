//! One piece, compared: only the pages that differ are written, and holes are made equal too.

use super::copy::{Done, holes, punch, worth_writing};
use super::piece::{Buffers, differing_pages, pages_with_data, room};
use crate::area::{Kind, Reader, Writer};
use crate::error::Result;
use crate::units::{Extent, PAGE_BYTES, intersected, subtracted};

/// Makes one extent of `to` equal to that of `from`. `checked` is called with the bytes that are to be written, or
/// with nothing when nothing differs.
pub(super) fn compare_extent(
    from: &Reader,
    to: &Writer,
    extent: Extent,
    buffers: &mut Buffers,
    checked: &dyn Fn(Extent, &mut Buffers) -> Result<bool>,
) -> Result<Done> {
    let from_data = from.data_extents(extent)?;
    let to_data = to.reader().data_extents(extent)?;
    if from_data.is_empty() && to_data.is_empty() {
        return Ok(Done::default());
    }
    // Data that meets a hole is written even when it is zeros: afterwards both sides are allocated alike.
    let mut wanted = Vec::new();
    for part in subtracted(&from_data, &to_data) {
        if from.kind() == Kind::Device {
            let bytes = room(&mut buffers.from, part.length);
            from.read_exact_at(bytes, part.offset)?;
            wanted.extend(worth_writing(from, to, part, bytes)?);
        } else {
            wanted.push(part);
        }
    }
    for part in intersected(&from_data, &to_data) {
        let left = room(&mut buffers.from, part.length);
        from.read_exact_at(left, part.offset)?;
        let right = room(&mut buffers.to, part.length);
        to.reader().read_exact_at(right, part.offset)?;
        wanted.extend(differing_pages(left, right, part.offset, PAGE_BYTES));
    }
    let mut holes = holes(from, to, extent, &from_data)?;
    if to.reader().kind() == Kind::Device {
        // A device always says data: only what is not zeros has to become so.
        let mut differing = Vec::new();
        for hole in holes {
            let bytes = room(&mut buffers.to, hole.length);
            to.reader().read_exact_at(bytes, hole.offset)?;
            differing.extend(pages_with_data(bytes, hole.offset, PAGE_BYTES));
        }
        holes = differing;
    }
    let punching =
        holes.iter().any(|hole| to_data.iter().any(|data| !data.intersect(*hole).is_empty()));
    if wanted.is_empty() && !punching {
        return Ok(Done::default());
    }
    wanted.sort_unstable();
    checked(extent, buffers)?;
    let mut done = punch(to, &holes)?;
    for part in wanted {
        let bytes = room(&mut buffers.from, part.length);
        from.read_exact_at(bytes, part.offset)?;
        to.write_at(bytes, part.offset)?;
        to.write_behind(part);
        done.written.push(part);
    }
    Ok(done)
}
