//! Owns building components of other toolchains (`plugins/foreign`) into `target/foreign`, as far as their tools are
//! there. Installs nothing; what is missing is said, and the tests that need it say that they were skipped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context;

use crate::{
    project::Project,
    shell::{run, timed},
};

const TARGET: &str = "wasm32-wasip2";
/// Where Debian's wasi-libc lies.
const WASI_LIBC: &str = "/usr/lib/wasm32-wasi";
/// Debian's compiler; with `-Zbuild-std` it makes the standard library for targets that it was not packaged for.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Builds what can be built.
pub(crate) fn build(project: &Project) -> anyhow::Result<()> {
    let built = project.components("foreign");
    fs::create_dir_all(&built).with_context(|| format!("can't make {}", built.display()))?;
    timed("building the wasip2 component", || wasip2(project, &built))?;
    timed("building the Python component", || python(project, &built))
}

fn wasip2(project: &Project, built: &Path) -> anyhow::Result<()> {
    let folder = project.root.join("plugins/foreign/wasip2");
    let target_dir = folder.join("target");
    let mut command = Command::new(&project.environment.cargo);
    command.current_dir(&folder).args(["build", "--release", "--target", TARGET, "--target-dir"]).arg(&target_dir);
    if !has_target() {
        let linkers = (wasm_ld(), component_ld(project));
        let (true, true, (Some(wasm_ld), Some(component_ld))) =
            (Path::new(DEBIAN_RUSTC).exists(), Path::new(WASI_LIBC).exists(), linkers)
        else {
            eprintln!(
                "skipped: needs `rustup target add {TARGET}`, or Debian's rustc-web, rust-web-src, wasi-libc and lld-22"
            );
            return Ok(());
        };
        let flags =
            format!("-L native={WASI_LIBC} -C link-self-contained=no -C link-arg=--wasm-ld-path={}", wasm_ld.display());
        command
            .arg("-Zbuild-std=std,panic_abort")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", DEBIAN_RUSTC)
            .env("CARGO_TARGET_WASM32_WASIP2_LINKER", component_ld)
            .env("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", flags)
            .env_remove("RUSTFLAGS");
    }
    run(&mut command)?;
    copy(&target_dir.join(TARGET).join("release/foreign_wasip2.wasm"), &built.join("wasip2.wasm"))
}

fn python(project: &Project, built: &Path) -> anyhow::Result<()> {
    let there = Command::new("componentize-py").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        eprintln!("skipped: needs `pip install componentize-py==0.25.1`");
        return Ok(());
    }
    let mut command = Command::new("componentize-py");
    command.arg("-d").arg(project.root.join("wit")).args([
        "-w",
        "analyser",
        "componentize",
        "app",
        "--stub-wasi",
        "-p",
    ]);
    run(command.arg(project.root.join("plugins/foreign/python")).arg("-o").arg(built.join("python.wasm")))
}

fn has_target() -> bool {
    let output = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// The newest wasm linker of Debian.
fn wasm_ld() -> Option<PathBuf> {
    (14..40).rev().map(|version| PathBuf::from(format!("/usr/bin/wasm-ld-{version}"))).find(|path| path.exists())
}

/// The linker of components that comes with a toolchain of rustup.
fn component_ld(project: &Project) -> Option<PathBuf> {
    let toolchains = fs::read_dir(project.environment.rustup_home.as_ref()?.join("toolchains")).ok()?;
    let mut found: Vec<_> = toolchains
        .flatten()
        .filter_map(|toolchain| fs::read_dir(toolchain.path().join("lib/rustlib")).ok())
        .flat_map(|hosts| hosts.flatten().map(|host| host.path().join("bin/wasm-component-ld")))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop()
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(from, to).map(drop).with_context(|| format!("can't copy {} to {}", from.display(), to.display()))
}
