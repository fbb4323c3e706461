//! One piece, copied as it is: data is written, holes become holes.

use super::piece::{Buffers, room};
use crate::area::{Reader, Writer};
use crate::error::Result;
use crate::units::{Extent, subtracted};

/// What was done to the target.
#[derive(Debug, Clone, Default)]
pub(super) struct Done {
    /// Bytes written.
    pub(super) written: Vec<Extent>,
    /// Bytes turned into holes.
    pub(super) punched: Vec<Extent>,
}

/// Copies one extent. `checked` is called with the extent's bytes before any of them is written.
pub(super) fn copy_extent(
    from: &Reader,
    to: &Writer,
    extent: Extent,
    buffers: &mut Buffers,
    checked: &dyn Fn(Extent, &mut Buffers) -> Result<bool>,
) -> Result<Done> {
    let data = from.data_extents(extent)?;
    let read_already = checked(extent, buffers)?;
    let mut done = punch(to, &subtracted(&[extent], &data))?;
    for part in data {
        let start = (part.offset - extent.offset) as usize;
        let whole = room(&mut buffers.from, extent.length);
        let bytes = whole.get_mut(start..start + part.length as usize).unwrap_or_default();
        if !read_already {
            from.read_exact_at(bytes, part.offset)?;
        }
        to.write_at(bytes, part.offset)?;
        to.write_behind(part);
        done.written.push(part);
    }
    Ok(done)
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
