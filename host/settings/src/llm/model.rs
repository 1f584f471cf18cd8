//! `[[model]]`: a model, where it is, where its key is, and what it costs.

use super::one_of;
use crate::key_place;
use crate::table::Reader;
use palisade_model::llm::{ModelSpec, Price, ProviderKind, Structured};
use palisade_model::unit::{Count, MicroUsd};
use palisade_runbook::Spanned;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

const OF: &str = "[[model]]";
const KEYS: [&str; 9] =
    ["alias", "provider", "model", "base_url", "key", "local", "price", "structured", "max_concurrent"];
/// Most characters of a name.
const MAX_CHARS: usize = 128;
/// Calls of a model at once, of one process, unless the operator says otherwise.
const MAX_CONCURRENT: u64 = 4;

pub(super) fn read(r: &mut Reader<'_>, file: &DeTable<'_>) -> Vec<ModelSpec> {
    let mut models: Vec<ModelSpec> = Vec::new();
    for (table, at) in r.sections(file, "model") {
        let Some(model) = one(r, table, &at) else { continue };
        if models.iter().any(|known| known.alias.eq_ignore_ascii_case(&model.alias)) {
            r.wrong(at, format!("there is a [[model]] `{}` already", model.alias), None);
        }
        models.push(model);
    }
    models
}

/// The aliases that stand there, of models with mistakes too: who names one of those made no other mistake.
pub(super) fn aliases<'t>(file: &'t DeTable<'_>) -> Vec<&'t str> {
    let tables = file.get("model").and_then(|value| value.get_ref().as_array());
    let alias = |one: &'t crate::table::Value<'_>| one.get_ref().as_table()?.get("alias")?.get_ref().as_str();
    tables.into_iter().flatten().filter_map(alias).collect()
}

fn one(r: &mut Reader<'_>, table: &DeTable<'_>, at: &Range<usize>) -> Option<ModelSpec> {
    r.check_keys(OF, table, &KEYS);
    let alias = name(r, table, at, "alias", |c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    // It stands in the path of some providers' URLs.
    let model = name(r, table, at, "model", |c| c.is_ascii_alphanumeric() || "-_.:/@".contains(c));
    if table.get("provider").is_none() {
        r.wrong(at.clone(), format!("{OF} needs a `provider`"), None);
    }
    let provider = one_of(r, OF, table, "provider", ProviderKind::ALL.map(|kind| (kind.word(), kind)));
    let structured = one_of(r, OF, table, "structured", Structured::ALL.map(|one| (one.word(), one)));
    let key = table.get("key").and_then(|value| key_place::read(r, "key", OF, value));
    let price = table.get("price").and_then(|value| price(r, value));
    let max_concurrent = table.get("max_concurrent").and_then(|value| {
        let most = r.amount(&format!("`max_concurrent` of {OF}"), value, |text| Ok(Count::parse(text)?.0))?;
        if most == 0 {
            r.wrong(value.span(), format!("`max_concurrent` of {OF} lets no call through: it is at least 1"), None);
        }
        Some(most)
    });
    let local = r.flag(OF, table, "local");
    let written = r.text(OF, table, "base_url");
    let provider = provider?;
    let place = written.as_ref().map_or_else(|| at.clone(), |url| url.span.start..url.span.end);
    let Some(url) = written.map(|url| url.value).or_else(|| provider.default_base_url().map(str::to_owned)) else {
        r.wrong(place, format!("{OF} with the provider `{}` needs a `base_url`", provider.word()), None);
        return None;
    };
    let Some(host) = Host::of(&url) else {
        let help = "as `https://models.example.org/v1`".to_owned();
        r.wrong(place, format!("`base_url` of {OF} is no URL of a provider"), Some(help));
        return None;
    };
    let local = local.unwrap_or(host.here);
    if !host.here && host.clear {
        let (what, help) = match (&key, local) {
            (Some(_), _) => ("the key would be sent in the clear", "write `https://`"),
            (None, false) => (
                "what is asked would be sent in the clear",
                "write `https://`, or `local = true` for a network that is yours",
            ),
            (None, true) => ("", ""),
        };
        if !what.is_empty() {
            r.wrong(place, format!("`base_url` of {OF}: {what}"), Some(help.to_owned()));
        }
    }
    Some(ModelSpec {
        alias: alias?,
        provider,
        model: model?,
        base_url: url.trim_end_matches('/').to_owned(),
        key,
        local,
        price,
        structured: structured.unwrap_or(Structured::Native),
        max_concurrent: max_concurrent.unwrap_or(MAX_CONCURRENT),
    })
}

fn name(
    r: &mut Reader<'_>,
    table: &DeTable<'_>,
    at: &Range<usize>,
    key: &str,
    may_have: impl Fn(char) -> bool,
) -> Option<String> {
    let Spanned { value, span } = r.needed_text(OF, table, at, key)?;
    let good = !value.is_empty() && value.len() <= MAX_CHARS && value.chars().all(&may_have) && !value.contains("..");
    if !good {
        let marks: String = "-_.:/@".chars().filter(|c| may_have(*c)).collect();
        r.wrong(
            span.start..span.end,
            format!(
                "`{key}` of {OF} is no name: it has 1 to {MAX_CHARS} ASCII letters, digits and `{marks}`, and no `..`"
            ),
            None,
        );
    }
    good.then_some(value)
}

fn price(r: &mut Reader<'_>, value: &crate::table::Value<'_>) -> Option<Price> {
    const OF: &str = "`price` of [[model]]";
    let Some(table) = value.get_ref().as_table() else {
        let help =
            "write `{ input = \"2.50 USD\", output = \"10 USD\", as_of = \"2026-11-01\" }`, for a million tokens"
                .to_owned();
        r.wrong(value.span(), format!("{OF} is no table"), Some(help));
        return None;
    };
    r.check_keys(OF, table, &["input", "output", "as_of"]);
    let mut amount = |key: &str| {
        let Some(one) = table.get(key) else {
            r.wrong(value.span(), format!("{OF} needs an `{key}`"), None);
            return None;
        };
        r.amount(&format!("`{key}` of {OF}"), one, |text| Ok(MicroUsd::parse(text)?.0))
    };
    let (input, output) = (amount("input"), amount("output"));
    let as_of = match table.get("as_of") {
        None => {
            let help = "prices change: say on which day these held".to_owned();
            r.wrong(value.span(), format!("{OF} needs an `as_of`"), Some(help));
            None
        }
        Some(day) => {
            let text = match day.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Datetime(date) => date.to_string(),
                _ => String::new(),
            };
            let good = is_day(&text);
            if !good {
                r.wrong(day.span(), format!("`as_of` of {OF} is no day: write it as `2026-11-01`"), None);
            }
            good.then_some(text)
        }
    };
    Some(Price { input: input?, output: output?, as_of: as_of? })
}

fn is_day(text: &str) -> bool {
    let digits = |text: &str, count: usize| {
        (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse::<u32>().ok())?
    };
    let mut parts = text.split('-');
    let mut part = |count| digits(parts.next()?, count);
    let (year, month, day) = (part(4), part(2), part(2));
    year.is_some()
        && month.is_some_and(|month| (1..=12).contains(&month))
        && day.is_some_and(|day| (1..=31).contains(&day))
        && parts.next().is_none()
}

/// What a base URL says of where a model is.
struct Host {
    /// It is this machine.
    here: bool,
    /// Whoever is on the way can read what is sent.
    clear: bool,
}

impl Host {
    fn of(url: &str) -> Option<Self> {
        let (clear, rest) = match url.strip_prefix("https://") {
            Some(rest) => (false, rest),
            None => (true, url.strip_prefix("http://")?),
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let good = |c: char| c.is_ascii_graphic() && !"?#@\\\"<>^`{|}%".contains(c);
        if authority.is_empty() || !rest.chars().all(good) {
            return None;
        }
        let host = match authority.strip_prefix('[') {
            Some(six) => six.split_once(']')?.0,
            None => authority.split(':').next().unwrap_or_default(),
        };
        let here = host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        (!host.is_empty()).then_some(Self { here, clear })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::tests::{check, read_text};
    use palisade_model::llm::KeyPlace;

    fn model(more: &str) -> String {
        format!("[[model]]\nalias = \"m\"\nmodel = \"x\"\n{more}\n")
    }

    #[test]
    fn a_model_is_read_with_what_its_provider_makes_of_the_rest() {
        let read = |more: &str| read_text(&model(more)).unwrap().llm.models.remove(0);
        let price = "price = { input = \"2.50 USD\", output = 10, as_of = 2026-11-01 }";
        let whole = read(&format!("provider = \"openai\"\nkey = {{ env = \"K\" }}\n{price}\nmax_concurrent = 9"));
        let expected = ModelSpec {
            alias: "m".to_owned(),
            provider: ProviderKind::OpenAi,
            model: "x".to_owned(),
            base_url: "https://api.openai.com/v1".to_owned(),
            key: Some(KeyPlace::Env("K".to_owned())),
            local: false,
            price: Some(Price { input: 2_500_000, output: 10_000_000, as_of: "2026-11-01".to_owned() }),
            structured: Structured::Native,
            max_concurrent: 9,
        };
        assert_eq!(whole, expected);
        let ollama = read("provider = \"ollama\"");
        assert_eq!((ollama.base_url.as_str(), ollama.local), ("http://localhost:11434/api", true));
        let own = read(
            "provider = \"openai-compatible\"\nbase_url = \"http://10.0.0.5:8000/v1/\"\nlocal = true\nstructured = \"words\"",
        );
        assert_eq!(
            (own.base_url.as_str(), own.local, own.structured),
            ("http://10.0.0.5:8000/v1", true, Structured::Words)
        );
        assert!(!read("provider = \"ollama\"\nlocal = false").local);
    }

    #[test]
    fn nothing_secret_is_sent_in_the_clear() {
        let url = |rest: &str| model(&format!("provider = \"openai-compatible\"\n{rest}"));
        let key = "key = { file = \"k\" }";
        check(
            &url("base_url = \"http://models.example\""),
            &[
                "5:12: `base_url` of [[model]]: what is asked would be sent in the clear (write `https://`, or `local = true` for a network that is yours)",
            ],
        );
        check(
            &url(&format!("base_url = \"http://models.example\"\nlocal = true\n{key}")),
            &["5:12: `base_url` of [[model]]: the key would be sent in the clear (write `https://`)"],
        );
        for good in ["http://127.0.0.1:1/v1", "http://[::1]:1", "http://LOCALHOST", "https://models.example"] {
            check(&url(&format!("base_url = \"{good}\"\n{key}")), &[]);
        }
        for wrong in [
            "models.example",
            "ftp://x",
            "https://",
            "https://u:p@x",
            "https://x/?k=1",
            "https://x y",
            "http://127.0.0.1.evil@x",
        ] {
            let told = read_text(&url(&format!("base_url = \"{wrong}\""))).unwrap_err();
            assert_eq!(told.len(), 1, "{wrong}: {told:?}");
            assert!(told[0].starts_with("5:12: `base_url` of [[model]] is no URL of a provider"), "{told:?}");
        }
        assert!(!Host::of("http://127.0.0.1.example").unwrap().here);
    }

    #[test]
    fn what_is_wrong_with_a_model_is_told_at_its_place() {
        check(
            "[[model]]\n",
            &["1:1: [[model]] needs a `alias`", "1:1: [[model]] needs a `model`", "1:1: [[model]] needs a `provider`"],
        );
        check(
            "[[model]]\nalias = \"a b\"\nmodel = \"../x\"\nprovider = \"opnai\"\nkey = \"sk-1\"\nprice = 3\nmax_concurrent = 0\n",
            &[
                "2:9: `alias` of [[model]] is no name: it has 1 to 128 ASCII letters, digits and `-_.`, and no `..`",
                "3:9: `model` of [[model]] is no name: it has 1 to 128 ASCII letters, digits and `-_.:/@`, and no `..`",
                "4:12: `opnai` is nothing for `provider` of [[model]] (did you mean `openai`?)",
                "5:7: `key` of [[model]] says where the key is, in one way (keys themselves don't stand in this file: write `{ env = \"NAME\" }` or `{ file = \"PATH\" }`)",
                "6:9: `price` of [[model]] is no table (write `{ input = \"2.50 USD\", output = \"10 USD\", as_of = \"2026-11-01\" }`, for a million tokens)",
                "7:18: `max_concurrent` of [[model]] lets no call through: it is at least 1",
            ],
        );
        check(
            &model("provider = \"openai-compatible\""),
            &["1:1: [[model]] with the provider `openai-compatible` needs a `base_url`"],
        );
        check(
            &model("provider = \"ollama\"\nprice = { input = 1, as_of = \"2026-13-01\" }\nkey = { env = \"\" }"),
            &[
                "5:9: `price` of [[model]] needs an `output`",
                "5:30: `as_of` of `price` of [[model]] is no day: write it as `2026-11-01`",
                "6:15: this is no name of a variable",
            ],
        );
        // Whoever names a model that has a mistake made no other.
        let typo = model("provider = \"opnai\"");
        check(
            &format!("[llm]\ndefault = \"m\"\n{typo}"),
            &["6:12: `opnai` is nothing for `provider` of [[model]] (did you mean `openai`?)"],
        );
        let twice =
            format!("{}{}", model("provider = \"ollama\""), model("provider = \"ollama\"").replace("\"m\"", "\"M\""));
        check(&twice, &["5:1: there is a [[model]] `M` already"]);
    }
}
