//! Which bytes of a block are of words: sixteen at a time where the target has vectors, eight elsewhere.

/// Bytes that are looked at together: one bit each.
pub(crate) const BLOCK: usize = u64::BITS as usize;

/// One bit for each byte, the first lowest: is it an ASCII letter or digit?
pub(crate) fn word_bits(block: &[u8; BLOCK]) -> u64 {
    let (pieces, _) = block.as_chunks::<LANES>();
    pieces.iter().rev().fold(0, |bits, piece| bits << LANES | bits_of(piece))
}

#[cfg(target_feature = "simd128")]
use vectors::{LANES, bits_of};
#[cfg(not(target_feature = "simd128"))]
use words::{LANES, bits_of};

#[cfg(target_feature = "simd128")]
mod vectors {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_le, u8x16_splat, u8x16_sub, u64x2, v128, v128_or};

    pub(super) const LANES: usize = 16;

    pub(super) fn bits_of(bytes: &[u8; LANES]) -> u64 {
        let halves = u128::from_le_bytes(*bytes);
        let bytes = u64x2(halves as u64, (halves >> 64) as u64);
        let within = |bytes: v128, first: u8, last: u8| {
            u8x16_le(u8x16_sub(bytes, u8x16_splat(first)), u8x16_splat(last - first))
        };
        let letters = within(v128_or(bytes, u8x16_splat(0x20)), b'a', b'z');
        u64::from(u8x16_bitmask(v128_or(letters, within(bytes, b'0', b'9'))))
    }
}

#[cfg(not(target_feature = "simd128"))]
mod words {
    pub(super) const LANES: usize = 8;

    /// One in each of eight bytes, and the highest bit of each.
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    /// The bit that makes ASCII letters lower-case, in each of eight bytes.
    const LOWER: u64 = 0x2020_2020_2020_2020;
    /// Multiplier that brings the lowest bits of eight bytes together in the highest byte, the first lowest.
    const GATHER: u64 = 0x0102_0408_1020_4080;

    pub(super) fn bits_of(bytes: &[u8; LANES]) -> u64 {
        let eight = u64::from_le_bytes(*bytes);
        // In the highest bit of each byte: is it at least that?
        let at_least = |eight: u64, least: u8| (eight | HIGHS) - ONES * u64::from(least);
        let lower = eight | LOWER;
        let letters = at_least(lower, b'a') & !at_least(lower, b'z' + 1);
        let digits = at_least(eight, b'0') & !at_least(eight, b'9' + 1);
        let found = (letters | digits) & !eight & HIGHS;
        (found >> 7).wrapping_mul(GATHER) >> 56
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_of_a_word_in_any_place_of_a_block() {
        for byte in 0..=u8::MAX {
            for place in 0..BLOCK {
                let mut block = [if byte.is_ascii_alphanumeric() { b'~' } else { b'5' }; BLOCK];
                block[place] = byte;
                let one = 1 << place;
                let expected = if byte.is_ascii_alphanumeric() { one } else { !one };
                assert_eq!(word_bits(&block), expected, "{byte} at {place}");
            }
        }
    }
}
