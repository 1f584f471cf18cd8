//! Who uses the command line, as the system knows them, and what they say when they are asked.

use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use std::io::IsTerminal as _;

/// Says whether somebody is at a terminal who can be asked.
pub(crate) fn is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Says whether somebody is there who also sees what is printed.
pub(crate) fn sees() -> bool {
    is_there() && std::io::stdout().is_terminal()
}

/// Asks the person at the terminal for a yes or a no; none if they say neither.
pub(crate) fn answers(question: &str) -> Option<bool> {
    console::err(question);
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).ok()?;
    match answer.trim() {
        "y" | "Y" | "yes" => Some(true),
        "n" | "N" | "no" => Some(false),
        _ => None,
    }
}

/// Asks the person at the terminal, if there is one, for a yes.
pub(crate) fn agrees(question: &str) -> bool {
    if !is_there() {
        return false;
    }
    answers(&format!("{question} [y/N] ")) == Some(true)
}

/// The name of the user that the process runs as; `uid:NUMBER` where the system's list of users does not have it.
pub(crate) fn name() -> String {
    let user = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(user, &users).unwrap_or_else(|| format!("uid:{user}"))
}

fn name_of(user: u32, users: &str) -> Option<String> {
    let name = |line: &str| {
        let mut fields = line.split(':');
        let (name, _password, number) = (fields.next()?, fields.next()?, fields.next()?);
        (number.parse() == Ok(user) && !name.is_empty()).then(|| name.to_owned())
    };
    users.lines().find_map(name)
}

/// Who says yes beforehand with `--approve` to what steps make.
///
/// # Errors
/// When the operator wants somebody to look at each.
pub(crate) fn approves_beforehand(context: &Context, wanted: bool) -> Result<Option<String>, CliError> {
    let approving = &context.settings.approving;
    if wanted && !approving.beforehand() {
        let rule = if approving.always { "runbooks = \"always\"" } else { "four_eyes = true" };
        let message = format!("--approve counts for nothing here: [approval] of palisade.toml says {rule}");
        return Err(CliError::new(ExitCode::Denied, message)
            .help("run it without; it waits, and `palisade approve` says yes to what it shows"));
    }
    Ok(wanted.then(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!((name_of(1000, users).as_deref(), name_of(1, users)), (Some("ann"), None));
    }
}
