//! Space of the volume: what fallocate asks for, and where data begins and holes do.

use fuser::Errno;

use super::attributes::number_of;
use crate::error::Result;
use crate::units::Extent;
use crate::volume::Volume;

/// How far a search for data looks at once: a file with very many extents is asked for a part of them.
const SEARCH_BYTES: u64 = 1 << 30;

/// Carries out a fallocate.
pub(super) fn fallocate(
    volume: &Volume,
    length: u64,
    extent: Extent,
    mode: i32,
) -> std::result::Result<(), Errno> {
    let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    let zero = libc::FALLOC_FL_ZERO_RANGE;
    let within = mode & libc::FALLOC_FL_KEEP_SIZE != 0;
    if mode != punch && mode & !libc::FALLOC_FL_KEEP_SIZE != zero {
        // That later writes find room cannot be promised for source and mirrors in one.
        return Err(if extent.end() > length { Errno::ENOSPC } else { Errno::EOPNOTSUPP });
    }
    if !within && extent.end() > length {
        return Err(Errno::ENOSPC);
    }
    let asked = extent.intersect(Extent::new(0, length));
    volume.discard(asked.offset, asked.length).map_err(|error| number_of(&error))
}

/// The first byte from `offset` on that belongs to data (`data`), or to a hole; `None` when there is none before the
/// end. The end itself counts as a hole.
pub(super) fn search(volume: &Volume, length: u64, offset: u64, data: bool) -> Result<Option<u64>> {
    let mut at = offset;
    while at < length {
        let within = Extent::between(at, length.min(at.saturating_add(SEARCH_BYTES)));
        let found = volume.data_extents(within)?;
        match (data, found.first()) {
            (true, Some(first)) => return Ok(Some(first.offset)),
            (true, None) => at = within.end(),
            (false, Some(first)) if first.offset <= at => at = first.end(),
            (false, _) => return Ok(Some(at)),
        }
    }
    Ok((!data).then_some(length))
}
