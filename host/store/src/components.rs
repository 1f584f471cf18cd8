//! The registry of components that were added, and the rules for adding one.

use crate::content;
use crate::fault::Fault;
use crate::store::Store;
use palisade_audit::Entry;
use palisade_model::id::ComponentId;
use palisade_model::wcf_names::WCF_NAMES;
use palisade_model::{Digest, Manifest};
use rusqlite::{Connection, Row, TransactionBehavior, params};
use semver::Version;

/// A component in the registry. Its bytes are the content of that digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// What it said of itself when it was added.
    pub manifest: Manifest,
}

/// What adding a component did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    New,
    /// The same bytes were there under the same id and version.
    Known,
}

/// Why a component can't be added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// Its namespace, or one that looks like it, is kept for Palisade or for a component of WCF.
    #[error("namespace `{}` of `{id}` is reserved: it is, or looks like, `{reserved}`", id.namespace())]
    Reserved {
        /// The component.
        id: ComponentId,
        /// The name that it is or looks like.
        reserved: &'static str,
    },
    /// Other bytes are known under this id and version.
    #[error("`{component}` is known with other bytes: {known}, not {given}")]
    OtherDigest {
        /// The component, with its version.
        component: String,
        /// The digest in the registry.
        known: Digest,
        /// The digest of what was to be added.
        given: Digest,
    },
    /// Another component's id looks the same to a person.
    #[error("`{id}` looks like `{known}`, which is in the registry")]
    Confusable {
        /// The component.
        id: ComponentId,
        /// The other.
        known: ComponentId,
    },
    /// The disk or the database failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Store {
    /// Adds a component whose manifest was checked, and writes `noted` into the audit log with it. The same bytes under the
    /// same id and version may be added again; then nothing is written.
    ///
    /// # Errors
    /// When its namespace is reserved, its id looks like another's, other bytes are known under its id and version, or
    /// the disk fails.
    pub fn add_component(&self, manifest: &Manifest, bytes: &[u8], noted: &[Entry]) -> Result<Added, AddError> {
        let pending = self.prepare(bytes)?;
        let digest = pending.content().digest();
        let fault = |error| AddError::Fault(self.fault(error));
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        let known = select(&transaction, &self.tenant().key()).map_err(fault)?;
        let known = known.into_iter().map(|row| self.read(row)).collect::<Result<Vec<_>, _>>()?;
        if check(&known, manifest, digest)? == Added::Known {
            return Ok(Added::Known);
        }
        let is_new = content::insert(&transaction, self.tenant(), &pending).map_err(fault)?;
        insert(&transaction, &self.tenant().key(), manifest, digest).map_err(fault)?;
        self.write_entries(&transaction, noted)?;
        self.commit(transaction, if is_new { vec![pending] } else { Vec::new() })?;
        Ok(Added::New)
    }

    /// All components, by id and version.
    ///
    /// # Errors
    /// When the database fails or a manifest in it can't be read.
    pub fn components(&self) -> Result<Vec<Registered>, Fault> {
        let rows = select(&self.reader(), &self.tenant().key()).map_err(|error| self.fault(error))?;
        let mut all = rows.into_iter().map(|row| self.read(row)).collect::<Result<Vec<_>, _>>()?;
        all.sort_by(|a, b| (&a.manifest.id, &a.manifest.version).cmp(&(&b.manifest.id, &b.manifest.version)));
        Ok(all)
    }

    /// Removes a version of a component from the registry, and writes `noted` into the audit log with it; what runs need of
    /// it stays. Says whether it was there.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remove_component(&self, id: &ComponentId, version: &Version, noted: &[Entry]) -> Result<bool, Fault> {
        let fault = |error| self.fault(error);
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        let removed = transaction
            .execute(
                "DELETE FROM component WHERE tenant = ?1 AND id = ?2 AND version = ?3",
                params![self.tenant().key(), id.to_string(), version.to_string()],
            )
            .map_err(fault)?;
        if removed > 0 {
            self.write_entries(&transaction, noted)?;
        }
        self.commit(transaction, Vec::new())?;
        Ok(removed > 0)
    }

    fn read(&self, (digest, manifest): (Digest, String)) -> Result<Registered, Fault> {
        let manifest = serde_json::from_str(&manifest).map_err(|_| {
            Fault::damaged(self.database(), format!("the manifest of component {digest} can't be read"))
        })?;
        Ok(Registered { digest, manifest })
    }
}

/// The rules for adding, on what is known.
fn check(known: &[Registered], manifest: &Manifest, digest: Digest) -> Result<Added, AddError> {
    let (id, version) = (&manifest.id, &manifest.version);
    let namespace = |key: &str| key.split(':').next().unwrap_or_default().to_owned();
    let key = id.confusion_key();
    let reserved = WCF_NAMES.into_iter().chain([ComponentId::FIRST_PARTY]).find(|name| {
        let like: Option<ComponentId> = format!("{name}:x").parse().ok();
        like.is_some_and(|like| namespace(&like.confusion_key()) == namespace(&key))
    });
    if let Some(reserved) = reserved {
        return Err(AddError::Reserved { id: id.clone(), reserved });
    }
    let alike = known.iter().find(|other| other.manifest.id != *id && other.manifest.id.confusion_key() == key);
    if let Some(other) = alike {
        return Err(AddError::Confusable { id: id.clone(), known: other.manifest.id.clone() });
    }
    match known.iter().find(|other| other.manifest.id == *id && other.manifest.version == *version) {
        Some(other) if other.digest == digest => Ok(Added::Known),
        Some(other) => {
            Err(AddError::OtherDigest { component: manifest.versioned_id(), known: other.digest, given: digest })
        }
        None => Ok(Added::New),
    }
}

fn select(connection: &Connection, tenant: &str) -> rusqlite::Result<Vec<(Digest, String)>> {
    let read = |row: &Row<'_>| Ok((Digest::from_bytes(row.get(0)?), row.get(1)?));
    connection
        .prepare_cached("SELECT digest, manifest FROM component WHERE tenant = ?1")?
        .query_map(params![tenant], read)?
        .collect()
}

fn insert(connection: &Connection, tenant: &str, manifest: &Manifest, digest: Digest) -> rusqlite::Result<()> {
    let text =
        serde_json::to_string(manifest).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let sql = "INSERT INTO component (tenant, id, version, digest, manifest) VALUES (?1, ?2, ?3, ?4, ?5)";
    let (id, version) = (manifest.id.to_string(), manifest.version.to_string());
    connection.prepare_cached(sql)?.execute(params![tenant, id, version, digest.as_bytes(), text])?;
    Ok(())
}
