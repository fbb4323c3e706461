//! Cells: where they are, and the records that fill them.
//!
//! Of four blocks of 64 KiB three are cut into cells of 4 KiB and one into cells of 512 bytes. A cell never crosses a
//! block of any mirror. The words of a record follow from its cell and version, so a record of which a part is from
//! another write is known as torn.

use std::ops::Range;

pub(crate) const LARGE: u64 = 4096;
const SMALL: u64 = 512;
/// The largest block of any mirror.
pub(crate) const GROUP: u64 = 64 << 10;
const LARGE_IN_FOUR: u64 = 3 * GROUP / LARGE;
const IN_FOUR: u64 = LARGE_IN_FOUR + GROUP / SMALL;
/// The source never gets longer.
pub(crate) const AREA: u64 = 8 << 20;
pub(crate) const CELLS: usize = (AREA / (4 * GROUP) * IN_FOUR) as usize;

/// The version of a record, larger for later writes; 0: the cell is zeros, or behind the end.
pub(crate) type Version = u64;

/// First byte of a cell; that of `CELLS` is the end.
pub(crate) fn offset_of(cell: usize) -> u64 {
    let (four, rest) = (cell as u64 / IN_FOUR, cell as u64 % IN_FOUR);
    let large = rest.min(LARGE_IN_FOUR);
    four * 4 * GROUP + large * LARGE + (rest - large) * SMALL
}

/// The cell that a byte lies in.
pub(crate) fn cell_at(offset: u64) -> usize {
    let (four, rest) = (offset / (4 * GROUP), offset % (4 * GROUP));
    let large = (rest / LARGE).min(LARGE_IN_FOUR);
    (four * IN_FOUR + large + (rest - large * LARGE) / SMALL) as usize
}

pub(crate) fn length_of(cell: usize) -> usize {
    (offset_of(cell + 1) - offset_of(cell)) as usize
}

/// Cells that several threads may write at once.
pub(crate) fn is_raced(cell: usize) -> bool {
    offset_of(cell) / GROUP % 8 == 5
}

fn words(cell: usize, version: Version) -> impl Iterator<Item = u64> {
    let step = (version ^ (cell as u64) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let head = [version, cell as u64];
    let body = (1..).map(move |index: u64| step.wrapping_mul(index).rotate_left(17));
    head.into_iter().chain(body)
}

/// The records of one write to neighbouring cells.
pub(crate) fn records(cells: Range<usize>, version: Version) -> Vec<u8> {
    let mut bytes = Vec::with_capacity((offset_of(cells.end) - offset_of(cells.start)) as usize);
    for cell in cells {
        let words = words(cell, version).take(length_of(cell) / 8);
        words.for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    }
    bytes
}

/// What a cell holds; `None`: no whole record.
pub(crate) fn version_in(cell: usize, bytes: &[u8]) -> Option<Version> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Some(0);
    }
    let version = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    let whole =
        words(cell, version).zip(bytes.chunks(8)).all(|(word, found)| word.to_le_bytes() == found);
    whole.then_some(version)
}

/// What the first cells hold of which these are the bytes, filled with zeros to the end of the area.
pub(crate) fn versions_in(bytes: &[u8]) -> Result<Vec<Version>, String> {
    let mut bytes = bytes.to_vec();
    bytes.resize(AREA as usize, 0);
    let version = |cell| {
        let start = offset_of(cell) as usize;
        version_in(cell, &bytes[start..start + length_of(cell)])
            .ok_or_else(|| format!("cell {cell} at {start} holds no whole record"))
    };
    (0..CELLS).map(version).collect()
}
