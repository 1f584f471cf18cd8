//! Where a key is: in a variable of the environment or in a file, never in `palisade.toml` itself.

use crate::file::Place;
use crate::table::{Reader, Value};
use palisade_authority::Deny;
use palisade_model::llm::KeyPlace;
use palisade_model::manifest::Power;
use std::error::Error as _;

/// Whether a key may have been written under this name, right or wrong: the names under which such places stand, and
/// those by which people look for them.
pub(crate) fn may_hold_a_key(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["key", "from", "password", "secret", "token"].iter().any(|word| name.contains(word))
}

/// Reads the place that stands under `key` of the table `of`.
pub(crate) fn read(r: &mut Reader<'_>, key: &str, of: &str, value: &Value<'_>) -> Option<KeyPlace> {
    r.near_a_key = true;
    let place = place(r, key, of, value);
    r.near_a_key = false;
    place
}

fn place(r: &mut Reader<'_>, key: &str, of: &str, value: &Value<'_>) -> Option<KeyPlace> {
    let of = format!("`{key}` of {of}");
    let wrong = |r: &mut Reader<'_>| {
        let help =
            "keys themselves don't stand in this file: write `{ env = \"NAME\" }` or `{ file = \"PATH\" }`".to_owned();
        r.wrong(value.span(), format!("{of} says where the key is, in one way"), Some(help));
        None
    };
    let Some(table) = value.get_ref().as_table() else { return wrong(r) };
    r.check_keys(&of, table, &["env", "file"]);
    let (env, file) = (r.text(&of, table, "env"), r.text(&of, table, "file"));
    match (env, file) {
        (Some(env), None) => {
            let good = !env.value.is_empty() && !env.value.contains(['=', '\0']);
            if !good {
                r.wrong(env.span.start..env.span.end, "this is no name of a variable", None);
            }
            good.then_some(KeyPlace::Env(env.value))
        }
        (None, Some(file)) => {
            r.key_files.push(file.clone());
            Some(KeyPlace::File(file.value))
        }
        _ => wrong(r),
    }
}

/// What no component may read or write: the files in which keys are, as far as the text was read.
pub(crate) fn denies(r: &mut Reader<'_>, place: &Place) -> Vec<Deny> {
    let mut denies = Vec::new();
    for file in std::mem::take(&mut r.key_files) {
        let because = format!("palisade.toml:{}: a key is kept there", file.span.line);
        let deny = |power: Power| {
            let text = format!("{}={}", power.name(), file.value);
            Deny::parse_in(&place.folder, &place.base, text.as_bytes(), &because)
        };
        match deny(Power::FsRead).and_then(|read| Ok([read, deny(Power::FsWrite)?])) {
            Ok(denied) => denies.extend(denied.into_iter().flatten()),
            Err(error) => {
                // What it says itself is of grants.
                let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
                r.wrong(file.span.start..file.span.end, format!("no key can be there: {why}"), None);
            }
        }
    }
    denies
}

#[cfg(test)]
mod tests {
    use crate::file::tests::{check, place, read_text};
    use palisade_runbook::Source;

    #[test]
    fn a_key_that_stands_in_the_file_is_shown_nowhere() {
        let model = "[[model]]\nalias = \"m\"\nprovider = \"openai\"\nmodel = \"x\"\n";
        for wrong in [
            "key = \"sk-1\"",
            "key = { value = \"sk-1\" }",
            "key = {env = 1, file = \"sk-1\"}",
            "key = sk-1",
            "key: \"sk-1\"",
            "api_key \"sk-1\"",
            "api_key = \"sk-1\"",
            "API_TOKEN = sk-1",
        ] {
            let source = Source::new("palisade.toml", format!("{model}{wrong}\n"));
            let mistakes = crate::file::read(&source, &place()).unwrap_err();
            let told: String = mistakes.iter().map(|mistake| mistake.render(&source)).collect();
            assert!(told.starts_with("5:") && !told.contains("sk-1"), "{told}");
        }
    }

    #[test]
    fn nobody_reads_or_writes_the_files_in_which_keys_are() {
        let model = "[[model]]\nalias = \"m\"\nprovider = \"openai\"\nmodel = \"x\"\nkey = { file = \"keys/m\" }\n";
        let secret = "[[secret]]\nname = \"s\"\nfrom = { file = \"/k/s\" }\norigins = [\"https://a.example\"]\n\
                      components = [\"acme:x\"]\n";
        let kept = read_text(&format!("{secret}{model}")).unwrap().kept;
        let kept: Vec<_> = kept.iter().map(|deny| (deny.place(), deny.stated())).collect();
        let line = |line| format!("palisade.toml:{line}: a key is kept there");
        let expected = [("/k/s", line(3)), ("/w/keys/m", line(10))];
        for (place, stated) in expected {
            let times = kept.iter().filter(|(kept, by)| *kept == place && *by == stated).count();
            assert_eq!(times, 2, "reading and writing {place}: {kept:?}");
        }
        assert!(read_text(&model.replace("file", "env").replace("keys/m", "M")).unwrap().kept.is_empty());
        check(&model.replace("keys/m", ""), &["5:16: no key can be there: the path is empty"]);
    }
}
