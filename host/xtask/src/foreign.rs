//! Owns building components of other toolchains (`plugins/foreign`) into `target/foreign`, as far as their tools are
//! there or may be fetched. Only tests need them: what is missing is said and never stops anything.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context;

use crate::{
    project::Project,
    setup::{self, Install},
    shell::{run, timed},
};

const TARGET: &str = "wasm32-wasip2";
const PACKAGE: &str = "foreign-wasip2";
/// Debian's package of the C library of that target, and where it puts it.
const WASI_LIBC: (&str, &str) = ("wasi-libc", "/usr/lib/wasm32-wasi");
/// Debian's compiler; with `-Zbuild-std` it makes the standard library for targets that it was not packaged for.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// What makes a component of a Python program: the version of the tool that was tried.
const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";

/// How to compile for the target.
enum Wasip2 {
    /// The chosen compiler has it.
    Sysroot,
    /// Debian's compiler and C library, with the linker of components of a rustup toolchain.
    Debian { component_ld: PathBuf, wasm_ld: PathBuf },
}

/// Builds what can be built.
pub(crate) fn build(project: &Project, install: Install) -> anyhow::Result<()> {
    let built = project.components("foreign");
    fs::create_dir_all(&built).with_context(|| format!("can't make {}", built.display()))?;
    timed("building the wasip2 component", || match wasip2_tools(project, install) {
        Some(tools) => wasip2(project, &tools, &built.join("wasip2.wasm")),
        None => skip(&format!(
            "needs `rustup target add {TARGET}`, or Debian's rustc-web, rust-web-src and {} with a toolchain of rustup",
            WASI_LIBC.0
        )),
    })?;
    timed("building the Python component", || match componentize_py(project, install) {
        Some(tool) => python(project, &tool, &built.join("python.wasm")),
        None => skip(&format!("needs `pip install {COMPONENTIZE_PY}`")),
    })
}

fn skip(needed: &str) -> anyhow::Result<()> {
    eprintln!("SKIPPED: {needed} (--install fetches what can be fetched)");
    Ok(())
}

fn wasip2(project: &Project, tools: &Wasip2, to: &Path) -> anyhow::Result<()> {
    let target_dir = project.guest_target();
    let mut command = Command::new(&project.environment.cargo);
    command.args(["build", "--release", "--target", TARGET, "--package", PACKAGE, "--target-dir"]).arg(&target_dir);
    // Configuration of cargo is looked for upwards from here.
    command.current_dir(project.root.join("plugins"));
    if let Wasip2::Debian { component_ld, wasm_ld } = tools {
        let flags = format!(
            "-L native={} -C link-self-contained=no -C link-arg=--wasm-ld-path={}",
            WASI_LIBC.1,
            wasm_ld.display()
        );
        command
            .arg("-Zbuild-std=std,panic_abort")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", DEBIAN_RUSTC)
            .env("CARGO_TARGET_WASM32_WASIP2_LINKER", component_ld)
            .env("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", flags)
            .env_remove("RUSTFLAGS");
    }
    run(&mut command)?;
    let made = target_dir.join(TARGET).join("release/foreign_wasip2.wasm");
    fs::copy(&made, to).map(drop).with_context(|| format!("can't copy {} to {}", made.display(), to.display()))
}

fn python(project: &Project, tool: &Path, to: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(tool);
    // With WASI and not `--stub-wasi`: what Python finds there is what the tests are about.
    command.arg("-d").arg(project.root.join("wit")).args(["-w", "analyser", "componentize", "app", "-p"]);
    run(command.arg(project.root.join("plugins/foreign/python")).arg("-o").arg(to))
}

fn wasip2_tools(project: &Project, install: Install) -> Option<Wasip2> {
    if works(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]))
        .is_some_and(|folder| Path::new(&folder).is_dir())
    {
        return Some(Wasip2::Sysroot);
    }
    let component_ld = component_ld(project)?;
    // A toolchain of rustup that has the one has the other, under the name that makes it a linker for wasm.
    let wasm_ld = component_ld.with_file_name("gcc-ld").join("wasm-ld");
    let has_compiler = Path::new(DEBIAN_RUSTC).exists() && wasm_ld.exists();
    let has_libc = || Path::new(WASI_LIBC.1).exists();
    if has_compiler && !has_libc() {
        setup::fetch(install, || setup::apt_install(&[WASI_LIBC.0]));
    }
    (has_compiler && has_libc()).then_some(Wasip2::Debian { component_ld, wasm_ld })
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

/// Finds the tool on the path, else in a folder of the project, into which it may be fetched.
fn componentize_py(project: &Project, install: Install) -> Option<PathBuf> {
    let folder = project.components("foreign-tools");
    let own = folder.join("bin/componentize-py");
    let find = || {
        let known = [PathBuf::from("componentize-py"), own.clone()];
        known.into_iter().find(|tool| works(Command::new(tool).arg("--version")).is_some())
    };
    find().or_else(|| {
        setup::fetch(install, || {
            if works(Command::new("python3").args(["-c", "import ensurepip"])).is_none() {
                setup::apt_install(&["python3-venv"])?;
            }
            run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
            run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", COMPONENTIZE_PY]))
        });
        find()
    })
}

/// Runs a program that answers something. `None` if it can't be run or fails.
fn works(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
