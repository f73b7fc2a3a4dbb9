//! Real users of this machine, made for one test by root and removed after it.
//!
//! Taken in with `#[path = "support/accounts.rs"] mod accounts;`.
#![allow(dead_code, unreachable_pub, reason = "each user needs a part of it")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Tests side by side change the same files, one after the other: each waits for its turn.
const ATTEMPTS: u32 = 100;

/// A user with a home and a password.
#[derive(Debug)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: String,
    rules: PathBuf,
}

/// Whether users can be made, and the programs are there; says what is missing.
pub fn can_make(programs: &[&str]) -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0);
    let missing: Vec<&str> = programs.iter().copied().filter(|program| !is_installed(program)).collect();
    if !is_root || !missing.is_empty() {
        let root = if is_root { "" } else { "it makes users, which takes root; " };
        eprintln!("SKIPPED: {root}missing: {missing:?}");
    }
    is_root && missing.is_empty()
}

fn is_installed(program: &str) -> bool {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"]
        .iter()
        .any(|place| Path::new(place).join(program).exists())
}

impl Account {
    /// A user with this login shell.
    pub fn new(shell: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cvg{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let account = Self {
            password: format!("pass word {}'\"$%", std::process::id()),
            rules: PathBuf::from(format!("/etc/sudoers.d/{name}")),
            name,
        };
        until_it_works(Command::new("useradd").args(["-m", "-s", shell, &account.name]));
        until_it_works_with(Command::new("chpasswd"), &format!("{}:{}\n", account.name, account.password));
        account
    }

    /// Gives it rules of sudoers(5); `NAME` in them stands for it.
    pub fn may(&self, rules: &str) {
        // sudo reads every file there, so it has to be whole from the outset, and is passed over while its name has a dot.
        let part = self.rules.with_extension("part");
        fs::write(&part, format!("{}\n", rules.replace("NAME", &self.name))).expect("a file of rules");
        fs::set_permissions(&part, fs::Permissions::from_mode(0o440)).expect("a file of rules");
        fs::rename(&part, &self.rules).expect("a file of rules");
    }

    /// Its home.
    pub fn home(&self) -> PathBuf {
        PathBuf::from("/home").join(&self.name)
    }

    /// Writes a file of its own into its home.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.home().join(name);
        fs::create_dir_all(path.parent().expect("a home")).expect("a directory");
        fs::write(&path, text).expect("a file");
        let owner = fs::metadata(self.home()).expect("a home");
        std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).expect("root gives files away");
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.rules);
        let _ = Command::new("pkill").args(["-KILL", "-u", &self.name]).status();
        for _ in 0..ATTEMPTS {
            let removed = Command::new("userdel").args(["-r", "-f", &self.name]).stderr(Stdio::null()).status();
            // 6: there is no such user.
            if removed.is_ok_and(|status| status.success() || status.code() == Some(6)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        eprintln!("the user {} could not be removed", self.name);
    }
}

fn until_it_works(command: &mut Command) {
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        let output = command.stdin(Stdio::null()).output().expect("it can be started");
        if output.status.success() {
            return;
        }
        last = String::from_utf8_lossy(&output.stderr).into_owned();
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{command:?}: {last}");
}

fn until_it_works_with(mut command: Command, input: &str) {
    for _ in 0..ATTEMPTS {
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it can be started");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
        if child.wait().expect("it ends").success() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{command:?} never worked");
}
