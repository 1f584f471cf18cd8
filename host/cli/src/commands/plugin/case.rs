//! The case folders of a plugin: what they hold, read strictly, so that a misspelt name is no silent pass.

use crate::failure::CliError;
use crate::given::{self, Given};
use palisade_model::{LimitKind, neutral};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a case folder may hold.
const KNOWN: [&str; 7] = ["input", "config.json", "files", "limits.toml", "expected", "expected-error", "fuel"];

/// One case: what the plugin is run over.
#[derive(Debug)]
pub(super) struct Case {
    /// Its name: that of its folder.
    pub(super) name: String,
    /// Its folder.
    pub(super) dir: PathBuf,
}

/// What is given to the plugin in a case.
#[derive(Debug)]
pub(super) struct Setting {
    /// Its inputs.
    pub(super) inputs: Vec<Given>,
    /// The config as written.
    pub(super) config: Value,
    /// The limits that it sets.
    pub(super) limits: BTreeMap<LimitKind, u64>,
    /// The folder with its files, if it has one.
    pub(super) files: Option<PathBuf>,
    /// The fuel that was recorded.
    pub(super) fuel: Option<u64>,
}

/// What a file in `input/` is to its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Items,
    Schema,
    Metadata,
}

/// The cases below a plugin's folder whose names contain `filter`, by name.
///
/// # Errors
/// When there is no case.
pub(super) fn list(root: &Path, filter: Option<&str>) -> Result<Vec<Case>, CliError> {
    let folder = root.join("cases");
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let case = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let wanted = entry.path().is_dir() && filter.is_none_or(|text| name.contains(text));
        wanted.then(|| Case { name, dir: entry.path() })
    };
    let mut cases: Vec<_> = entries.filter_map(case).collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    if cases.is_empty() {
        return Err(match filter {
            Some(text) => CliError::usage(format!(
                "no case in {} has `{}` in its name",
                folder.display(),
                neutral::line(text, 80)
            )),
            None => CliError::usage(format!("there is no case in {}", folder.display()))
                .help("make cases/NAME/input/PORT.jsonl, then `palisade plugin test --accept` writes what comes out"),
        });
    }
    Ok(cases)
}

impl Case {
    /// Reads everything but what is expected.
    ///
    /// # Errors
    /// When something can't be read or is not known.
    pub(super) fn read(&self) -> Result<Setting, CliError> {
        for name in names(&self.dir)? {
            if !KNOWN.contains(&name.as_str()) {
                return Err(CliError::usage(format!("`{}` is nothing that a case has", neutral::line(&name, 80)))
                    .help(format!("known are {}", KNOWN.join(", "))));
            }
        }
        let present = |name: &str| Some(self.dir.join(name)).filter(|path| path.exists());
        Ok(Setting {
            inputs: present("input").map_or(Ok(Vec::new()), |dir| inputs(&dir))?,
            config: present("config.json").map_or(Ok(Value::Object(Map::new())), |file| given::json(&file))?,
            limits: present("limits.toml").map_or(Ok(BTreeMap::new()), |file| limits(&text(&file)?))?,
            files: present("files"),
            fuel: present("fuel").map(|file| fuel(&text(&file)?)).transpose()?,
        })
    }
}

fn inputs(dir: &Path) -> Result<Vec<Given>, CliError> {
    let mut found: BTreeMap<(String, u32), Given> = BTreeMap::new();
    let mut without_items = BTreeMap::new();
    for name in names(dir)? {
        let (port, number, role) = slot(&name).ok_or_else(|| {
            CliError::usage(format!("input/{} is no input", neutral::line(&name, 80)))
                .help("PORT.jsonl, PORT.json (a document), PORT.schema, PORT.metadata.json; PORT.1.jsonl and so on for several")
        })?;
        let key = (port.clone(), number);
        let file = dir.join(&name);
        if role == Role::Items {
            let given = Given { port, file, schema: None, metadata: None };
            if found.insert(key, given).is_some() {
                return Err(CliError::usage(format!("input/{name}: this input is there twice")));
            }
        } else {
            without_items.insert((key, name), (role, file));
        }
    }
    for ((key, name), (role, file)) in without_items {
        let given = found.get_mut(&key).ok_or_else(|| CliError::usage(format!("input/{name} belongs to no items")))?;
        match role {
            Role::Metadata => given.metadata = Some(given::json(&file)?),
            Role::Schema | Role::Items => given.schema = Some(text(&file)?.trim().to_owned()),
        }
    }
    Ok(found.into_values().collect())
}

/// Port, number and role of a file in `input/`.
fn slot(name: &str) -> Option<(String, u32, Role)> {
    let endings = [
        (".metadata.json", Role::Metadata),
        (".schema", Role::Schema),
        (".jsonl", Role::Items),
        (".json", Role::Items),
    ];
    let (slot, role) = endings.iter().find_map(|(end, role)| Some((name.strip_suffix(end)?, *role)))?;
    let (port, number) = match slot.split_once('.') {
        Some((port, number)) => (port, number.parse().ok()?),
        None => (slot, 0),
    };
    (!port.is_empty()).then(|| (port.to_owned(), number, role))
}

/// Reads limits by their keys, as a step of a runbook has them.
fn limits(text: &str) -> Result<BTreeMap<LimitKind, u64>, CliError> {
    let wrong = |message: String| CliError::usage(format!("limits.toml: {message}"));
    let table: toml::Table =
        toml::from_str(text).map_err(|error| wrong(neutral::block(error.to_string().trim_end(), 2_000)))?;
    let limit = |(key, value): (&String, &toml::Value)| {
        let kind = LimitKind::from_key(key).ok_or_else(|| {
            let known: Vec<_> = LimitKind::all().map(LimitKind::key).collect();
            wrong(format!("there is no limit `{}`", neutral::line(key, 60)))
                .help(format!("known are {}", known.join(", ")))
        })?;
        let amount = match value {
            toml::Value::Integer(amount) => kind.parse(&amount.to_string()),
            toml::Value::String(amount) => kind.parse(amount),
            _ => return Err(wrong(format!("`{key}` is no amount"))),
        };
        Ok((kind, amount.map_err(|error| wrong(format!("{key}: {error}")))?))
    };
    table.iter().map(limit).collect()
}

fn fuel(text: &str) -> Result<u64, CliError> {
    text.trim().replace(['_', ','], "").parse().map_err(|_| CliError::usage("`fuel` is no number"))
}

fn text(file: &Path) -> Result<String, CliError> {
    fs::read_to_string(file).map_err(|error| CliError::usage(format!("{} can't be read: {error}", file.display())))
}

/// The names in a folder, in order; hidden ones are the editor's business.
pub(super) fn names(dir: &Path) -> Result<Vec<String>, CliError> {
    let unreadable = |error| CliError::usage(format!("{} can't be read: {error}", dir.display()));
    let entries = fs::read_dir(dir).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let mut names: Vec<_> = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_inputs_are_told_apart_by_their_names() {
        assert_eq!(slot("documents.jsonl"), Some(("documents".into(), 0, Role::Items)));
        assert_eq!(slot("documents.json"), Some(("documents".into(), 0, Role::Items)));
        assert_eq!(slot("documents.2.jsonl"), Some(("documents".into(), 2, Role::Items)));
        assert_eq!(slot("documents.2.schema"), Some(("documents".into(), 2, Role::Schema)));
        assert_eq!(slot("documents.metadata.json"), Some(("documents".into(), 0, Role::Metadata)));
        for wrong in ["documents", "documents.txt", "documents.x.jsonl", ".jsonl"] {
            assert_eq!(slot(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn limits_are_read_as_a_step_has_them() {
        let read = limits("memory = \"2 MiB\"\nwall = 2\nrows = 7\n").unwrap();
        assert_eq!((read[&LimitKind::Memory], read[&LimitKind::Wall], read[&LimitKind::Rows]), (2 << 20, 2_000, 7));
        assert!(limits("memry = 1").unwrap_err().help.unwrap().contains("memory"));
        assert!(limits("memory = true").is_err());
        assert!(limits("memory = [").is_err());
    }

    fn case(files: &[(&str, &str)]) -> Result<Setting, CliError> {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        Case { name: "case".into(), dir: dir.path().to_owned() }.read()
    }

    #[test]
    fn a_case_is_read_in_the_order_of_its_inputs() {
        let setting = case(&[
            ("input/b.jsonl", "{}"),
            ("input/a.10.jsonl", "{}"),
            ("input/a.9.jsonl", "{}"),
            ("input/a.9.schema", "acme.x/1.0.0\n"),
            ("config.json", "{\"n\": 1}"),
            ("fuel", "12,345\n"),
        ])
        .unwrap();
        let order: Vec<_> =
            setting.inputs.iter().map(|given| given.file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(order, ["a.9.jsonl", "a.10.jsonl", "b.jsonl"]);
        assert_eq!(setting.inputs[0].schema.as_deref(), Some("acme.x/1.0.0"));
        assert_eq!((setting.fuel, setting.config["n"].as_u64()), (Some(12_345), Some(1)));
    }

    #[test]
    fn what_is_not_known_is_an_error_and_no_silent_pass() {
        assert!(case(&[("expectd/x.jsonl", "")]).unwrap_err().message.contains("`expectd`"));
        assert!(case(&[("input/x.txt", "")]).is_err());
        assert!(case(&[("input/x.schema", "acme.x/1.0.0")]).is_err());
        assert!(case(&[("input/x.json", "{}"), ("input/x.jsonl", "{}")]).is_err());
        assert!(case(&[("fuel", "much")]).is_err());
    }
}
