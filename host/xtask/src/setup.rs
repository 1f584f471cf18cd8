//! Owns the one thing a newcomer may lack: a compiler for guests. Installs only what the person agreed to.

use std::{
    fs,
    io::{self, BufRead, IsTerminal, Write},
    os::unix::fs::MetadataExt,
    path::Path,
    process::Command,
};

use anyhow::{Context, bail};
use palisade_kit::{DEBIAN_PACKAGES, Report, TARGET, Toolchain, add_rustup_target, inspect};

use crate::{
    project::Project,
    shell::{run as run_command, timed},
};

/// Whether a missing compiler may be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Install {
    /// Without asking.
    Yes,
    /// After asking on a terminal. Without a terminal, Debian's packages are installed if this runs as root: there is
    /// nobody to ask, and it is the machine of a build.
    Ask,
    /// Never.
    No,
}

impl Install {
    /// Whether something may be fetched that is not worth a question.
    pub(crate) fn unasked(self) -> bool {
        match self {
            Self::Yes => true,
            Self::Ask => is_debian_root() && !io::stdin().is_terminal(),
            Self::No => false,
        }
    }

    /// Whether it may be installed, after asking if there is somebody to ask.
    fn agreed(self, question: &str) -> anyhow::Result<bool> {
        if self == Self::Ask && io::stdin().is_terminal() { ask(question) } else { Ok(self.unasked()) }
    }
}

/// Finds the compiler for guests, after installing it if need be. Fails with what to install.
pub(crate) fn run(project: &Project, install: Install) -> anyhow::Result<Toolchain> {
    let report = inspect(&project.environment);
    if let Some(toolchain) = report.toolchain {
        eprintln!("guest compiler: {toolchain}");
        return Ok(toolchain);
    }
    // What to install is said once: by the error, if nothing is installed here.
    report.findings.iter().for_each(|finding| eprintln!("{finding}"));
    get(project, install, &report)?;
    let report = inspect(&project.environment);
    match report.toolchain {
        Some(toolchain) => {
            eprintln!("guest compiler: {toolchain}");
            Ok(toolchain)
        }
        None => bail!("the installation did not bring a guest compiler\n{report}"),
    }
}

/// Installs it the way that this machine offers.
fn get(project: &Project, install: Install, report: &Report) -> anyhow::Result<()> {
    if is_debian_root() {
        if install.agreed("install Debian's packages now?")? {
            return timed("installing Debian's compiler", || install_debian(project));
        }
    } else if report.has_rustup && install.agreed(&format!("let rustup download the target {TARGET}?"))? {
        return timed("adding the target", || Ok(add_rustup_target(&project.environment)?));
    }
    Err(what_to_do(report))
}

fn what_to_do(report: &Report) -> anyhow::Error {
    anyhow::anyhow!("no guest compiler; install one:\n{}", report.help())
}

fn is_debian_root() -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    is_root && Path::new("/etc/debian_version").exists()
}

fn install_debian(project: &Project) -> anyhow::Result<()> {
    apt_install(&DEBIAN_PACKAGES)?;
    // Which linker fits is known only when the compiler is there; a rustup toolchain may have brought one.
    match inspect(&project.environment).missing_linker {
        Some(package) => apt_install(&[&package]),
        None => Ok(()),
    }
}

/// Fetches a tool if that may be done unasked. A failure is told; what needs the tool is left out.
pub(crate) fn fetch(install: Install, work: impl FnOnce() -> anyhow::Result<()>) {
    if install.unasked()
        && let Err(error) = work()
    {
        eprintln!("{error:#}");
    }
}

/// Installs Debian's packages. Fails anywhere else, and without the rights.
pub(crate) fn apt_install(packages: &[&str]) -> anyhow::Result<()> {
    let apt = |words: &[&str], packages: &[&str]| {
        run_command(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(words).args(packages))
    };
    apt(&["update"], &[])?;
    apt(&["install", "-y", "--no-install-recommends"], packages)
}

fn ask(question: &str) -> anyhow::Result<bool> {
    eprint!("{question} [Y/n] ");
    io::stderr().flush().context("can't write to the terminal")?;
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer).context("can't read from the terminal")?;
    Ok(read > 0 && matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes"))
}
