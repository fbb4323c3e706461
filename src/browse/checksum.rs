//! CRC-32C as ext4 and its journal use it: seeded, and not inverted at the end.

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0x82f6_3b78 } else { value >> 1 };
            bit += 1;
        }
        #[allow(clippy::indexing_slicing, reason = "evaluated when compiled, within the bound")]
        {
            table[byte] = value;
        }
        byte += 1;
    }
    table
}

/// What every sum begins with that has no seed of its own.
pub(super) const START: u32 = !0;

/// The sum of `bytes` after what `seed` is the sum of.
pub(super) fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(seed, |sum, byte| {
        let known = TABLE.get((sum as u8 ^ byte) as usize).copied().unwrap_or_default();
        sum >> 8 ^ known
    })
}

/// The sum of a block in which `length` bytes at `place` count as zeros: the sum's own field.
pub(super) fn crc32c_without(seed: u32, bytes: &[u8], place: usize, length: usize) -> u32 {
    let before = crc32c(seed, bytes.get(..place).unwrap_or(bytes));
    let zeros = bytes.iter().skip(place).take(length).map(|_| 0);
    let blank = zeros.fold(before, |sum, zero: u8| crc32c(sum, &[zero]));
    crc32c(blank, bytes.get(place.saturating_add(length)..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_polynomial_comes_out() {
        assert_eq!(!crc32c(START, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_field_counts_as_zeros() {
        assert_eq!(crc32c_without(START, b"ab\xff\xffcd", 2, 2), crc32c(START, b"ab\0\0cd"));
        assert_eq!(crc32c_without(START, b"ab\xff", 2, 2), crc32c(START, b"ab\0"));
        assert_eq!(crc32c_without(START, b"ab", 7, 2), crc32c(START, b"ab"));
    }
}
