//! `[ceilings]`: the most that steps, with `[ceilings.run]` whole runs, and with `[ceilings.host]` all processes together
//! may have.

use crate::table::{Reader, Value};
use palisade_model::unit::ParseAmountError;
use palisade_model::{LimitKind, RunLimitKind, RunLimits};
use palisade_runbook::suggestion;
use std::collections::BTreeMap;
use toml::de::DeTable;

/// The key in `[ceilings]` under which those of whole runs stand.
const OF_RUNS: &str = "run";
/// The key under which those of all processes stand.
const OF_HOST: &str = "host";

/// The most that all processes together may have that work with one data directory; none = as much as they like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostCeilings {
    /// Runs that go on.
    pub runs: Option<u64>,
    /// Instances that compute.
    pub instances: Option<u64>,
    /// Bytes of memory that attempts may take.
    pub memory: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Ceilings {
    pub(crate) attempts: BTreeMap<LimitKind, u64>,
    pub(crate) runs: RunLimits,
    pub(crate) host: Option<HostCeilings>,
}

pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>) -> Ceilings {
    let Some(table) = r.section(file, "ceilings") else { return Ceilings::default() };
    let mut ceilings = Ceilings::default();
    for (key, value) in table.iter().filter(|(key, _)| ![OF_RUNS, OF_HOST].contains(&key.get_ref().as_ref())) {
        let known = LimitKind::all().map(LimitKind::key).chain([OF_RUNS, OF_HOST].map(str::to_owned)).collect();
        let kind = named(r, "[ceilings]", key, LimitKind::from_key, known);
        let amount = kind.and_then(|kind| Some((kind, amount(r, "[ceilings]", key, value, |text| kind.parse(text))?)));
        ceilings.attempts.extend(amount);
    }
    ceilings.runs = below(r, table, OF_RUNS).map(|table| of_runs(r, table)).unwrap_or_default();
    ceilings.host = below(r, table, OF_HOST).and_then(|table| of_host(r, table));
    ceilings
}

/// A table within `[ceilings]`, where there is one.
fn below<'t, 'i>(r: &mut Reader<'_>, table: &'t DeTable<'i>, key: &str) -> Option<&'t DeTable<'i>> {
    let value = table.get(key)?;
    let below = value.get_ref().as_table();
    if below.is_none() {
        r.wrong(value.span(), format!("[ceilings] {key} is no table: write `[ceilings.{key}]`"), None);
    }
    below
}

fn of_host(r: &mut Reader<'_>, table: &DeTable<'_>) -> Option<HostCeilings> {
    const OF: &str = "[ceilings.host]";
    r.check_keys(OF, table, &["runs", "instances", "memory"]);
    let mut most = |key: &str, kind: fn(&str) -> Result<u64, ParseAmountError>| {
        let value = table.get(key)?;
        let most = r.amount(&format!("{OF} {key}"), value, kind)?;
        if most == 0 && key != "memory" {
            r.wrong(value.span(), format!("{OF} lets nothing run: `{key}` is at least 1"), None);
        }
        Some(most)
    };
    let count = |text: &str| RunLimitKind::MaxRuns.parse(text);
    let (runs, instances) = (most("runs", count), most("instances", count));
    Some(HostCeilings { runs, instances, memory: most("memory", |text| LimitKind::Memory.parse(text)) })
}

fn of_runs(r: &mut Reader<'_>, table: &DeTable<'_>) -> RunLimits {
    const OF: &str = "[ceilings.run]";
    let mut limits = Vec::new();
    for (key, value) in table {
        let known = RunLimitKind::all().map(|kind| kind.key().to_owned()).collect();
        let kind = named(r, OF, key, RunLimitKind::from_key, known);
        limits.extend(kind.and_then(|kind| Some((kind, amount(r, OF, key, value, |text| kind.parse(text))?))));
    }
    limits.into_iter().collect()
}

type Key<'i> = toml::Spanned<toml::de::DeString<'i>>;

/// The limit that a key names; one that is not known is told.
fn named<K>(
    r: &mut Reader<'_>,
    of: &str,
    key: &Key<'_>,
    find: impl Fn(&str) -> Option<K>,
    known: Vec<String>,
) -> Option<K> {
    let kind = find(key.get_ref());
    if kind.is_none() {
        let help = suggestion(key.get_ref(), known.iter().map(String::as_str));
        r.wrong(key.span(), format!("{of} has no `{}`", key.get_ref()), help);
    }
    kind
}

fn amount(
    r: &mut Reader<'_>,
    of: &str,
    key: &Key<'_>,
    value: &Value<'_>,
    parse: impl FnOnce(&str) -> Result<u64, ParseAmountError>,
) -> Option<u64> {
    r.amount(&format!("{of} {}", key.get_ref()), value, parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::tests::{check, read_text};

    #[test]
    fn ceilings_have_units() {
        let file = read_text("[ceilings]\nwall = 2\nmemory = \"1 GiB\"\nfuel = 1_000\n").unwrap();
        let of = |kind| file.ceilings[&kind];
        assert_eq!((of(LimitKind::Wall), of(LimitKind::Memory), of(LimitKind::Fuel)), (2_000, 1 << 30, 1_000));
        let file = read_text("[ceilings.run]\nmax_depth = 0x3\n").unwrap();
        assert_eq!(file.run_ceilings.get(RunLimitKind::MaxDepth), Some(3));
        assert_eq!(file.host_ceilings, None);
        let file = read_text("[ceilings.host]\nruns = 1\nmemory = \"4 GiB\"\n").unwrap();
        let most = HostCeilings { runs: Some(1), instances: None, memory: Some(4 << 30) };
        assert_eq!(file.host_ceilings, Some(most));
    }

    #[test]
    fn unknown_limits_and_wrong_amounts_are_told() {
        check("[ceilings]\nmemry = 1\n", &["2:1: [ceilings] has no `memry` (did you mean `memory`?)"]);
        check("[ceilings]\nmemory = -1\n", &["2:10: [ceilings] memory: `-1` does not start with a number"]);
        check("[ceilings]\nmemory = true\n", &["2:10: [ceilings] memory is neither a number nor a text"]);
        check("[ceilings]\nrun = 1\n", &["2:7: [ceilings] run is no table: write `[ceilings.run]`"]);
        check("[ceilings]\nhost = 3\n", &["2:8: [ceilings] host is no table: write `[ceilings.host]`"]);
        check("[ceilings.host]\nruns = 0\n", &["2:8: [ceilings.host] lets nothing run: `runs` is at least 1"]);
        check(
            "[ceilings.host]\ncpus = 3\n",
            &["2:1: [ceilings.host] has no `cpus` (known are `runs`, `instances`, `memory`)"],
        );
        check("[ceilings.run]\nmax_runz = 1\n", &["2:1: [ceilings.run] has no `max_runz` (did you mean `max_runs`?)"]);
    }
}
