//! The components as a bill of materials: CycloneDX 1.6, in JSON. It has neither a time nor a number of its own, so that
//! the same components give the same bytes.

use crate::policy::{Acceptance, Policy, powers};
use palisade_engine::Entry;
use palisade_model::neutral;
use serde_json::{Value, json};

/// Most characters of a title.
const MAX_TITLE_CHARS: usize = 200;

/// The whole document.
pub(super) fn document(entries: &[&Entry], policy: &Policy<'_>) -> Value {
    let palisade = json!({"type": "application", "name": "palisade", "version": env!("CARGO_PKG_VERSION")});
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"tools": {"components": [palisade]}},
        "components": entries.iter().map(|entry| component(entry, policy)).collect::<Vec<_>>(),
    })
}

fn component(entry: &Entry, policy: &Policy<'_>) -> Value {
    let manifest = &entry.manifest;
    let property = |name: &str, value: String| json!({"name": format!("palisade:{name}"), "value": value});
    let mut properties = vec![
        property("kind", manifest.kind.name().to_owned()),
        property("origin", if entry.first_party { "first-party" } else { "added" }.to_owned()),
    ];
    properties.extend(powers(manifest).into_iter().map(|power| property("requests", power.name().to_owned())));
    let acceptance = policy.acceptance(entry);
    if acceptance != Acceptance::FirstParty {
        properties.push(property("grants", acceptance.name().to_owned()));
    }
    if let Some(key) = policy.signed_by(entry) {
        properties.push(property("signed-by", key.to_string()));
    }
    json!({
        "type": "library",
        "bom-ref": manifest.versioned_id(),
        "group": manifest.id.namespace(),
        "name": manifest.id.name(),
        "version": manifest.version.to_string(),
        "description": neutral::line(&manifest.title, MAX_TITLE_CHARS),
        "hashes": [{"alg": "SHA-256", "content": entry.digest}],
        "properties": properties,
    })
}
