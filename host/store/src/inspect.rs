//! Reads all that is stored and compares it with its hashes. Changes nothing and mends nothing.

use crate::content::{Content, Mark};
use crate::fault::Fault;
use crate::journal::VerifyError;
use crate::store::Store;
use palisade_model::digest::Hasher;
use palisade_model::{Digest, RunId};
use rusqlite::{Row, params};

/// Most damages that are kept with their words; all are counted.
const MAX_DAMAGES: usize = 100;
/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 20;
/// Rows that are listed at once.
const PAGE: usize = 1_000;

/// What was looked at, and what of it is not what was written.
#[derive(Debug, Default)]
pub struct Inspection {
    /// Runs whose events were checked against their chain.
    pub runs: u64,
    /// Artifacts whose digest was checked.
    pub artifacts: u64,
    /// Contents of which every byte was read: items of artifacts, components, runbooks, schemas.
    pub contents: u64,
    /// Bytes of those contents.
    pub bytes: u64,
    /// What is damaged: the first hundred.
    pub damages: Vec<Damage>,
    /// How many damages there are.
    pub damage_count: u64,
}

/// Something that is not what was written.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The database as a file.
    #[error("the database: {what}")]
    Database {
        /// What SQLite says.
        what: String,
    },
    /// The journal of a run.
    #[error(transparent)]
    Journal(VerifyError),
    /// An artifact, a component or other bytes.
    #[error(transparent)]
    Stored(Fault),
}

impl Inspection {
    fn note(&mut self, damage: Damage) {
        self.damage_count += 1;
        if self.damages.len() < MAX_DAMAGES {
            self.damages.push(damage);
        }
    }

    /// Notes a damage; gives on what else a fault can be.
    fn sort(&mut self, fault: Fault) -> Result<(), Fault> {
        if fault.is_damage() {
            self.note(Damage::Stored(fault));
            return Ok(());
        }
        Err(fault)
    }
}

impl Store {
    /// Reads everything that is stored, the bytes of contents streamed, and compares it with its hashes: events with the
    /// chain of their run, artifacts and contents with their digests, counted lines with the bytes. `seen` is told the
    /// bytes read so far. Other processes may go on working meanwhile.
    ///
    /// Says that the store is consistent in itself, no more: who can write it can write another consistent one.
    ///
    /// # Errors
    /// When the disk or the database fails otherwise than by damage.
    pub fn inspect(&self, mut seen: impl FnMut(u64)) -> Result<Inspection, Fault> {
        let mut inspection = Inspection::default();
        self.inspect_database(&mut inspection)?;
        self.inspect_runs(&mut inspection)?;
        self.inspect_artifacts(&mut inspection)?;
        self.inspect_contents(&mut inspection, &mut seen)?;
        if let Err(fault) = self.components() {
            inspection.sort(fault)?;
        }
        Ok(inspection)
    }

    fn inspect_database(&self, inspection: &mut Inspection) -> Result<(), Fault> {
        let check = || -> rusqlite::Result<Vec<String>> {
            self.connection().prepare("PRAGMA integrity_check(10)")?.query_map([], |row| row.get(0))?.collect()
        };
        let orphans = || -> rusqlite::Result<Vec<String>> {
            let text = |row: &Row<'_>| {
                let (table, above, rows): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(format!("{rows} rows of `{table}` belong to none of `{above}`"))
            };
            let sql = "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2";
            self.connection().prepare(sql)?.query_map([], text)?.collect()
        };
        for said in [check(), orphans()] {
            match said {
                Ok(said) => said.into_iter().filter(|line| line != "ok").for_each(|what| {
                    inspection.note(Damage::Database { what });
                }),
                Err(error) => inspection.sort(self.fault(error))?,
            }
        }
        Ok(())
    }

    fn inspect_runs(&self, inspection: &mut Inspection) -> Result<(), Fault> {
        self.pages("run", "run", inspection, |inspection, key: [u8; 16]| {
            inspection.runs += 1;
            match self.verify(RunId::from_bytes(key)) {
                Ok(_) => Ok(()),
                Err(VerifyError::Fault(fault)) => inspection.sort(fault),
                Err(broken) => {
                    inspection.note(Damage::Journal(broken));
                    Ok(())
                }
            }
        })
    }

    fn inspect_artifacts(&self, inspection: &mut Inspection) -> Result<(), Fault> {
        self.pages("artifact", "digest", inspection, |inspection, key: [u8; 32]| {
            inspection.artifacts += 1;
            self.artifact(Digest::from_bytes(key)).map(drop).or_else(|fault| inspection.sort(fault))
        })
    }

    fn inspect_contents(&self, inspection: &mut Inspection, seen: &mut dyn FnMut(u64)) -> Result<(), Fault> {
        let mut buffer = vec![0; READ_BYTES];
        self.pages("content", "digest", inspection, |inspection, key: [u8; 32]| {
            inspection.contents += 1;
            let before = inspection.bytes;
            let checked = self.content(Digest::from_bytes(key)).and_then(|content| match content {
                Some(content) => {
                    check(&content, &mut buffer, &mut |bytes| seen(before + bytes)).map(|()| content.length())
                }
                None => Ok(0),
            });
            match checked {
                Ok(bytes) => inspection.bytes += bytes,
                Err(fault) => inspection.sort(fault)?,
            }
            Ok(())
        })
    }

    /// Hands out the keys of a table, a page at a time, so that neither all of them are in memory nor the database is
    /// held meanwhile. A table that can't be read is a damage.
    fn pages<const N: usize>(
        &self,
        table: &str,
        key: &str,
        inspection: &mut Inspection,
        mut visit: impl FnMut(&mut Inspection, [u8; N]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let sql = format!("SELECT {key} FROM {table} WHERE tenant = ?1 AND {key} > ?2 ORDER BY {key} LIMIT {PAGE}");
        let mut last = Vec::new();
        loop {
            let read = || -> rusqlite::Result<Vec<[u8; N]>> {
                let parameters = params![self.tenant().key(), last];
                let read = |row: &Row<'_>| row.get(0);
                self.connection().prepare_cached(&sql)?.query_map(parameters, read)?.collect()
            };
            let page = match read() {
                Ok(page) => page,
                Err(error) => return inspection.sort(self.fault(error)),
            };
            let Some(end) = page.last() else { return Ok(()) };
            last = end.to_vec();
            page.into_iter().try_for_each(|key| visit(inspection, key))?;
        }
    }
}

impl Content {
    /// Reads every byte and compares them with the digest, and with what was counted of them.
    ///
    /// # Errors
    /// When the bytes are not those that were stored, or can't be read.
    pub fn verify(&self) -> Result<(), Fault> {
        check(self, &mut vec![0; READ_BYTES], &mut |_| {})
    }
}

/// Reads every byte of a content.
fn check(content: &Content, buffer: &mut [u8], seen: &mut dyn FnMut(u64)) -> Result<(), Fault> {
    let mut scan = Scan { hasher: Hasher::new(), at: 0, lines: 0, last: 0, marks: content.marks(), marks_fit: true };
    if let Some(bytes) = content.memory() {
        scan.take(bytes);
    }
    for segment in content.segments() {
        let file = content.open(segment)?;
        let length = file.metadata().map_err(|error| Fault::io(&segment.path, error))?.len();
        if length != segment.length {
            return Err(Fault::damaged(&segment.path, format!("it has {length} bytes and not {}", segment.length)));
        }
        let mut offset = 0;
        while offset < length {
            let wanted = usize::try_from(length - offset).unwrap_or(usize::MAX).min(buffer.len());
            let chunk = buffer.get_mut(..wanted).unwrap_or_default();
            content.read(&file, segment, chunk, offset)?;
            scan.take(chunk);
            offset += wanted as u64;
            seen(scan.at);
        }
    }
    scan.finish(content)
}

/// What is counted while bytes go by.
struct Scan<'a> {
    hasher: Hasher,
    at: u64,
    lines: u64,
    /// The byte before `at`.
    last: u8,
    /// Marks that lie ahead.
    marks: &'a [Mark],
    marks_fit: bool,
}

impl Scan<'_> {
    fn take(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        let mut rest = bytes;
        while let Some((mark, ahead)) = self.marks.split_first()
            && mark.byte - self.at <= rest.len() as u64
        {
            let (before, behind) = rest.split_at((mark.byte - self.at) as usize);
            self.count(before);
            self.marks_fit &= self.lines == mark.line && self.last == b'\n';
            (self.marks, rest) = (ahead, behind);
        }
        self.count(rest);
    }

    fn count(&mut self, bytes: &[u8]) {
        self.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        self.at += bytes.len() as u64;
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    fn finish(self, content: &Content) -> Result<(), Fault> {
        let digest = content.digest();
        let damaged = |what: String| Err(Fault::damaged(&content.place_name(), what));
        if self.hasher.finish() != digest {
            return damaged(format!("the bytes do not have the digest {digest}"));
        }
        if self.lines != content.lines() || !self.marks_fit {
            return damaged(format!("the database has counted the lines of {digest} otherwise"));
        }
        Ok(())
    }
}
