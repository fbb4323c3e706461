//! Numbers at places of a block. Beyond its end all is zero, which means "none" in every table that is read here.

fn at<const N: usize>(bytes: &[u8], place: usize) -> [u8; N] {
    let found = place.checked_add(N).and_then(|end| bytes.get(place..end));
    found.and_then(|found| found.try_into().ok()).unwrap_or([0; N])
}

/// One byte.
pub(super) fn byte(bytes: &[u8], place: usize) -> u8 {
    u8::from_le_bytes(at(bytes, place))
}

/// 16 bits, little-endian as all of ext4 but its journal.
pub(super) fn le16(bytes: &[u8], place: usize) -> u16 {
    u16::from_le_bytes(at(bytes, place))
}

/// 32 bits, little-endian.
pub(super) fn le32(bytes: &[u8], place: usize) -> u32 {
    u32::from_le_bytes(at(bytes, place))
}

/// 64 bits, little-endian.
pub(super) fn le64(bytes: &[u8], place: usize) -> u64 {
    u64::from_le_bytes(at(bytes, place))
}

/// 16 bits, big-endian as the journal.
pub(super) fn be16(bytes: &[u8], place: usize) -> u16 {
    u16::from_be_bytes(at(bytes, place))
}

/// 32 bits, big-endian.
pub(super) fn be32(bytes: &[u8], place: usize) -> u32 {
    u32::from_be_bytes(at(bytes, place))
}

/// A number whose halves are apart.
pub(super) fn joined(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_where_they_are_and_zero_beyond_the_end() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!((le16(&bytes, 1), le32(&bytes, 1)), (0x0302, 0x0504_0302));
        assert_eq!((be16(&bytes, 1), be32(&bytes, 1)), (0x0203, 0x0203_0405));
        assert_eq!(le64(&bytes, 1), 0x0908_0706_0504_0302);
        assert_eq!((le16(&bytes, 8), le32(&bytes, usize::MAX), byte(&bytes, 9)), (0, 0, 0));
        assert_eq!(joined(1, 2), 0x1_0000_0002);
    }
}
