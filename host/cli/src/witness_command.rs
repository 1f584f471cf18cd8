//! A program of the operator's that takes each signed state of the audit log elsewhere.
//!
//! No file names it: `palisade.toml` comes with a folder, and whoever works in a folder that somebody sent would run what
//! they like, outside of every sandbox. The environment is this user's own.

use crate::failure::CliError;
use palisade_audit::Note;
use palisade_model::neutral;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Names the program and its arguments, as a JSON list of texts.
const VARIABLE: &str = "PALISADE_WITNESS_COMMAND";
/// What the program gets of the environment: keys for models and servers stand there, too.
const PASSED: [&str; 5] = ["HOME", "LANG", "LOGNAME", "PATH", "USER"];
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two looks at it.
const PAUSE: Duration = Duration::from_millis(5);
/// Most characters of its words that are told.
const MAX_WORDS: usize = 300;
/// Most bytes of its words that are kept.
const MAX_WORD_BYTES: usize = 4 * MAX_WORDS;
/// Bytes that are read of its words at once: all that a pipe holds.
const PIPE: usize = 64 << 10;

/// The program, and what it is started with.
#[derive(Debug)]
pub(crate) struct WitnessCommand {
    program: PathBuf,
    arguments: Vec<String>,
}

impl WitnessCommand {
    /// What a value of the environment names.
    ///
    /// # Errors
    /// When it is no list that begins with an absolute path.
    pub(crate) fn of_environment(read: impl FnOnce(&str) -> Option<OsString>) -> Result<Option<Self>, CliError> {
        let Some(written) = read(VARIABLE) else { return Ok(None) };
        let words: Option<Vec<String>> = written.to_str().and_then(|text| serde_json::from_str(text).ok());
        match words.as_deref() {
            Some([program, arguments @ ..]) if Path::new(program).is_absolute() => {
                Ok(Some(Self { program: program.into(), arguments: arguments.to_vec() }))
            }
            _ => Err(CliError::usage(format!(
                "{VARIABLE} is no JSON list of a program, by its absolute path, and its arguments"
            ))
            .help(format!("for example {VARIABLE}='[\"/usr/bin/ssh\", \"log@elsewhere\", \"cat >> checkpoints\"]'"))),
        }
    }

    /// Gives it a checkpoint on its standard input, and waits until it has ended well.
    ///
    /// # Errors
    /// Says why it did not.
    pub(crate) fn give(&self, note: &Note) -> Result<(), String> {
        let mut child = self.start().map_err(|error| format!("it could not be started: {error}"))?;
        if let Some(mut input) = child.stdin.take() {
            // A pipe holds it all. One that does not read it says by how it ends whether that is well.
            let _ = input.write_all(note.to_string().as_bytes());
        }
        let mut words = Vec::new();
        let status = wait(&mut child, &mut words).map_err(|error| error.to_string());
        let status = status?.ok_or_else(|| format!("it did not end within {} s", PATIENCE.as_secs()))?;
        if status.success() {
            return Ok(());
        }
        let words = neutral::line(String::from_utf8_lossy(&words).trim(), MAX_WORDS);
        Err(if words.is_empty() {
            format!("it ended with {status}")
        } else {
            format!("it ended with {status}: {words}")
        })
    }

    fn start(&self) -> io::Result<Child> {
        let passed = PASSED.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(passed)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Of its own, so that what it starts ends with it where it is ended.
            .process_group(0)
            .spawn()
    }
}

/// Waits for the end of a program and keeps the beginning of its words; none if it had to be ended.
fn wait(child: &mut Child, words: &mut Vec<u8>) -> io::Result<Option<ExitStatus>> {
    // Whoever would wait for its words could wait for ever.
    let mut told = child.stderr.take().filter(|told| fcntl_setfl(told, OFlags::NONBLOCK).is_ok());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ended = child.try_wait()?;
        if let Some(told) = &mut told {
            listen(told, words);
        }
        if ended.is_some() {
            return Ok(ended);
        }
        if Instant::now() >= deadline {
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                // The number is still its own, since nobody has heard how it ended; it may be gone by now.
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(PAUSE);
    }
}

/// Reads what the pipe holds by now, and throws away what is more than is told.
fn listen(told: &mut ChildStderr, words: &mut Vec<u8>) {
    let mut held = vec![0; PIPE];
    if let Ok(read) = told.read(&mut held) {
        words.extend(held.into_iter().take(read));
        words.truncate(MAX_WORD_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_audit::SigningKey;

    fn of(value: &str) -> Result<Option<WitnessCommand>, CliError> {
        WitnessCommand::of_environment(|name| (name == VARIABLE).then(|| value.into()))
    }

    fn note() -> Note {
        Note::sign("log\n1\nhash\n", &[&SigningKey::from_seed("log", [1; 32]).unwrap()]).unwrap()
    }

    fn give(script: &str) -> Result<(), String> {
        of(&serde_json::to_string(&["/bin/sh", "-c", script]).unwrap()).unwrap().unwrap().give(&note())
    }

    #[test]
    fn the_program_stands_in_the_environment_by_its_absolute_path() {
        assert!(WitnessCommand::of_environment(|_| None).unwrap().is_none());
        let command = of(r#"["/bin/cat", "-u"]"#).unwrap().unwrap();
        assert_eq!((command.program.as_path(), command.arguments), (Path::new("/bin/cat"), vec!["-u".to_owned()]));
        for wrong in
            ["", "/bin/cat", "[]", r#"["cat"]"#, r#"["./cat"]"#, r#"["/bin/cat", 1]"#, r#"{"command": "/bin/cat"}"#]
        {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_gets_the_checkpoint_and_no_more_of_the_environment_than_it_needs() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        give(&format!("(pwd; env | cut -d= -f1 | sort; cat) > {}", kept.display())).unwrap();
        let kept = std::fs::read_to_string(kept).unwrap();
        assert!(kept.starts_with("/\n") && kept.contains("\nlog\n1\nhash\n\n— log "), "{kept}");
        // What a shell adds by itself, and what was let through.
        let known = [&PASSED[..], &["OLDPWD", "PWD", "SHLVL", "_"]].concat();
        let variables = kept.lines().skip(1).take_while(|line| *line != "log");
        assert!(variables.filter(|name| !known.contains(name)).count() == 0, "{kept}");
    }

    #[test]
    fn one_that_reads_nothing_may_end_well() {
        give("exec <&-; exit 0").unwrap();
    }

    #[test]
    fn how_it_failed_is_told_in_few_words() {
        assert_eq!(give("exit 3").unwrap_err(), "it ended with exit status: 3");
        assert_eq!(
            give("printf 'no \\033[2Jroom' >&2; exit 3").unwrap_err(),
            "it ended with exit status: 3: no \\u{1b}[2Jroom"
        );
        assert_eq!(give("kill -TERM $$").unwrap_err(), "it ended with signal: 15 (SIGTERM)");
        let flood = give("yes flood | head -c 5000000 >&2; exit 1").unwrap_err();
        assert!(flood.starts_with("it ended with exit status: 1: flood") && flood.len() < 3_000, "{flood}");
        let gone = of(r#"["/nowhere/at/all"]"#).unwrap().unwrap();
        assert!(gone.give(&note()).unwrap_err().starts_with("it could not be started: "));
    }

    #[test]
    fn one_that_hangs_or_floods_for_ever_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let alive = folder.path().join("alive");
        // A child of its own, which writes down that it is alive, and words without end.
        let script = format!("(while :; do date +%s%N > {}; sleep 0.1; done) & yes >&2", alive.display());
        let began = Instant::now();
        assert_eq!(give(&script).unwrap_err(), "it did not end within 10 s");
        assert!(began.elapsed() < 3 * PATIENCE, "{:?}", began.elapsed());
        let last = || std::fs::read(&alive).unwrap();
        thread::sleep(Duration::from_millis(200));
        let then = last();
        thread::sleep(Duration::from_secs(1));
        assert_eq!(last(), then);
    }
}
