//! The file of the intent log: where its pages lie, and which version of each counts.
//!
//! | numbers at the head of a page | |
//! |---|---|
//! | 0 | generation |
//! | 1 | sequence number; its lowest bit names the slot |
//! | 2 | number of the page |
//! | 3 | bytes in a region |
//!
//! Each word is a region + 1, or 0 where none is named. Each page has two slots and each slot holds two copies: a
//! version that rots in one place is still read, and is not mistaken for a torn write, after which the older version
//! would be the true one.

use super::page::{self, PAGE_BYTES, Page, WORDS};
use crate::area::{Host, Reader, Writer};
use crate::error::{Error, Result};
use crate::units::Extent;

pub(super) const PAGES: usize = 9;
pub(super) const SLOTS_PER_PAGE: usize = WORDS;
/// All of the file.
pub(super) const LENGTH: u64 = PAGES as u64 * 4 * PAGE_BYTES as u64;
pub(super) const EXTENT: Extent = Extent { offset: 0, length: LENGTH };

/// What the log names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logged {
    /// Bytes in a region; 0 when nothing was ever logged.
    pub region_bytes: u64,
    /// The regions that may differ, sorted, each once.
    pub regions: Vec<u64>,
}

/// What identifies a version of a page, beside its number and sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) region_bytes: u64,
}

/// The words that name some regions.
pub(super) fn words_of(regions: &[u64]) -> Result<Vec<u64>> {
    let words: Option<Vec<u64>> = regions.iter().map(|region| region.checked_add(1)).collect();
    words
        .filter(|words| words.len() <= SLOTS_PER_PAGE)
        .ok_or_else(|| Error::argument("regions", "more than a page of the intent log can name"))
}

pub(super) fn encode(of: Generation, sequence: u64, page: usize, words: &[u64]) -> Vec<u8> {
    page::encode([of.number, sequence, page as u64, of.region_bytes], words)
}

/// Writes both copies of a version to its slot; the caller syncs.
pub(super) fn write(file: &Writer, page: usize, sequence: u64, bytes: &[u8]) -> Result<()> {
    file.write_at(bytes, offset_of(page, sequence % 2, 0))?;
    file.write_at(bytes, offset_of(page, sequence % 2, 1))
}

pub(super) fn offset_of(page: usize, slot: u64, copy: u64) -> u64 {
    ((page as u64 * 2 + slot) * 2 + copy) * PAGE_BYTES as u64
}

/// All versions of all pages that are whole. A version and its equal copy are one.
pub(super) fn versions(file: &Reader, host: &dyn Host) -> Result<Vec<Page>> {
    let mut found = Vec::new();
    for page in 0..PAGES {
        for slot in [0, 1] {
            let copies = page::read_copies(file, host, offset_of(page, slot, 0))?;
            found.extend(copies.into_iter().filter(|version| number_of(version) == page as u64));
        }
    }
    Ok(found)
}

pub(super) fn sequence_of(version: &Page) -> u64 {
    let [_, sequence, ..] = version.head;
    sequence
}

fn number_of(version: &Page) -> u64 {
    let [_, _, number, _] = version.head;
    number
}

/// The sequence of the newest version of a page, of one generation or of any.
pub(super) fn newest(versions: &[Page], page: usize, generation: Option<u64>) -> Option<u64> {
    let of_page = versions.iter().filter(|version| {
        let [of, ..] = version.head;
        number_of(version) == page as u64 && generation.is_none_or(|generation| of == generation)
    });
    of_page.map(sequence_of).max()
}

/// What a generation says: the newest version of each of its pages. `None` when a page has none, or the pages do not
/// agree.
pub(super) fn logged(versions: &[Page], generation: u64) -> Option<Logged> {
    let mut logged: Option<Logged> = None;
    for page in 0..PAGES {
        let sequence = newest(versions, page, Some(generation))?;
        let version = versions.iter().find(|version| {
            let [of, at, number, _] = version.head;
            (of, at, number) == (generation, sequence, page as u64)
        })?;
        let [.., region_bytes] = version.head;
        let logged = logged.get_or_insert_with(|| Logged { region_bytes, regions: Vec::new() });
        if logged.region_bytes != region_bytes {
            return None;
        }
        logged.regions.extend(version.words.iter().filter_map(|word| word.checked_sub(1)));
    }
    let mut logged = logged?;
    logged.regions.sort_unstable();
    logged.regions.dedup();
    Some(logged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn version(generation: u64, sequence: u64, page: usize, words: Vec<u64>) -> Page {
        Page { head: [generation, sequence, page as u64, 64], words }
    }

    #[test]
    fn every_copy_has_its_own_place_in_the_file() {
        let slots = [(0, 0), (0, 1), (1, 0), (1, 1)];
        let places: HashSet<u64> = (0..PAGES)
            .flat_map(|page| slots.map(|(slot, copy)| offset_of(page, slot, copy)))
            .collect();
        assert_eq!(places.len(), PAGES * 4);
        assert!(places.iter().all(|offset| offset + PAGE_BYTES as u64 <= LENGTH));
    }

    #[test]
    fn the_newest_version_of_each_page_of_the_generation_counts() {
        let mut versions: Vec<Page> = (0..PAGES).map(|page| version(7, 1, page, vec![0])).collect();
        versions.push(version(7, 3, 2, vec![6, 1, 6]));
        versions.push(version(7, 2, 2, vec![9]));
        versions.push(version(8, 4, 2, vec![10]));
        let regions = vec![0, 5];
        assert_eq!(logged(&versions, 7), Some(Logged { region_bytes: 64, regions }));
        assert_eq!(logged(&versions, 8), None);
        assert_eq!((newest(&versions, 2, None), newest(&versions, 2, Some(7))), (Some(4), Some(3)));
        versions[0].head[3] = 128;
        assert_eq!(logged(&versions, 7), None);
    }

    #[test]
    fn what_a_page_cannot_name_is_refused() {
        assert_eq!(words_of(&[0, 4]).unwrap(), vec![1, 5]);
        assert!(words_of(&[0; SLOTS_PER_PAGE]).is_ok());
        assert!(words_of(&[0; SLOTS_PER_PAGE + 1]).is_err());
        assert!(words_of(&[u64::MAX]).is_err());
    }
}
