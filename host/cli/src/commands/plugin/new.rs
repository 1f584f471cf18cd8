//! `palisade plugin new`: a folder with a plugin that works.

use super::project::unpack_sdk;
use super::template;
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use palisade_model::ComponentId;
use palisade_model::wcf_names::is_wcf_name;
use std::fs;
use std::path::Path;

/// Names that a package can't have beside the SDK and the standard library, which is built with it.
const TAKEN: [&str; 6] = ["palisade-sdk", "alloc", "core", "proc_macro", "std", "test"];

pub(super) fn exec(context: &Context, name: &str, dir: Option<&Path>) -> Result<ExitCode, CliError> {
    let id = component_id(name)?;
    let shown = dir.unwrap_or(Path::new(id.name()));
    let root = context.settings.working_dir.join(shown);
    // An empty folder is fine: it may be a new repository's.
    match fs::read_dir(&root) {
        Ok(mut entries) => {
            if entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != ".git")) {
                return Err(
                    CliError::usage(format!("{} is not empty", shown.display())).help("name another with --dir")
                );
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(CliError::usage(format!("{} can't be used: {error}", shown.display()))),
    }
    for (path, content) in template::files(&id) {
        write(&root.join(path), &content)?;
    }
    unpack_sdk(&root)?;
    console::err(&format!(
        "made {id} in {shown}\n  src/lib.rs    the plugin: it counts the words of each document\n  schemas/      what its output looks like\n  \
         cases/        inputs with what must come out\n  palisade-sdk/ what it is built with\nnext: cd {shown} && palisade plugin test\n",
        shown = shown.display()
    ));
    Ok(ExitCode::Done)
}

/// Reads the name of a new plugin; the namespace is `example` if none is given.
fn component_id(name: &str) -> Result<ComponentId, CliError> {
    let text = if name.contains(':') { name.to_owned() } else { format!("example:{name}") };
    let id: ComponentId = text.parse().map_err(|error| {
        CliError::usage(format!("`{}` can't be the name of a plugin: {error}", palisade_model::neutral::line(name, 80)))
            .help("lower-case letters, digits, `-` and `_`, as in acme:word_count")
    })?;
    if id.namespace() == ComponentId::FIRST_PARTY || is_wcf_name(id.namespace()) {
        return Err(CliError::usage(format!("the namespace `{}` is reserved", id.namespace()))
            .help("choose one that stands for you, as in acme:word_count"));
    }
    if TAKEN.contains(&id.name()) {
        return Err(CliError::usage(format!("`{}` is the name of a crate that every plugin is built with", id.name()))
            .help("choose one that says what the plugin does, as in acme:word_count"));
    }
    Ok(id)
}

fn write(path: &Path, content: &str) -> Result<(), CliError> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, content));
    made.map_err(|error| CliError::new(ExitCode::Failed, format!("{} can't be written: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_namespace_is_an_example() {
        assert_eq!(component_id("words").unwrap().to_string(), "example:words");
        assert_eq!(component_id("acme:words").unwrap().to_string(), "acme:words");
    }

    #[test]
    fn what_could_not_be_registered_is_refused_at_once() {
        for wrong in ["", "Words", "acme:", "../x", "a/b", "palisade:words", "sqlite:words", "acme:std"] {
            assert_eq!(component_id(wrong).unwrap_err().code, ExitCode::Usage, "{wrong}");
        }
    }
}
