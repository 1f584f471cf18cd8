//! On whose behalf a call is made, and which accounts that comes to.

use palisade_model::llm::{Bound, BudgetLevel, LlmMode, LlmSettings};
use palisade_model::{Failure, RunId};
use palisade_store::Account;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// On whose behalf a call is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The runs from the one that a person started down to the one that calls, each with what bounds it and everything
    /// below it beside the operator's budgets. Never empty.
    pub runs: Vec<(RunId, Bound)>,
    /// The step of the last of them.
    pub step: String,
    /// What is left of the limits of its attempt: an attempt asks for one thing after the other, so nobody else takes of it.
    pub left: Bound,
    /// The component that asks.
    pub component: String,
    /// Who started the run.
    pub user: String,
    /// What may be done for the run.
    pub mode: LlmMode,
}

/// What a call must keep to beside the budgets.
#[derive(Clone, Copy)]
pub struct Within<'a> {
    /// When it must be over.
    pub until: Instant,
    /// Set from outside, it ends the call.
    pub cancelled: &'a AtomicBool,
    /// Told of the bytes of each request before it is sent. An error keeps it here, and is what comes of the call.
    pub sends: &'a (dyn Fn(u64) -> Result<(), Failure> + Sync),
}

impl fmt::Debug for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Within").field("until", &self.until).finish_non_exhaustive()
    }
}

impl Caller {
    /// The run that calls.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.runs.last().map_or_else(|| RunId::from_bytes([0; 16]), |(run, _)| *run)
    }

    /// The accounts to which its calls of a day count, the widest first.
    pub(crate) fn accounts(&self, settings: &LlmSettings, day: &str) -> Vec<Account> {
        let account =
            |level, scope: String, own: Bound| Account { level, scope, bound: settings.bound(level).meet(own) };
        let none = Bound::default();
        let mut accounts = vec![
            account(BudgetLevel::Organisation, String::new(), none),
            account(BudgetLevel::User, self.user.clone(), none),
            account(BudgetLevel::Day, day.to_owned(), none),
        ];
        for (depth, (run, bound)) in self.runs.iter().enumerate() {
            let level = if depth == 0 { BudgetLevel::Run } else { BudgetLevel::Child };
            accounts.push(account(level, run.to_string(), *bound));
        }
        accounts.push(account(BudgetLevel::Step, format!("{}/{}", self.run(), self.step), none));
        accounts
    }
}

/// The day in UTC of a time in milliseconds since 1970, `YYYY-MM-DD`.
pub(crate) fn day(unix_ms: u64) -> String {
    // Days since the first of March of the year 0: so the leap day is the last of a year, and months have a fixed pattern.
    let days = unix_ms / 86_400_000 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_in_utc() {
        let check = |ms, expected| assert_eq!(day(ms), expected);
        check(0, "1970-01-01");
        check(951_782_399_999, "2000-02-28");
        check(951_782_400_000, "2000-02-29");
        check(951_868_800_000, "2000-03-01");
        check(1_767_225_599_999, "2025-12-31");
        check(1_795_651_200_000, "2026-11-26");
        check(4_107_542_400_000, "2100-03-01");
    }

    #[test]
    fn a_call_counts_to_every_run_above_it() {
        let [root, child] = [1, 2].map(|number| RunId::new(number, [0; 10]));
        let cost = |cost| Bound { cost: Some(cost), ..Bound::default() };
        let caller = Caller {
            runs: vec![(root, cost(9)), (child, cost(5))],
            step: "s".to_owned(),
            left: cost(3),
            component: "a:b".to_owned(),
            user: "u".to_owned(),
            mode: LlmMode::Live,
        };
        let settings = LlmSettings {
            budgets: vec![(BudgetLevel::Run, cost(7)), (BudgetLevel::Child, cost(6)), (BudgetLevel::Day, cost(1))],
            ..LlmSettings::default()
        };
        let told: Vec<_> =
            caller.accounts(&settings, "d").into_iter().map(|a| (a.level, a.scope, a.bound.cost)).collect();
        assert_eq!(
            told,
            [
                (BudgetLevel::Organisation, String::new(), None),
                (BudgetLevel::User, "u".to_owned(), None),
                (BudgetLevel::Day, "d".to_owned(), Some(1)),
                (BudgetLevel::Run, root.to_string(), Some(7)),
                (BudgetLevel::Child, child.to_string(), Some(5)),
                (BudgetLevel::Step, format!("{child}/s"), None),
            ]
        );
    }
}
