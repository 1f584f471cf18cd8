//! Amounts as people write and read them: `64 MiB`, `30s`, `1.5 G`, `5 USD`.

use std::fmt;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// A number of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

/// A number without a unit, as fuel or rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u64);

/// Millionths of a US dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MicroUsd(pub u64);

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseAmountError {
    /// No number stands at its start.
    #[error("`{0}` does not start with a number")]
    NotANumber(String),
    /// The unit is unknown.
    #[error("`{unit}` is not a unit here; known are {known}")]
    UnknownUnit {
        /// What stood behind the number.
        unit: String,
        /// The units that would have been understood.
        known: &'static str,
    },
    /// It does not fit in 64 bits, or is no whole number of the smallest unit.
    #[error("`{0}` is out of range")]
    OutOfRange(String),
}

const BYTE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];
const TIME_UNITS: &[(&str, u64)] =
    &[("", 1_000), ("ms", 1), ("s", 1_000), ("m", 60_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const MONEY_UNITS: &[(&str, u64)] = &[("", 1_000_000), ("usd", 1_000_000), ("cent", 10_000), ("cents", 10_000)];
const COUNT_UNITS: &[(&str, u64)] =
    &[("", 1), ("k", 1_000), ("m", 1_000_000), ("g", 1_000_000_000), ("t", 1_000_000_000_000)];

fn parse(text: &str, units: &[(&str, u64)], known: &'static str) -> Result<u64, ParseAmountError> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = number.replace('_', "");
    let out_of_range = || ParseAmountError::OutOfRange(text.to_owned());
    let unit = unit.trim();
    let factor = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|&(_, factor)| factor);
    if number.is_empty() {
        return Err(ParseAmountError::NotANumber(text.to_owned()));
    }
    let factor = factor.ok_or_else(|| ParseAmountError::UnknownUnit { unit: unit.to_owned(), known })?;
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    if fraction.len() > 9 || fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return Err(out_of_range());
    }
    let digits = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u128>().ok() };
    let (whole, part) = digits(whole).zip(digits(fraction)).ok_or_else(out_of_range)?;
    let scale = 10_u128.pow(fraction.len() as u32);
    let amount = whole
        .checked_mul(u128::from(factor))
        .and_then(|amount| amount.checked_add(part * u128::from(factor) / scale))
        .ok_or_else(out_of_range)?;
    u64::try_from(amount).map_err(|_| out_of_range())
}

impl Bytes {
    /// Reads `65536`, `64KiB`, `1.5 MB`.
    ///
    /// # Errors
    /// When it is no number, the unit is unknown or the amount does not fit.
    pub fn parse(text: &str) -> Result<Self, ParseAmountError> {
        parse(text, BYTE_UNITS, "B, KB, MB, GB, TB, KiB, MiB, GiB, TiB").map(Self)
    }
}

impl Millis {
    /// Reads `30` (seconds), `30s`, `250 ms`, `2m`, `1h`.
    ///
    /// # Errors
    /// When it is no number, the unit is unknown or the amount does not fit.
    pub fn parse(text: &str) -> Result<Self, ParseAmountError> {
        parse(text, TIME_UNITS, "ms, s, m, min, h, d").map(Self)
    }
}

impl Count {
    /// Reads `1000`, `1_000`, `5k`, `2 G`.
    ///
    /// # Errors
    /// When it is no number, the unit is unknown or the amount does not fit.
    pub fn parse(text: &str) -> Result<Self, ParseAmountError> {
        parse(text, COUNT_UNITS, "k, M, G, T").map(Self)
    }
}

impl MicroUsd {
    /// Reads `50` (US dollars), `5 USD`, `0.25 USD`, `10 cents`.
    ///
    /// # Errors
    /// When it is no number, the unit is unknown or the amount does not fit.
    pub fn parse(text: &str) -> Result<Self, ParseAmountError> {
        parse(text, MONEY_UNITS, "USD, cents").map(Self)
    }
}

impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Exact: a call costs less than a cent, and a bound is never shown as another than it is.
        let (whole, micro) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if micro.is_multiple_of(10_000) {
            return write!(f, "{whole}.{:02} USD", micro / 10_000);
        }
        write!(f, "{whole}.{} USD", format!("{micro:06}").trim_end_matches('0'))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = match self.0 {
            0..1024 => return write!(f, "{} B", self.0),
            1024..1_048_576 => ("KiB", 1_u64 << 10),
            1_048_576..1_073_741_824 => ("MiB", 1 << 20),
            1_073_741_824..1_099_511_627_776 => ("GiB", 1 << 30),
            1_099_511_627_776.. => ("TiB", 1 << 40),
        };
        one_place(f, self.0, factor, unit)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..1_000 => write!(f, "{} ms", self.0),
            1_000..120_000 => one_place(f, self.0, 1_000, "s"),
            120_000..7_200_000 => one_place(f, self.0, 60_000, "min"),
            7_200_000.. => one_place(f, self.0, 3_600_000, "h"),
        }
    }
}

impl Count {
    /// With what is counted: `1 item`, `1,024 items`. The word gets an `s` where it is not one.
    #[must_use]
    pub fn of(self, what: &str) -> String {
        let s = if self.0 == 1 { "" } else { "s" };
        format!("{self} {what}{s}")
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.char_indices() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

fn one_place(f: &mut fmt::Formatter<'_>, value: u64, factor: u64, unit: &str) -> fmt::Result {
    let tenths = (u128::from(value) * 10 + u128::from(factor) / 2) / u128::from(factor);
    if tenths.is_multiple_of(10) {
        write!(f, "{} {unit}", tenths / 10)
    } else {
        write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_their_units() {
        assert_eq!(Bytes::parse("64 MiB"), Ok(Bytes(64 << 20)));
        assert_eq!(Bytes::parse("1.5kb"), Ok(Bytes(1_500)));
        assert_eq!(Millis::parse("30"), Ok(Millis(30_000)));
        assert_eq!(Millis::parse("0.25s"), Ok(Millis(250)));
        assert_eq!(Count::parse("5_000"), Ok(Count(5_000)));
        assert_eq!(Count::parse("2G"), Ok(Count(2_000_000_000)));
        assert_eq!(MicroUsd::parse("5 USD"), Ok(MicroUsd(5_000_000)));
        assert_eq!(MicroUsd::parse("0.25"), Ok(MicroUsd(250_000)));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for wrong in ["", "-1", "MiB", "1..2", ".", "18446744073709551616", "1 parsec", "1.0000000001"] {
            assert!(Bytes::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn amounts_are_shown_for_people() {
        assert_eq!(Bytes(1023).to_string(), "1023 B");
        assert_eq!(Bytes(64 << 20).to_string(), "64 MiB");
        assert_eq!(Bytes(1_500_000).to_string(), "1.4 MiB");
        assert_eq!(Millis(1_500).to_string(), "1.5 s");
        assert_eq!(Count(1_234_567).to_string(), "1,234,567");
        assert_eq!(Count(12).to_string(), "12");
        assert_eq!([0, 1, 1_024].map(|count| Count(count).of("item")), ["0 items", "1 item", "1,024 items"]);
        for (micro, shown) in
            [(0, "0.00"), (1_230_000, "1.23"), (1_230_001, "1.230001"), (1_500, "0.0015"), (7, "0.000007")]
        {
            let shown = format!("{shown} USD");
            assert_eq!(MicroUsd(micro).to_string(), shown);
            assert_eq!(MicroUsd::parse(&shown), Ok(MicroUsd(micro)));
        }
    }
}
