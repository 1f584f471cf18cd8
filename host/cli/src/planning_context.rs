//! What a component that makes runbooks is told: the systems that the operator named, the rulesets that can be found, and
//! the components that such a runbook may use. It is a built-in ruleset, so that a plan fixes it by its digest, a run keeps
//! it, and a replay reads what was told then.

use crate::policy::forbid_all_of;
use crate::rulesets::{self, RulesetFolders};
use crate::settings::Settings;
use crate::workspace::{Workspace, named_as};
use palisade_authority::{Capability, Use, authorise};
use palisade_engine::Entry;
use palisade_model::manifest::{Arity, ComponentKind, InputSource, Power, ruleset_type};
use palisade_model::{Manifest, SchemaRef};
use palisade_runbook::{
    Components, KnownComponent, OperatorEntry, RulesetName, Source, no_model, read_ruleset, unpriced,
};
use palisade_schema::ConfigSchema;
use palisade_settings::THIS_FOLDER;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The type of this ruleset, and its name.
pub(crate) const KIND: &str = "planning_context";

/// The ruleset's text. JSON is YAML too.
pub(crate) fn source(
    (workspace, settings): (&Workspace, &Settings),
    components: &Components,
    folders: &RulesetFolders,
) -> Source {
    let allowed = allowed(workspace, settings);
    let schemas: BTreeSet<&SchemaRef> = workspace.schemas.names().collect();
    let types: BTreeSet<String> = allowed
        .iter()
        .flat_map(|entry| wanted(&entry.manifest))
        .map(|(_, kind)| kind)
        .filter(|kind| kind != KIND)
        .collect();
    let told = |entry: &Entry| {
        let mut told = component(entry, &schemas);
        let known = components.version(&entry.manifest.id, &entry.manifest.version);
        if let Some(why) = known.and_then(|known| lacks(known, settings)) {
            told["lacks"] = why.into();
        }
        told
    };
    let context = json!({
        "name": KIND,
        "version": "1.0.0",
        "systems": systems(workspace, settings),
        "rulesets": rulesets(workspace, folders, &types),
        "rules": allowed.iter().map(|entry| told(entry)).collect::<Vec<_>>(),
    });
    Source::new(format!("local/{KIND}/1.0.0"), context.to_string())
}

/// The components that runbooks may use which steps make; what reads from outside is reached as a system.
fn allowed<'w>(workspace: &'w Workspace, settings: &Settings) -> Vec<&'w Entry> {
    let listed: Vec<&Entry> = match &settings.written.generated {
        None => workspace.catalogue.list().into_iter().filter(|entry| entry.first_party).collect(),
        Some(listed) => {
            let entry = |one: &OperatorEntry| workspace.entry(settings, &one.component.to_string()).ok();
            listed.iter().filter_map(entry).collect()
        }
    };
    listed.into_iter().filter(|entry| entry.manifest.kind != ComponentKind::Connector).collect()
}

fn systems(workspace: &Workspace, settings: &Settings) -> Vec<Value> {
    let one = |system: &palisade_runbook::System| {
        let connector = workspace.entry(settings, &system.connector.to_string()).ok()?;
        let schema = &connector.manifest.outputs.first()?.schema;
        let builtin = system.name == THIS_FOLDER;
        Some(json!({
            "name": system.name, "aliases": system.aliases, "labels": system.labels, "schema": schema, "builtin": builtin,
        }))
    };
    settings.written.systems.iter().filter_map(one).collect()
}

/// The rulesets that can be found, each with the types that it fits.
fn rulesets(workspace: &Workspace, folders: &RulesetFolders, types: &BTreeSet<String>) -> Vec<Value> {
    let mut found = Vec::new();
    for ((name, version), file) in folders.list() {
        let (Ok(source), name) = (rulesets::source(&file), RulesetName { name, version }) else { continue };
        let fits = |kind: &&String| read_ruleset(&source, Some(&name), kind, &workspace.schemas).0.is_some();
        let types: Vec<&String> = types.iter().filter(fits).collect();
        if !types.is_empty() {
            found.push(json!({"name": name.to_string(), "types": types}));
        }
    }
    found
}

/// Pointer and type of each ruleset that a component's config names.
fn wanted(manifest: &Manifest) -> Vec<(String, String)> {
    let ruleset = |source: &InputSource| match source {
        InputSource::Ruleset { pointer } => Some((pointer.clone(), ruleset_type(&manifest.config_schema, pointer)?)),
        InputSource::Runbook { .. } => None,
    };
    manifest.inputs.iter().filter_map(|port| ruleset(&port.source)).collect()
}

fn component(entry: &Entry, schemas: &BTreeSet<&SchemaRef>) -> Value {
    let manifest = &entry.manifest;
    let port = |port: &palisade_model::manifest::InputPort| {
        let InputSource::Runbook { accepts } = &port.source else { return None };
        let fits: Vec<_> =
            schemas.iter().filter(|schema| accepts.iter().any(|wanted| wanted.accepts(schema))).collect();
        let (many, optional) = (port.arity == Arity::Many, port.arity == Arity::Optional);
        Some(json!({"name": port.name, "schemas": fits, "many": many, "optional": optional}))
    };
    let ruleset = |(pointer, kind): (String, String)| {
        let mut wanted = BTreeMap::from([("pointer", Value::from(pointer.as_str())), ("type", kind.into())]);
        wanted.extend(default(&manifest.config_schema, &pointer).map(|default| ("default", default.into())));
        json!(wanted)
    };
    json!({
        "name": named_as(entry),
        "title": manifest.title,
        "description": manifest.description,
        "inputs": manifest.inputs.iter().filter_map(port).collect::<Vec<_>>(),
        "outputs": manifest.outputs.iter().map(|port| json!({"name": port.name, "schema": port.schema})).collect::<Vec<_>>(),
        "rulesets": wanted(manifest).into_iter().map(ruleset).collect::<Vec<_>>(),
    })
}

/// Why a component can't run in a runbook that names nothing but rulesets in its config.
fn lacks(component: &KnownComponent, settings: &Settings) -> Option<String> {
    let llm = &settings.written.llm;
    if component.not_accepted.is_some() {
        return Some("is not accepted: `palisade grants accept` shows it".to_owned());
    }
    if let Some(none) = no_model(component, llm) {
        return Some(none.why);
    }
    if let Some(why) = unpriced(component, llm).into_iter().next() {
        return Some(why);
    }
    let manifest = &component.manifest;
    let needs_model = manifest.requests.iter().any(|request| request.power == Power::Llm && !request.optional);
    // A default model that is not granted, or one that is denied, is what it would ask in vain.
    let may_ask = |alias: &str| authorise(&component.granted, &Use::Llm { model: alias.to_owned() }).allowed();
    if needs_model && !llm.models.iter().any(|model| may_ask(&model.alias)) {
        return Some("needs a language model, and may ask none of those that are set up".to_owned());
    }
    for power in manifest.requests.iter().filter(|request| !request.optional).map(|request| request.power) {
        let reach = component.granted.reach(power);
        if reach == Capability::none(power) {
            return Some(format!("needs `{}`, and nothing of it is granted", power.name()));
        }
        if forbid_all_of(component.granted.denies(), &reach) {
            return Some(format!("needs `{}`, and what is granted of it is denied", power.name()));
        }
    }
    let (schema, config) = with_defaults(&manifest.config_schema)?;
    let rulesets: Vec<String> = wanted(manifest).into_iter().map(|(pointer, _)| pointer + "/").collect();
    // What lies on the way to a ruleset is stated with it.
    let is_stated = |pointer: &str, key: &str| {
        let way = format!("{pointer}/{}/", key.replace('~', "~0").replace('/', "~1"));
        rulesets.iter().any(|ruleset| ruleset.starts_with(&way))
    };
    let mut wrong = schema.validate(&config).into_iter();
    let wrong =
        wrong.find(|wrong| wrong.missing_key.as_ref().is_none_or(|missing| !is_stated(&wrong.pointer, missing)))?;
    Some(match wrong.missing_key {
        Some(key) => format!("needs a config that states `{key}`"),
        None => "needs a config that somebody writes".to_owned(),
    })
}

/// What a config has at a pointer where nobody says otherwise.
fn default(schema: &Value, pointer: &str) -> Option<String> {
    let (_, config) = with_defaults(schema)?;
    config.pointer(pointer)?.as_str().map(str::to_owned)
}

/// A config schema, and the config that nobody wrote anything of.
fn with_defaults(schema: &Value) -> Option<(ConfigSchema, Value)> {
    let schema = ConfigSchema::new(schema).ok()?;
    let mut config = Value::Object(serde_json::Map::new());
    schema.fill_defaults(&mut config);
    Some((schema, config))
}
