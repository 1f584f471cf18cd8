//! `[[budget]]`: what may be spent on models at a level.

use super::one_of;
use crate::table::Reader;
use palisade_model::llm::{Bound, BudgetLevel};
use palisade_model::unit::{Count, MicroUsd};
use toml::de::DeTable;

const OF: &str = "[[budget]]";

pub(super) fn read(r: &mut Reader<'_>, file: &DeTable<'_>) -> Vec<(BudgetLevel, Bound)> {
    let mut budgets: Vec<(BudgetLevel, Bound)> = Vec::new();
    for (table, at) in r.sections(file, "budget") {
        r.check_keys(OF, table, &["level", "cost", "tokens", "calls"]);
        if table.get("level").is_none() {
            r.wrong(at.clone(), format!("{OF} needs a `level`"), None);
        }
        let level = one_of(r, OF, table, "level", BudgetLevel::ALL.map(|level| (level.word(), level)));
        let mut amount =
            |key: &str, read: fn(&str) -> Result<u64, _>| r.amount(&format!("`{key}` of {OF}"), table.get(key)?, read);
        let count = |text: &str| Ok(Count::parse(text)?.0);
        let cost = amount("cost", |text| Ok(MicroUsd::parse(text)?.0));
        let bound = Bound { cost, tokens: amount("tokens", count), calls: amount("calls", count) };
        let bounds_nothing = !["cost", "tokens", "calls"].iter().any(|key| table.contains_key(*key));
        if bounds_nothing {
            r.wrong(at, format!("{OF} bounds nothing: it needs a `cost`, `tokens` or `calls`"), None);
        } else if let Some(level) = level {
            if budgets.iter().any(|(of, _)| *of == level) {
                r.wrong(at, format!("the budget of the {level} stands there already"), None);
            }
            budgets.push((level, bound));
        }
    }
    budgets
}

#[cfg(test)]
mod tests {
    use crate::file::tests::{check, read_text};
    use palisade_model::llm::{Bound, BudgetLevel};

    #[test]
    fn each_level_has_bounds_of_its_own() {
        let text = "[[budget]]\nlevel = \"day\"\ncost = 5\ntokens = \"2M\"\n[[budget]]\nlevel = \"step\"\ncost = \"10 cents\"\ncalls = 0\n";
        let llm = read_text(text).unwrap().llm;
        let day = Bound { cost: Some(5_000_000), tokens: Some(2_000_000), calls: None };
        assert_eq!(llm.bound(BudgetLevel::Day), day);
        assert_eq!(llm.bound(BudgetLevel::Step), Bound { cost: Some(100_000), tokens: None, calls: Some(0) });
        assert_eq!(llm.bound(BudgetLevel::Run), Bound::default());
    }

    #[test]
    fn what_is_wrong_with_a_budget_is_told_at_its_place() {
        check("[budget]\ncost = 1\n", &["1:1: `budget` may stand there more than once: write `[[budget]]`"]);
        check(
            "[[budget]]\n[[budget]]\nlevel = \"days\"\ncosts = 1\ncost = \"1 EUR\"\n[[budget]]\nlevel = \"day\"\ncost = 1\n[[budget]]\nlevel = \"day\"\ncalls = 1\n",
            &[
                "1:1: [[budget]] needs a `level`",
                "1:1: [[budget]] bounds nothing: it needs a `cost`, `tokens` or `calls`",
                "3:9: `days` is nothing for `level` of [[budget]] (did you mean `day`?)",
                "4:1: [[budget]] has no `costs` (did you mean `cost`?)",
                "5:8: `cost` of [[budget]]: `EUR` is not a unit here; known are USD, cents",
                "9:1: the budget of the day stands there already",
            ],
        );
    }
}
