//! Everything that is printed.

pub(crate) mod audit;
pub(crate) mod console;
pub(crate) mod diagnostics;
pub(crate) mod lineage;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod replay;
pub(crate) mod runs;

use crate::args::{Format, Global};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::settings::colour;
use palisade_model::neutral;
use std::fmt::Write as _;

/// Shows what is wrong with the command line, or the help that was asked for.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // If nobody listens there is nobody to tell.
    let _ = error.print();
    if error.use_stderr() { ExitCode::Usage } else { ExitCode::Done }
}

/// Most characters of a message and of its help: manifests and diagnostics are cut before.
const MAX_CHARS: usize = 16_000;

/// Shows why a call failed: on standard error, and as a JSON document where one was asked for.
pub(crate) fn error(global: &Global, error: &CliError) {
    let (message, help) = error_for_people(colour(global.color, &std::io::stderr()), error);
    if global.format == Format::Json {
        let mut told = serde_json::json!({"error": {
            "exit_code": error.code as u8, "message": message, "help": help,
        }});
        if !error.diagnostics.is_empty() {
            told["diagnostics"] = serde_json::Value::Array(error.diagnostics.clone());
        }
        console::json(&told);
    }
}

/// Shows why something failed on standard error; gives its message and help as they were shown.
pub(crate) fn error_for_people(colour: bool, error: &CliError) -> (String, Option<String>) {
    let paint = |code: &str, text: &str| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    // The one place where all that is foreign in a message is made harmless, names of files among it.
    let message = neutral::block(&error.message, MAX_CHARS);
    let help = error.help.as_ref().map(|help| neutral::block(help, MAX_CHARS));
    console::err(&format!("{}: {message}\n", paint("1;31", "error")));
    if let Some(help) = &help {
        console::err(&format!("  {}: {help}\n", paint("1;36", "help")));
    }
    (message, help)
}

/// Says that Palisade itself failed.
pub(crate) fn bug(global: &Global) {
    let told = CliError::new(ExitCode::Bug, "this is a bug in Palisade; nothing that was finished is lost")
        .help("please report it with the text above");
    error(global, &told);
}

/// Rows with their columns below each other; the last column is as long as it is.
pub(crate) fn table(out: &mut String, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|column| widest(column).unwrap_or(0)).collect();
    for row in rows {
        let padded = |(cell, all): (&String, &usize)| format!("{cell}{}", " ".repeat(all.saturating_sub(width(cell))));
        let cells: Vec<String> = row.iter().zip(&widths).map(padded).collect();
        // Writing to a String can't fail.
        let _ = writeln!(out, "  {}", cells.join("  ").trim_end());
    }
}

/// Characters of a text, without the colours that it was given here: foreign text holds none.
fn width(text: &str) -> usize {
    let mut in_colour = false;
    let seen = |c: &char| {
        let hidden = in_colour || *c == '\x1b';
        in_colour = hidden && *c != 'm';
        !hidden
    };
    text.chars().filter(seen).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_take_no_columns() {
        let check = |rows: &[[&str; 2]], expected: &str| {
            let mut out = String::new();
            table(&mut out, &rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect::<Vec<_>>());
            assert_eq!(out, expected);
        };
        check(&[["a", "b"], ["long", ""]], "  a     b\n  long\n");
        check(&[["\x1b[1;31mmm\x1b[0m", "x"], ["mmm", "y"]], "  \x1b[1;31mmm\x1b[0m   x\n  mmm  y\n");
    }
}
