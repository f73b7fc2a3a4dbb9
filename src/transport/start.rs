//! How a script gets to the shell that runs it: that of the user who logs in, or of another. Pure.
//!
//! In front of the script the shell is made to print a cue on both of its streams. What comes before is the login's or that of
//! the program that makes another user: noise, or the reason why the script never began. It follows that a script without
//! its cue never started, and that no banner or start-up file of a shell gets into its output.
//!
//! Another user's shell is started by a line that comes ahead of everything on standard input, for on the command line of a login
//! shell nothing can be quoted that every one of them (fish, csh) reads alike. A password follows as lines of their own:
//! never as an argument, in a file or in the environment. Whether a password is right is tried first, with nothing
//! behind it to be read: sudo would take line after line of the script for further tries.

use zeroize::Zeroizing;

use super::Command;
use crate::model::{BecomeMethod, BecomeUser, shell_quote as q};

/// A shell, and what it is fed.
pub(super) struct Start {
    /// Which.
    pub(super) shell: Shell,
    /// Everything that goes to its standard input.
    pub(super) input: Zeroizing<Vec<u8>>,
    /// What it prints, as a line on each stream, right before the script.
    pub(super) cue: String,
}

/// What `/bin/sh` is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shell {
    /// To run what comes on standard input.
    Script,
    /// To run the first line of it; that sees to the rest.
    FirstLine,
}

/// Reads a line byte by byte, as POSIX has it, so that the rest is left for whatever the line starts.
const FIRST_LINE: &str = "IFS= read -r l; eval \"$l\"";

impl Shell {
    /// The arguments of `/bin/sh`.
    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Script => &["-s"],
            Self::FirstLine => &["-c", FIRST_LINE],
        }
    }

    /// The same for a login shell of any kind.
    pub(super) fn request(self) -> String {
        match self {
            Self::Script => "exec /bin/sh -s".to_owned(),
            Self::FirstLine => format!("exec /bin/sh -c '{FIRST_LINE}'"),
        }
    }
}

impl Start {
    /// For the user who logs in. `nonce` holds only letters and digits.
    pub(super) fn plain(nonce: &str, command: &Command) -> Self {
        let (shell, line) = match command.input.is_empty() {
            true => (Shell::Script, format!("{}\n", print_cue(nonce))),
            false => (Shell::FirstLine, format!("{}; {}\n", print_cue(nonce), run_counted(command))),
        };
        let input = joined(&[line.as_bytes(), &command.script, &command.input]);
        Self { shell, input, cue: cue(nonce) }
    }

    /// For another user.
    pub(super) fn becoming(nonce: &str, become_user: &BecomeUser, command: &Command) -> Self {
        let BecomeUser { method, user, password } = become_user;
        let inner = inner(nonce, command);
        let line = match (method, password) {
            (BecomeMethod::Sudo, None) => format!("exec {} {inner}", sudo(user, "-n")),
            (BecomeMethod::Sudo, Some(_)) => {
                let (without, with) = (sudo(user, "-n"), sudo(user, &format!("-S -p {}", prompt(nonce))));
                format!(
                    "if {without} /bin/sh -c : </dev/null 2>/dev/null; then exec {without} {inner}; fi; \
                     {GIVE_PASSWORD} | {with} /bin/sh -c : || exit 98; exec {with} {inner}"
                )
            }
            // su has no way to say that it must not ask, and a script that it takes for a password is a failed login.
            (BecomeMethod::Su, None) => {
                format!(
                    "case $(id -u) in 0) ;; *) echo '{ASKS}' >&2; exit 98;; esac; exec {}",
                    su(user, nonce, command)
                )
            }
            // It reads one line, once.
            (BecomeMethod::Su, Some(_)) => format!("exec {}", su(user, nonce, command)),
            // It reads passwords from terminals only.
            (BecomeMethod::Doas, _) => format!("exec doas -n -u {} {inner}", q(user)),
        };
        let mut parts: Vec<&[u8]> = Vec::new();
        let (line, begins) = (format!("{IN_ENGLISH}; {line}\n"), format!("{}\n", begins(nonce)));
        parts.push(line.as_bytes());
        if let Some(password) = password {
            (0..times_read(*method)).for_each(|_| parts.extend([password.expose().as_bytes(), b"\n"]));
        }
        parts.extend([begins.as_bytes(), &command.script, &command.input]);
        Self { shell: Shell::FirstLine, input: joined(&parts), cue: cue(nonce) }
    }
}

/// The same where a terminal is needed: what is sent depends on what is asked.
pub(super) struct TerminalStart {
    /// The first line.
    pub(super) line: String,
    /// What is sent when the password is asked for.
    pub(super) password: Option<Zeroizing<Vec<u8>>>,
    /// How its question ends.
    pub(super) prompts: [String; 2],
    /// What is printed when the script may be sent.
    pub(super) cue: String,
}

impl TerminalStart {
    /// For what is sent by its length: a terminal without line editing has no end of a file.
    pub(super) fn becoming(nonce: &str, become_user: &BecomeUser, command: &Command) -> Self {
        let BecomeUser { method, user, password } = become_user;
        let print = print_once(nonce);
        let (length, shell) = (command.script.len() + command.input.len(), shell(command));
        let command = q(&format!("{SET_OUT}; {print}; head -c {length} | {shell}; exit $?"));
        let inner = format!("/bin/sh -c {command} sh \"$o\"");
        let line = match method {
            BecomeMethod::Sudo => {
                let (without, with) = (sudo(user, "-n"), sudo(user, &format!("-S -p {}", prompt(nonce))));
                format!(
                    "if {without} /bin/sh -c : </dev/null >/dev/null 2>&1; then exec {without} {inner}; fi; exec {with} {inner}"
                )
            }
            BecomeMethod::Su => format!("exec su -s /bin/sh {} -c {command} sh \"$o\"", q(user)),
            BecomeMethod::Doas => format!("exec doas -u {} {inner}", q(user)),
        };
        let password = password.as_ref().map(|password| joined(&[password.expose().as_bytes(), b"\n"]));
        let prompts = [prompt(nonce), "assword:".to_owned()];
        Self { line: format!("stty raw -echo 2>/dev/null; {IN_ENGLISH}; {line}\n"), password, prompts, cue: cue(nonce) }
    }
}

/// What the shell says by itself where su would ask.
pub(super) const ASKS: &str = "su asks for a password";

/// What the programs say is read, and they say it in English; the script gets the locale of the login all the same.
const IN_ENGLISH: &str = "o=${LC_ALL-}; export LC_ALL=C";

/// What every script finds, whatever program made its user: the login's locale, the usual directories of programs behind
/// `secure_path`, and a place that it may be in. Where its state lies follows from its own home, not the login's.
const SET_OUT: &str = "if [ \"$1\" ]; then export LC_ALL=\"$1\"; else unset LC_ALL; fi; unset XDG_STATE_HOME; \
                       export PATH=\"$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"; \
                       cd \"${HOME:-/}\" 2>/dev/null || cd /";

/// Hands on the next line. Without a path only what is built into the shell can be found, so that no other program ever
/// gets the password as an argument.
const GIVE_PASSWORD: &str = "{ IFS= read -r w; PATH=; printf '%s\\n' \"$w\"; }";

/// How many lines of the password are sent: sudo tries it, then takes it.
const fn times_read(method: BecomeMethod) -> usize {
    match method {
        BecomeMethod::Sudo => 2,
        BecomeMethod::Su => 1,
        BecomeMethod::Doas => 0,
    }
}

/// With room for all of it from the outset: what grows leaves copies behind.
fn joined(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut whole = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    whole
}

fn cue(nonce: &str) -> String {
    format!("{nonce}-begin")
}

/// A terminal that echoes what it is sent shows these words, and they aren't the cue.
fn print_cue(nonce: &str) -> String {
    format!("echo {nonce}\"\"-begin; echo {nonce}\"\"-begin >&2")
}

fn print_once(nonce: &str) -> String {
    format!("echo {nonce}\"\"-begin")
}

/// The line behind which the script stands; lines before it are passwords that nobody asked for.
fn begins(nonce: &str) -> String {
    format!("{nonce}-script")
}

fn prompt(nonce: &str) -> String {
    format!("{nonce}-password:")
}

fn sudo(user: &str, options: &str) -> String {
    format!("sudo -H {options} -u {} --", q(user))
}

/// Takes the script, which is so long, and runs it; what comes behind is left to it. A shell may read ahead of a script that
/// it takes from standard input, and would swallow that.
fn run_counted(command: &Command) -> String {
    format!("eval \"$(dd bs=1 count={} 2>/dev/null)\"", command.script.len())
}

/// The shell that takes the script from standard input, and leaves it the input behind it.
fn shell(command: &Command) -> String {
    match command.input.is_empty() {
        true => "/bin/sh -s".to_owned(),
        false => format!("/bin/sh -c {}", q(&run_counted(command))),
    }
}

fn wait_for_script(nonce: &str, command: &Command) -> String {
    let (print, begins, shell) = (print_cue(nonce), begins(nonce), shell(command));
    format!(
        "{SET_OUT}; while IFS= read -r l; do [ \"$l\" = {begins} ] && {{ unset l; {print}; exec {shell}; }}; done; exit 97"
    )
}

fn inner(nonce: &str, command: &Command) -> String {
    format!("/bin/sh -c {} sh \"$o\"", q(&wait_for_script(nonce, command)))
}

fn su(user: &str, nonce: &str, command: &Command) -> String {
    format!("su -s /bin/sh {} -c {} sh \"$o\"", q(user), q(&wait_for_script(nonce, command)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    fn become_user(method: BecomeMethod, password: Option<&str>) -> BecomeUser {
        BecomeUser { method, user: "bai".into(), password: password.map(Secret::new) }
    }

    fn command(script: &[u8], input: &[u8]) -> Command {
        let limit = std::time::Duration::ZERO;
        Command { script: script.to_vec(), input: input.to_vec(), limit, output_limit: 0 }
    }

    fn input(method: BecomeMethod, password: Option<&str>) -> String {
        let command = command(b"the script\n", b"");
        let start = Start::becoming("n1", &become_user(method, password), &command);
        assert_eq!(start.shell, Shell::FirstLine);
        String::from_utf8(start.input.to_vec()).unwrap()
    }

    #[test]
    fn what_starts_another_users_shell_is_one_line_without_a_password() {
        for method in BecomeMethod::ALL {
            for password in [None, Some("hunter2")] {
                let input = input(method, password);
                let (line, rest) = input.split_once('\n').unwrap();
                assert!(!line.contains("hunter2"), "{line}");
                let expected = if password.is_some() { "hunter2\n".repeat(times_read(method)) } else { String::new() };
                assert_eq!(rest, format!("{expected}n1-script\nthe script\n"), "{method}");
                let terminal =
                    TerminalStart::becoming("n1", &become_user(method, password), &command(b"script\n", b""));
                assert!(!terminal.line.contains("hunter2") && terminal.line.lines().count() == 1);
                assert_eq!(terminal.password.is_some(), password.is_some());
            }
        }
    }

    #[test]
    fn an_echo_of_what_is_sent_is_no_cue() {
        for method in BecomeMethod::ALL {
            let start = Start::becoming("n1", &become_user(method, None), &command(b"", b""));
            assert!(!String::from_utf8_lossy(&start.input).contains(&start.cue));
            let terminal = TerminalStart::becoming("n1", &become_user(method, None), &command(b"script\n", b""));
            assert!(!terminal.line.contains(&terminal.cue));
        }
        for input in [&b""[..], b"x"] {
            let start = Start::plain("n1", &command(b"", input));
            assert!(!String::from_utf8_lossy(&start.input).contains("n1-begin"));
        }
    }

    #[test]
    fn every_login_shell_can_quote_what_it_is_asked_to_run() {
        // Line breaks, `!` and backslashes mean something between single quotes in csh or fish.
        for shell in [Shell::Script, Shell::FirstLine] {
            let request = shell.request();
            assert!(!request.contains(['\n', '!', '\\']) && request.matches('\'').count() % 2 == 0, "{request}");
        }
    }
}
