//! Asks a person for a secret: on the terminal, or by the program that `SSH_ASKPASS` names.
//!
//! As with `ssh`: the terminal is asked where there is one, unless `SSH_ASKPASS_REQUIRE` is `force` or `prefer`; with `never`
//! the program isn't asked.

#![expect(
    clippy::disallowed_methods,
    reason = "opens the terminal, starts the program that asks, reads the environment"
)]

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::model::Secret;
use crate::transport::{Asker, Prompt};

/// No passphrase is longer, and a program that prints more isn't one that asks.
const LONGEST: usize = 4096;

/// The terminal as it was before it was told not to show what is typed.
static AS_IT_WAS: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// Somebody to ask, if there is anybody.
pub(super) fn asker() -> Asker {
    if open_terminal().is_some() || program().is_some() { Asker::by(ask) } else { Asker::default() }
}

/// Asks; `None` where nobody answers.
pub(super) fn ask(prompt: Prompt<'_>) -> Option<Secret> {
    let required = std::env::var("SSH_ASKPASS_REQUIRE").unwrap_or_default();
    let by_program = || program().and_then(|program| ask_program(&program, prompt));
    match required.as_str() {
        "force" => by_program(),
        "prefer" => by_program().or_else(|| ask_terminal(prompt)),
        "never" => ask_terminal(prompt),
        _ => match open_terminal() {
            Some(_) => ask_terminal(prompt),
            None => by_program(),
        },
    }
}

/// Gives the terminal back as it was, whoever is still being asked: the program ends.
pub(super) fn restore_terminal() {
    if let Some((terminal, modes)) = AS_IT_WAS.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = tcsetattr(&terminal, OptionalActions::Now, &modes);
    }
}

fn open_terminal() -> Option<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty").ok()
}

fn ask_terminal(prompt: Prompt<'_>) -> Option<Secret> {
    let mut terminal = open_terminal()?;
    if !prompt.echo {
        let modes = tcgetattr(&terminal).ok()?;
        let mut hidden = modes.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        *AS_IT_WAS.lock().unwrap_or_else(PoisonError::into_inner) = Some((terminal.try_clone().ok()?, modes));
        tcsetattr(&terminal, OptionalActions::Flush, &hidden).ok()?;
    }
    let asked = terminal.write_all(prompt.text.as_bytes()).and_then(|()| terminal.flush());
    let answer = asked.ok().and_then(|()| read_line(&terminal));
    restore_terminal();
    if !prompt.echo {
        // The line break that was typed was not shown.
        let _ = terminal.write_all(b"\n");
    }
    answer
}

fn read_line(terminal: &File) -> Option<Secret> {
    let mut line = String::new();
    let read = BufReader::new(terminal.try_clone().ok()?).read_line(&mut line).ok()?;
    (read > 0 && line.len() <= LONGEST).then(|| Secret::new(line.trim_end_matches(['\n', '\r'])))
}

fn program() -> Option<String> {
    std::env::var("SSH_ASKPASS").ok().filter(|program| !program.is_empty())
}

/// The answer is the first line that it prints; another exit code than 0 is none.
fn ask_program(program: &str, prompt: Prompt<'_>) -> Option<Secret> {
    let mut command = Command::new(program);
    if prompt.echo {
        command.env("SSH_ASKPASS_PROMPT", "echo");
    }
    let output = command.arg(prompt.text).stdin(Stdio::null()).stderr(Stdio::inherit()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next().unwrap_or_default();
    (output.status.success() && line.len() <= LONGEST).then(|| Secret::new(line))
}
