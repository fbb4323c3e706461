//! The pages of the maps, written and read: two slots a page.
//!
//! A map is valid as a whole through the record that refers to it ([`MapRef`]): pages carry the generation of the
//! map they belong to, and pages of any other generation are not looked at. Replacing a map writes its pages into
//! the slots that the committed one does not use, so the commit of the record switches from the old map to the new
//! one in one step. A map that is being worked off ([`Pages::rewrite`]) is rewritten page by page within its
//! generation with a higher sequence number: a page that is lost falls back to an older one, which names more
//! blocks to be copied, never fewer.
//!
//! Pages whose layers are all as [`MapRef::rest`] says are not stored; [`MapRef::stored`] says how many are, so that
//! one that has become unreadable shows.

use std::collections::{HashMap, HashSet};

use super::maps::{MapKind, MapRef, blocks_of};
use super::page::{self, Page};
use crate::area::{Host, Reader, Writer};
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::units::BlockRun;

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
    /// Whether it is known where the committed map lies, so that a new one does not overwrite it.
    pub(super) fn knows(&self, map: MapKind) -> bool {
        self.known.contains(&map)
    }

    /// How many pages the committed map has on disk.
    pub(super) fn stored(&self, map: MapKind) -> u64 {
        self.current.keys().filter(|(of, _)| *of == map).count() as u64
    }

    /// Writes a new map beside the committed one.
    pub(super) fn stage(
        &mut self,
        file: &Writer,
        map: MapKind,
        generation: u64,
        layers: &[&Bitmap],
    ) -> Result<Staged> {
        let blocks = blocks_of(layers);
        let rest = layers.first().is_some_and(|set| set.count() > blocks / 2);
        let room = Bitmap::full(blocks);
        let mut slots = Vec::new();
        for page in 0..map.pages(blocks) {
            let words = map.words_of(page, layers);
            let inside = room.words(map.first_word(page), map.words());
            let unstored = words.chunks(map.words()).enumerate().all(|(layer, words)| {
                let all = if map.unstored(layer, rest) { u64::MAX } else { 0 };
                words.iter().zip(&inside).all(|(word, inside)| word & inside == all & inside)
            });
            if !unstored {
                slots.push((page, self.write(file, map, page, generation, &words)?));
            }
        }
        let reference = MapRef { generation, rest, stored: slots.len() as u64, blocks };
        Ok(Staged { map, slots, reference })
    }

    /// Takes note that the record which names the staged pages is committed.
    pub(super) fn adopt(&mut self, staged: Staged) {
        self.current.retain(|(map, _), _| *map != staged.map);
        self.current
            .extend(staged.slots.into_iter().map(|(page, slot)| ((staged.map, page), slot)));
    }

    /// Stores the committed map anew in its place: the pages that `touched` blocks lie in. The caller syncs, and
    /// then calls [`Pages::rewritten`].
    pub(super) fn rewrite(
        &mut self,
        file: &Writer,
        map: MapKind,
        reference: MapRef,
        layers: &[&Bitmap],
        touched: &Bitmap,
    ) -> Result<Vec<(u64, u64)>> {
        let mut written = Vec::new();
        // Pages beyond the recorded room would be written into space that nobody reserved, and never be read.
        for page in 0..map.pages(reference.blocks) {
            let whole = BlockRun::between(page * map.blocks(), (page + 1) * map.blocks());
            if touched.any(whole) {
                let words = map.words_of(page, layers);
                let slot = self.write(file, map, page, reference.generation, &words)?;
                written.push((page, slot));
            }
        }
        Ok(written)
    }

    /// Takes note that rewritten pages are on stable storage.
    pub(super) fn rewritten(&mut self, map: MapKind, written: Vec<(u64, u64)>) {
        self.current.extend(written.into_iter().map(|(page, slot)| ((map, page), slot)));
    }

    /// Writes a page to the slot that does not hold its committed content; says which.
    fn write(
        &mut self,
        file: &Writer,
        map: MapKind,
        page: u64,
        generation: u64,
        words: &[u64],
    ) -> Result<u64> {
        let slot = 1 - self.current.get(&(map, page)).copied().unwrap_or(1);
        self.sequence += 1;
        let head = [generation, self.sequence, map.page_id(page), 0];
        file.write_at(&page::encode(head, words), map.offset_of(page, slot))?;
        Ok(slot)
    }

    /// Reads the map that a record names, one bitmap a layer. `None` when a page of it is gone: nothing can then be
    /// said.
    pub(super) fn load(
        &mut self,
        file: &Reader,
        host: &dyn Host,
        map: MapKind,
        reference: MapRef,
    ) -> Result<Option<Vec<Bitmap>>> {
        let blocks = reference.blocks;
        self.known.insert(map);
        self.current.retain(|(of, _), _| *of != map);
        let layers: Vec<Bitmap> = (0..map.layers())
            .map(|layer| match map.unstored(layer, reference.rest) {
                true => Bitmap::full(blocks),
                false => Bitmap::new(blocks),
            })
            .collect();
        for page in 0..map.pages(blocks) {
            let Some((slot, found)) = newest(file, host, map, page, reference.generation)? else {
                continue;
            };
            let [_, sequence, ..] = found.head;
            self.sequence = self.sequence.max(sequence);
            self.current.insert((map, page), slot);
            for (set, words) in layers.iter().zip(found.words.chunks(map.words())) {
                set.load_words(map.first_word(page), words.iter().copied());
            }
        }
        Ok((self.stored(map) >= reference.stored).then_some(layers))
    }
}

/// The newest content of a page within a generation, and its slot.
fn newest(
    file: &Reader,
    host: &dyn Host,
    map: MapKind,
    page: u64,
    generation: u64,
) -> Result<Option<(u64, Page)>> {
    let mut best: Option<(u64, Page)> = None;
    for slot in 0..2 {
        let Some(found) = page::read(file, host, map.offset_of(page, slot))? else { continue };
        let [of, sequence, id, _] = found.head;
        let belongs = generation != 0 && of == generation && id == map.page_id(page);
        let newer = |(_, known): &(u64, Page)| known.head.get(1).is_none_or(|old| *old < sequence);
        if belongs && best.as_ref().is_none_or(newer) {
            best = Some((slot, found));
        }
    }
    Ok(best)
}
