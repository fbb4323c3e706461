//! Two slots for the record: the newer valid one counts, and only the older one is ever overwritten, so a torn
//! write costs nothing. Each slot holds the record twice: a record that rots in one place is still read, and is
//! not mistaken for a torn write, after which the older record would be the true one.
//!
//! | bytes of a copy | content |
//! |---|---|
//! | 0-7 | sequence number, growing by one a commit; its lowest bit names the slot |
//! | 8-15 | length of the record |
//! | 16-47 | BLAKE3 of bytes 0-15 and of the record |
//! | 48- | the record, as JSON |

use crate::area::{Host, Order, Reader, Writer};
use crate::error::Result;

use super::Record;

/// Where the first slot begins: after the header's page.
const FIRST_OFFSET: u64 = 4096;
/// Room for one copy of a record.
const COPY_BYTES: u64 = 28 * 1024;
/// Room for one slot.
const SLOT_BYTES: u64 = 2 * COPY_BYTES;
/// Where the bitmaps' pages begin.
pub(super) const END_OFFSET: u64 = FIRST_OFFSET + 2 * SLOT_BYTES;
const HEAD_BYTES: usize = 48;

/// A record that does not fit is refused before anything is written.
pub(super) fn encode(sequence: u64, record: &Record) -> Option<Vec<u8>> {
    let json = serde_json::to_vec(record).ok()?;
    let mut head = Vec::with_capacity(HEAD_BYTES + json.len());
    head.extend_from_slice(&sequence.to_le_bytes());
    head.extend_from_slice(&(json.len() as u64).to_le_bytes());
    let digest = digest_of(&head, &json);
    head.extend_from_slice(digest.as_bytes());
    head.extend_from_slice(&json);
    (head.len() as u64 <= COPY_BYTES).then_some(head)
}

fn digest_of(head: &[u8], json: &[u8]) -> blake3::Hash {
    blake3::Hasher::new().update(head).update(json).finalize()
}

fn offset_of(sequence: u64, host: &dyn Host) -> u64 {
    let slot = if host.keeps(Order::AlternateSlots) { sequence % 2 } else { 0 };
    FIRST_OFFSET + slot * SLOT_BYTES
}

/// Writes an encoded record to the slot that its sequence number names; the caller syncs.
pub(super) fn write(file: &Writer, host: &dyn Host, sequence: u64, encoded: &[u8]) -> Result<()> {
    let offset = offset_of(sequence, host);
    file.write_at(encoded, offset)?;
    file.write_at(encoded, offset + COPY_BYTES)
}

/// The newer of the valid slots.
pub(super) fn read(file: &Reader, host: &dyn Host) -> Result<Option<(u64, Record)>> {
    let mut best: Option<(u64, Record)> = None;
    for copy in 0..4 {
        let mut bytes = vec![0u8; COPY_BYTES as usize];
        let read = file.read_at(&mut bytes, FIRST_OFFSET + copy * COPY_BYTES)?;
        bytes.truncate(read);
        if let Some(found) = decode(&bytes, host.keeps(Order::ChecksumTested))
            && best.as_ref().is_none_or(|(sequence, _)| *sequence < found.0)
        {
            best = Some(found);
        }
    }
    Ok(best)
}

fn decode(bytes: &[u8], test_checksum: bool) -> Option<(u64, Record)> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let number = |at: usize| Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
    let (sequence, length) = (number(0)?, number(8)?);
    let json = rest.get(..usize::try_from(length).ok()?)?;
    if test_checksum && digest_of(head.get(..16)?, json).as_bytes() != head.get(16..48)? {
        return None;
    }
    Some((sequence, serde_json::from_slice(json).ok()?))
}
