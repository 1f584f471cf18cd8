//! What the operator forbids. A deny beats every allow: those of files and of the command line, and the default set.

use crate::asked::Use;
use crate::capability::{EVERYWHERE, with_folder_below};
use crate::http::Methods;
use crate::path::{PathError, ScopedPath, WorkingFolder};
use crate::place::{ParseCapabilityError, Place, Reading, power_and_rest};
use palisade_model::manifest::Power;
use serde::{Deserialize, Serialize};

/// A power in a place, which nobody may use: on a path and all that lies below it, key files included; at an origin,
/// wherever its host leads; or everywhere.
///
/// A deny of `fs-read` holds for `sql` too: a SQLite database is a file, and reading it is reading that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Deny {
    power: Power,
    /// None = everywhere.
    place: Option<Place>,
    stated: String,
}

/// The stored form. A path stands under `path`, as it did when there were no other places.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    power: Power,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<ScopedPath>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    stated: String,
}

impl Deny {
    /// Reads `POWER=PLACE` of a file of the folder `base` that says so at the place `stated`. A path above the working
    /// folder forbids the working folder too. Without methods, all of an origin are forbidden; `http=*` and its like
    /// forbid all that a power is for.
    ///
    /// # Errors
    /// When this build does not have the power, or the place can't be used.
    pub fn parse_in(
        folder: &WorkingFolder,
        base: &WorkingFolder,
        text: &[u8],
        stated: &str,
    ) -> Result<Vec<Self>, ParseCapabilityError> {
        let (power, rest) = power_and_rest(text)?;
        let of = |place| Self { power, place, stated: stated.to_owned() };
        if rest == EVERYWHERE.as_bytes() && !power.is_over_paths() {
            return Ok(vec![of(None)]);
        }
        let place = Reading { folder, base, methods: Methods::ALL }.place(power, rest)?;
        Ok(with_folder_below(folder, place).map(Some).map(of).collect())
    }

    /// The same for another name of its path, such as where a link of that name leads, as it is written in `folder`. A
    /// path above that folder forbids the folder too. What is no path has no other names.
    ///
    /// # Errors
    /// When the path can't be used.
    pub fn at(&self, folder: &WorkingFolder, written: &[u8]) -> Result<Vec<Self>, PathError> {
        let Some(place) = self.place.as_ref().filter(|place| place.path().is_some()) else {
            return Ok(vec![self.clone()]);
        };
        let places = with_folder_below(folder, place.with_path(ScopedPath::parse(folder, written)?));
        Ok(places.map(|place| Self { place: Some(place), ..self.clone() }).collect())
    }

    /// What is forbidden.
    #[must_use]
    pub const fn power(&self) -> Power {
        self.power
    }

    /// The path at which it begins, if it is over paths.
    #[must_use]
    pub fn path(&self) -> Option<&ScopedPath> {
        self.place.as_ref().and_then(Place::path)
    }

    /// Where it holds for a power that it concerns; none = everywhere.
    #[must_use]
    pub fn place_for(&self, power: Power) -> Option<Place> {
        match (&self.place, power) {
            (Some(Place::FsRead(path)), Power::Sql) => Some(Place::Sql(path.clone())),
            (place, _) => place.clone(),
        }
    }

    /// Where it holds, for people.
    #[must_use]
    pub fn place(&self) -> String {
        self.place.as_ref().map_or_else(|| EVERYWHERE.to_owned(), ToString::to_string)
    }

    /// Where it was said, and why; for people.
    #[must_use]
    pub fn stated(&self) -> &str {
        &self.stated
    }

    /// Says whether it forbids that power anywhere.
    #[must_use]
    pub fn concerns(&self, power: Power) -> bool {
        power == self.power || (self.power, power) == (Power::FsRead, Power::Sql)
    }

    /// Says whether it forbids this use.
    pub(crate) fn forbids(&self, asked: &Use) -> bool {
        self.concerns(asked.power())
            && match (&self.place, asked) {
                (None, _) => true,
                (
                    Some(Place::FsRead(at) | Place::FsWrite(at) | Place::Sql(at)),
                    Use::FsRead { path } | Use::FsWrite { path } | Use::Sql { database: path },
                ) => path.is_within(at),
                // Wherever the host leads: what is forbidden has been refused before that is known.
                (Some(Place::Http(at)), Use::Http { method, origin, .. }) => at.contains(*method, origin, false),
                (Some(Place::Database(at)), Use::Database { connection: name })
                | (Some(Place::Llm(at)), Use::Llm { model: name }) => at == name,
                (Some(Place::Call(id)), Use::Call { component }) => id == component,
                (Some(Place::Secret(at)), Use::Secret { place }) => at.holds(place),
                // A power has places of one kind, so that there is nothing else; if there were, it would be forbidden.
                (Some(_), _) => true,
            }
    }
}

impl TryFrom<Stored> for Deny {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let Stored { power, path, place, stated } = stored;
        let wrong = || format!("no deny of `{}` in its stored form", power.name());
        let text = match (power.is_over_paths(), path, place) {
            (true, Some(path), None) => path.stored(),
            (false, None, Some(place)) => place,
            _ => return Err(wrong()),
        };
        let everywhere = !power.is_over_paths() && text == EVERYWHERE;
        let place = if everywhere { None } else { Some(Place::of_stored(power, &text).ok_or_else(wrong)?) };
        Ok(Self { power, place, stated })
    }
}

impl From<Deny> for Stored {
    fn from(deny: Deny) -> Self {
        let path = deny.path().cloned();
        let place = match &deny.place {
            Some(_) if path.is_some() => None,
            Some(place) => Some(place.stored()),
            None => Some(EVERYWHERE.to_owned()),
        };
        Self { power: deny.power, path, place, stated: deny.stated }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(deny: &str, asked: &str, expected: bool) {
        let folder = WorkingFolder::new(b"/home/ann").unwrap();
        let denies = Deny::parse_in(&folder, &folder, deny.as_bytes(), "palisade.toml:1").unwrap();
        let asked = Use::parse_in(&folder, &folder, asked.as_bytes()).unwrap();
        assert_eq!(denies.iter().any(|deny| deny.forbids(&asked)), expected, "{deny} {asked:?}");
        let stored = serde_json::to_string(&denies).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Deny>>(&stored).unwrap(), denies, "{stored}");
    }

    #[test]
    fn whole_names_are_compared_and_nothing_below_gets_away() {
        check("fs-read=hr", "fs-read=hr", true);
        check("fs-read=hr", "fs-read=hr/a/b", true);
        check("fs-read=hr", "fs-read=x/../hr/a", true);
        check("fs-read=hr", "fs-read=/home/ann/hr", true);
        check("fs-read=hr/", "fs-read=hr2", false);
        check("fs-read=hr", "fs-read=HR", false);
        check("fs-read=hr/a", "fs-read=hr", false);
    }

    #[test]
    fn key_files_are_no_way_out() {
        check("fs-read=hr", "fs-read=hr/server.pem", true);
        check("fs-read=.", "fs-read=.ssh/id_rsa", true);
    }

    #[test]
    fn a_folder_above_the_working_folder_holds_it_too() {
        check("fs-read=/home", "fs-read=data", true);
        check("fs-read=/home", "fs-read=/home/bob", true);
        check("fs-read=/hom", "fs-read=data", false);
    }

    #[test]
    fn it_holds_in_other_folders_and_where_links_lead() {
        let (here, there) = (WorkingFolder::new(b"/w").unwrap(), WorkingFolder::new(b"/w/a/b").unwrap());
        let deny = Deny::parse_in(&here, &here, b"fs-read=a", "palisade.toml:1").unwrap().remove(0);
        let seen: Vec<_> = deny.at(&there, b"/w/a").unwrap().iter().map(|one| one.place()).collect();
        assert_eq!(seen, [".", "/w/a"]);
        assert_eq!(deny.at(&here, b"x/y").unwrap()[0].place(), "x/y");
        assert!(deny.at(&here, b"").is_err());
    }

    #[test]
    fn reading_a_database_is_reading_a_file_and_not_the_other_way_round() {
        check("fs-read=crm.db", "sql=crm.db", true);
        check("sql=crm.db", "sql=crm.db", true);
        check("sql=crm.db", "fs-read=crm.db", false);
    }

    #[test]
    fn the_stored_form_of_a_path_is_that_of_before() {
        let folder = WorkingFolder::new(b"/w").unwrap();
        let deny = Deny::parse_in(&folder, &folder, b"fs-read=hr", "palisade.toml:1").unwrap().remove(0);
        let stored = r#"{"power":"fs-read","path":"hr","stated":"palisade.toml:1"}"#;
        assert_eq!(serde_json::to_string(&deny).unwrap(), stored);
        for wrong in [
            r#"{"power":"fs-read","stated":""}"#,
            r#"{"power":"fs-read","place":"hr","stated":""}"#,
            r#"{"power":"http","path":"hr","stated":""}"#,
            r#"{"power":"http","place":"https://a.b","stated":""}"#,
            r#"{"power":"http","place":"*","stated":"","but":"a"}"#,
        ] {
            assert!(serde_json::from_str::<Deny>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_path_is_forbidden_by_its_name_or_everywhere() {
        let check = |place: &str, asked: &str, expected: bool| {
            let (power, _) = place.split_once(' ').unwrap();
            let stored = format!(r#"{{"power":"{power}","place":"{}","stated":""}}"#, place.split_once(' ').unwrap().1);
            let deny: Deny = serde_json::from_str(&stored).unwrap();
            assert_eq!(serde_json::to_string(&deny).unwrap(), stored);
            assert_eq!(deny.forbids(&Use::of_record(asked).unwrap()), expected, "{place} {asked}");
        };
        check("http * https://a.example", "http=POST https://a.example", true);
        check("http * https://a.example", "http=GET https://a.example at 10.0.0.1", true);
        check("http * https://a.example", "http=GET http://a.example", false);
        check("http POST https://*.a.example", "http=POST https://x.a.example", true);
        check("http POST https://*.a.example", "http=GET https://x.a.example", false);
        check("http *", "http=GET http://a.example", true);
        check("llm *", "http=GET http://a.example", false);
        check("llm small", "llm=small", true);
        check("llm small", "llm=smaller", false);
        check("call acme:x", "call=acme:x", true);
        check("call *", "call=acme:x", true);
        check("secret token", "secret=token x-key https://a.example", true);
        check("secret token x-key https://b.example", "secret=token x-key https://a.example", false);
        check("secret *", "secret=token x-key https://a.example", true);
    }
}
