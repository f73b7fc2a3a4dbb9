//! What the controller itself is like: who runs it, how many connections it bears, whether it has a
//! terminal. The only place that reads the environment.

#![expect(
    clippy::disallowed_methods,
    reason = "the one module that reads the environment, and reads and writes single files"
)]

use std::fs;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::error::CliError;
use super::options::Options;
use crate::execute::Answer;
use crate::model::{RunId, Secret, Timestamp, printable};
use crate::transport::{Notices, Prompt, SshConfig, SshOptions};

/// More hosts at once gain nothing on any network measured, and cost the targets of a shared machine a fifth.
const MOST_FORKS: usize = 256;
/// Descriptors that are not connections: streams, files, the runtime's own.
const OTHER_DESCRIPTORS: usize = 64;
/// A connection holds a socket, and for a moment one to the ssh-agent.
const DESCRIPTORS_PER_HOST: usize = 2;

/// How many hosts are worked on at once, unless the operator says.
pub(super) fn forks(options: &Options) -> usize {
    let wanted = wanted_forks(options);
    let limit = raised_descriptors(OTHER_DESCRIPTORS + DESCRIPTORS_PER_HOST * wanted);
    wanted.min(limit.saturating_sub(OTHER_DESCRIPTORS) / DESCRIPTORS_PER_HOST).max(1)
}

/// How many there would be if nothing set a limit.
fn wanted_forks(options: &Options) -> usize {
    options.forks.map_or(MOST_FORKS, |forks| usize::try_from(forks).unwrap_or(MOST_FORKS))
}

/// Says so where this machine bears fewer hosts at a time than a command could work on.
pub(super) fn note_few_forks(options: &Options, hosts: usize) -> Option<String> {
    let (forks, wanted) = (forks(options), wanted_forks(options).min(hosts));
    (forks < wanted).then(|| {
        format!(
            "only {forks} of {hosts} hosts at a time: this process may open no more files, and its hard limit can't be \
             raised; next: ulimit -Hn {}",
            OTHER_DESCRIPTORS + DESCRIPTORS_PER_HOST * wanted
        )
    })
}

/// The limit of open files, with the soft one raised towards `needed` as far as the hard one lets it. No further: what is
/// started from here inherits it.
fn raised_descriptors(needed: usize) -> usize {
    let as_usize = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    let Ok((soft, hard)) = rlimit::getrlimit(rlimit::Resource::NOFILE) else { return OTHER_DESCRIPTORS };
    let raised = u64::try_from(needed).unwrap_or(u64::MAX).min(hard);
    if raised > soft && rlimit::setrlimit(rlimit::Resource::NOFILE, raised, hard).is_ok() {
        return as_usize(raised);
    }
    as_usize(soft)
}

/// How SSH is spoken, from the options, the environment and SSH configuration.
pub(super) fn ssh_options(options: &Options) -> Result<SshOptions, CliError> {
    let home = std::env::home_dir()
        .filter(|home| !home.as_os_str().is_empty())
        .ok_or_else(|| CliError::Environment("HOME is not set, so no known_hosts file can be found".into()))?;
    let login = login_name().or_else(|error| options.user.clone().ok_or(error))?;
    let mut ssh = SshOptions::for_home(login, &home);
    ssh.named_user = options.user.clone();
    ssh.named_identity = options.private_key.as_deref().map(expand_home);
    ssh.named_connect_timeout = options.timeout.map(u64::from);
    ssh.agent = std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty()).map(PathBuf::from);
    ssh.config = Some(ssh_config(&home));
    ssh.local.uid = uid();
    ssh.local.machine = machine_name();
    ssh.local.environment = environment();
    ssh.asker = super::ask_secret::asker();
    if options.ask_pass {
        ssh.password = Some(ask_password("SSH password: ")?);
    }
    ssh.notices = Notices::to(|notice| super::output::say(&format!("note: {notice}\n")));
    Ok(ssh)
}

/// Where SSH configuration lies. `ssh` itself takes the home directory from the list of users; with another `HOME`, as in a
/// container or under a service manager, its own file there is the one that counts, and the machine's if there is none.
fn ssh_config(home: &Path) -> SshConfig {
    let user_file = home.join(".ssh/config");
    let system_file = PathBuf::from("/etc/ssh/ssh_config");
    let moved = account(uid()).is_some_and(|fields| fields.get(5).is_some_and(|listed| Path::new(listed) != home));
    let instead = moved.then(|| {
        let there = [&user_file, &system_file].into_iter().find(|file| file.exists());
        there.cloned().unwrap_or_else(|| PathBuf::from("none"))
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = std::env::split_paths(&path).map(|place| place.join("ssh")).find(|program| program.is_file());
    let cache = crate::packages::caches_of(&environment()).map(|caches| caches.join("ssh"));
    SshConfig { program, user_file, system_file, instead, cache }
}

fn uid() -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").map(|metadata| metadata.uid()).unwrap_or(u32::MAX)
}

/// A line of the list of users, field by field.
fn account(uid: u32) -> Option<Vec<String>> {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut lines = users.lines().map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>());
    lines.find(|fields| fields.get(2) == Some(&uid.to_string()))
}

fn machine_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// `USER` is not set under cron; the owner of `/proc/self` is always right.
fn login_name() -> Result<String, CliError> {
    for name in ["LOGNAME", "USER"] {
        if let Ok(user) = std::env::var(name)
            && !user.is_empty()
        {
            return Ok(user);
        }
    }
    account(uid())
        .and_then(|fields| fields.first().cloned())
        .ok_or_else(|| CliError::Environment("the user's name is not known: name one with --user".into()))
}

/// `~/…` as the home of whoever runs this.
pub(super) fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        (Ok(_), None) | (Err(_), _) => path.to_path_buf(),
    }
}

/// The environment, of which only what is UTF-8 means anything here.
pub(super) fn environment() -> std::collections::BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The controller's clock: ages of what it has kept, waivers and maintenance windows are measured by it.
pub(super) fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_second())
}

/// The name of a run that starts now.
pub(super) fn new_run() -> RunId {
    let random = crate::gather::nonce();
    let byte = |n: usize| random.get(n..n + 2).and_then(|two| u8::from_str_radix(two, 16).ok()).unwrap_or_default();
    let named = RunId::new(now(), [byte(0), byte(2), byte(4)]);
    // Only a clock outside of the years 0 to 9999 has none; runs are told apart by their digits all the same.
    named.or_else(|_| RunId::new(Timestamp(0), [byte(0), byte(2), byte(4)])).expect("the year 1970 has four digits")
}

/// Where converge's own state is kept.
pub(super) fn state_directory(options: &Options) -> Result<PathBuf, CliError> {
    let given = options.state_dir.clone().filter(|directory| !directory.as_os_str().is_empty());
    // As the specification of these directories has it, a relative path there means nothing.
    let of_desktop = || std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let of_home = || {
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty())?;
        Some(home.join(".local/state"))
    };
    given.or_else(|| Some(of_desktop().or_else(of_home)?.join("converge"))).ok_or_else(|| {
        CliError::Environment("HOME is not set, so there is no place for the journal: name one with --state-dir".into())
    })
}

/// Who runs this, as `user@machine`.
pub(super) fn operator() -> String {
    let user = login_name().unwrap_or_else(|_| "somebody".into());
    let machine = machine_name();
    format!("{user}@{}", if machine.is_empty() { "somewhere" } else { &machine })
}

/// A path from the root on, without links where it is there.
pub(super) fn full_path(path: &Path) -> String {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

/// This process, told from all others of this machine: boot, process namespace, number, start.
pub(super) fn this_process() -> String {
    let [boot, namespace] = this_kernel();
    let pid = std::process::id();
    format!("{boot} {namespace} {pid} {}", started(&pid.to_string()).unwrap_or_default())
}

/// Whether `process` was one of this machine and this boot, and is no more. What can't be told is not gone.
pub(super) fn is_gone(process: &str) -> bool {
    let words: Vec<&str> = process.split(' ').collect();
    let [boot, namespace, pid, start] = words[..] else { return false };
    let here = this_kernel();
    let known = [boot, namespace] == [here[0].as_str(), here[1].as_str()] && !boot.is_empty() && !namespace.is_empty();
    known && !start.is_empty() && pid.parse::<u32>().is_ok() && started(pid).is_none_or(|since| since != start)
}

fn this_kernel() -> [String; 2] {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
    let namespace = fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default();
    [boot, namespace]
}

/// When a process started, in ticks since the boot; `None` where there is none, or it has ended and nobody has taken note.
fn started(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut words = stat.rsplit_once(") ")?.1.split(' ');
    let state = words.next()?;
    (state != "Z").then(|| words.nth(18).map(str::to_owned)).flatten()
}

/// Whether a person can be asked: both ends of the conversation are a terminal.
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Asks a yes-or-no question; anything but yes is no.
pub(super) fn ask(question: &str) -> bool {
    if super::output::answer(&format!("{question} [y/N] ")).is_err() {
        return false;
    }
    let mut answer = String::new();
    match std::io::stdin().read_line(&mut answer) {
        Ok(_) => matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"),
        Err(_) => false,
    }
}

/// Asks whether a stage may begin. No answer is no.
pub(super) fn ask_step(title: &str) -> Answer {
    let question =
        format!("\nBegin \"{}\"? yes, no (nothing more begins), continue without asking: [y/N/c] ", printable(title));
    let mut answer = String::new();
    if super::output::answer(&question).is_err() || std::io::stdin().read_line(&mut answer).is_err() {
        return Answer::No;
    }
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Answer::Yes,
        "c" | "continue" => Answer::Continue,
        _ => Answer::No,
    }
}

/// Asks for a password, without showing it.
///
/// # Errors
/// When nobody can be asked, or the answer is empty.
pub(super) fn ask_password(prompt: &str) -> Result<Secret, CliError> {
    let nobody = || {
        let message = "a password is to be asked for, and nobody can be: there is neither a terminal nor SSH_ASKPASS";
        CliError::Environment(message.into())
    };
    // Hosts may be asked for facts before the rest is known; the person is asked once.
    static ANSWERS: Mutex<Vec<(String, Secret)>> = Mutex::new(Vec::new());
    let mut answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, known)) = answers.iter().find(|(asked, _)| asked == prompt) {
        return Ok(known.clone());
    }
    let answer = super::ask_secret::ask(Prompt { text: prompt, echo: false }).ok_or_else(nobody)?;
    if answer.expose().is_empty() {
        return Err(CliError::Environment("no password was given".into()));
    }
    answers.push((prompt.to_owned(), answer.clone()));
    Ok(answer)
}

/// No password is longer; a file that is larger is another one.
const PASSWORD_FILE_LIMIT: u64 = 64 * 1024;

/// Reads a password: the first line of a file.
///
/// # Errors
/// When it can't be read, others can read it too, or the line is empty.
pub(super) fn read_password(path: &Path) -> Result<Secret, CliError> {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;
    let wrong = |source: std::io::Error| CliError::File { what: "read", path: path.to_path_buf(), source };
    let file = fs::File::open(path).map_err(wrong)?;
    let mode = file.metadata().map_err(wrong)?.permissions().mode();
    if mode & 0o077 != 0 {
        let (shown, mode) = (path.display(), mode & 0o7777);
        return Err(CliError::Environment(format!(
            "{shown} holds a password, and others than its owner may use it (its mode is {mode:o}): chmod 600 {shown}"
        )));
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    file.take(PASSWORD_FILE_LIMIT).read_to_string(&mut text).map_err(wrong)?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line)),
        Some(_) | None => Err(CliError::Environment(format!("{}: its first line is no password", path.display()))),
    }
}

/// Starts logging to standard error: warnings by default, more with `-vv`, or as `CONVERGE_LOG` says.
pub(super) fn start_logging(verbose: u8) {
    let default = match verbose {
        0 | 1 => "converge=warn,error",
        2 => "converge=debug,warn",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("CONVERGE_LOG").unwrap_or_else(|_| default.into());
    // The library prints what templates are rendered with, and that may be secret: whatever is asked for, it is not shown.
    let filter = match "handlebars=warn".parse() {
        Ok(quiet) => filter.add_directive(quiet),
        Err(_) => filter,
    };
    // A second subscriber in one process can only come from tests; the first stays.
    let _ = tracing_subscriber::fmt()
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_env_filter(filter)
        .with_writer(|| super::secrets::CleanedStderr)
        // What can't be written, because the terminal is gone, must not end a run.
        .log_internal_errors(false)
        .try_init();
}

/// Works from another directory from here on: what a run's arguments name is relative to where it was started.
pub(super) fn enter(directory: &str) -> Result<(), CliError> {
    let path = PathBuf::from(directory);
    std::env::set_current_dir(&path).map_err(|source| CliError::File { what: "enter", path, source })
}

/// Whether there is a file of this name.
pub(super) fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Reads a file whole.
pub(super) fn read_file(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|source| CliError::File { what: "read", path: path.to_path_buf(), source })
}

/// Makes a directory and those above it, where they aren't there.
pub(super) fn make_directory(path: &Path) -> Result<(), CliError> {
    fs::create_dir_all(path).map_err(|source| CliError::File { what: "write", path: path.to_path_buf(), source })
}

/// Writes a file so that it is there whole or not at all: beside it first, then renamed. Secrets are taken out of it.
pub(super) fn write_file(path: &Path, text: &str) -> Result<(), CliError> {
    use std::io::Write as _;
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = fs::File::create(&part).and_then(|mut file| {
        file.write_all(super::secrets::cleaned(text).as_bytes())?;
        file.sync_all()
    });
    let written = written.and_then(|()| fs::rename(&part, path));
    written.map_err(|source| {
        let _ = fs::remove_file(&part);
        CliError::File { what: "write", path: path.to_path_buf(), source }
    })
}
