//! Finds and ends every process of a cluster, whoever started it, and removes the cluster's directory.
//!
//! A process belongs to a cluster when its command line names the cluster's directory, when its home lies there (as that
//! of everything that was started over SSH), or when its parent belongs to it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What killed processes get to be gone; they go within milliseconds unless the machine is very busy.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// A process, as `/proc` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) pid: u32,
    /// Its arguments, joined by spaces.
    pub(crate) command_line: String,
    parent: u32,
    marked: bool,
}

/// The processes that belong to the cluster under `root`, without this one.
pub(crate) fn processes_under(root: &Path) -> Vec<Process> {
    let all: Vec<Process> = fs::read_dir("/proc")
        .expect("/proc is mounted")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| read_process(pid, root))
        .collect();
    let own = std::process::id();
    let mut members: BTreeSet<u32> =
        all.iter().filter(|each| each.marked && each.pid != own).map(|each| each.pid).collect();
    loop {
        let more = all.iter().filter(|each| members.contains(&each.parent) && each.pid != own).map(|each| each.pid);
        let before = members.len();
        members.extend(more.collect::<Vec<_>>());
        if members.len() == before {
            return all.into_iter().filter(|each| members.contains(&each.pid)).collect();
        }
    }
}

/// Ends every process of the cluster under `root` and removes the directory. Safe to call again.
pub(crate) fn sweep(root: &Path) {
    let deadline = Instant::now() + GONE_WITHIN;
    loop {
        let left = processes_under(root);
        signal("KILL", left.iter().map(|process| process.pid));
        // What is killed in the middle of writing can still make a file while the directory is emptied.
        let removed = match fs::remove_dir_all(root) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            result => result,
        };
        if left.is_empty() && removed.is_ok() {
            return;
        }
        if Instant::now() > deadline {
            eprintln!("{} was not cleaned up ({removed:?}); still running: {left:?}", root.display());
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal to processes; those that are gone don't matter.
pub(crate) fn signal(name: &str, pids: impl IntoIterator<Item = u32>) {
    // The shell's own kill: the program of that name is not on every machine.
    let pids: Vec<String> = pids.into_iter().map(|pid| pid.to_string()).collect();
    if pids.is_empty() {
        return;
    }
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "name=$1; shift; for pid; do kill -s \"$name\" \"$pid\"; done", "signal", name]);
    command.args(pids).stderr(Stdio::null()).status().expect("/bin/sh runs");
}

/// Reads one process; `None` when it is gone, has ended and waits to be collected, or is a thread of the kernel.
fn read_process(pid: u32, root: &Path) -> Option<Process> {
    let directory = Path::new("/proc").join(pid.to_string());
    let stat = fs::read_to_string(directory.join("stat")).ok()?;
    // The name may hold spaces and parentheses; what follows the last one is well-formed.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    let arguments = fs::read(directory.join("cmdline")).ok()?;
    let command_line = String::from_utf8_lossy(&arguments).trim_end_matches('\0').replace('\0', " ");
    let home = [b"HOME=".as_slice(), root.as_os_str().as_bytes()].concat();
    let environment = fs::read(directory.join("environ")).unwrap_or_default();
    let at_home = environment.split(|byte| *byte == 0).any(|variable| is_under(variable, &home));
    let named = arguments.split(|byte| *byte == 0).any(|argument| names(argument, root.as_os_str().as_bytes()));
    (!command_line.is_empty()).then_some(Process { pid, command_line, parent, marked: at_home || named })
}

/// Whether `path` is `root` or lies in it.
fn is_under(path: &[u8], root: &[u8]) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// Whether `root` stands anywhere in an argument, as a whole name.
fn names(argument: &[u8], root: &[u8]) -> bool {
    (0..argument.len().saturating_sub(root.len() - 1)).any(|start| {
        let rest = &argument[start..];
        rest.strip_prefix(root).is_some_and(|after| after.first().is_none_or(|byte| !byte.is_ascii_alphanumeric()))
    })
}
