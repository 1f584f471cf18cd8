//! Owns how messages write a number of bytes: as the host does.

use std::fmt;

/// A number of bytes, written for people: `1.4 MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, shift) = match self.0 {
            0..0x400 => return write!(f, "{} B", self.0),
            0x400..0x10_0000 => ("KiB", 10),
            0x10_0000..0x4000_0000 => ("MiB", 20),
            0x4000_0000.. => ("GiB", 30),
        };
        let tenths = (u128::from(self.0) * 10 + (1 << (shift - 1))) >> shift;
        match tenths % 10 {
            0 => write!(f, "{} {unit}", tenths / 10),
            tenth => write!(f, "{}.{tenth} {unit}", tenths / 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_unit_with_one_place() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1_500_000, "1.4 MiB"),
            (64 << 20, "64 MiB"),
            (u64::MAX, "17179869184 GiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), expected);
        }
    }
}
