//! `converge inventory`, `--list-hosts` and what is set for a project, through the program itself. No host is asked.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::{Value as Json, json};

struct Project(tempfile::TempDir);

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        fs::set_permissions(project.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for (path, text) in files {
            let path = project.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        project
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// The exit code, standard output and standard error of a command in a directory of the project.
    fn run_in(&self, directory: &str, environment: &[(&str, &str)], words: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_converge"));
        command.current_dir(self.path(directory)).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.0.path()).envs(environment.iter().copied()).args(words);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn run(&self, words: &[&str]) -> (i32, String, String) {
        self.run_in(".", &[], words)
    }
}

fn site() -> Project {
    Project::new(&[
        ("prod.yaml", "manager: {hosts: {mgr1: {a: \"{{b}}\"}}, vars: {b: 1, secret: !vault 'x'}}\n"),
        ("more.ini", "[agent]\ngpu[1:3] a=2\n"),
        ("group_vars/agent.yaml", "c: [yes]\n"),
        ("last.retry", "gpu2\nmgr1\n"),
    ])
}

#[test]
fn inventories_are_shown_as_ansible_inventory_shows_them() {
    let site = site();
    let both = ["-i", "prod.yaml", "-i", "more.ini", "inventory"];
    let run = |words: &[&str]| {
        let (code, stdout, stderr) = site.run(&[&both[..], words].concat());
        assert_eq!((code, stderr.as_str()), (0, ""), "{words:?}");
        stdout
    };
    assert_eq!(
        run(&["graph"]),
        "@all:\n  |--@ungrouped:\n  |--@manager:\n  |  |--mgr1\n  |--@agent:\n  |  |--gpu1\n  |  |--gpu2\n  |  |--gpu3\n"
    );
    assert_eq!(run(&["graph", "manager", "--vars"]).lines().nth(2), Some("  |  |--{a = {{b}}}"));
    let host: Json = serde_json::from_str(&run(&["host", "gpu3", "-e", "a=9"])).unwrap();
    assert_eq!(host, json!({"a": "9", "c": [true]}));
    assert_eq!(run(&["host", "mgr1"]).lines().nth(3), Some("    \"secret\": {"));
    let list: Json = serde_json::from_str(&run(&["list", "--limit", "@last.retry"])).unwrap();
    assert_eq!(list["agent"], json!({"hosts": ["gpu2"]}));
    assert_eq!(list["_meta"]["hostvars"]["mgr1"]["secret"], json!({"__ansible_vault": "x"}));
    // What it writes in YAML is an inventory that means the same.
    run(&["list", "--yaml", "--export", "--limit", "agent", "--output", "again.yaml"]);
    let (_, again, _) = site.run(&["-i", "again.yaml", "inventory", "host", "gpu1"]);
    assert_eq!(serde_json::from_str::<Json>(&again).unwrap(), json!({"a": 2, "c": [true]}));
}

#[test]
fn names_that_are_not_there_have_hints() {
    let site = site();
    for (words, part) in [
        (
            &["-i", "more.ini", "inventory", "host", "gpu33"][..],
            "there is no host `gpu33` in more.ini\nhint: did you mean `gpu3`?",
        ),
        (
            &["-i", "more.ini", "inventory", "graph", "agnet"],
            "there is no group `agnet` in more.ini\nhint: did you mean `agent`?",
        ),
        (&["-i", "more.ini", "inventory", "list", "-l", "@none"], "can't read none: No such file"),
        (&["-i", "no.yaml", "inventory", "list"], "can't read no.yaml: No such file"),
    ] {
        let (code, stdout, stderr) = site.run(words);
        assert_eq!((code, stdout.as_str()), (1, ""), "{words:?}");
        assert!(stderr.contains(part), "{stderr}");
    }
}

#[test]
fn the_hosts_of_each_play_are_listed() {
    let (code, stdout, _) = site().run(&["-i", "prod.yaml", "-i", "more.ini", "--list-hosts", "-l", "gpu1,mgr1"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("\nplaybook: the bundled one\n"), "{stdout}");
    assert!(stdout.contains("pattern: ['agent']\n    hosts (1):\n      gpu1\n"), "{stdout}");
}

#[test]
fn a_cluster_file_of_bssh_is_imported_where_somebody_asks_for_it() {
    let text = "defaults: {user: bai, parallel: 5}\nclusters: {prod: {nodes: ['n1:2222', n2]}}\n";
    let project = Project::new(&[("config.yaml", text)]);
    let (code, stdout, stderr) = project.run(&["inventory", "import", "config.yaml", "-o", "i.yaml"]);
    assert_eq!((code, stdout.as_str()), (0, ""));
    assert!(stderr.contains("note: `parallel` of defaults isn't taken over"), "{stderr}");
    let (_, stdout, _) = project.run(&["-i", "i.yaml", "inventory", "host", "n1"]);
    assert_eq!(serde_json::from_str::<Json>(&stdout).unwrap(), json!({"ansible_port": 2222, "ansible_user": "bai"}));
}

#[test]
fn nothing_but_the_command_line_chooses_hosts() {
    let site = site();
    fs::write(site.path("ansible.cfg"), "[defaults]\ninventory = prod.yaml\n").unwrap();
    fs::create_dir_all(site.path("sub")).unwrap();
    for (directory, environment, next) in [
        (".", &[][..], "next: converge -i prod.yaml (as ansible.cfg:2:13 has it)"),
        ("sub", &[("ANSIBLE_INVENTORY", "x.ini,y")], "next: converge -i x.ini -i y (as ANSIBLE_INVENTORY:1:1 has it)"),
        ("sub", &[("BACKENDAI_CLUSTER_HOSTS", "main1,sub1")], "nothing else ever chooses hosts)\n"),
    ] {
        for words in [&["inventory", "list"][..], &["drift"], &["--check"], &["facts"]] {
            let (code, stdout, stderr) = site.run_in(directory, environment, words);
            assert_eq!((code, stdout.as_str()), (64, ""), "{words:?} {stderr}");
            assert!(stderr.contains(next), "{stderr}");
        }
    }
    fs::write(site.path("converge.yaml"), "inventory: prod.yaml\nforks: x\n").unwrap();
    let (code, _, stderr) = site.run_in("sub", &[], &["drift"]);
    assert_eq!(code, 1);
    assert!(
        stderr.contains("/converge.yaml:1:1: `inventory` can't be set") && stderr.contains("hint: name it where"),
        "{stderr}"
    );
}

#[test]
fn the_project_s_file_is_found_upwards_and_said() {
    let site = site();
    fs::write(site.path("converge.yaml"), "forks: 3\nplaybook: own.yaml\n").unwrap();
    fs::write(site.path("own.yaml"), "- {hosts: agent, roles: [agent]}\n").unwrap();
    fs::create_dir_all(site.path("a/b")).unwrap();
    let words = ["-i", "../../more.ini", "--list-hosts", "-v"];
    let (code, stdout, stderr) = site.run_in("a/b", &[("ANSIBLE_FORKS", "4")], &words);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("own.yaml\n"), "{stdout}");
    assert!(stderr.contains("configuration: --forks: 4 (from ANSIBLE_FORKS:1:1)\n"), "{stderr}");
    assert!(stderr.contains("converge.yaml:2:11)\n"), "{stderr}");
    // Without -v nothing is said.
    assert_eq!(site.run_in("a/b", &[], &words[..3]).2, "");
}

#[test]
fn files_that_others_may_have_written_are_not_read() {
    let site = site();
    let may_be_written = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    fs::write(site.path("converge.yaml"), "forks: wrong\n").unwrap();
    fs::write(site.path("ansible.cfg"), "[defaults]\nforks = wrong\n").unwrap();
    let words = ["-i", "more.ini", "inventory", "list"];
    assert_eq!(site.run(&words).0, 1);
    may_be_written(&site.path("."), 0o777);
    let (code, _, stderr) = site.run(&words);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("note: converge.yaml isn't read: everybody may write there\n"), "{stderr}");
    assert!(stderr.contains("note: ./ansible.cfg isn't read: everybody may write into this directory\n"), "{stderr}");
    // Named, it is meant.
    assert_eq!(site.run_in(".", &[("ANSIBLE_CONFIG", "ansible.cfg")], &words).0, 1);
    may_be_written(&site.path("."), 0o755);
    may_be_written(&site.path("converge.yaml"), 0o666);
    fs::remove_file(site.path("ansible.cfg")).unwrap();
    assert!(site.run(&words).2.contains("converge.yaml isn't read"));
    // A mistake in it is no reason not to explain a rule.
    may_be_written(&site.path("converge.yaml"), 0o644);
    assert_eq!(site.run(&["explain", "change-log"]).0, 0);
}
