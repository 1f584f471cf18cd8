//! What a step could touch, as a plan document holds it. The decisions are made elsewhere; this is their form.

use palisade_authority::Place;
use palisade_model::StepId;
use palisade_model::manifest::Power;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;

/// Something outside of the run that steps could touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Touch {
    /// By which power, and where.
    pub reached: Reached,
    /// The authorities in the plan allow it.
    pub granted: bool,
    /// Why not, for people.
    pub denial: Option<String>,
    /// The option that would allow it for one run, where one would.
    pub allow: Option<String>,
    /// What lies within it and is forbidden to each of these steps.
    pub except: BTreeSet<Reached>,
    /// By which steps.
    pub by: Vec<Toucher>,
}

/// A power in a place, or everywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reached {
    /// The power.
    pub power: Power,
    /// A path and all below it, or another place; none = every one.
    pub place: Option<Place>,
}

/// A step that could touch something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toucher {
    /// The way to it, from the outermost step inwards.
    pub step: Vec<StepId>,
    /// JSON pointer to the value of its config that names it; none = links in what is named may lead there.
    pub pointer: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    reached: Reached,
    granted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    denial: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    allow: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    except: Vec<String>,
    by: Vec<Toucher>,
}

impl TryFrom<Stored> for Touch {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let Stored { reached, granted, denial, allow, except, by } = stored;
        let except = except.iter().map(|place| Reached::of_stored(reached.power, Some(place)));
        Ok(Self { except: except.collect::<Result<_, _>>()?, reached, granted, denial, allow, by })
    }
}

impl From<Touch> for Stored {
    fn from(touch: Touch) -> Self {
        let Touch { reached, granted, denial, allow, except, by } = touch;
        let except = except.iter().filter_map(|reached| reached.place.as_ref().map(Place::stored)).collect();
        Self { reached, granted, denial, allow, except, by }
    }
}

impl Reached {
    fn of_stored(power: Power, place: Option<&String>) -> Result<Self, String> {
        let read = |text: &String| Place::of_stored(power, text).ok_or_else(|| format!("no place of {}", power.name()));
        Ok(Self { power, place: place.map(read).transpose()? })
    }
}

/// A path stands under `path`, any other place under `place`; null = every one.
impl Serialize for Reached {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("power", &self.power)?;
        let key = if self.power.is_over_paths() { "path" } else { "place" };
        map.serialize_entry(key, &self.place.as_ref().map(Place::stored))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Reached {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            power: Power,
            #[serde(alias = "path")]
            place: Option<String>,
        }
        let Fields { power, place } = Fields::deserialize(deserializer)?;
        Self::of_stored(power, place.as_ref()).map_err(serde::de::Error::custom)
    }
}

/// For people: the place alone.
impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.place, self.power) {
            (Some(place), _) => place.fmt(f),
            (None, power) if power.is_over_paths() => f.write_str("every path"),
            (None, Power::Http) => f.write_str("every origin"),
            (None, _) => f.write_str("every one"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_touch_is_stored_by_power_and_place() {
        for stored in [
            r#"{"power":"fs-read","path":"data","granted":true,"except":["data/a%25"],"by":[]}"#,
            r#"{"power":"sql","path":null,"granted":false,"denial":"no","allow":"--allow x","by":[]}"#,
            r#"{"power":"http","place":"GET https://a.example","granted":true,"by":[]}"#,
            r#"{"power":"llm","place":null,"granted":true,"by":[]}"#,
        ] {
            let touch: Touch = serde_json::from_str(stored).unwrap();
            assert_eq!(serde_json::to_string(&touch).unwrap(), stored);
        }
        let wrong = r#"{"power":"http","place":"a.example","granted":true,"by":[]}"#;
        assert!(serde_json::from_str::<Touch>(wrong).is_err());
    }
}
