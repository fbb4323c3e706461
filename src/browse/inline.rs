//! Short contents that lie in the inode itself: 60 bytes where else the map is, the rest as an extended attribute.

use super::inode::Inode;
use super::numbers::{byte, le16, le32};

const MAGIC: u32 = 0xea02_0000;
/// `system.` as attributes number it, and the rest of the name.
const SYSTEM: u8 = 7;
const NAME: &[u8] = b"data";

/// The two parts of an inode's content.
pub(super) fn parts(inode: &Inode) -> (&[u8], &[u8]) {
    (inode.map(), attribute(&inode.bytes).unwrap_or_default())
}

fn attribute(bytes: &[u8]) -> Option<&[u8]> {
    let header = Inode::extra_end(bytes);
    if bytes.len() <= 128 || le32(bytes, header) != MAGIC {
        return None;
    }
    let entries = bytes.get(header + 4..)?;
    let mut place = 0;
    while le32(entries, place) != 0 {
        let length = usize::from(byte(entries, place));
        let name = entries.get(place + 16..place + 16 + length)?;
        if byte(entries, place + 1) == SYSTEM && name == NAME && le32(entries, place + 4) == 0 {
            let start = usize::from(le16(entries, place + 2));
            return entries.get(start..start.checked_add(le32(entries, place + 8) as usize)?);
        }
        place += (16 + length).next_multiple_of(4);
    }
    None
}
