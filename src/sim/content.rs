//! The bytes of one simulated file: sparse pages that copies share until one of them writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::units::{Extent, PAGE_BYTES, merged};

type Page = [u8; PAGE_BYTES as usize];

static ZEROS: Page = [0; PAGE_BYTES as usize];

/// A page that is not in the map is a hole. Bytes of a page past the length are zero.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    length: u64,
    pages: Arc<BTreeMap<u64, Arc<Page>>>,
}

impl Content {
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    fn page(&self, index: u64) -> &Page {
        self.pages.get(&index).map_or(&ZEROS, |page| page)
    }

    /// The part of a page that holds a piece of an extent cut at page borders.
    fn range(piece: Extent) -> std::ops::Range<usize> {
        let start = (piece.offset % PAGE_BYTES) as usize;
        start..start + piece.length as usize
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let wanted = Extent::new(offset, buffer.len() as u64);
        let wanted = Extent::between(offset, wanted.end().min(self.length));
        let mut rest = buffer;
        for piece in wanted.pieces(PAGE_BYTES) {
            let page = self.page(piece.offset / PAGE_BYTES);
            let Some((head, tail)) = rest.split_at_mut_checked(piece.length as usize) else {
                break;
            };
            if let Some(bytes) = page.get(Self::range(piece)) {
                head.copy_from_slice(bytes);
            }
            rest = tail;
        }
        wanted.length as usize
    }

    pub(super) fn write(&mut self, data: &[u8], offset: u64) {
        let extent = Extent::new(offset, data.len() as u64);
        let pages = Arc::make_mut(&mut self.pages);
        let mut rest = data;
        for piece in extent.pieces(PAGE_BYTES) {
            let Some((head, tail)) = rest.split_at_checked(piece.length as usize) else { break };
            let page = pages.entry(piece.offset / PAGE_BYTES).or_insert_with(|| Arc::new(ZEROS));
            if let Some(bytes) = Arc::make_mut(page).get_mut(Self::range(piece)) {
                bytes.copy_from_slice(head);
            }
            rest = tail;
        }
        if !extent.is_empty() {
            self.length = self.length.max(extent.end());
        }
    }

    pub(super) fn discard(&mut self, extent: Extent) {
        let extent = extent.intersect(Extent::new(0, self.length.next_multiple_of(PAGE_BYTES)));
        let pages = Arc::make_mut(&mut self.pages);
        for piece in extent.pieces(PAGE_BYTES) {
            let index = piece.offset / PAGE_BYTES;
            // A piece that reaches the end of the file takes the rest of its page with it: that is zero anyway.
            if piece.length == PAGE_BYTES
                || (piece.offset.is_multiple_of(PAGE_BYTES) && piece.end() >= self.length)
            {
                pages.remove(&index);
            } else if let Some(page) = pages.get_mut(&index)
                && let Some(bytes) = Arc::make_mut(page).get_mut(Self::range(piece))
            {
                bytes.fill(0);
            }
        }
    }

    pub(super) fn set_length(&mut self, length: u64) {
        if length < self.length {
            self.discard(Extent::between(length, self.length));
        }
        self.length = length;
    }

    /// The pages that are no holes, cut to `within` and to the length.
    pub(super) fn data_extents(&self, within: Extent) -> Vec<Extent> {
        let within = within.intersect(Extent::new(0, self.length));
        let page = |index: &u64| Extent::new(index * PAGE_BYTES, PAGE_BYTES).intersect(within);
        let first = within.offset / PAGE_BYTES;
        merged(
            self.pages
                .range(first..first.max(within.end().div_ceil(PAGE_BYTES)))
                .map(|(index, _)| page(index))
                .collect(),
        )
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length as usize];
        self.read(&mut bytes, 0);
        bytes
    }

    /// Whether both hold the same bytes (holes equal zeros).
    pub(super) fn same_bytes(&self, other: &Self) -> bool {
        self.length == other.length
            && (Arc::ptr_eq(&self.pages, &other.pages)
                || self.pages.keys().chain(other.pages.keys()).all(|index| {
                    let (left, right) = (self.page(*index), other.page(*index));
                    std::ptr::eq(left, right) || left == right
                }))
    }
}
