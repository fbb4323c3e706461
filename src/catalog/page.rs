//! A page of 4 KiB with a checksum: what bitmaps and the intent log are stored in.
//!
//! | bytes | content |
//! |---|---|
//! | 0-31 | four 64-bit numbers, whose meaning the user of the page gives |
//! | 32-63 | BLAKE3 of bytes 0-31 and 64-4095 |
//! | 64-4095 | 504 64-bit words |
//!
//! All numbers are little-endian. A page is believed as a whole or not at all.

use crate::area::{Host, Order, Reader};
use crate::error::Result;

pub(super) const PAGE_BYTES: usize = 4096;
/// Words in a page.
pub(super) const WORDS: usize = (PAGE_BYTES - HEAD_BYTES) / 8;
const NUMBERS_BYTES: usize = 32;
const HEAD_BYTES: usize = 64;

/// A page that can be believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) head: [u64; 4],
    pub(super) words: Vec<u64>,
}

/// The bytes of a page; words that are not given are zero, those beyond its room are left out.
pub(super) fn encode(head: [u64; 4], words: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PAGE_BYTES);
    bytes.extend(head.iter().flat_map(|number| number.to_le_bytes()));
    bytes.resize(HEAD_BYTES, 0);
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes.resize(PAGE_BYTES, 0);
    let digest = digest_of(&bytes);
    if let Some(place) = bytes.get_mut(NUMBERS_BYTES..HEAD_BYTES) {
        place.copy_from_slice(digest.as_bytes());
    }
    bytes
}

/// The page at an offset, if it is whole.
pub(super) fn read(file: &Reader, host: &dyn Host, offset: u64) -> Result<Option<Page>> {
    let mut bytes = vec![0u8; PAGE_BYTES];
    let read = file.read_at(&mut bytes, offset)?;
    let complete = read == PAGE_BYTES;
    Ok(complete.then(|| decode(&bytes, host.keeps(Order::ChecksumTested))).flatten())
}

/// Two pages that lie one behind the other and are copies of each other: those that are whole, one of two equal ones.
pub(super) fn read_copies(file: &Reader, host: &dyn Host, offset: u64) -> Result<Vec<Page>> {
    let mut bytes = vec![0u8; 2 * PAGE_BYTES];
    let read = file.read_at(&mut bytes, offset)?;
    let complete = bytes.get(..read).unwrap_or_default();
    let mut copies: Vec<&[u8]> = complete.chunks_exact(PAGE_BYTES).collect();
    copies.dedup();
    let test_checksum = host.keeps(Order::ChecksumTested);
    Ok(copies.into_iter().filter_map(|copy| decode(copy, test_checksum)).collect())
}

fn decode(bytes: &[u8], test_checksum: bool) -> Option<Page> {
    if test_checksum && digest_of(bytes).as_bytes() != bytes.get(NUMBERS_BYTES..HEAD_BYTES)? {
        return None;
    }
    let number = |chunk: &[u8]| u64::from_le_bytes(chunk.try_into().unwrap_or_default());
    let head: Vec<u64> = bytes.get(..NUMBERS_BYTES)?.chunks_exact(8).map(number).collect();
    let words = bytes.get(HEAD_BYTES..)?.chunks_exact(8).map(number).collect();
    Some(Page { head: head.try_into().ok()?, words })
}

fn digest_of(page: &[u8]) -> blake3::Hash {
    let head = page.get(..NUMBERS_BYTES).unwrap_or_default();
    let body = page.get(HEAD_BYTES..).unwrap_or_default();
    blake3::Hasher::new().update(head).update(body).finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flipped_bit_is_believed() {
        let words: Vec<u64> = (0..WORDS as u64).map(|word| word * 0x9e37_79b9).collect();
        let bytes = encode([1, 2, 3, 4], &words);
        assert_eq!(decode(&bytes, true), Some(Page { head: [1, 2, 3, 4], words }));
        for bit in 0..PAGE_BYTES * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged, true), None, "bit {bit}");
        }
        assert_eq!(decode(&[0; PAGE_BYTES], true), None);
    }
}
