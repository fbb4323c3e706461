//! Where a file has data and where it has holes, as SEEK_DATA and SEEK_HOLE tell.

use std::fs::File;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use crate::units::Extent;

/// The data of a file within an extent, sorted; `None` where the file system does not tell.
pub(super) fn data_extents(file: &File, within: Extent) -> Result<Option<Vec<Extent>>, Errno> {
    let mut found = Vec::new();
    let mut at = within.offset;
    while at < within.end() {
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        let end = match seek(file, SeekFrom::Hole(start)) {
            Ok(end) => end,
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno),
        };
        let extent = Extent::between(start, end).intersect(within);
        if extent.is_empty() {
            break;
        }
        found.push(extent);
        at = end;
    }
    Ok(Some(found))
}
