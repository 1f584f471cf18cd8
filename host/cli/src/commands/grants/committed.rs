//! A file as it was in a commit: `REV:PATH`, as git names it.

use crate::failure::CliError;
use palisade_model::neutral;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The bytes of a file in a commit of the repository around `here`, at most `max`; none if the name is no such name. The path
/// is relative to `here`.
///
/// # Errors
/// When git is not there, knows no such commit or file, or the file is larger.
pub(super) fn read(here: &Path, name: &Path, max: u64) -> Result<Option<Vec<u8>>, CliError> {
    let Some((commit, path)) = name.to_str().and_then(|name| name.split_once(':')) else { return Ok(None) };
    if commit.is_empty() || commit.starts_with('-') || path.is_empty() {
        return Ok(None);
    }
    let object = if path.starts_with(['.', '/']) { format!("{commit}:{path}") } else { format!("{commit}:./{path}") };
    let unread = |why: String| CliError::usage(format!("{commit}:{path} can't be read: {why}"));
    // `cat-file` starts no other program, and nothing is fetched.
    let mut git = Command::new("git")
        .args(["cat-file", "blob", &object])
        .current_dir(here)
        .env("GIT_NO_LAZY_FETCH", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| unread(format!("`git`: {error}")))?;
    let mut bytes = Vec::new();
    let read = git.stdout.take().map(|out| out.take(max + 1).read_to_end(&mut bytes)).transpose();
    let ended = git.wait_with_output().map_err(|error| unread(error.to_string()))?;
    read.map_err(|error| unread(error.to_string()))?;
    if bytes.len() as u64 > max {
        return Err(unread(format!("it is larger than {} MiB", max >> 20)));
    }
    if !ended.status.success() {
        return Err(unread(neutral::line(String::from_utf8_lossy(&ended.stderr).trim(), 300)));
    }
    Ok(Some(bytes))
}
