//! How near an attempt came to its limits. Pure.

use palisade_model::{LimitKind, Limits, Usage};

/// Below this part of a limit nobody needs to know.
const WORTH_TELLING: f64 = 0.01;

/// What was used of one limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Near {
    /// The limit.
    pub(super) kind: LimitKind,
    /// What was used.
    pub(super) used: u64,
    /// What could have been, the part for each input byte included.
    pub(super) limit: u64,
}

impl Near {
    /// The part that was used: 1 is all of it.
    pub(super) fn ratio(&self) -> f64 {
        if self.limit == 0 { 0.0 } else { self.used as f64 / self.limit as f64 }
    }

    /// In words: `memory 18 % of 64 MiB`.
    pub(super) fn told(&self) -> String {
        format!("{} {:.0} % of {}", self.kind.key(), self.ratio() * 100.0, self.kind.show(self.limit))
    }
}

/// The limits of which more than one percent was used, the nearest first.
pub(super) fn near(usage: &Usage, limits: &Limits) -> Vec<Near> {
    let grown =
        |base, per_byte| limits.value(base).saturating_add(limits.value(per_byte).saturating_mul(usage.input_bytes));
    let of = |kind, used| Near { kind, used, limit: limits.value(kind) };
    let mut near = vec![
        Near { kind: LimitKind::Fuel, used: usage.fuel, limit: grown(LimitKind::Fuel, LimitKind::FuelPerInputByte) },
        of(LimitKind::Memory, usage.memory_peak_bytes),
        of(LimitKind::Wall, usage.wall_ms),
        Near {
            kind: LimitKind::OutputBytes,
            used: usage.output_bytes,
            limit: grown(LimitKind::OutputBytes, LimitKind::OutputBytesPerInputByte),
        },
        of(LimitKind::LogBytes, usage.log_bytes),
        of(LimitKind::FilesRead, usage.files_read),
        of(LimitKind::FileBytesRead, usage.file_bytes_read),
        of(LimitKind::Rows, usage.rows),
    ];
    near.retain(|near| near.ratio() > WORTH_TELLING);
    near.sort_by(|a, b| b.ratio().total_cmp(&a.ratio()));
    near
}

/// How much fuel rose since it was recorded, as a part of what it was: 0.05 is five percent more.
pub(super) fn rise(recorded: u64, now: u64) -> f64 {
    if recorded == 0 { 0.0 } else { now as f64 / recorded as f64 - 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn limits(set: &[(LimitKind, u64)]) -> Limits {
        Limits::settle(&BTreeMap::new(), &set.iter().copied().collect(), &BTreeMap::new())
    }

    #[test]
    fn the_nearest_limit_comes_first_and_what_is_far_is_left_out() {
        let limits = limits(&[(LimitKind::Memory, 1_000), (LimitKind::LogBytes, 100), (LimitKind::Rows, 100)]);
        let usage = Usage { memory_peak_bytes: 500, log_bytes: 90, rows: 1, ..Usage::default() };
        let kinds: Vec<_> = near(&usage, &limits).iter().map(|near| near.kind).collect();
        assert_eq!(kinds, [LimitKind::LogBytes, LimitKind::Memory]);
    }

    #[test]
    fn limits_that_grow_with_the_input_are_taken_as_grown() {
        let limits = limits(&[(LimitKind::Fuel, 100), (LimitKind::FuelPerInputByte, 10)]);
        let usage = Usage { fuel: 550, input_bytes: 100, ..Usage::default() };
        let near = near(&usage, &limits);
        assert_eq!((near[0].kind, near[0].limit), (LimitKind::Fuel, 1_100));
        assert_eq!(near[0].told(), "fuel 50 % of 1,100");
    }

    #[test]
    fn a_rise_is_a_part_of_what_was_recorded() {
        assert!((rise(100, 106) - 0.06).abs() < 1e-9);
        assert!(rise(100, 90) < 0.0);
        assert!(rise(0, 5).abs() < 1e-9);
    }
}
