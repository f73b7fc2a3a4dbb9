//! What tasks of the plain kinds declare: planned with a preview, brought about once, and empty afterwards.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::bench::{Bench, Ran};
use crate::rehearsal::Component;

/// A cluster of one, and a directory on it that a playbook of its own is about.
struct Site {
    bench: Bench,
    root: PathBuf,
}

impl Site {
    fn new() -> Self {
        let bench = Bench::of(&[("web1", Component::Webserver)], "25.6.1");
        let root = bench.on("web1").directory().join("site");
        Self { bench, root }
    }

    /// Writes a playbook whose tasks are these; `ROOT` stands for the directory.
    fn declares(&self, tasks: &str) {
        let tasks = tasks.replace("ROOT", self.root.to_str().unwrap());
        let text = format!("- name: site\n  hosts: web1\n  tasks:\n{tasks}");
        fs::write(self.bench.cluster.operator_directory().join("own.yaml"), text).unwrap();
    }

    fn runs(&self, words: &[&str]) -> Ran {
        self.bench.converge(&[words, &["--playbook", "own.yaml"]].concat())
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.root.join(name)).unwrap()
    }
}

const TASKS: &str = r#"
  - file: { path: ROOT, state: directory, mode: "0750" }
  - name: settings
    copy: { dest: ROOT/app.conf, content: "port = 8080\nname = x\n", mode: "0640", validate: "grep -q port %s" }
  - copy: { dest: ROOT/blob, src: blob.bin }
  - line: { path: ROOT/hosts, line: "10.0.0.1 db", regexp: " db$", create: yes }
  - line: { path: ROOT/hosts, line: "10.0.0.2 cache", regexp: " cache$", create: yes }
  - block: { path: ROOT/hosts, block: "10.1.0.1 a\n10.1.0.2 b\n", create: yes }
  - file: { path: ROOT/current, state: link, src: app.conf }
  - command: { cmd: "date >ROOT/made", creates: ROOT/made }
  - command: { cmd: "echo ran >>ROOT/log", unless: "grep -q ran ROOT/log" }
  - file: { path: ROOT/old/stuff, state: absent }
  - wait_for: { path: ROOT/made, timeout: 5 }
"#;

#[test]
fn every_kind_is_previewed_brought_about_once_and_found_again() {
    let site = Site::new();
    fs::write(site.bench.cluster.operator_directory().join("blob.bin"), [0, 1, 2, 255]).unwrap();
    site.declares(TASKS);
    let before = site.bench.state();
    let plan = site.runs(&["plan"]).exits(2).says(&[
        "prepare: play 1",
        "absent -> a directory",
        "copy ROOT/app.conf: absent -> 21 bytes".replace("ROOT", site.root.to_str().unwrap()).as_str(),
        "because settings (declared at own.yaml:",
        "+port = 8080",
        "binary content of",
        "command date >",
        "it will run",
    ]);
    assert!(!plan.out.contains("state: absent"), "{plan}");
    site.bench.state().is(&before, "plan");

    let ran = site.runs(&[]).exits(0).says(&["Converged"]);
    // What is waited for is there by then.
    assert_eq!(ran.changed().len(), 9, "{ran}");
    assert_eq!(site.text("app.conf"), "port = 8080\nname = x\n");
    assert_eq!(fs::metadata(site.root.join("app.conf")).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(fs::metadata(&site.root).unwrap().permissions().mode() & 0o7777, 0o750);
    assert_eq!(fs::read(site.root.join("blob")).unwrap(), [0, 1, 2, 255]);
    let block = "# BEGIN MANAGED BY CONVERGE\n10.1.0.1 a\n10.1.0.2 b\n# END MANAGED BY CONVERGE\n";
    assert_eq!(site.text("hosts"), format!("10.0.0.1 db\n10.0.0.2 cache\n{block}"));
    assert_eq!(fs::read_link(site.root.join("current")).unwrap().to_str(), Some("app.conf"));
    assert_eq!(site.text("log"), "ran\n");
    let leftovers: Vec<_> = fs::read_dir(&site.root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(leftovers.iter().all(|name| !name.to_str().unwrap().contains("converge")), "{leftovers:?}");

    let before = site.bench.state();
    site.runs(&[]).exits(0).says(&["Nothing to do: 0 component(s) and 11 other resource(s) on 1 host(s)"]);
    site.runs(&["drift"]).exits(0).says(&["In sync"]);
    site.bench.state().is(&before, "a second run");

    // What somebody changes by hand is found, shown and put right; and nothing else is touched.
    fs::write(site.root.join("app.conf"), "port = 80\nname = x\n").unwrap();
    fs::set_permissions(site.root.join("blob"), fs::Permissions::from_mode(0o600)).unwrap();
    let hosts = site.text("hosts").replace("10.1.0.2 b", "10.1.0.3 c") + "10.9.9.9 mine\n";
    fs::write(site.root.join("hosts"), hosts).unwrap();
    let drift = site.runs(&["drift"]).exits(2).says(&["-port = 80\n", "+port = 8080\n", "-10.1.0.3 c", "+10.1.0.2 b"]);
    assert_eq!(drift.out.matches("(declared at own.yaml:").count(), 2, "{drift}");
    let ran = site.runs(&[]).exits(0);
    assert_eq!(ran.changed().len(), 2, "{ran}");
    assert_eq!(site.text("hosts"), format!("10.0.0.1 db\n10.0.0.2 cache\n{block}10.9.9.9 mine\n"));
}

#[test]
fn what_is_in_the_way_or_fails_is_said_and_nothing_is_replaced() {
    let site = Site::new();
    fs::create_dir_all(site.root.join("app.conf")).unwrap();
    fs::write(site.root.join("half"), "# BEGIN MANAGED BY CONVERGE\nx\n").unwrap();
    site.declares(
        "  - copy: { dest: ROOT/app.conf, content: x }\n  - block: { path: ROOT/half, block: y }\n\
         \x20 - line: { path: ROOT/nowhere, line: z }\n",
    );
    let before = site.bench.state();
    site.runs(&[]).exits(3).says(&[
        "[in-the-way]",
        "app.conf is a directory",
        "one is missing, or they are the wrong way round",
        "nowhere isn't there",
        "`create: yes`",
    ]);
    site.bench.state().is(&before, "a refused run");

    // A file that its own checker refuses never gets to its place, and what comes behind it isn't begun.
    fs::remove_dir(site.root.join("app.conf")).unwrap();
    site.declares(
        "  - copy: { dest: ROOT/app.conf, content: \"broken\", validate: \"grep -q port %s\" }\n\
         \x20 - command: { cmd: \"touch ROOT/later\", creates: ROOT/later }\n",
    );
    let ran =
        site.runs(&[]).exits(5).says(&["it was not accepted by: grep -q port %s", "left as:", "app.conf: absent"]);
    assert!(!site.root.join("app.conf").exists() && !site.root.join("later").exists(), "{ran}");
    assert_eq!(fs::read_dir(&site.root).unwrap().count(), 1, "{ran}");

    // Mistakes are told before anybody is connected, all in one go.
    site.declares(
        "  - copy: { dest: app.conf, content: x, src: y }\n  - command: { cmd: ls }\n  - file: { path: /etc, state: absent }\n\
         \x20 - service: { name: x, state: reloaded }\n  - package: { name: vim, state: latest }\n  - file: { path: /a/b, mode: rw }\n",
    );
    site.runs(&[]).exits(1).says(&[
        "no absolute path",
        "exclude each other",
        "nothing tells whether this command is still to be run",
        "is never removed",
        "nothing on a host tells whether a service was reloaded",
        "`latest` changes from day to day",
        "no mode in octal digits",
    ]);
}

/// A process that was started before its configuration changed is restarted: also when the run died in between.
#[test]
fn somebody_elses_change_between_plan_and_action_is_not_overwritten() {
    let site = Site::new();
    fs::create_dir_all(&site.root).unwrap();
    fs::write(site.root.join("app.conf"), "old\n").unwrap();
    site.declares("  - copy: { dest: ROOT/app.conf, content: \"new\\n\" }\n");
    site.runs(&["plan", "-o", "plan.json"]).exits(2);
    fs::write(site.root.join("app.conf"), "somebody else's\n").unwrap();
    let output = site.bench.binary().args(["apply", "plan.json"]).output().unwrap();
    Ran::from(output).exits(6).says(&["what the plan relies on has changed"]);
    assert_eq!(site.text("app.conf"), "somebody else's\n");
}

#[test]
fn a_playbook_may_only_say_something_but_a_limit_leaves_somebody() {
    let site = Site::new();
    site.declares("  - debug: { msg: \"here is {{inventory_hostname}}\" }\n");
    site.runs(&["--check"]).exits(0).says(&["here is web1", "the playbook declares nothing for these hosts"]);
    site.runs(&["facts"]).exits(0).says(&["web1"]);
    let inventory = site.bench.cluster.operator_directory().join("more.ini");
    fs::write(&inventory, "elsewhere ansible_host=127.0.0.1\n").unwrap();
    let left = site.runs(&["-i", "more.ini", "--limit", "elsewhere", "--check"]).exits(1);
    left.says(&["--limit elsewhere leaves no host that any play is about"]);
    site.runs(&["--tags", "nowhere", "--check"]).exits(1).says(&["leave nothing to do"]);
}

#[test]
fn a_component_comes_from_nothing_in_one_run() {
    let site = Site::new();
    let service = site.bench.on("web1");
    service.stop();
    fs::remove_dir_all(service.venv()).unwrap();
    let venv = service.venv().to_str().unwrap().to_owned();
    let file = site.bench.cluster.operator_directory().join("own.yaml");
    let makes = format!("command: {{ cmd: \"python3 -m venv {venv}\", creates: {venv}/bin/python }}");
    let last = site.bench.on("web1").directory().join("last");
    let playbook = |makes: &str| {
        let behind = format!("file: {{ path: {}, state: directory }}", last.display());
        let text =
            format!("- hosts: web1\n  pre_tasks:\n  - {makes}\n  roles: [webserver]\n  post_tasks:\n  - {behind}\n");
        fs::write(&file, text).unwrap();
    };

    // Where nothing prepares it, what lacks is said, and nothing is done.
    playbook("debug: { msg: nothing }");
    site.runs(&[]).exits(3).says(&["no virtual environment", "python3 -m venv"]);

    playbook(&makes);
    let before = site.bench.state();
    let plan = site.runs(&["plan", "-o", "saved"]).exits(2).says(&[
        "Then looked at and planned again",
        &format!("web1/webserver: 25.6.1 is to be installed and started; now there is no virtual environment {venv}"),
    ]);
    assert!(!plan.out.contains("install rehearsal-webserver") && !plan.out.contains("/last"), "{plan}");
    let drift = site.runs(&["drift"]).exits(2).says(&["and then plan for what they prepare"]);
    assert!(drift.out.contains("web1/webserver: package"), "{drift}");
    site.bench.state().is(&before, "looking");

    let ran = site.runs(&[]).exits(0).says(&["Prepared:", "Converged: gathered and planned again"]);
    assert_eq!(ran.out.matches("\nPLAN ").count(), 1, "{ran}");
    assert_eq!(site.bench.on("web1").running_release().as_deref(), Some("25.6.1"), "{ran}");
    assert!(last.is_dir(), "{ran}");
    site.runs(&[]).exits(0).says(&["Nothing to do: 1 component(s) and 2 other resource(s)"]);

    // A saved plan is what it was: it only prepared.
    service.stop();
    fs::remove_dir_all(service.venv()).unwrap();
    site.runs(&["plan", "-o", "saved"]).exits(2);
    site.bench.converge(&["apply", "saved"]).exits(2).says(&["Prepared: that was all of this plan"]);
    site.runs(&[]).exits(0).says(&["install rehearsal-webserver", "Converged"]);
}

const WORDS: &str = r#"
  - file: { path: ROOT, state: directory }
  - name: may fail
    command: { cmd: "echo no >&2; exit 3", creates: ROOT/never }
    ignore_errors: yes
  - name: flaky
    command: { cmd: "echo x >>ROOT/tries; [ $(wc -l <ROOT/tries) -ge 3 ] && touch ROOT/done", creates: ROOT/done }
    retries: 4
    delay: 0
  - block:
      - command: { cmd: "printf '%s\\n' \"$WORD\" >ROOT/word", unless: "grep -qx \"$WORD\" ROOT/word" }
      - block:
          - command: { cmd: "[ -e ROOT/mended ] && touch ROOT/fails", creates: ROOT/fails }
          - command: { cmd: "touch ROOT/dropped", creates: ROOT/dropped }
        always:
          - command: { cmd: "touch ROOT/always", creates: ROOT/always }
      - command: { cmd: "touch ROOT/dropped-too", creates: ROOT/dropped-too }
    rescue:
      - command: { cmd: "echo y >>ROOT/rescued; [ ! -e ROOT/hopeless ]", unless: "! [ -e ROOT/hopeless ] && [ -e ROOT/rescued ]" }
    always:
      - command: { cmd: "touch ROOT/end", creates: ROOT/end }
    environment: { WORD: "it's set" }
  - command: { cmd: "touch ROOT/behind", creates: ROOT/behind }
    run_once: yes
"#;

#[test]
fn what_fails_is_ignored_tried_again_or_rescued_as_its_task_says() {
    let site = Site::new();
    let there = |name: &str| site.root.join(name).exists();
    site.declares(WORDS);
    site.runs(&["plan"]).exits(2).says(&[
        "its failure is ignored",
        "tried up to 5 times, 0 s apart",
        "only if its block fails: ",
    ]);
    let ran = site.runs(&[]).exits(0).says(&[
        "...ignoring",
        "FAILED - RETRYING (4 left).",
        "FAILED - RETRYING (3 left).",
        "...going on with the rescue of its block",
        "Converged",
        "Not as declared, which the tasks themselves allow",
        "web1: ignored: command echo no >&2; exit 3",
        "web1: rescued: command [ -e",
    ]);
    assert_eq!(ran.recap("web1"), "ok=8 changed=7 unreachable=0 failed=0 skipped=2 rescued=1 ignored=1");
    assert_eq!(site.text("word"), "it's set\n");
    assert_eq!(site.text("tries"), "x\n".repeat(3));
    for (name, expected) in
        [("always", true), ("end", true), ("behind", true), ("dropped", false), ("dropped-too", false)]
    {
        assert_eq!(there(name), expected, "{name}: {ran}");
    }
    assert_eq!(site.text("rescued"), "y\n");
    // Nothing of it is forgotten: it isn't as declared.
    let drift = site.runs(&["drift"]).exits(2).says(&["only if its block fails"]);
    assert!(!drift.out.contains("ROOT/word"), "{drift}");
    let history = site.bench.binary().args(["show", "last"]).output().unwrap();
    Ran::from(history).exits(0).says(&["FAILED, ignored", "FAILED, rescued", "FAILED, tried again"]);

    // A rescue that fails ends its host, behind the end of its block.
    fs::remove_file(site.root.join("end")).unwrap();
    fs::remove_file(site.root.join("behind")).unwrap();
    fs::write(site.root.join("hopeless"), "").unwrap();
    let ran = site.runs(&[]).exits(5);
    assert_eq!(ran.recap("web1"), "ok=2 changed=1 unreachable=0 failed=1 skipped=3 rescued=1 ignored=1");
    assert!(there("end") && !there("behind"), "{ran}");

    // What can be done is done, and its rescue is not called for.
    fs::write(site.root.join("mended"), "").unwrap();
    let ran = site.runs(&[]).exits(0);
    assert_eq!(ran.recap("web1"), "ok=5 changed=4 unreachable=0 failed=0 skipped=0 rescued=0 ignored=1");
    assert!(there("fails") && there("dropped") && there("dropped-too") && there("behind"), "{ran}");
}
