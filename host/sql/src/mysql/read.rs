//! Numbers and texts as the protocol of MySQL packs them.

/// What is left to read of a packet. Whatever is not there is none.
#[derive(Debug)]
pub(super) struct Read<'p>(pub(super) &'p [u8]);

impl<'p> Read<'p> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'p [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// A number that takes as many bytes as it needs; none also stands for NULL.
    pub(super) fn length(&mut self) -> Option<u64> {
        match self.u8()? {
            small @ ..=250 => Some(small.into()),
            252 => self.u16().map(u64::from),
            253 => self.array().map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]).into()),
            254 => self.array().map(u64::from_le_bytes),
            251 | 255 => None,
        }
    }

    /// Bytes behind their length.
    pub(super) fn bytes(&mut self) -> Option<&'p [u8]> {
        let length = self.length()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// Text behind its length.
    pub(super) fn text(&mut self) -> Option<&'p str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// Bytes up to a NUL, which is passed over, or to the end.
    pub(super) fn until_nul(&mut self) -> &'p [u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        let taken = self.take(end.unwrap_or(self.0.len())).unwrap_or_default();
        let _ = self.take(usize::from(end.is_some()));
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_as_many_bytes_as_they_need() {
        for (bytes, expected) in [
            (&[0][..], Some(0)),
            (&[250], Some(250)),
            (&[252, 1, 2], Some(0x201)),
            (&[253, 1, 2, 3], Some(0x03_02_01)),
            (&[254, 1, 0, 0, 0, 0, 0, 0, 1], Some(1 << 56 | 1)),
            (&[251], None),
            (&[255], None),
            (&[252, 1], None),
            (&[], None),
        ] {
            assert_eq!(Read(bytes).length(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn nothing_is_read_beyond_the_end() {
        assert_eq!(Read(&[3, b'a', b'b']).bytes(), None);
        assert_eq!(Read(&[254, 255, 255, 255, 255, 255, 255, 255, 255, 1]).bytes(), None);
        let mut read = Read(b"ab\0c");
        assert_eq!((read.until_nul(), read.until_nul(), read.until_nul()), (&b"ab"[..], &b"c"[..], &b""[..]));
        assert_eq!(Read(&[1, 0xff]).text(), None);
    }
}
