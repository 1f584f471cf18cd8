//! What the operator forbids. A deny beats every allow: those of files and of the command line, and the default set.

use crate::authorise::Use;
use crate::capability::{ParseCapabilityError, power_and_path, with_folder_below};
use crate::path::{PathError, ScopedPath, WorkingFolder};
use palisade_model::manifest::Power;
use serde::{Deserialize, Serialize};

/// A power on a path and all that lies below it, key files included, which nobody may use.
///
/// A deny of `fs-read` holds for `sql` too: a SQLite database is a file, and reading it is reading that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deny {
    power: Power,
    path: ScopedPath,
    stated: String,
}

impl Deny {
    /// Reads `fs-read=PATH` or `sql=PATH` of a file of the folder `base` that says so at the place `stated`. A path above
    /// the working folder forbids the working folder too.
    ///
    /// # Errors
    /// When the power is unknown or the path can't be used.
    pub fn parse_in(
        folder: &WorkingFolder,
        base: &WorkingFolder,
        text: &[u8],
        stated: &str,
    ) -> Result<Vec<Self>, ParseCapabilityError> {
        let (power, path) = power_and_path(folder, base, text)?;
        let paths = with_folder_below(folder, path);
        Ok(paths.map(|path| Self { power, path, stated: stated.to_owned() }).collect())
    }

    /// The same for another name of the path, such as where a link of that name leads, as it is written in `folder`. A
    /// path above that folder forbids the folder too.
    ///
    /// # Errors
    /// When the path can't be used.
    pub fn at(&self, folder: &WorkingFolder, written: &[u8]) -> Result<Vec<Self>, PathError> {
        let paths = with_folder_below(folder, ScopedPath::parse(folder, written)?);
        Ok(paths.map(|path| Self { path, ..self.clone() }).collect())
    }

    /// What is forbidden.
    #[must_use]
    pub const fn power(&self) -> Power {
        self.power
    }

    /// The path at which it begins.
    #[must_use]
    pub const fn path(&self) -> &ScopedPath {
        &self.path
    }

    /// Where it was said, and why; for people.
    #[must_use]
    pub fn stated(&self) -> &str {
        &self.stated
    }

    /// Says whether it forbids that power anywhere.
    #[must_use]
    pub fn concerns(&self, power: Power) -> bool {
        match self.power {
            Power::FsRead => matches!(power, Power::FsRead | Power::Sql),
            Power::Sql => matches!(power, Power::Sql),
        }
    }

    /// Says whether it forbids this use.
    pub(crate) fn forbids(&self, asked: &Use) -> bool {
        let (power, path) = asked.parts();
        self.concerns(power) && path.is_within(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(deny: &str, asked: &str, expected: bool) {
        let folder = WorkingFolder::new(b"/home/ann").unwrap();
        let denies = Deny::parse_in(&folder, &folder, deny.as_bytes(), "palisade.toml:1").unwrap();
        let (power, path) = power_and_path(&folder, &folder, asked.as_bytes()).unwrap();
        let asked = Use::of(power, path);
        assert_eq!(denies.iter().any(|deny| deny.forbids(&asked)), expected, "{deny} {asked:?}");
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
        let seen: Vec<_> = deny.at(&there, b"/w/a").unwrap().iter().map(|one| one.path().to_string()).collect();
        assert_eq!(seen, [".", "/w/a"]);
        assert_eq!(deny.at(&here, b"x/y").unwrap()[0].path().to_string(), "x/y");
        assert!(deny.at(&here, b"").is_err());
    }

    #[test]
    fn reading_a_database_is_reading_a_file_and_not_the_other_way_round() {
        check("fs-read=crm.db", "sql=crm.db", true);
        check("sql=crm.db", "sql=crm.db", true);
        check("sql=crm.db", "fs-read=crm.db", false);
    }
}
