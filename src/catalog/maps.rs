//! Bitmaps on disk: which there are, what a record says of one, and where their pages lie.
//!
//! A map has one or more layers: sets over the same blocks that share pages, so that they change together. The
//! pages stand in groups; a group has the places for [`GROUP_BLOCKS`] blocks of all maps, so that a growing source
//! only adds groups and moves nothing.
//!
//! | place of a group | content |
//! |---|---|
//! | 0, 1 | the two slots of its page of [`MapKind::Dirty`] |
//! | 2-7 | the two slots of each of its three pages of [`MapKind::Restore`] |
//!
//! | numbers at the head of a page | |
//! |---|---|
//! | 0 | generation of the map |
//! | 1 | sequence number within it |
//! | 2 | number of the page, and in the highest bit which map |
//! | 3 | zero |
//!
//! The words of a page are those of its layers, one layer after the other; a bit a block.

use serde::{Deserialize, Serialize};

use super::page::{PAGE_BYTES, WORDS};
use super::slots::END_OFFSET;
use crate::bitmap::Bitmap;
use crate::units::Extent;

/// Blocks of a group: those of one page that holds a single layer.
const GROUP_BLOCKS: u64 = WORDS as u64 * 64;
/// Pages of the restore map in a group.
const RESTORE_PAGES: u64 = 3;
/// Two slots a page.
const PLACES: u64 = 2 * (1 + RESTORE_PAGES);

/// Which map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MapKind {
    /// One layer: blocks in which source and mirror may differ.
    Dirty,
    /// What a restore does, or did. Layer 0, `pending`: the blocks that are still to be restored. Layer 1,
    /// `planned`: those that it set out to bring back. Layer 2, `app_written`: those that the application wrote
    /// meanwhile.
    Restore,
}

impl MapKind {
    /// How many layers it has.
    pub const fn layers(self) -> usize {
        match self {
            Self::Dirty => 1,
            Self::Restore => RESTORE_PAGES as usize,
        }
    }

    /// Words of one layer in a page.
    pub(super) const fn words(self) -> usize {
        WORDS / self.layers()
    }

    /// The first word of a page in each layer's bitmap.
    pub(super) const fn first_word(self, page: u64) -> u64 {
        page * self.words() as u64
    }

    /// Blocks of a page.
    pub(super) const fn blocks(self) -> u64 {
        self.words() as u64 * 64
    }

    /// How many pages so many blocks have.
    pub(super) const fn pages(self, blocks: u64) -> u64 {
        blocks.div_ceil(self.blocks())
    }

    /// What the blocks of a layer are in a page that is not stored: before a restore began, all that is planned is
    /// pending and nothing is written.
    pub(super) const fn unstored(self, layer: usize, rest: bool) -> bool {
        rest && layer < 2
    }

    pub(super) const fn offset_of(self, page: u64, slot: u64) -> u64 {
        let (group, place) = match self {
            Self::Dirty => (page, slot),
            Self::Restore => (page / RESTORE_PAGES, 2 + 2 * (page % RESTORE_PAGES) + slot),
        };
        END_OFFSET + (group * PLACES + place) * PAGE_BYTES as u64
    }

    /// The number in a page's head that says which page of which map it is.
    pub(super) const fn page_id(self, page: u64) -> u64 {
        match self {
            Self::Dirty => page,
            Self::Restore => page | 1 << 63,
        }
    }

    /// The words of a page; a layer that is not given is empty.
    pub(super) fn words_of(self, page: u64, layers: &[&Bitmap]) -> Vec<u64> {
        let mut words = Vec::with_capacity(WORDS);
        for set in layers.iter().take(self.layers()) {
            words.extend(set.words(self.first_word(page), self.words()));
        }
        words.resize(WORDS, 0);
        words
    }
}

/// A map on disk, as the record names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapRef {
    /// Pages of this generation belong to it.
    pub generation: u64,
    /// What the blocks of layer 0 are in pages that are not stored. Those of layer 1 are the same, those of layer 2
    /// are not in the set.
    pub rest: bool,
    /// How many pages are stored.
    pub stored: u64,
    /// How many blocks it has room for.
    pub blocks: u64,
}

impl MapRef {
    /// A map whose pages have been given to another one: more are missing than there can be.
    pub(super) const GONE: Self = Self { generation: 0, rest: false, stored: u64::MAX, blocks: 0 };
}

/// How many blocks some layers have room for.
pub(super) fn blocks_of(layers: &[&Bitmap]) -> u64 {
    layers.iter().map(|set| set.blocks()).max().unwrap_or(0)
}

/// How many groups so many blocks have.
pub(super) const fn groups_for(blocks: u64) -> u64 {
    blocks.div_ceil(GROUP_BLOCKS)
}

/// The length of a catalog file with so many groups.
pub(super) const fn file_length(groups: u64) -> u64 {
    END_OFFSET + groups * PLACES * PAGE_BYTES as u64
}

/// The file's part that holds the pages.
pub(super) fn file_extent(groups: u64) -> Extent {
    Extent::between(0, file_length(groups))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_page_has_two_places_of_its_own_in_the_reserved_part() {
        for blocks in [1, 10_752, 10_753, 32_256, 32_257, 100_000] {
            let mut places = HashSet::new();
            for map in [MapKind::Dirty, MapKind::Restore] {
                for (page, slot) in (0..map.pages(blocks)).flat_map(|page| [(page, 0), (page, 1)]) {
                    let offset = map.offset_of(page, slot);
                    assert!(offset >= END_OFFSET && offset % PAGE_BYTES as u64 == 0);
                    assert!(offset + PAGE_BYTES as u64 <= file_length(groups_for(blocks)));
                    assert!(places.insert(offset), "{map:?} page {page} slot {slot}");
                }
            }
        }
    }
}
