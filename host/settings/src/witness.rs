//! `[[witness]]`: who signs the states of the audit log elsewhere.

use crate::table::Reader;
use palisade_audit::WitnessKey;
use palisade_model::unit::Millis;
use toml::de::DeTable;

const OF: &str = "[[witness]]";
/// How long a witness is waited for unless the operator says another time.
const PATIENCE: Millis = Millis(10_000);

/// A witness that is reached over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessTable {
    /// Where it is asked: `add-checkpoint` stands behind it.
    pub url: String,
    /// By which key its signatures are known.
    pub key: WitnessKey,
    /// How long it is waited for.
    pub timeout: Millis,
}

pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>) -> Vec<WitnessTable> {
    let mut witnesses: Vec<WitnessTable> = Vec::new();
    for (table, at) in r.sections(file, "witness") {
        r.check_keys(OF, table, &["url", "key", "timeout"]);
        let (url, key) = (r.needed_text(OF, table, &at, "url"), r.needed_text(OF, table, &at, "key"));
        let timeout = table.get("timeout").map_or(Some(PATIENCE.0), |value| {
            r.amount(&format!("`timeout` of {OF}"), value, |text| Millis::parse(text).map(|patience| patience.0))
        });
        let url = url.filter(|url| {
            let fits = ["https://", "http://"].iter().any(|scheme| url.value.starts_with(scheme));
            if !fits {
                let place = url.span.start..url.span.end;
                r.wrong(place, format!("`url` of {OF} begins with `https://` or `http://`"), None);
            }
            fits
        });
        let key = key.and_then(|written| {
            let place = written.span.start..written.span.end;
            match written.value.parse::<WitnessKey>() {
                Err(error) => {
                    let help = "a witness publishes it as `NAME+HASH+BASE64`, of the kind that makes cosignatures";
                    r.wrong(place, format!("`key` of {OF}: {error}"), Some(help.to_owned()));
                    None
                }
                Ok(key) if witnesses.iter().any(|known| known.key == key) => {
                    r.wrong(place, format!("`{}` is a witness already", key.name()), None);
                    None
                }
                Ok(key) => Some(key),
            }
        });
        if let (Some(url), Some(key), Some(timeout)) = (url, key, timeout) {
            let url = url.value.trim_end_matches('/').to_owned();
            witnesses.push(WitnessTable { url, key, timeout: Millis(timeout) });
        }
    }
    witnesses
}

#[cfg(test)]
mod tests {
    use crate::file::tests::{check, read_text};
    use palisade_audit::SigningKey;

    const KEY: &str = "witness.example.org+0b03a204+BDE4rqNuaHzPXdJ4lgdNLOmqJH8E4BRZmhmmK5vUzO4g";

    #[test]
    fn a_file_names_no_program_that_keeps_checkpoints() {
        for table in ["[[witness]]\n", "[audit]\n"] {
            let text = format!("{table}command = [\"/bin/cat\"]\n");
            let mistakes = read_text(&text).unwrap_err();
            assert!(mistakes.iter().any(|told| told.contains("`command`")), "{mistakes:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_witness_is_told_at_its_place() {
        let of_notes = SigningKey::from_seed("log", [1; 32]).unwrap().verifying();
        let help = "(a witness publishes it as `NAME+HASH+BASE64`, of the kind that makes cosignatures)";
        check(
            &format!("[[witness]]\nurl = \"ftp://w.example\"\nkey = \"{of_notes}\"\n"),
            &[
                "2:7: `url` of [[witness]] begins with `https://` or `http://`",
                &format!(
                    "3:7: `key` of [[witness]]: it is no Ed25519 key of a signed note: it is of another kind than those that make cosignatures {help}"
                ),
            ],
        );
        let twice = format!("[[witness]]\nurl = \"https://w.example/\"\nkey = \"{KEY}\"\n");
        check(&twice.repeat(2), &["6:7: `witness.example.org` is a witness already"]);
        let [witness] = &read_text(&twice).unwrap().cosigners[..] else { panic!("one") };
        assert_eq!((witness.url.as_str(), witness.timeout.0), ("https://w.example", 10_000));
        assert_eq!(witness.key.to_string(), KEY);
    }
}
