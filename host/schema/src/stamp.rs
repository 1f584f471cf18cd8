//! Stamps: the fields that the host fills, so that what a component emits depends on nothing but its input.
//!
//! A property of a schema marked `"x-palisade-stamp": "time"` gets the time at which the attempt started. One marked
//! `"x-palisade-stamp": "finding-id"` gets a UUID made from the schema, the values at the pointers of
//! `x-palisade-id-of` beside the mark (into the item) and how many items before it had the same values: unchanged data
//! gives unchanged ids, however the work was split.

use crate::artifact::ArtifactSchema;
use crate::check::{SchemaError, positions, target};
use crate::pointer::join;
use crate::violation::Violation;
use palisade_model::{canonical, strict_json};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The namespace of finding ids (RFC 9562, version 5). It never changes: ids of different releases can be compared.
pub const FINDING_ID_NAMESPACE: uuid::Uuid = uuid::Uuid::from_u128(0x6f1c_8e0a_5d0b_4a36_9c59_0b7d_52f3_a1e4);

/// The id of a finding: equal data gives equal ids in every run.
pub type FindingId = uuid::Uuid;

/// A field that the host fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The way to it from the item, or from the document for a field of the metadata.
    way: Vec<Way>,
    kind: StampKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// Into the property of that name.
    Property(String),
    /// Into each element.
    Each,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum StampKind {
    Time,
    FindingId {
        /// Pointers into the item.
        of: Vec<String>,
    },
}

/// The stamps of an artifact schema.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Stamps {
    pub(crate) item: Vec<Stamp>,
    pub(crate) metadata: Vec<Stamp>,
}

impl Stamp {
    /// Says whether it is the id of an item itself, not of a part of it.
    fn is_of_item(&self) -> bool {
        matches!((&self.kind, self.way.as_slice()), (StampKind::FindingId { .. }, [Way::Property(_)]))
    }
}

impl Stamps {
    /// Says whether each item has an id of its own.
    pub(crate) fn have_finding_id(&self) -> bool {
        self.item.iter().any(Stamp::is_of_item)
    }
}

/// Finds all stamps; `items` is the pointer to the schema of the item array.
///
/// # Errors
/// When a stamp says something unknown, or stands where no plain way of properties and elements leads.
pub(crate) fn find(schema: &Value, items: &str) -> Result<Stamps, SchemaError> {
    let found = positions(schema)?;
    let mut walk = Walk { found: &found, seen: BTreeSet::new(), stamps: Vec::new(), skip: items };
    walk.enter("", &mut Vec::new())?;
    let metadata = std::mem::take(&mut walk.stamps);
    walk.skip = "";
    if let Some(array) = resolve(items, &found) {
        walk.enter(&join(&array, "items"), &mut Vec::new())?;
    }
    let (item, seen) = (walk.stamps, walk.seen);
    if metadata.iter().any(|stamp| stamp.kind != StampKind::Time) {
        return Err(SchemaError::Stamp {
            at: String::new(),
            why: "is a finding's id, but stands outside of the items",
        });
    }
    let stamped = |node: &Value| node.get("x-palisade-stamp").is_some();
    match found.iter().find(|(at, node)| stamped(node) && !seen.contains(*at)) {
        Some((at, _)) => Err(SchemaError::Stamp {
            at: at.clone(),
            why: "can't be reached from the root by `properties` and `items` alone",
        }),
        None => Ok(Stamps { item, metadata }),
    }
}

/// Says whether the subschema at `at`, or what it refers to, is filled by the host.
pub(crate) fn is_stamped(at: &str, found: &BTreeMap<String, &Value>) -> bool {
    let here = found.get(at).is_some_and(|node| node.get("x-palisade-stamp").is_some());
    here || resolve(at, found).and_then(|at| found.get(&at)).is_some_and(|node| node.get("x-palisade-stamp").is_some())
}

/// Follows the references of a subschema that has any. The schema is known not to recurse.
pub(crate) fn resolve(at: &str, found: &BTreeMap<String, &Value>) -> Option<String> {
    let node = found.get(at)?;
    match node.get("$ref").and_then(Value::as_str).and_then(target) {
        Some(next) => resolve(&next, found),
        None => Some(at.to_owned()),
    }
}

struct Walk<'s> {
    found: &'s BTreeMap<String, &'s Value>,
    seen: BTreeSet<String>,
    stamps: Vec<Stamp>,
    /// Pointer that is not entered.
    skip: &'s str,
}

impl Walk<'_> {
    fn enter(&mut self, at: &str, way: &mut Vec<Way>) -> Result<(), SchemaError> {
        let Some(node) = self.found.get(at) else { return Ok(()) };
        if !self.skip.is_empty() && at == self.skip {
            return Ok(());
        }
        if let Some(says) = node.get("x-palisade-stamp") {
            self.seen.insert(at.to_owned());
            let kind = stamp_kind(at, says, node)?;
            self.stamps.push(Stamp { way: way.clone(), kind });
            return Ok(());
        }
        if let Some(next) = node.get("$ref").and_then(Value::as_str).and_then(target) {
            self.enter(&next, way)?;
        }
        let properties = join(at, "properties");
        for name in node.get("properties").and_then(Value::as_object).into_iter().flat_map(serde_json::Map::keys) {
            way.push(Way::Property(name.clone()));
            self.enter(&join(&properties, name), way)?;
            way.pop();
        }
        if node.get("items").is_some() {
            way.push(Way::Each);
            self.enter(&join(at, "items"), way)?;
            way.pop();
        }
        Ok(())
    }
}

fn stamp_kind(at: &str, says: &Value, node: &Value) -> Result<StampKind, SchemaError> {
    let wrong = |why| Err(SchemaError::Stamp { at: at.to_owned(), why });
    match says.as_str() {
        Some("time") => Ok(StampKind::Time),
        Some("finding-id") => {
            let of = node.get("x-palisade-id-of").and_then(Value::as_array);
            let pointers: Option<Vec<String>> =
                of.and_then(|list| list.iter().map(|pointer| pointer.as_str().map(str::to_owned)).collect());
            match pointers {
                Some(of) if !of.is_empty() && of.iter().all(|pointer| pointer.starts_with('/')) => {
                    Ok(StampKind::FindingId { of })
                }
                _ => wrong("needs `x-palisade-id-of`: a list of JSON pointers into the item"),
            }
        }
        _ => wrong("must say `time` or `finding-id`"),
    }
}

/// Fills the stamps of one artifact's items, in their order.
#[derive(Debug)]
pub struct Stamper<'s> {
    schema: &'s ArtifactSchema,
    time: String,
    /// How many items there were so far of each kind, by the digest of what makes the kind.
    counts: HashMap<[u8; 16], u64>,
}

impl<'s> Stamper<'s> {
    /// Begins with the first item of an artifact whose attempt started at that time, in milliseconds since 1970.
    #[must_use]
    pub fn new(schema: &'s ArtifactSchema, started_unix_ms: u64) -> Self {
        Self { schema, time: rfc3339(started_unix_ms), counts: HashMap::new() }
    }

    /// Reads the next item and fills its stamps.
    ///
    /// # Errors
    /// When the line is no JSON; a stored line always is.
    pub fn item(&mut self, line: &str) -> Result<Value, Violation> {
        let mut item = strict_json::from_str(line).map_err(Violation::not_json)?;
        for stamp in &self.schema.stamps().item {
            let value = match &stamp.kind {
                StampKind::Time => self.time.clone(),
                StampKind::FindingId { of } => {
                    next_id(self.schema, &mut self.counts, of, &item).hyphenated().to_string()
                }
            };
            fill(&mut item, &stamp.way, &value);
        }
        Ok(item)
    }

    /// Reads the next item and gives its finding's id, without filling anything: for who only wants to know which it
    /// is. None if the schema's items have no ids.
    ///
    /// # Errors
    /// When the line is no JSON; a stored line always is.
    pub fn id(&mut self, line: &str) -> Result<Option<FindingId>, Violation> {
        if !self.schema.has_finding_ids() {
            return Ok(None);
        }
        let item = strict_json::from_str(line).map_err(Violation::not_json)?;
        let mut own = None;
        for stamp in &self.schema.stamps().item {
            if let StampKind::FindingId { of } = &stamp.kind {
                // Ids of parts are counted too, as they are when they are filled in.
                let id = next_id(self.schema, &mut self.counts, of, &item);
                own = own.or(stamp.is_of_item().then_some(id));
            }
        }
        Ok(own)
    }

    /// Fills the stamps of the metadata.
    pub fn metadata(&self, metadata: &mut Value) {
        for stamp in &self.schema.stamps().metadata {
            fill(metadata, &stamp.way, &self.time);
        }
    }
}

/// The id of the next item of an artifact; `counts` is how many there were of each kind.
fn next_id(schema: &ArtifactSchema, counts: &mut HashMap<[u8; 16], u64>, of: &[String], item: &Value) -> FindingId {
    let values: Vec<_> = of.iter().map(|pointer| item.pointer(pointer).unwrap_or(&Value::Null)).collect();
    let kind = canonical::to_vec(&json!([schema.name().to_string(), values]));
    let kind = uuid::Uuid::new_v5(&FINDING_ID_NAMESPACE, &kind);
    let count = counts.entry(*kind.as_bytes()).or_default();
    let id = uuid::Uuid::new_v5(&kind, count.to_string().as_bytes());
    *count = count.saturating_add(1);
    id
}

/// Sets the value at the end of the way, in every element it leads through. An object on the way that is absent stays
/// absent: the host adds fields to what the component said, never objects.
fn fill(target: &mut Value, way: &[Way], value: &str) {
    match (way, target) {
        ([], target) => *target = Value::String(value.to_owned()),
        ([Way::Each, rest @ ..], Value::Array(list)) => list.iter_mut().for_each(|element| fill(element, rest, value)),
        ([Way::Property(name)], Value::Object(map)) => {
            map.insert(name.clone(), Value::String(value.to_owned()));
        }
        ([Way::Property(name), rest @ ..], Value::Object(map)) => {
            if let Some(inner) = map.get_mut(name) {
                fill(inner, rest, value);
            }
        }
        _ => {}
    }
}

/// Takes out what the host fills, so that a document becomes what a component would have emitted.
pub(crate) fn remove(stamps: &[Stamp], target: &mut Value) {
    stamps.iter().for_each(|stamp| remove_at(target, &stamp.way));
}

fn remove_at(target: &mut Value, way: &[Way]) {
    match (way, target) {
        ([Way::Each, rest @ ..], Value::Array(list)) => list.iter_mut().for_each(|element| remove_at(element, rest)),
        ([Way::Property(name)], Value::Object(map)) => drop(map.remove(name)),
        ([Way::Property(name), rest @ ..], Value::Object(map)) => {
            if let Some(inner) = map.get_mut(name) {
                remove_at(inner, rest);
            }
        }
        _ => {}
    }
}

/// Writes milliseconds since 1970 as RFC 3339 in UTC.
fn rfc3339(unix_ms: u64) -> String {
    let (days, in_day) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:03}Z", in_day / 1_000 % 60, in_day % 1_000)
}

/// Year, month and day of a day since 1970-01-01 in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years are counted from March, so that the leap day is the last of its year; 719,468 days lie between
    // 0000-03-01 and 1970-01-01, 146,097 are in 400 years.
    let days = days.saturating_add(719_468);
    let (era, in_era) = (days / 146_097, days % 146_097);
    let year_of_era = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The last segment names of all stamped properties, for tests and `schema show`.
#[cfg(test)]
pub(crate) fn ways(stamps: &[Stamp]) -> Vec<String> {
    let segment = |way: &Way| match way {
        Way::Property(name) => format!("/{name}"),
        Way::Each => "/*".to_owned(),
    };
    stamps.iter().map(|stamp| stamp.way.iter().map(segment).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
        assert_eq!(rfc3339(1_709_251_200_000), "2024-03-01T00:00:00.000Z");
        assert_eq!(rfc3339(4_107_542_400_001), "2100-03-01T00:00:00.001Z");
        assert!(rfc3339(u64::MAX).ends_with('Z'));
    }

    #[test]
    fn stamps_are_found_through_references_and_elements() {
        let schema = json!({
            "type": "object",
            "properties": {
                "at": {"x-palisade-stamp": "time"},
                "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
            },
            "$defs": {
                "item": {"properties": {
                    "id": {"$ref": "#/$defs/id"},
                    "evidence": {"items": {"properties": {"seen": {"x-palisade-stamp": "time"}}}},
                }},
                "id": {"x-palisade-stamp": "finding-id", "x-palisade-id-of": ["/source"]},
            },
        });
        let stamps = find(&schema, "/properties/items").unwrap();
        assert_eq!(ways(&stamps.metadata), ["/at"]);
        assert_eq!(ways(&stamps.item), ["/evidence/*/seen", "/id"]);
    }

    #[test]
    fn stamps_that_can_not_be_filled_are_refused() {
        let with = |item: Value| {
            let schema = json!({"properties": {"x": {"type": "array", "items": item}}});
            find(&schema, "/properties/x").unwrap_err().to_string()
        };
        assert!(
            with(json!({"anyOf": [{"properties": {"t": {"x-palisade-stamp": "time"}}}]})).contains("can't be reached")
        );
        assert!(with(json!({"properties": {"t": {"x-palisade-stamp": "now"}}})).contains("must say"));
        assert!(with(json!({"properties": {"t": {"x-palisade-stamp": "finding-id"}}})).contains("id-of"));
        let outside = json!({"properties": {
            "x": {"type": "array"}, "id": {"x-palisade-stamp": "finding-id", "x-palisade-id-of": ["/a"]},
        }});
        assert!(find(&outside, "/properties/x").unwrap_err().to_string().contains("outside of the items"));
    }
}
