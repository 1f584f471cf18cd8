//! Everything that is printed.

pub(crate) mod console;
pub(crate) mod diagnostics;
pub(crate) mod plan;
pub(crate) mod progress;

use crate::args::{Format, Global};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use std::io::IsTerminal as _;

/// Shows what is wrong with the command line, or the help that was asked for.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // If nobody listens there is nobody to tell.
    let _ = error.print();
    if error.use_stderr() { ExitCode::Usage } else { ExitCode::Done }
}

/// Shows why a call failed: on standard error, and as a JSON document where one was asked for.
pub(crate) fn error(global: &Global, error: &CliError) {
    let colour = match global.color {
        crate::args::Colour::Always => true,
        crate::args::Colour::Never => false,
        crate::args::Colour::Auto => std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    let paint = |code: &str, text: &str| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    console::err(&format!("{}: {}\n", paint("1;31", "error"), error.message));
    if let Some(help) = &error.help {
        console::err(&format!("  {}: {help}\n", paint("1;36", "help")));
    }
    if global.format == Format::Json {
        let mut told = serde_json::json!({"error": {
            "exit_code": error.code as u8, "message": error.message, "help": error.help,
        }});
        if !error.diagnostics.is_empty() {
            told["diagnostics"] = serde_json::Value::Array(error.diagnostics.clone());
        }
        console::json(&told);
    }
}

/// Says that Palisade itself failed.
pub(crate) fn bug(global: &Global) {
    let told = CliError::new(ExitCode::Bug, "this is a bug in Palisade; nothing that was finished is lost")
        .help("please report it with the text above");
    error(global, &told);
}
