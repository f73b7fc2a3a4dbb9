//! The real Ansible, from PyPI, in an environment of its own that is made once and kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release that ours is held against.
pub(crate) const RELEASE: &str = "2.19";

/// The directory of its programs. Kept in `CONVERGE_LAB_CACHE` where that is given, else in the build directory; several tests
/// that come at once wait for the one that makes it.
///
/// # Panics
/// With what pip said, where it can't be had.
pub(crate) fn programs() -> PathBuf {
    let cache = std::env::var_os("CONVERGE_LAB_CACHE")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    fs::create_dir_all(&cache).unwrap();
    let environment = cache.join(format!("ansible-core-{RELEASE}"));
    let lock = File::create(cache.join(format!("ansible-core-{RELEASE}.lock"))).unwrap();
    lock.lock().unwrap();
    let whole = environment.join("whole");
    if !whole.exists() {
        let _ = fs::remove_dir_all(&environment);
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment));
        let requirement = format!("ansible-core~={RELEASE}.0");
        run(Command::new(environment.join("bin/pip")).args([
            "install",
            "-q",
            "--disable-pip-version-check",
            &requirement,
        ]));
        fs::write(&whole, "").unwrap();
    }
    environment.join("bin")
}

/// A program of Ansible's that reads no settings but its own.
pub(crate) fn program(name: &str, home: &Path) -> Command {
    let mut command = Command::new(programs().join(name));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ANSIBLE_") {
            command.env_remove(name);
        }
    }
    command.current_dir(home).env("HOME", home).env("LC_ALL", "C.UTF-8").env("ANSIBLE_CONFIG", "/dev/null");
    command
}

/// Runs a command that must succeed, and gives what it prints.
///
/// # Panics
/// With what it said, where it doesn't.
pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{said}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout)
    );
    output.stdout
}
