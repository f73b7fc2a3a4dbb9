//! Environments side by side, made with real interpreters, real pips and real uv from wheels that are built here: what is
//! made, what is refused, what a kill leaves, and what the next call makes of it. uv itself comes from PyPI.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write as _};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use converge::document::{Node, Source};
use converge::facts::{Observed, Probe, Query, read_answers};
use converge::model::{Digest, HostName};
use converge::plan::{BUSY, PackageMove, Staging, prune, stage, switch};
use converge::release::{LockedDistribution, LockedFile, LockedSet, Release};
use converge::resource::component::{Component, decode};

fn release(text: &str) -> Release {
    Release::parse(text).unwrap()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// What a wheel holds beside its metadata.
struct Contents<'a> {
    metadata: &'a str,
    entry_points: &'a str,
    files: &'a [(&'a str, &'a str)],
}

fn write_wheel(wheelhouse: &Path, name: &str, version: &str, contents: &Contents<'_>) {
    let head = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{}", contents.metadata);
    let info = format!("{name}-{version}.dist-info");
    let mut files: Vec<(String, String)> =
        contents.files.iter().map(|(name, body)| ((*name).to_owned(), body.replace("@VERSION@", version))).collect();
    files.push((format!("{info}/METADATA"), head));
    files.push((
        format!("{info}/WHEEL"),
        "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned(),
    ));
    if !contents.entry_points.is_empty() {
        files.push((format!("{info}/entry_points.txt"), format!("[console_scripts]\n{}\n", contents.entry_points)));
    }
    let record: String = files.iter().map(|(name, _)| format!("{name},,\n")).collect();
    files.push((format!("{info}/RECORD"), format!("{record}{info}/RECORD,,\n")));
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, body) in files {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(body.as_bytes()).unwrap();
    }
    fs::write(wheelhouse.join(format!("{name}-{version}-py3-none-any.whl")), writer.finish().unwrap().into_inner())
        .unwrap();
}

/// A service in a namespace, as those of Backend.AI are, that tells its release and then stays until it is killed.
const SERVICE: [(&str, &str); 3] = [
    ("ns/demo/__init__.py", "__version__ = '@VERSION@'\n"),
    (
        "ns/demo/server.py",
        "import sys, time\nfrom ns.demo import __version__\n\n\ndef main():\n    print(__version__, flush=True)\n    if 'stay' in sys.argv:\n        time.sleep(600)\n",
    ),
    ("ns/demo/__main__.py", "from ns.demo.server import main\n\nmain()\n"),
];

/// A site with one service, 1.0 of which is installed in a directory.
struct Site {
    directory: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { directory: tempfile::Builder::new().prefix("a site's ").tempdir().unwrap() };
        let wheelhouse = site.path("wheels");
        fs::create_dir(&wheelhouse).unwrap();
        for version in ["1.0", "1.1", "1.2"] {
            let contents = Contents { metadata: "", entry_points: "demo = ns.demo.server:main", files: &SERVICE };
            write_wheel(&wheelhouse, "demo", version, &contents);
        }
        let plugin = Contents { metadata: "", entry_points: "", files: &[("plugin.py", "")] };
        for name in ["plugin", "loner"] {
            for version in ["0.3", "0.4"] {
                write_wheel(&wheelhouse, name, version, &plugin);
            }
        }
        write_wheel(&wheelhouse, "follower", "1.1", &Contents { files: &[("follower.py", "")], ..plugin });
        run(Command::new("python3").args(["-m", "venv"]).arg(site.path(".venv")));
        site.pip(&["demo==1.0", "plugin==0.3", "loner==0.4"]);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        text(&self.path(name))
    }

    /// Installs into what the declared path leads to.
    fn pip(&self, requirements: &[&str]) {
        let mut pip = Command::new(self.path(".venv/bin/python"));
        pip.args(["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--find-links"]);
        run(pip.arg(self.path("wheels")).args(requirements));
    }

    fn component(&self, environments: &str) -> Component {
        let text = format!(
            "{{ package: demo, release: '1.1', venv: \"{}\", pip_args: ['--no-index', '--find-links', \"{}\"], \
               environments: {{ {environments} }}, process: {{ command: run, title: x }} }}",
            self.text(".venv"),
            self.text("wheels")
        );
        decode(&Node::parse(&Source::new("site.yaml", text)).unwrap()).unwrap()
    }

    fn stage(&self, component: &Component, to: &str, locked: Option<&LockedSet>) -> String {
        let (from, to) = (release("1.0"), release(to));
        let moved = PackageMove { package: "demo".into(), from: Some(from), to: to.clone() };
        stage(&Staging {
            component,
            release: &to,
            interpreter: &python(),
            packages: &[moved],
            current: &component.venv,
            target: &component.staged_path(&to),
            locked,
        })
    }

    fn switch(&self, to: &str) -> String {
        switch(&self.text(".venv"), &self.text(&format!(".venv-{to}")), &self.text(".venv-1.0"))
    }

    /// What the service says when it is started as its unit would.
    fn tells(&self, place: &str) -> [String; 2] {
        let python = format!("{place}/bin/python");
        let command = format!("{place}/bin/demo");
        let module = run(Command::new(self.path(&python)).args(["-m", "ns.demo"]));
        [module, run(&mut Command::new(self.path(&command)))]
    }

    /// Versions of what is in an environment, by name.
    fn installed(&self, place: &str) -> BTreeMap<String, String> {
        let lib = fs::read_dir(self.path(place).join("lib")).unwrap().next().unwrap().unwrap().path();
        let entries = fs::read_dir(lib.join("site-packages")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let parts = names.filter_map(|name| {
            let (name, version) = name.strip_suffix(".dist-info")?.split_once('-')?;
            Some((name.to_owned(), version.to_owned()))
        });
        parts.filter(|(name, _)| name != "pip" && name != "setuptools").collect()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with(".venv"))
            .collect();
        names.sort();
        names
    }
}

/// The interpreter that the tests' environments are made with.
fn python() -> String {
    run(Command::new("python3").args(["-c", "import sys; print(sys.executable)"]))
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said.trim_end().to_owned()
}

/// Starts commands as a session does: the whole is read before any of it runs.
fn start(body: &str) -> Child {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = shell.spawn().unwrap();
    let text = format!("act() {{\n{body}}}\nact </dev/null\n");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child
}

/// The status and everything that was said.
fn attempt(body: &str) -> (i32, String) {
    let output = start(body).wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), said)
}

#[track_caller]
fn succeeds(body: &str) -> String {
    let (status, said) = attempt(body);
    assert_eq!(status, 0, "{said}");
    said
}

#[track_caller]
fn fails(body: &str, expected: &[&str]) -> i32 {
    let (status, said) = attempt(body);
    assert_ne!(status, 0, "{said}");
    for expected in expected {
        assert!(said.contains(expected), "{expected:?} is not in:\n{said}");
    }
    status
}

#[test]
fn an_environment_is_made_beside_switched_to_and_back_and_pruned() {
    let site = Site::new();
    let component = site.component("carry: [plugin, follower==@, 'loner<0.4']");
    let said = succeeds(&site.stage(&component, "1.1", None));
    assert!(!said.contains("was not carried over"), "{said}");
    let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
    };
    let new = of(&[("demo", "1.1"), ("plugin", "0.3"), ("follower", "1.1"), ("loner", "0.3")]);
    assert_eq!(site.installed(".venv-1.1"), new);
    // What runs is as it was.
    assert_eq!(site.installed(".venv"), of(&[("demo", "1.0"), ("plugin", "0.3"), ("loner", "0.4")]));
    let marker: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(site.path(".venv-1.1/converge.json")).unwrap()).unwrap();
    assert_eq!((&marker["release"], &marker["packages"]["demo"]), (&"1.1".into(), &"1.1".into()));
    assert_eq!(marker["from"], text(&fs::canonicalize(site.path(".venv")).unwrap()));
    assert_eq!(site.names(), [".venv", ".venv-1.1"]);
    // Again: nothing is done.
    let at = fs::metadata(site.path(".venv-1.1/bin")).unwrap().modified().unwrap();
    assert!(succeeds(&site.stage(&component, "1.1", None)).contains("is there already, and whole"));
    assert_eq!(fs::metadata(site.path(".venv-1.1/bin")).unwrap().modified().unwrap(), at);

    // The directory becomes a link. The scripts of both name paths that still lead to them.
    for _ in 0..2 {
        succeeds(&site.switch("1.1"));
        assert_eq!(fs::read_link(site.path(".venv")).unwrap(), Path::new(".venv-1.1"));
        assert_eq!(site.names(), [".venv", ".venv-1.0", ".venv-1.1"]);
        assert_eq!(site.tells(".venv"), ["1.1", "1.1"]);
    }
    for _ in 0..2 {
        succeeds(&site.switch("1.0"));
        assert_eq!(site.tells(".venv"), ["1.0", "1.0"]);
    }
    succeeds(&site.switch("1.1"));

    // Link to link, from an environment that is one itself.
    succeeds(&site.stage(&component, "1.2", None).replace("follower==1.2", "follower==1.1"));
    succeeds(&site.switch("1.2"));
    assert_eq!(site.tells(".venv"), ["1.2", "1.2"]);

    // A process that still runs from the oldest keeps it.
    let old =
        Background(Command::new(site.path(".venv-1.0/bin/python")).args(["-m", "ns.demo", "stay"]).spawn().unwrap());
    // Somebody else's, and another component's.
    for name in [".venv-0.9", ".venv-tools-1.0"] {
        fs::create_dir_all(site.path(name).join("lib")).unwrap();
        fs::write(site.path(name).join("pyvenv.cfg"), "").unwrap();
    }
    fs::write(site.path(".venv-tools-1.0/converge.json"), "{}").unwrap();
    let said = succeeds(&prune(&site.text(".venv"), 0, &[&site.text(".venv-1.1")]));
    assert!(said.contains(&format!("processes run from it ({})", old.0.id())), "{said}");
    assert!(said.contains(".venv-0.9 was not made by converge, and stays"), "{said}");
    assert_eq!(site.names(), [".venv", ".venv-0.9", ".venv-1.0", ".venv-1.1", ".venv-1.2", ".venv-tools-1.0"]);
    drop(old);
    // The newest of the old ones stays.
    succeeds(&prune(&site.text(".venv"), 1, &[]));
    assert_eq!(site.names(), [".venv", ".venv-0.9", ".venv-1.1", ".venv-1.2", ".venv-tools-1.0"]);
    succeeds(&prune(&site.text(".venv"), 0, &[]));
    assert_eq!(site.names(), [".venv", ".venv-0.9", ".venv-1.2", ".venv-tools-1.0"]);
    assert_eq!(site.tells(".venv"), ["1.2", "1.2"]);
}

/// A child that is killed when the test ends, however it ends.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_is_left_behind_is_said() {
    let site = Site::new();
    let said = succeeds(&site.stage(&site.component("carry: plugin"), "1.1", None));
    assert!(said.contains("note: loner 0.4 of ") && !said.contains("note: plugin"), "{said}");
}

#[test]
fn a_killed_call_is_recognised_and_the_next_one_makes_it_whole() {
    let site = Site::new();
    let component = site.component("");
    let body = site.stage(&component, "1.1", None);
    let begun = Instant::now();
    succeeds(&body);
    let whole = begun.elapsed();
    // Early, where the environment is made, up to late, where it is looked at.
    for part in [1, 3, 5, 6, 7] {
        fs::remove_dir_all(site.path(".venv-1.1")).unwrap();
        let mut child = start(&body);
        std::thread::sleep(whole * part / 8);
        run(Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]));
        child.wait().unwrap();
        // Either nothing was begun, or a note says that it isn't whole, or it is.
        let made = site.path(".venv-1.1").exists();
        let whole = site.path(".venv-1.1/converge.json").exists();
        assert!(!made || whole || site.path(".venv-1.1.building").exists(), "killed at {part}/8: {:?}", site.names());
        assert_eq!(site.tells(".venv"), ["1.0", "1.0"]);
        // What the killed shell started may live on for a moment, and keeps others out as long.
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match attempt(&body) {
                (0, _) => break,
                (status, said) if Instant::now() < deadline => {
                    assert_eq!(u32::try_from(status), Ok(BUSY), "killed at {part}/8: {said}");
                    std::thread::sleep(Duration::from_millis(100));
                }
                (_, said) => panic!("killed at {part}/8: {said}"),
            }
        }
        assert_eq!(site.names(), [".venv", ".venv-1.1"], "killed at {part}/8");
        assert_eq!(site.tells(".venv-1.1"), ["1.1", "1.1"], "killed at {part}/8");
    }
}

#[test]
fn what_is_not_fit_to_run_is_not_kept() {
    let site = Site::new();
    let wheels = site.path("wheels");
    let demo = |version: &str, contents: &Contents<'_>| write_wheel(&wheels, "demo", version, contents);
    let sound = Contents { metadata: "", entry_points: "demo = ns.demo.server:main", files: &SERVICE };
    demo("2.0", &Contents { files: &[("ns/demo/__init__.py", "import ns.gone\n")], ..sound });
    demo("2.1", &Contents { entry_points: "demo = ns.demo.server:missing", ..sound });
    demo("2.2", &Contents { metadata: "Requires-Python: >=3.99\n", ..sound });
    demo("2.3", &Contents { metadata: "Requires-Dist: loner<0.4\n", ..sound });
    demo("2.4", &Contents { entry_points: "", files: &[("alone.py", "raise RuntimeError('not today')\n")], ..sound });
    for (to, carry, expected) in [
        ("2.0", "", "import ns.demo: ModuleNotFoundError: No module named 'ns.gone'"),
        ("2.1", "", "command demo (ns.demo.server:missing): AttributeError"),
        ("2.2", "", "requires a different Python"),
        ("2.3", "carry: loner", "loner"),
        ("2.4", "", "import alone: RuntimeError: not today"),
        ("2.5", "", "demo==2.5"),
        ("1.1", "carry: absent", "carry: absent is to be carried over"),
        ("1.1", "constraints: /nowhere/constraints.txt", "/nowhere/constraints.txt"),
    ] {
        let body = site.stage(&site.component(carry), to, None);
        fails(&body, &[expected, &format!(".venv-{to} could not be made, and was removed"), ".venv is as it was"]);
        assert_eq!(site.names(), [".venv"], "{to} {carry}");
    }
    assert_eq!(site.tells(".venv"), ["1.0", "1.0"]);
}

#[test]
fn constraints_of_the_train_hold() {
    let site = Site::new();
    fs::write(site.path("of-1.1.txt"), "loner<0.4\n").unwrap();
    let contents = Contents { metadata: "Requires-Dist: loner\n", entry_points: "", files: &SERVICE };
    for version in ["1.1", "1.2"] {
        write_wheel(&site.path("wheels"), "demo", version, &contents);
    }
    let component = site.component(&format!("constraints: [\"{}\"]", site.text("of-{train}.txt")));
    for (to, loner) in [("1.1", "0.3"), ("1.2", "0.4")] {
        succeeds(&site.stage(&component, to, None));
        assert_eq!(site.installed(&format!(".venv-{to}"))["loner"], loner);
    }
}

#[test]
fn what_somebody_else_made_is_left_alone() {
    let site = Site::new();
    let component = site.component("");
    let body = site.stage(&component, "1.1", None);
    fs::create_dir(site.path(".venv-1.1")).unwrap();
    fs::write(site.path(".venv-1.1/mine"), "").unwrap();
    fails(&body, &["converge didn't make it", "Nothing was changed"]);
    assert!(site.path(".venv-1.1/mine").exists());
    assert_eq!(site.names(), [".venv", ".venv-1.1"]);
    // One that was in use before.
    fs::write(site.path(".venv-1.1/converge.json"), "{\n \"adopted\": true\n}\n").unwrap();
    fails(&body, &["was in use before"]);
    assert!(site.path(".venv-1.1/mine").exists());
    fs::remove_dir_all(site.path(".venv-1.1")).unwrap();
    // A link to something whole.
    fs::create_dir(site.path("other")).unwrap();
    fs::write(site.path("other/converge.json"), "{}").unwrap();
    symlink("other", site.path(".venv-1.1")).unwrap();
    fails(&body, &["is a link"]);
    assert!(site.path("other/converge.json").exists());
    fs::remove_file(site.path(".venv-1.1")).unwrap();
    // The one that runs.
    fs::rename(site.path(".venv"), site.path(".venv-1.1")).unwrap();
    symlink(".venv-1.1", site.path(".venv")).unwrap();
    fails(&body, &["is the environment that runs now"]);
    assert_eq!(site.installed(".venv")["demo"], "1.0");
    // Nothing to go on from.
    fs::remove_file(site.path(".venv")).unwrap();
    fails(&site.stage(&component, "1.2", None), &[".venv is no environment"]);
}

#[test]
fn two_at_once_are_one() {
    let site = Site::new();
    let body = site.stage(&site.component(""), "1.1", None);
    let first = start(&body);
    let note = site.path(".venv-1.1.building");
    while !note.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(u32::try_from(fails(&body, &["still at work here"])), Ok(BUSY));
    assert!(first.wait_with_output().unwrap().status.success());
    assert_eq!(site.names(), [".venv", ".venv-1.1"]);
}

/// What a kill between two steps of a switch leaves, each completed by the next call.
#[test]
fn a_killed_switch_is_completed() {
    let site = Site::new();
    succeeds(&site.stage(&site.component(""), "1.1", None));
    let whole = |what: &str| {
        assert_eq!(site.names(), [".venv", ".venv-1.0", ".venv-1.1"], "{what}");
        assert_eq!(site.tells(".venv"), ["1.1", "1.1"], "{what}");
    };
    // Before anything but the new link.
    symlink(".venv-1.1", site.path(".venv.converge-new")).unwrap();
    succeeds(&site.switch("1.1"));
    whole("with the new link alone");
    // Behind the exchange.
    fs::rename(site.path(".venv-1.0"), site.path(".venv.converge-new")).unwrap();
    succeeds(&site.switch("1.1"));
    whole("behind the exchange");
    // The same, and the next call wants to go back: what belongs aside is found there first.
    fs::rename(site.path(".venv-1.0"), site.path(".venv.converge-new")).unwrap();
    succeeds(&site.switch("1.0"));
    assert_eq!(site.tells(".venv"), ["1.0", "1.0"]);
    succeeds(&site.switch("1.1"));
    whole("back and forth");
    // Between two renames, where the system has no exchange.
    fs::remove_file(site.path(".venv")).unwrap();
    symlink(".venv-1.1", site.path(".venv.converge-new")).unwrap();
    succeeds(&site.switch("1.1"));
    whole("between two renames");
}

#[test]
fn a_switch_changes_nothing_where_it_cannot_be_done() {
    let site = Site::new();
    let switched = |target: &str, aside: &str| switch(&site.text(".venv"), &site.text(target), &site.text(aside));
    fails(&switched(".venv-1.1", ".venv-1.0"), &["is no environment with a Python that starts", "Nothing was changed"]);
    succeeds(&site.stage(&site.component(""), "1.1", None));
    fs::create_dir(site.path(".venv-1.0")).unwrap();
    fails(&switched(".venv-1.1", ".venv-1.0"), &["is there already", "Nothing was changed"]);
    assert_eq!(site.tells(".venv"), ["1.0", "1.0"]);
    assert!(fs::symlink_metadata(site.path(".venv")).unwrap().is_dir());
    assert_eq!(site.names(), [".venv", ".venv-1.0", ".venv-1.1"]);
    fs::remove_dir(site.path(".venv-1.0")).unwrap();
    fs::write(site.path(".venv.converge-new"), "").unwrap();
    fails(&switched(".venv-1.1", ".venv-1.0"), &[".venv.converge-new is in the way", "Nothing was changed"]);
    assert_eq!(site.names(), [".venv", ".venv-1.1", ".venv.converge-new"]);
    fs::remove_file(site.path(".venv.converge-new")).unwrap();
    fs::rename(site.path(".venv"), site.path("away")).unwrap();
    fs::write(site.path(".venv"), "").unwrap();
    fails(&switched(".venv-1.1", ".venv-1.0"), &["is neither an environment nor a link to one"]);
}

/// What the kernel says of a directory of an overlay's lower layer it says of any rename into another file system.
#[test]
fn an_environment_that_cannot_be_renamed_stays_in_use() {
    let site = Site::new();
    succeeds(&site.stage(&site.component(""), "1.1", None));
    let elsewhere = tempfile::Builder::new().tempdir_in("/dev/shm").unwrap();
    let devices = [site.path(".venv"), elsewhere.path().to_owned()].map(|place| fs::metadata(place).unwrap().dev());
    assert_ne!(devices[0], devices[1]);
    let aside = elsewhere.path().join(".venv-1.0");
    let body = switch(&site.text(".venv"), &site.text(".venv-1.1"), aside.to_str().unwrap());
    // Without an exchange the directory is renamed to where it belongs at once.
    let body = body.replace("\"renameat2\"", "\"no such call\"");
    fails(&body, &["which can't be renamed (EXDEV)", "Nothing was changed", "or declare another `venv`"]);
    assert_eq!(site.names(), [".venv", ".venv-1.1"]);
    assert!(fs::symlink_metadata(site.path(".venv")).unwrap().is_dir() && !aside.exists());
    assert!(!site.path(".venv/converge.json").exists());
    assert_eq!(site.tells(".venv"), ["1.0", "1.0"]);
}

#[test]
fn a_process_from_before_the_switch_keeps_what_is_old() {
    let site = Site::new();
    succeeds(&site.stage(&site.component(""), "1.1", None));
    // Through the declared path: which environment it runs from can no longer be told.
    let old = Background(Command::new(site.path(".venv/bin/python")).args(["-m", "ns.demo", "stay"]).spawn().unwrap());
    std::thread::sleep(Duration::from_secs(3));
    succeeds(&site.switch("1.1"));
    let said = succeeds(&prune(&site.text(".venv"), 0, &[]));
    assert!(said.contains(&format!("processes from before the switch still run ({})", old.0.id())), "{said}");
    assert_eq!(site.names(), [".venv", ".venv-1.0", ".venv-1.1"]);
    drop(old);
    let new = Background(Command::new(site.path(".venv/bin/python")).args(["-m", "ns.demo", "stay"]).spawn().unwrap());
    succeeds(&prune(&site.text(".venv"), 0, &[]));
    assert_eq!(site.names(), [".venv", ".venv-1.1"]);
    drop(new);
}

#[test]
fn what_was_half_made_goes_first_and_a_directory_is_never_pruned_beside() {
    let site = Site::new();
    let said = succeeds(&prune(&site.text(".venv"), 0, &[]));
    assert!(said.contains("is no link to an environment"), "{said}");
    succeeds(&site.stage(&site.component(""), "1.1", None));
    // Where the system can't exchange two names, it takes two renames.
    succeeds(&site.switch("1.1").replace("\"renameat2\"", "\"no such call\""));
    assert_eq!(site.names(), [".venv", ".venv-1.0", ".venv-1.1"]);
    assert_eq!(site.tells(".venv"), ["1.1", "1.1"]);
    fs::create_dir_all(site.path(".venv-1.2/lib")).unwrap();
    fs::write(site.path(".venv-1.2.building"), "").unwrap();
    succeeds(&prune(&site.text(".venv"), 1, &[]));
    assert_eq!(site.names(), [".venv", ".venv-1.0", ".venv-1.1"]);
}

fn locked(site: &Site, demo: Option<&str>) -> LockedSet {
    let digest = |file: &str| Digest::of(&fs::read(site.path("wheels").join(file)).unwrap());
    let one = |name: &str, version: &str, sha256: Digest| LockedDistribution {
        name: name.into(),
        version: release(version),
        files: vec![LockedFile { name: format!("{name}-{version}-py3-none-any.whl"), sha256 }],
    };
    let demo = demo.map_or_else(|| digest("demo-1.1-py3-none-any.whl"), |hex| Digest::parse(hex).unwrap());
    LockedSet {
        distributions: vec![one("demo", "1.1", demo), one("plugin", "0.4", digest("plugin-0.4-py3-none-any.whl"))],
    }
}

#[test]
fn only_locked_files_are_installed() {
    let site = Site::new();
    let component = site.component("");
    fails(&site.stage(&component, "1.1", Some(&locked(&site, Some(&"0".repeat(64))))), &["HASHES", "was removed"]);
    assert_eq!(site.names(), [".venv"]);
    succeeds(&site.stage(&component, "1.1", Some(&locked(&site, None))));
    let names: Vec<String> = site.installed(".venv-1.1").into_iter().map(|(name, version)| name + &version).collect();
    assert_eq!(names, ["demo1.1", "plugin0.4"]);
}

/// Asks as a session does.
fn resolve(component: &Component, interpreter: Option<&str>) -> Observed<LockedSet> {
    let query = component.resolution_query(&release("1.1"), interpreter);
    let probe = Probe::new("nonce1", [Query::Resolution(query.clone())]);
    let mut shell = Command::new("/bin/sh");
    shell.arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    child.stdin.take().unwrap().write_all(probe.script().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let host = HostName::parse("here").unwrap();
    let facts = read_answers(&probe, &host, &output.stdout, &output.stderr).unwrap();
    match facts.resolution(&query) {
        Observed::Known(resolution) => Observed::Known(resolution.set.clone()),
        Observed::Absent => Observed::Absent,
        Observed::Unknown(reason) => Observed::Unknown(reason),
    }
}

#[test]
fn what_is_resolved_for_another_environment_can_be_installed_into_it() {
    let site = Site::new();
    let component = site.component("carry: [plugin, 'loner<0.4']");
    let before = site.installed(".venv");
    for interpreter in [Some(python()), None] {
        let set = resolve(&component, interpreter.as_deref());
        let set = set.known().unwrap_or_else(|| panic!("{set:?}"));
        let told: Vec<String> = set.distributions.iter().map(|one| format!("{} {}", one.name, one.version)).collect();
        assert_eq!(told, ["demo 1.1", "loner 0.3", "plugin 0.3"]);
        for file in set.distributions.iter().flat_map(|one| &one.files) {
            assert_eq!(file.sha256, Digest::of(&fs::read(site.path("wheels").join(&file.name)).unwrap()));
        }
        succeeds(&site.stage(&component, "1.1", Some(set)));
        fs::remove_dir_all(site.path(".venv-1.1")).unwrap();
    }
    assert_eq!(site.installed(".venv"), before);
    let lacking = resolve(&site.component("carry: absent"), None);
    assert!(lacking.unknown().is_some_and(|reason| reason.contains("carry: absent")), "{lacking:?}");
    let impossible = resolve(&site.component("carry: 'plugin>9'"), None);
    assert!(impossible.unknown().is_some_and(|reason| reason.contains("plugin>9")), "{impossible:?}");
}

#[test]
fn uv_makes_the_same() {
    let site = Site::new();
    let tools = site.path("tools");
    run(Command::new("python3").args(["-m", "venv"]).arg(&tools));
    run(Command::new(tools.join("bin/python")).args(["-m", "pip", "install", "--quiet", "uv"]));
    let environments = format!("carry: [plugin, 'loner<0.4'], installer: \"{}\"", text(&tools.join("bin/uv")));
    let component = site.component(&environments);
    succeeds(&site.stage(&component, "1.1", None));
    assert_eq!(site.installed(".venv-1.1")["loner"], "0.3");
    assert_eq!(site.tells(".venv-1.1"), ["1.1", "1.1"]);
    succeeds(&site.switch("1.1"));
    assert_eq!(site.tells(".venv"), ["1.1", "1.1"]);
    fs::remove_file(tools.join("bin/uv")).unwrap();
    fails(&site.stage(&component, "1.2", None), &["bin/uv, which is declared as installer", "was removed"]);
}
