//! A line through what past attempts used, and how far they lie from it. Medians throughout, so that a few attempts on a
//! busy machine, or over odd data, move nothing.

use serde::{Deserialize, Serialize};

/// Two inputs tell how an amount grows if they differ by this part of the largest of all. Nearer ones say more about chance
/// than about growth.
const APART: f64 = 0.5;
/// From how many attempts on the spread is that of the middle half of them.
const ENOUGH_FOR_QUARTILES: usize = 4;

/// What is expected, and between which amounts the middle half of what was seen lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Range {
    /// The median.
    pub expected: u64,
    /// A quarter lies below; the least, where there are few attempts.
    pub low: u64,
    /// A quarter lies above; the most, where there are few attempts.
    pub high: u64,
}

impl Range {
    pub(super) fn exact(amount: u64) -> Self {
        Self { expected: amount, low: amount, high: amount }
    }

    pub(super) fn map(self, with: impl Fn(u64) -> u64) -> Self {
        Self { expected: with(self.expected), low: with(self.low), high: with(self.high) }
    }

    pub(super) fn zip(self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            expected: with(self.expected, other.expected),
            low: with(self.low, other.low),
            high: with(self.high, other.high),
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        self.zip(other, u64::saturating_add)
    }
}

/// How an amount grows where all attempts read equally much, so that nobody has seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    /// In proportion to the input: work.
    WithInput,
    /// Not at all: memory, of which components are meant to need no more for more input.
    WhereSeen,
}

/// A line, and the quotients of what was seen to what it says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fit {
    base: f64,
    slope: f64,
    low: f64,
    high: f64,
}

impl Fit {
    /// Lays the line through points of (bytes read, amount). It never falls and never begins below nothing.
    #[expect(clippy::cast_precision_loss, reason = "an estimate does not need 64 bits")]
    pub(super) fn through(points: &[(u64, u64)], growth: Growth) -> Self {
        let points: Vec<(f64, f64)> = points.iter().map(|&(x, y)| (x as f64, y as f64)).collect();
        let largest = points.iter().map(|&(x, _)| x).fold(0.0, f64::max);
        let slopes: Vec<f64> = points
            .iter()
            .enumerate()
            .flat_map(|(index, &a)| points.iter().skip(index + 1).map(move |&b| (a, b)))
            .filter(|(a, b)| a.0 != b.0 && (a.0 - b.0).abs() >= APART * largest)
            .map(|(a, b)| (a.1 - b.1) / (a.0 - b.0))
            .collect();
        let base = |slope: f64| median(points.iter().map(|(x, y)| y - slope * x).collect()).unwrap_or(0.0);
        let rate = || median(points.iter().filter(|(x, _)| *x > 0.0).map(|(x, y)| y / x).collect());
        let (slope, base) = match (median(slopes).map(|slope| slope.max(0.0)), growth) {
            (Some(slope), _) if base(slope) >= 0.0 => (slope, base(slope)),
            // Nothing is less than free: then it grows in proportion.
            (Some(_), _) | (None, Growth::WithInput) => rate().map_or((0.0, base(0.0)), |rate| (rate, 0.0)),
            (None, Growth::WhereSeen) => (0.0, base(0.0)),
        };
        let line = |x: f64| base + slope * x;
        let quotients = points.iter().filter(|(x, _)| line(*x) > 0.0).map(|(x, y)| y / line(*x)).collect();
        let (low, high) = spread(quotients);
        Self { base, slope, low, high }
    }

    /// What the line says for so many bytes.
    #[expect(clippy::cast_precision_loss, reason = "an estimate does not need 64 bits")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast to an integer saturates")]
    pub(super) fn at(&self, input: Range) -> Range {
        let amount = |bytes: u64, quotient: f64| ((self.base + self.slope * bytes as f64) * quotient).round() as u64;
        let expected = amount(input.expected, 1.0);
        Range {
            expected,
            low: amount(input.low, self.low).min(expected),
            high: amount(input.high, self.high).max(expected),
        }
    }
}

/// The median of whole numbers, the lower one of two.
pub(super) fn median_of(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

fn median(values: Vec<f64>) -> Option<f64> {
    at_part(sorted(values), 0.5)
}

/// The quarters, or the ends where there are few.
fn spread(values: Vec<f64>) -> (f64, f64) {
    let values = sorted(values);
    let (low, high) = if values.len() < ENOUGH_FOR_QUARTILES { (0.0, 1.0) } else { (0.25, 0.75) };
    (at_part(values.clone(), low).unwrap_or(1.0), at_part(values, high).unwrap_or(1.0))
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The value at that part of the way through sorted ones, between two of them where it lies between.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few values")]
fn at_part(sorted: Vec<f64>, part: f64) -> Option<f64> {
    let place = sorted.len().checked_sub(1)? as f64 * part;
    let (below, above) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(points: &[(u64, u64)], growth: Growth, at: u64, expected: (u64, u64, u64)) {
        let (expected, low, high) = expected;
        assert_eq!(Fit::through(points, growth).at(Range::exact(at)), Range { expected, low, high }, "{points:?}");
    }

    #[test]
    fn a_line_is_laid_through_what_was_seen() {
        use Growth::{WhereSeen, WithInput};
        check(&[], WithInput, 7, (0, 0, 0));
        check(&[(10, 50)], WithInput, 10, (50, 50, 50));
        check(&[(10, 50)], WithInput, 30, (150, 150, 150));
        check(&[(10, 50)], WhereSeen, 30, (50, 50, 50));
        check(&[(0, 8), (0, 6)], WithInput, 0, (7, 6, 8));
        // 100 at the start, 2 for each byte: from two sizes on the start is known.
        check(&[(50, 200), (100, 300)], WithInput, 1_000, (2_100, 2_100, 2_100));
        check(&[(50, 200), (100, 300)], WhereSeen, 1_000, (2_100, 2_100, 2_100));
        // Sizes that are nearly the same tell nothing of growth.
        check(&[(100, 40), (101, 60), (102, 50)], WhereSeen, 1_000, (50, 40, 60));
        // A line that began below nothing would say too much of what is large.
        check(&[(10, 10), (40, 100)], WithInput, 100, (175, 100, 250));
        // What falls is taken to stay.
        check(&[(10, 100), (100, 50)], WithInput, 1_000, (75, 50, 100));
        check(&[(u64::MAX, u64::MAX)], WithInput, u64::MAX, (u64::MAX, u64::MAX, u64::MAX));
    }

    #[test]
    fn one_odd_attempt_moves_nothing() {
        let mut points = vec![(10, 100), (20, 200), (40, 400), (80, 800), (160, 1_600)];
        check(&points, Growth::WithInput, 320, (3_200, 3_200, 3_200));
        points.push((100, 90_000));
        check(&points, Growth::WithInput, 320, (3_200, 3_200, 3_200));
    }

    #[test]
    fn the_spread_is_that_of_the_middle_half() {
        let points = [(10, 80), (10, 90), (10, 100), (10, 110), (10, 500)];
        check(&points, Growth::WithInput, 20, (200, 180, 220));
        check(points.get(..3).unwrap(), Growth::WithInput, 20, (180, 160, 200));
    }

    #[test]
    fn what_is_not_sure_of_the_input_is_not_sure_of_the_rest() {
        let input = Range { expected: 10, low: 5, high: 40 };
        let told = Fit::through(&[(10, 100)], Growth::WithInput).at(input);
        assert_eq!(told, Range { expected: 100, low: 50, high: 400 });
    }
}
