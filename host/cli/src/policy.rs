//! What the operator lets each component do: what their file grants and forbids, as far as it counts for the bytes that
//! are registered. A grant to a component of others counts once a person has accepted these bytes.

use crate::failure::CliError;
use crate::lock;
use crate::settings::Settings;
use crate::signature;
use palisade_audit::VerifyingKey;
use palisade_authority::{Authority, Capability, Deny, Grant, Place, ScopedPath, WorkingFolder};
use palisade_engine::Entry;
use palisade_model::Manifest;
use palisade_model::manifest::Power;
use palisade_runbook::NotAccepted;
use palisade_settings::{DeclassifyTable, DenyTable, GrantTable, SecretTable, Target};
use palisade_store::{LockFile, Locked};
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// What the operator lets components do.
#[derive(Debug)]
pub(crate) struct Policy<'s> {
    settings: &'s Settings,
    folder: &'s WorkingFolder,
    /// Which bytes were accepted.
    pub(crate) lock: LockFile,
    /// What is forbidden, table by table, where links of these names lead among it.
    denies: Vec<(&'s DenyTable, Vec<Deny>)>,
    /// The files in which keys of servers are.
    kept: Vec<Deny>,
}

/// Whether what is granted to a component counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Acceptance {
    /// It comes with Palisade.
    FirstParty,
    /// A person accepted its bytes, or those of a version that asked for as much.
    Accepted,
    /// It asks for more than the version that was accepted: these powers.
    Pending(BTreeSet<Power>),
    /// Nobody accepted it, or an earlier version of it.
    Never,
    /// The owner of its namespace did not sign it.
    NotSigned,
}

impl Acceptance {
    /// It in one word.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::FirstParty => "first-party",
            Self::Accepted => "accepted",
            Self::Pending(_) => "pending",
            Self::Never => "not accepted",
            Self::NotSigned => "refused",
        }
    }

    /// Whether what is granted counts.
    pub(crate) const fn counts(&self) -> bool {
        matches!(self, Self::FirstParty | Self::Accepted)
    }
}

impl<'s> Policy<'s> {
    /// Reads which bytes were accepted, and where the links lead whose names are forbidden.
    ///
    /// # Errors
    /// When the lock file can't be read.
    pub(crate) fn new(settings: &'s Settings, folder: &'s WorkingFolder) -> Result<Self, CliError> {
        let lock = lock::read(settings)?;
        let with_links = |table: &'s DenyTable| (table, denies_with_links(&table.deny, settings, folder));
        let denies = settings.written.denies.iter().map(with_links).collect();
        Ok(Self { settings, folder, lock, denies, kept: kept(settings, folder) })
    }

    /// Whether what is granted to a component counts.
    pub(crate) fn acceptance(&self, entry: &Entry) -> Acceptance {
        if entry.first_party {
            return Acceptance::FirstParty;
        }
        let manifest = &entry.manifest;
        // What was added before its namespace had this owner is as unsigned as what is added now.
        let owner = self.settings.written.owner_of(&manifest.id);
        if owner.is_some_and(|owner| self.signed_by(entry) != Some(&owner.key)) {
            return Acceptance::NotSigned;
        }
        let locked = self.lock.get(&manifest.id, &manifest.version);
        if locked.is_some_and(|locked| locked.is_accepted() && locked.digest == entry.digest) {
            return Acceptance::Accepted;
        }
        match self.lock.accepted(&manifest.id) {
            None => Acceptance::Never,
            Some((_, accepted)) => {
                let before = accepted.requests.clone().unwrap_or_default();
                Acceptance::Pending(powers(manifest).difference(&before).copied().collect())
            }
        }
    }

    /// The key that signed the bytes of a component, as it was checked when they were added.
    pub(crate) fn signed_by(&self, entry: &Entry) -> Option<&VerifyingKey> {
        let locked = self.lock.get(&entry.manifest.id, &entry.manifest.version)?;
        locked.signed_by.as_ref().filter(|_| locked.digest == entry.digest)
    }

    /// Why a component may not be used yet: the owner of its namespace did not sign it, an earlier
    /// version was accepted, or something is granted that does not count.
    pub(crate) fn not_accepted(&self, entry: &Entry) -> Option<NotAccepted> {
        let acceptance = self.acceptance(entry);
        let locked = self.lock.get(&entry.manifest.id, &entry.manifest.version);
        // Bytes that the lock does not name are more than not accepted: `lock::check` says so.
        if acceptance.counts() || locked.is_some_and(|locked| locked.digest != entry.digest) {
            return None;
        }
        let id = entry.manifest.versioned_id();
        if let (Acceptance::NotSigned, Some(owner)) = (&acceptance, self.settings.written.owner_of(&entry.manifest.id))
        {
            return Some(NotAccepted {
                why: format!("`{id}` is not signed by {}", signature::owner(owner)),
                help: format!(
                    "`palisade component add FILE` with the signature of these bytes ({})",
                    entry.digest.short()
                ),
            });
        }
        let why = match (&acceptance, self.lock.accepted(&entry.manifest.id)) {
            (Acceptance::Pending(more), Some((version, locked))) => {
                let accepted = format!("accepted is {version} ({})", locked.digest.short());
                let more: Vec<_> = more.iter().map(|power| format!("`{}`", power.name())).collect();
                match more.as_slice() {
                    [] => format!("these bytes of `{id}` were not accepted; {accepted}"),
                    [_] => format!("`{id}` asks for more than was accepted: {} is new; {accepted}", more.join(", ")),
                    _ => format!("`{id}` asks for more than was accepted: {} are new; {accepted}", more.join(", ")),
                }
            }
            _ => {
                let place = self.lines(&entry.manifest).next()?;
                format!(
                    "nobody accepted `{id}`, so that what palisade.toml:{place} grants it does not count; its bytes are {}",
                    entry.digest.short()
                )
            }
        };
        Some(NotAccepted { why, help: format!("`palisade grants accept {id}` shows the difference and asks") })
    }

    /// What the operator grants to a component: to those that come with Palisade reading below the working folder, to all
    /// what the file grants them, if it counts, and what is allowed for this run. What is forbidden is taken out, and the
    /// state is out of reach for all.
    pub(crate) fn granted(&self, entry: &Entry, allowed: &[Grant]) -> Authority {
        let default = if entry.first_party { Grant::default_set() } else { Vec::new() };
        let by_file = self.tables(&entry.manifest).filter(|_| self.acceptance(entry).counts());
        let by_file = by_file.flat_map(|table| table.allow.iter().cloned());
        let secrets = self.secrets(&entry.manifest).filter(|_| self.acceptance(entry).counts());
        let by_file = by_file.chain(secrets.map(|table| table.grant.clone()));
        let authority = Authority::of_operator(default.into_iter().chain(by_file).chain(allowed.iter().cloned()))
            .denying(self.denies(&entry.manifest).flat_map(|(_, denies)| denies.iter().cloned()))
            .denying(self.kept.iter().cloned());
        match ScopedPath::parse(self.folder, self.settings.data_dir.as_os_str().as_bytes()) {
            Ok(state) => authority.without(state),
            // A state folder that has no normal path can't be told apart from data: then nothing can be granted.
            Err(_) => Authority::none(),
        }
    }

    /// The labels that what a component makes does not have: as the file says, if a person accepted these very bytes. That
    /// they request no more powers than others says nothing of what they do with names and numbers.
    pub(crate) fn declassified(&self, entry: &Entry) -> BTreeSet<String> {
        let manifest = &entry.manifest;
        let of = |table: &&DeclassifyTable| table.component.means(&manifest.id, &manifest.version);
        let tables = self.settings.written.declassified.iter().filter(of);
        let locked = self.lock.get(&manifest.id, &manifest.version).filter(|locked| locked.digest == entry.digest);
        let looked_at = entry.first_party || locked.is_some_and(Locked::is_accepted_by_person);
        let counts = looked_at && self.acceptance(entry).counts();
        tables.filter(|_| counts).flat_map(|table| table.labels.iter().cloned()).collect()
    }

    /// The tables of the file that grant something to a component, whether it counts or not.
    pub(crate) fn tables(&self, manifest: &Manifest) -> impl Iterator<Item = &'s GrantTable> {
        let of = |table: &&GrantTable| table.component.means(&manifest.id, &manifest.version);
        self.settings.written.grants.iter().filter(of)
    }

    /// The secrets that the file grants to a component, whether they count or not.
    pub(crate) fn secrets(&self, manifest: &Manifest) -> impl Iterator<Item = &'s SecretTable> {
        let of = |table: &&SecretTable| table.concerns(&manifest.id, &manifest.version);
        self.settings.written.secrets.iter().filter(of)
    }

    /// The lines of all tables that grant a component something, a secret too, whether it counts or not.
    pub(crate) fn lines(&self, manifest: &Manifest) -> impl Iterator<Item = usize> {
        let secrets = self.secrets(manifest).map(|table| table.line);
        self.tables(manifest).map(|table| table.line).chain(secrets)
    }

    /// What the file grants to all that a target means, whether it counts or not.
    pub(crate) fn grants_to<'t>(&self, target: &'t Target) -> impl Iterator<Item = &'s Grant> + Clone + use<'s, 't> {
        let to = |grant: &&GrantTable| {
            let all = grant.component.version.is_none() || grant.component.version == target.version;
            grant.component.id == target.id && all
        };
        self.settings.written.grants.iter().filter(to).flat_map(|table| &table.allow)
    }

    /// What is forbidden to anything that a target means, as it is written.
    pub(crate) fn denies_to<'t>(&self, target: &'t Target) -> impl Iterator<Item = &'s Deny> + use<'s, 't> {
        let to = |table: &&DenyTable| {
            table.component.as_ref().is_none_or(|of| {
                let overlap = of.version.is_none() || target.version.is_none() || of.version == target.version;
                of.id == target.id && overlap
            })
        };
        self.settings.written.denies.iter().filter(to).flat_map(|table| &table.deny)
    }

    /// The tables of the file that forbid something to a component.
    pub(crate) fn denies(&self, manifest: &Manifest) -> impl Iterator<Item = &(&'s DenyTable, Vec<Deny>)> {
        self.denies.iter().filter(|(table, _)| table.concerns(&manifest.id, &manifest.version))
    }
}

/// The powers that a manifest requests.
pub(crate) fn powers(manifest: &Manifest) -> BTreeSet<Power> {
    manifest.requests.iter().map(|request| request.power).collect()
}

/// Whether nothing is left of a capability where these denies hold.
pub(crate) fn forbid_all_of(denies: &[Deny], capability: &Capability) -> bool {
    let power = capability.power();
    let denied: Vec<_> = denies.iter().filter(|deny| deny.concerns(power)).map(|deny| deny.place_for(power)).collect();
    let Some(places) = capability.places() else { return denied.contains(&None) };
    let is_denied =
        |place: &Place| denied.iter().any(|denied| denied.as_ref().is_none_or(|denied| denied.holds(place)));
    !denied.is_empty() && places.iter().all(is_denied)
}

/// What is forbidden to a component that runs in another folder than the working folder, as one that is tried out does.
pub(crate) fn denies_in(settings: &Settings, folder: &WorkingFolder, manifest: &Manifest) -> Vec<Deny> {
    let tables = settings.written.denies.iter().filter(|table| table.concerns(&manifest.id, &manifest.version));
    let denies = tables.flat_map(|table| denies_with_links(&table.deny, settings, folder));
    denies.chain(kept(settings, folder)).collect()
}

/// The files in which keys of servers are, which nobody reads.
fn kept(settings: &Settings, folder: &WorkingFolder) -> Vec<Deny> {
    denies_with_links(&settings.written.kept, settings, folder)
}

/// What is forbidden, seen from a folder, by the name that is written and by where it leads: a use is asked for by the path
/// that was really reached.
fn denies_with_links(denies: &[Deny], settings: &Settings, folder: &WorkingFolder) -> Vec<Deny> {
    let mut all = Vec::new();
    for deny in denies {
        let Some(path) = deny.path() else {
            all.push(deny.clone());
            continue;
        };
        let written = settings.working_dir.join(path.to_path_buf());
        let real = real_path(&written);
        for path in std::iter::once(written).chain(real) {
            for one in deny.at(folder, path.as_os_str().as_bytes()).unwrap_or_else(|_| vec![deny.clone()]) {
                if !all.contains(&one) {
                    all.push(one);
                }
            }
        }
    }
    all
}

/// Where a path leads: links are followed as far as something is there, what is not there yet is left as it is.
fn real_path(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|above| {
        let real = above.canonicalize().ok()?;
        Some(real.join(path.strip_prefix(above).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_followed_as_far_as_it_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("people")).unwrap();
        std::os::unix::fs::symlink("people", root.join("hr")).unwrap();
        let check = |path: &str, expected: &str| {
            assert_eq!(real_path(&root.join(path)), Some(root.join(expected)), "{path}");
        };
        check("hr", "people");
        check("hr/x/y", "people/x/y");
        check("people", "people");
        check("none/x", "none/x");
    }
}
