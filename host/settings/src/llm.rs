//! `[llm]`, `[[model]]` and `[[budget]]`: which models there are, what they cost, and what may be spent on them.

mod budget;
mod model;

use crate::table::Reader;
use palisade_model::llm::{LlmMode, LlmSettings};
use palisade_model::unit::{Count, Millis};
use palisade_runbook::suggestion;
use toml::de::DeTable;

const OF: &str = "[llm]";
/// Longest that one call may be given: a day, beyond which nobody waits.
const MAX_TIMEOUT_MS: u64 = 86_400_000;
/// Most corrections and attempts: each may cost as much as the first.
const MAX_TIMES: u64 = 10;

pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>) -> LlmSettings {
    let defaults = LlmSettings::default();
    let models = model::read(r, file);
    let budgets = budget::read(r, file);
    let Some(table) = r.section(file, "llm") else { return LlmSettings { models, budgets, ..defaults } };
    r.check_keys(OF, table, &["mode", "default", "timeout", "max_corrections", "max_attempts"]);
    let mode = one_of(r, OF, table, "mode", LlmMode::ALL.map(|mode| (mode.word(), mode)));
    let default_model = r.text(OF, table, "default");
    let aliases = model::aliases(file);
    if let Some(alias) = default_model.as_ref().filter(|alias| !aliases.contains(&alias.value.as_str())) {
        let help = suggestion(&alias.value, aliases);
        r.wrong(
            alias.span.start..alias.span.end,
            format!("`default` of {OF}: there is no [[model]] `{}`", alias.value),
            help,
        );
    }
    let mut within = |key: &str, least: u64, most: u64, read: fn(&str) -> Result<u64, _>, shown: fn(u64) -> String| {
        let value = table.get(key)?;
        let amount = r.amount(&format!("`{key}` of {OF}"), value, read)?;
        if amount < least || amount > most {
            let (least, most) = (shown(least), shown(most));
            r.wrong(value.span(), format!("`{key}` of {OF} is from {least} to {most}"), None);
        }
        Some(amount)
    };
    let count = |text: &str| Ok(Count::parse(text)?.0);
    let shown = |count: u64| count.to_string();
    let millis = |text: &str| Ok(Millis::parse(text)?.0);
    let timeout_ms = within("timeout", 1, MAX_TIMEOUT_MS, millis, |ms| Millis(ms).to_string());
    let max_corrections = within("max_corrections", 0, MAX_TIMES, count, shown);
    let max_attempts = within("max_attempts", 1, MAX_TIMES, count, shown);
    LlmSettings {
        mode: mode.unwrap_or(defaults.mode),
        default_model: default_model.map(|alias| alias.value),
        timeout_ms: timeout_ms.unwrap_or(defaults.timeout_ms),
        max_corrections: max_corrections.unwrap_or(defaults.max_corrections),
        max_attempts: max_attempts.unwrap_or(defaults.max_attempts),
        models,
        budgets,
    }
}

/// One of a few words.
pub(crate) fn one_of<T: Copy, const N: usize>(
    r: &mut Reader<'_>,
    of: &str,
    table: &DeTable<'_>,
    key: &str,
    known: [(&str, T); N],
) -> Option<T> {
    let text = r.text(of, table, key)?;
    let found = known.iter().find(|(word, _)| *word == text.value).map(|(_, one)| *one);
    if found.is_none() {
        let help = suggestion(&text.value, known.iter().map(|(word, _)| *word));
        r.wrong(text.span.start..text.span.end, format!("`{}` is nothing for `{key}` of {of}", text.value), help);
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::file::tests::{check, read_text};
    use palisade_model::llm::{LlmMode, LlmSettings};

    #[test]
    fn what_is_not_said_has_its_default_and_what_is_said_counts() {
        assert_eq!(read_text("").unwrap().llm, LlmSettings::default());
        let model = "[[model]]\nalias = \"big\"\nprovider = \"openai\"\nmodel = \"gpt\"\n";
        let text = format!(
            "[llm]\nmode = \"live\"\ndefault = \"big\"\ntimeout = \"30s\"\nmax_corrections = 0\nmax_attempts = 1\n{model}"
        );
        let llm = read_text(&text).unwrap().llm;
        assert_eq!((llm.mode, llm.default_model.as_deref(), llm.timeout_ms), (LlmMode::Live, Some("big"), 30_000));
        assert_eq!((llm.max_corrections, llm.max_attempts, llm.models.len()), (0, 1, 1));
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place() {
        check(
            "[llm]\nmode = \"lives\"\ndefault = \"big\"\ntimeout = 0\nmax_corrections = 11\nmax_attempts = 0\nmodle = 1\n",
            &[
                "2:8: `lives` is nothing for `mode` of [llm] (did you mean `live`?)",
                "3:11: `default` of [llm]: there is no [[model]] `big`",
                "4:11: `timeout` of [llm] is from 1 ms to 24 h",
                "5:19: `max_corrections` of [llm] is from 0 to 10",
                "6:16: `max_attempts` of [llm] is from 1 to 10",
                "7:1: [llm] has no `modle` (did you mean `mode`?)",
            ],
        );
    }
}
