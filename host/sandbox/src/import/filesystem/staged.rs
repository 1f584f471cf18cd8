//! What a guest does in a folder that it may write to: decided and counted here, and done in its [`Stage`].
//!
//! Needs the power `fs-write`. `authorise` is asked about where a file would be put, whenever a name is made or a file is
//! opened. Nothing of what is there is seen or touched: that comes when the step has succeeded, and is not done here.

use super::bindings::wasi::filesystem::types::{DescriptorFlags, DescriptorStat, ErrorCode, Filesize, OpenFlags};
use super::error::DENIED;
use super::guest_path::GuestPath;
use super::stage::{NodeId, Spot, Stage, What};
use super::stream::MAX_READ;
use super::{FsResult, stat_of};
use crate::cost::Work;
use crate::meter::{AttemptMeter, Total};
use crate::state::{Ended, Host};
use palisade_authority::Use;
use palisade_model::manifest::Power;
use palisade_model::{Failure, FailureKind};
use rustix::fs::FileType;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_io::bytes::Bytes;

/// Most bytes of one write to a stream.
const MAX_WRITE: usize = 64 << 10;
/// What the host holds for each name that a guest makes, beside the name.
const NODE_BYTES: u64 = 256;
/// The stage of an instance, which the streams of its files share.
#[derive(Debug, Clone)]
pub(crate) struct SharedStage(Arc<Mutex<Stage>>);

/// A file or folder of a stage that a guest holds.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    pub(super) node: NodeId,
    /// For what it was opened.
    pub(super) flags: DescriptorFlags,
}

impl Handle {
    fn needs(&self, flags: DescriptorFlags, otherwise: ErrorCode) -> FsResult<()> {
        if self.flags.contains(flags) { Ok(()) } else { Err(otherwise.into()) }
    }
}

impl SharedStage {
    pub(super) fn lock(&self) -> MutexGuard<'_, Stage> {
        // Nothing in a stage panics half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    /// A handle of each folder that the config names and the guest may write to, with its name there. They are empty the
    /// first time, and the same ever after.
    pub(super) fn staged_folders(&mut self) -> Vec<(Handle, String)> {
        let Some(granted) = self.granted.clone() else { return Vec::new() };
        if self.stage.is_none() && !granted.writes.is_empty() {
            let mut allowed = Vec::new();
            for named in &granted.writes {
                self.charge(Work::Small, 0);
                if self.authorise(&Use::FsWrite { path: named.path.clone() }).is_ok() {
                    allowed.push(named.clone());
                }
            }
            self.stage = Some(SharedStage(Arc::new(Mutex::new(Stage::new(allowed)))));
        }
        let flags = DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY;
        let Some(stage) = &self.stage else { return Vec::new() };
        let stage = stage.lock();
        stage.named().iter().map(|(named, node)| (Handle { node: *node, flags }, named.written.clone())).collect()
    }

    pub(super) fn stage(&self) -> FsResult<SharedStage> {
        // Who holds a handle has a stage.
        self.stage.clone().ok_or_else(|| ErrorCode::BadDescriptor.into())
    }

    pub(super) fn open_staged(
        &mut self,
        from: &Handle,
        path: &str,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Handle> {
        let path = self.staged_path(path)?;
        let stage = self.stage()?;
        let writes = DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY;
        if flags.intersects(writes) || how.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE) {
            from.needs(DescriptorFlags::MUTATE_DIRECTORY, ErrorCode::ReadOnly)?;
        }
        let exclusive = how.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE);
        let spot = stage.lock().find(from.node, path)?;
        match spot {
            Spot::Free { folder, name } if how.contains(OpenFlags::CREATE) => {
                if how.contains(OpenFlags::DIRECTORY) || path.wants_folder() {
                    return Err(ErrorCode::Invalid.into());
                }
                let node = self.create_staged(&stage, folder, &name, What::File(0))?;
                Ok(Handle { node, flags: for_file(flags) })
            }
            Spot::Free { .. } => Err(ErrorCode::NoEntry.into()),
            Spot::There(_) if exclusive => Err(ErrorCode::Exist.into()),
            Spot::There(node) => self.reopen_staged(&stage, node, how, flags),
        }
    }

    fn reopen_staged(
        &mut self,
        stage: &SharedStage,
        node: NodeId,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Handle> {
        let (what, path) = {
            let stage = stage.lock();
            (stage.what(node)?, stage.path(node)?)
        };
        self.authorise(&Use::FsWrite { path }).map_err(|_denied| DENIED)?;
        match what {
            What::Folder if flags.contains(DescriptorFlags::WRITE) || how.contains(OpenFlags::TRUNCATE) => {
                Err(ErrorCode::IsDirectory.into())
            }
            What::Folder => Ok(Handle { node, flags: for_folder(flags) }),
            What::File(_) if how.contains(OpenFlags::DIRECTORY) => Err(ErrorCode::NotDirectory.into()),
            // Cutting a file off is writing it.
            What::File(_) if how.contains(OpenFlags::TRUNCATE) && !flags.contains(DescriptorFlags::WRITE) => {
                Err(DENIED.into())
            }
            What::File(_) => {
                if how.contains(OpenFlags::TRUNCATE) {
                    stage.lock().set_size(node, 0)?;
                }
                Ok(Handle { node, flags: for_file(flags) })
            }
        }
    }

    pub(super) fn create_folder_staged(&mut self, from: &Handle, path: &str) -> FsResult<()> {
        from.needs(DescriptorFlags::MUTATE_DIRECTORY, ErrorCode::ReadOnly)?;
        let path = self.staged_path(path)?;
        let stage = self.stage()?;
        let spot = stage.lock().find(from.node, path)?;
        match spot {
            Spot::Free { folder, name } => self.create_staged(&stage, folder, &name, What::Folder).map(drop),
            Spot::There(_) => Err(ErrorCode::Exist.into()),
        }
    }

    /// Makes a name: decided, then counted, then done.
    fn create_staged(&mut self, stage: &SharedStage, folder: NodeId, name: &str, what: What) -> FsResult<NodeId> {
        let path = stage.lock().path_in(folder, name)?;
        self.authorise(&Use::FsWrite { path }).map_err(|_denied| DENIED)?;
        self.spend(Total::FilesWritten, 1).map_err(|_limit| ErrorCode::Quota)?;
        self.limiter.hold(NODE_BYTES + name.len() as u64)?;
        Ok(stage.lock().create(folder, name, what)?)
    }

    pub(super) fn remove_staged(&mut self, from: &Handle, path: &str, what: What) -> FsResult<()> {
        from.needs(DescriptorFlags::MUTATE_DIRECTORY, ErrorCode::ReadOnly)?;
        let path = self.staged_path(path)?;
        let stage = self.stage()?;
        let mut stage = stage.lock();
        let node = stage.find_there(from.node, path)?;
        Ok(stage.remove(node, what)?)
    }

    /// Whatever comes to lie elsewhere is decided about as if it were made there.
    pub(super) fn rename_staged(&mut self, from: &Handle, old: &str, to: &Handle, new: &str) -> FsResult<()> {
        for folder in [from, to] {
            folder.needs(DescriptorFlags::MUTATE_DIRECTORY, ErrorCode::ReadOnly)?;
        }
        let (old, new) = (self.staged_path(old)?, self.staged_path(new)?);
        let stage = self.stage()?;
        let (node, spot, moved) = {
            let stage = stage.lock();
            let (node, spot) = (stage.find_there(from.node, old)?, stage.find(to.node, new)?);
            if new.wants_folder() && stage.what(node)? != What::Folder {
                return Err(ErrorCode::NotDirectory.into());
            }
            let path = match &spot {
                Spot::There(there) => stage.path(*there)?,
                Spot::Free { folder, name } => stage.path_in(*folder, name)?,
            };
            let moved = stage.below(node, path)?;
            (node, spot, moved)
        };
        for (_, path) in moved {
            self.charge(Work::Stat, 0);
            self.authorise(&Use::FsWrite { path }).map_err(|_denied| DENIED)?;
        }
        if let Spot::Free { name, .. } = &spot {
            self.limiter.hold(name.len() as u64)?;
        }
        Ok(stage.lock().rename(node, &spot)?)
    }

    pub(super) fn write_staged(&mut self, handle: &Handle, bytes: &[u8], offset: Filesize) -> FsResult<Filesize> {
        self.charge(Work::WriteFile, bytes.len());
        handle.needs(DescriptorFlags::WRITE, DENIED)?;
        let stage = self.stage()?;
        let more = written(&stage, handle.node, bytes.len(), offset)?;
        self.spend(Total::BytesWritten, more).map_err(|_limit| ErrorCode::Quota)?;
        self.prepare_stage(&stage)?;
        stage.lock().write(handle.node, bytes, offset)?;
        Ok(bytes.len() as u64)
    }

    pub(super) fn set_size_staged(&mut self, handle: &Handle, size: Filesize) -> FsResult<()> {
        self.charge(Work::WriteFile, 0);
        handle.needs(DescriptorFlags::WRITE, DENIED)?;
        let stage = self.stage()?;
        let What::File(before) = stage.lock().what(handle.node)? else { return Err(ErrorCode::IsDirectory.into()) };
        // What was never written fills no disk here, but it does where the file is put.
        self.spend(Total::BytesWritten, size.saturating_sub(before)).map_err(|_limit| ErrorCode::Quota)?;
        Ok(stage.lock().set_size(handle.node, size)?)
    }

    /// Reads what the guest wrote itself: it counts as bytes that are read, and gives no more fuel.
    pub(super) fn read_staged(
        &mut self,
        handle: &Handle,
        length: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        handle.needs(DescriptorFlags::READ, DENIED)?;
        let wanted = usize::try_from(length).unwrap_or(MAX_READ).min(MAX_READ);
        let stage = self.stage()?;
        let (bytes, what) = {
            let stage = stage.lock();
            (stage.read(handle.node, wanted, offset)?, stage.what(handle.node)?)
        };
        self.charge(Work::ReadFile, bytes.len());
        self.spend(Total::FileBytesRead, bytes.len() as u64).map_err(|_limit| ErrorCode::Quota)?;
        let at_end = matches!(what, What::File(size) if offset.saturating_add(bytes.len() as u64) >= size);
        Ok((bytes, length > 0 && at_end))
    }

    /// A stream that writes from `offset` on, or at the end as it is by then.
    pub(super) fn stream_staged(&mut self, handle: &Handle, offset: Option<Filesize>) -> FsResult<StagedStream> {
        self.charge(Work::Small, 0);
        handle.needs(DescriptorFlags::WRITE, DENIED)?;
        let stage = self.stage()?;
        self.prepare_stage(&stage)?;
        Ok(StagedStream { stage, node: handle.node, offset, meter: Arc::clone(&self.meter) })
    }

    pub(super) fn read_stream_staged(&mut self, handle: &Handle, offset: Filesize) -> FsResult<StagedStream> {
        self.charge(Work::Small, 0);
        handle.needs(DescriptorFlags::READ, DENIED)?;
        Ok(StagedStream {
            stage: self.stage()?,
            node: handle.node,
            offset: Some(offset),
            meter: Arc::clone(&self.meter),
        })
    }

    pub(super) fn stat_staged(&self, node: NodeId) -> FsResult<DescriptorStat> {
        Ok(match self.stage()?.lock().what(node)? {
            What::Folder => stat_of(FileType::Directory, 0),
            What::File(size) => stat_of(FileType::RegularFile, size),
        })
    }

    pub(super) fn find_staged(&mut self, from: &Handle, path: &str) -> FsResult<NodeId> {
        let path = self.staged_path(path)?;
        Ok(self.stage()?.lock().find_there(from.node, path)?)
    }

    /// Hands over what was written, once the guest has done what was wanted.
    ///
    /// # Errors
    /// When a folder was renamed so that a path became too long for a file system.
    pub(crate) fn leave_staged(&mut self) -> Result<(), Failure> {
        let Some(SharedStage(stage)) = self.stage.take() else { return Ok(()) };
        let files = stage.lock().unwrap_or_else(PoisonError::into_inner).take().map_err(|_| {
            Failure::new(FailureKind::Failed, "a file was written whose path is too long to be put anywhere")
        })?;
        if !files.is_empty() {
            self.ports.staged(files);
        }
        Ok(())
    }

    /// A path of a guest, which may lead nowhere but below its start: what tries to is a refusal.
    fn staged_path<'p>(&mut self, path: &'p str) -> FsResult<GuestPath<'p>> {
        GuestPath::check(path).map_err(|error| {
            if error.leads_out() {
                let (what, why) = self.kept(path, "it leads out of the folder that the component may write to");
                let (what, why) = (what.to_owned(), why.to_owned());
                self.deny(Power::FsWrite, &what, &why);
            }
            error.into()
        })
    }

    fn prepare_stage(&mut self, stage: &SharedStage) -> FsResult<()> {
        Ok(stage.lock().prepare(|| {
            self.ports.arena().map_err(|error| {
                let _told_by_its_code = self.port_error(error);
                ErrorCode::Io
            })
        })?)
    }
}

/// For what of it a file can be opened.
fn for_file(flags: DescriptorFlags) -> DescriptorFlags {
    flags & (DescriptorFlags::READ | DescriptorFlags::WRITE)
}

/// For what of it a folder can be opened.
fn for_folder(flags: DescriptorFlags) -> DescriptorFlags {
    flags & (DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY)
}

/// What a write of so many bytes counts: they, and by how much the file grows without them.
fn written(stage: &SharedStage, node: NodeId, length: usize, offset: u64) -> Result<u64, ErrorCode> {
    match stage.lock().what(node)? {
        What::File(size) => Ok(offset.saturating_sub(size).saturating_add(length as u64)),
        What::Folder => Err(ErrorCode::IsDirectory),
    }
}

/// A cursor over a file of a stage, as a stream.
pub(super) struct StagedStream {
    stage: SharedStage,
    node: NodeId,
    /// None = each write goes to the end.
    offset: Option<u64>,
    meter: Arc<AttemptMeter>,
}

impl StagedStream {
    /// Counts what a stream can't say `quota` of: going on over a limit ends the guest.
    fn spend(&self, total: Total, more: u64) -> StreamResult<()> {
        self.meter.spend(total, more).map_err(|failure| StreamError::Trap(Ended(Box::new(failure)).into()))
    }
}

fn failed(code: ErrorCode) -> StreamError {
    StreamError::LastOperationFailed(wasmtime::Error::msg(code.message()))
}

impl OutputStream for StagedStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > MAX_WRITE {
            return Err(StreamError::trap("more was written than `check-write` allows"));
        }
        let offset = match self.offset {
            Some(offset) => offset,
            None => match self.stage.lock().what(self.node).map_err(failed)? {
                What::File(size) => size,
                What::Folder => return Err(failed(ErrorCode::IsDirectory)),
            },
        };
        let more = written(&self.stage, self.node, bytes.len(), offset).map_err(failed)?;
        self.spend(Total::BytesWritten, more)?;
        self.stage.lock().write(self.node, &bytes, offset).map_err(failed)?;
        self.offset = self.offset.map(|offset| offset.saturating_add(bytes.len() as u64));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_WRITE)
    }
}

impl InputStream for StagedStream {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let offset = self.offset.unwrap_or(0);
        let bytes = self.stage.lock().read(self.node, size.min(MAX_READ), offset).map_err(failed)?;
        if bytes.is_empty() && size > 0 {
            return Err(StreamError::Closed);
        }
        self.spend(Total::FileBytesRead, bytes.len() as u64)?;
        self.offset = Some(offset.saturating_add(bytes.len() as u64));
        Ok(bytes.into())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for StagedStream {
    async fn ready(&mut self) {}
}
