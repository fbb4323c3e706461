//! Bitmaps on disk: pages of 4 KiB, two slots a page.
//!
//! A bitmap is valid as a whole through the record that refers to it ([`MapRef`]): pages carry the generation of
//! the bitmap they belong to, and pages of any other generation are not looked at. Replacing a bitmap writes its
//! pages into the slots that the committed one does not use, so the commit of the record switches from the old
//! bitmap to the new one in one step. A bitmap that is being worked off ([`Pages::shrink`]) is rewritten page by
//! page within its generation with a higher sequence number: a page that is lost falls back to an older one,
//! which names more blocks, never fewer.
//!
//! Pages that are all equal to [`MapRef::rest`] are not stored; [`MapRef::stored`] says how many were, so that
//! one that has become unreadable shows.
//!
//! | bytes of a page | content |
//! |---|---|
//! | 0-7 | generation of the bitmap |
//! | 8-15 | sequence number within it |
//! | 16-23 | number of the page, and in the highest bit which bitmap |
//! | 24-31 | zero |
//! | 32-63 | BLAKE3 of bytes 0-31 and 64-4095 |
//! | 64-4095 | 32,256 bits, one a block, in 64-bit little-endian words |

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::slots::END_OFFSET;
use crate::area::{Host, Order, Reader, Writer};
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::units::{BlockRun, Extent};

const PAGE_BYTES: usize = 4096;
const HEAD_BYTES: usize = 64;
const WORDS: usize = (PAGE_BYTES - HEAD_BYTES) / 8;
const BLOCKS: u64 = WORDS as u64 * 64;
/// Two bitmaps with two slots each.
const PLACES: u64 = 4;

/// Which bitmap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MapKind {
    /// Blocks in which source and mirror may differ.
    Dirty,
    /// Blocks that a restore has still to copy.
    Pending,
}

/// A bitmap on disk, as the record names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapRef {
    /// Pages of this generation belong to it.
    pub generation: u64,
    /// What the blocks of pages that are not stored are.
    pub rest: bool,
    /// How many pages were stored with it.
    pub stored: u64,
    /// How many blocks it has room for.
    pub blocks: u64,
}

/// How many pages a bitmap of so many blocks has.
pub(super) fn pages_for(blocks: u64) -> u64 {
    blocks.div_ceil(BLOCKS)
}

/// The length of a catalog file with room for so many pages in each bitmap.
pub(super) fn file_length(pages: u64) -> u64 {
    END_OFFSET + pages * PLACES * PAGE_BYTES as u64
}

/// The file's part that holds the pages.
pub(super) fn file_extent(pages: u64) -> Extent {
    Extent::between(0, file_length(pages))
}

fn offset_of(map: MapKind, page: u64, slot: u64) -> u64 {
    let place = match map {
        MapKind::Dirty => slot,
        MapKind::Pending => 2 + slot,
    };
    END_OFFSET + (page * PLACES + place) * PAGE_BYTES as u64
}

fn page_id(map: MapKind, page: u64) -> u64 {
    page | if map == MapKind::Pending { 1 << 63 } else { 0 }
}

/// Which slot of each page holds its committed content, and the last sequence number.
#[derive(Debug, Default)]
pub(super) struct Pages {
    current: HashMap<(MapKind, u64), u64>,
    known: HashSet<MapKind>,
    sequence: u64,
}

/// Pages that were written but are not valid before the record that names them is committed.
#[derive(Debug)]
pub(super) struct Staged {
    map: MapKind,
    slots: Vec<(u64, u64)>,
    pub(super) reference: MapRef,
}

impl Pages {
    /// Whether it is known where the committed bitmap lies, so that a new one does not overwrite it.
    pub(super) fn knows(&self, map: MapKind) -> bool {
        self.known.contains(&map)
    }

    /// Writes a new bitmap beside the committed one.
    pub(super) fn stage(
        &mut self,
        file: &Writer,
        map: MapKind,
        generation: u64,
        set: &Bitmap,
    ) -> Result<Staged> {
        let rest = set.count() > set.blocks() / 2;
        let mut slots = Vec::new();
        for page in 0..pages_for(set.blocks()) {
            let whole = BlockRun::between(page * BLOCKS, ((page + 1) * BLOCKS).min(set.blocks()));
            let runs = set.runs_within(whole);
            let uniform = if rest { runs == [whole] } else { runs.is_empty() };
            if !uniform {
                let slot = 1 - self.current.get(&(map, page)).copied().unwrap_or(1);
                self.write(file, map, page, slot, generation, set)?;
                slots.push((page, slot));
            }
        }
        let reference =
            MapRef { generation, rest, stored: slots.len() as u64, blocks: set.blocks() };
        Ok(Staged { map, slots, reference })
    }

    /// Takes note that the record which names the staged pages is committed.
    pub(super) fn adopt(&mut self, staged: Staged) {
        self.current.retain(|(map, _), _| *map != staged.map);
        self.current
            .extend(staged.slots.into_iter().map(|(page, slot)| ((staged.map, page), slot)));
    }

    /// Stores a subset of the committed bitmap in its place: the pages that `touched` blocks lie in. The caller
    /// syncs, and then calls [`Pages::shrunk`].
    pub(super) fn shrink(
        &mut self,
        file: &Writer,
        map: MapKind,
        reference: MapRef,
        set: &Bitmap,
        touched: &Bitmap,
    ) -> Result<Vec<(u64, u64)>> {
        let mut written = Vec::new();
        for page in 0..pages_for(set.blocks()) {
            let whole = BlockRun::between(page * BLOCKS, (page + 1) * BLOCKS);
            if touched.any(whole) {
                let slot = 1 - self.current.get(&(map, page)).copied().unwrap_or(1);
                self.write(file, map, page, slot, reference.generation, set)?;
                written.push((page, slot));
            }
        }
        Ok(written)
    }

    /// Takes note that shrunk pages are on stable storage.
    pub(super) fn shrunk(&mut self, map: MapKind, written: Vec<(u64, u64)>) {
        self.current.extend(written.into_iter().map(|(page, slot)| ((map, page), slot)));
    }

    fn write(
        &mut self,
        file: &Writer,
        map: MapKind,
        page: u64,
        slot: u64,
        generation: u64,
        set: &Bitmap,
    ) -> Result<()> {
        self.sequence += 1;
        let mut bytes = Vec::with_capacity(PAGE_BYTES);
        for number in [generation, self.sequence, page_id(map, page), 0] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.resize(HEAD_BYTES, 0);
        for word in set.words(page * WORDS as u64, WORDS) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        let digest = digest_of(&bytes);
        if let Some(place) = bytes.get_mut(32..HEAD_BYTES) {
            place.copy_from_slice(digest.as_bytes());
        }
        file.write_at(&bytes, offset_of(map, page, slot))
    }

    /// Reads the bitmap that a record names. `None` when a page of it is gone: nothing can then be said.
    pub(super) fn load(
        &mut self,
        file: &Reader,
        host: &dyn Host,
        map: MapKind,
        reference: MapRef,
    ) -> Result<Option<Bitmap>> {
        let blocks = reference.blocks;
        self.known.insert(map);
        let set = if reference.rest { Bitmap::full(blocks) } else { Bitmap::new(blocks) };
        let mut found = 0;
        for page in 0..pages_for(blocks) {
            let mut newest: Option<(u64, u64, Vec<u8>)> = None;
            for slot in 0..2 {
                let mut bytes = vec![0u8; PAGE_BYTES];
                let read = file.read_at(&mut bytes, offset_of(map, page, slot))?;
                let Some(sequence) = valid(&bytes, host, page_id(map, page), reference.generation)
                else {
                    continue;
                };
                if read == PAGE_BYTES && newest.as_ref().is_none_or(|(known, ..)| *known < sequence)
                {
                    newest = Some((sequence, slot, bytes));
                }
            }
            if let Some((sequence, slot, bytes)) = newest {
                found += 1;
                self.sequence = self.sequence.max(sequence);
                self.current.insert((map, page), slot);
                let words = bytes.get(HEAD_BYTES..).unwrap_or_default().chunks_exact(8);
                let words =
                    words.map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()));
                set.load_words(page * WORDS as u64, words);
            }
        }
        Ok((found >= reference.stored).then_some(set))
    }
}

fn digest_of(page: &[u8]) -> blake3::Hash {
    let (head, body) =
        (page.get(..32).unwrap_or_default(), page.get(HEAD_BYTES..).unwrap_or_default());
    blake3::Hasher::new().update(head).update(body).finalize()
}

/// The sequence number of a page that belongs to the bitmap.
fn valid(page: &[u8], host: &dyn Host, id: u64, generation: u64) -> Option<u64> {
    let number = |at: usize| Some(u64::from_le_bytes(page.get(at..at + 8)?.try_into().ok()?));
    let belongs = number(0)? == generation && number(16)? == id && generation != 0;
    let intact = !host.keeps(Order::ChecksumTested)
        || digest_of(page).as_bytes() == page.get(32..HEAD_BYTES)?;
    (belongs && intact).then(|| number(8)).flatten()
}
