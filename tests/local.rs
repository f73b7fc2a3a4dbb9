//! The controller itself as a host (`localhost`): a component that is stopped by SIGINT because SIGTERM
//! would do harm, and that is found by its pid file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

/// An environment with one distribution, and a process that notes by which signal it was ended.
struct Site {
    root: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { root: tempfile::tempdir().unwrap() };
        let made = Command::new("python3").args(["-m", "venv"]).arg(site.path("venv")).status().unwrap();
        assert!(made.success(), "python3 -m venv");
        let agent = "trap 'echo INT >>signals; exit' INT\ntrap 'echo TERM >>signals; exit' TERM\n\
                     echo begun >>signals\nwhile :; do sleep 0.1; done\n";
        fs::write(site.path("agent.sh"), agent).unwrap();
        site.inventory("1.0.0");
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Makes the distribution by hand, with everything that pip writes.
    fn install(&self, release: &str) {
        let lib = fs::read_dir(self.path("venv/lib")).unwrap().next().unwrap().unwrap().path();
        let info = lib.join(format!("site-packages/site_agent-{release}.dist-info"));
        fs::create_dir_all(&info).unwrap();
        fs::write(info.join("METADATA"), format!("Metadata-Version: 2.1\nName: site-agent\nVersion: {release}\n"))
            .unwrap();
        fs::write(info.join("INSTALLER"), "pip\n").unwrap();
        fs::write(info.join("RECORD"), "").unwrap();
    }

    fn inventory(&self, release: &str) {
        let root = self.root.path().display();
        let text = format!(
            "all:\n  vars:\n    release: \"{release}\"\n    agent_package: site-agent\n    \
             agent_directory: {root}\n    agent_venv: {root}/venv\n    agent_unit: \"\"\n    agent_title: \"\"\n    \
             agent_command: sh agent.sh\n    agent_log: {root}/agent.log\n    agent_pid_file: {root}/agent.pid\n    \
             agent_health_url: \"\"\n    agent_start_timeout: 10\n  children:\n    agent: {{ hosts: {{ localhost: {{}} }} }}\n"
        );
        fs::write(self.path("inventory.yaml"), text).unwrap();
    }

    fn converge(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_converge"))
            .args(["--inventory", "inventory.yaml"])
            .args(words)
            .current_dir(self.root.path())
            .env("HOME", self.root.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn run(&self, words: &[&str], code: i32) -> String {
        let output = self.converge(words);
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert_eq!(output.status.code(), Some(code), "{words:?}:\n{text}");
        text
    }

    fn signals(&self) -> String {
        fs::read_to_string(self.path("signals")).unwrap_or_default()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(self.path("agent.pid")) {
            let _ = Command::new("kill").args(["-KILL", pid.trim()]).stderr(Stdio::null()).status();
        }
    }
}

/// As if pip had replaced what lies there just now, after the process was started.
fn touch_later(path: &Path) {
    let file = fs::File::open(path).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(30)).unwrap();
}

#[test]
fn a_local_component_is_started_found_and_stopped_by_its_own_signal() {
    let site = Site::new();
    site.install("1.0.0");

    let started = site.run(&["--yes"], 0);
    assert!(started.contains("start agent"), "{started}");
    assert_eq!(site.signals(), "begun\n");
    let pid = fs::read_to_string(site.path("agent.pid")).unwrap();
    assert!(site.run(&["--yes"], 0).contains("Nothing to do"));
    assert_eq!(fs::read_to_string(site.path("agent.pid")).unwrap(), pid);

    // Something newer was installed under the running process: it is stale, and a restart is all it needs.
    let lib = fs::read_dir(site.path("venv/lib")).unwrap().next().unwrap().unwrap().path();
    touch_later(&lib.join("site-packages/site_agent-1.0.0.dist-info"));
    let drift = site.run(&["drift"], 2);
    assert!(drift.contains("process-stale"), "{drift}");
    fs::File::open(lib.join("site-packages/site_agent-1.0.0.dist-info"))
        .unwrap()
        .set_modified(SystemTime::now())
        .unwrap();
    std::thread::sleep(Duration::from_secs(3));
    fs::File::open(lib.join("site-packages/site_agent-1.0.0.dist-info"))
        .unwrap()
        .set_modified(SystemTime::now())
        .unwrap();
    let restarted = site.run(&["--yes"], 0);
    assert!(!restarted.contains("install site-agent"), "{restarted}");
    // Ended by SIGINT and nothing else, and begun once more; a stop of what ignores SIGINT would have failed.
    assert_eq!(site.signals(), "begun\nINT\nbegun\n", "{restarted}");
    assert_eq!(site.run(&["drift"], 0).lines().count(), 1);
}

#[test]
fn a_pid_file_that_names_another_process_is_not_believed() {
    let site = Site::new();
    site.install("1.0.0");
    // A recycled number: the process of this test, which started after a file of long ago was written.
    fs::write(site.path("agent.pid"), format!("{}\n", std::process::id())).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(24 * 3600);
    fs::File::options().write(true).open(site.path("agent.pid")).unwrap().set_modified(long_ago).unwrap();
    let drift = site.run(&["drift"], 2);
    assert!(drift.contains("process-stopped"), "{drift}");
    site.run(&["--yes"], 0);
    assert_eq!(site.signals(), "begun\n");
}

#[test]
fn an_agent_that_ran_an_install_half_way_is_told_apart() {
    let site = Site::new();
    site.install("1.0.0");
    let lib = fs::read_dir(site.path("venv/lib")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(lib.join("site-packages/site_agent-1.0.0.dist-info/RECORD")).unwrap();
    let drift = site.run(&["drift"], 2);
    assert!(drift.contains("an install was interrupted (site-agent has no RECORD)"), "{drift}");
}
