//! The same inventories, read by converge and by the real ansible-core: hosts, groups, variables and patterns have to be
//! the same. Where they are not meant to be, [`deliberate`] says so, and is held against Ansible as well.

#[path = "../support/ansible.rs"]
mod ansible;
mod deliberate;
mod generate;
mod vault;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use converge::cli::inventories::read_inventories;
use converge::document::{Node, Source};
use converge::inventory::{Inventory, Listing, Pattern};
use converge::model::HostName;
use generate::Case;
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// How many inventories are compared.
const CASES: u64 = 200;

/// What Ansible makes of a case; `oracle.py` says what each field is.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub(crate) hosts: BTreeMap<String, BTreeMap<String, Json>>,
    order: Vec<String>,
    ordered: bool,
    groups: BTreeMap<String, Vec<String>>,
    pub(crate) patterns: Vec<Chosen>,
    commands: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Chosen {
    #[serde(default)]
    pub(crate) hosts: Vec<String>,
    #[serde(default)]
    ordered: bool,
    pub(crate) error: Option<String>,
}

/// Asks Ansible about all cases at once: one Python starts in the time of a hundred cases.
pub(crate) fn ask(home: &Path, cases: &[Json]) -> Vec<Answer> {
    let settings = home.join("ansible.cfg");
    std::fs::write(&settings, "").unwrap();
    let mut command = ansible::program("python", home);
    command.env("ANSIBLE_CONFIG", settings);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/beside_ansible/oracle.py"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Where it doesn't listen, what it says tells why.
    let _ = child.stdin.take().unwrap().write_all(json!(cases).to_string().as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn question(case: &Case) -> Json {
    json!({
        "inventories": case.inventories,
        "playbook_directory": case.playbook_directory,
        "patterns": case.patterns,
        "commands": if case.seed.is_multiple_of(20) { COMMANDS.to_vec() } else { Vec::new() },
    })
}

/// What `ansible-inventory` is asked for in every twentieth case.
const COMMANDS: [&[&str]; 4] = [&["--list"], &["--list", "--export"], &["--list", "--yaml"], &["--graph"]];

/// What `converge inventory` says, and `ansible-inventory`.
fn listings(inventory: &Inventory, commands: &[String]) -> Vec<(&'static str, Json, Json)> {
    let [list, export, tree, graph] = commands else { return Vec::new() };
    let (extra, hosts) = (Vec::new(), inventory.hosts());
    let listing = |export| Listing { inventory, extra: &extra, hosts, export };
    let parsed = |text: &String| {
        let mut value: Json = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        // Says which reader of Ansible's the answer is meant for.
        value["_meta"].as_object_mut().unwrap().remove("profile");
        value
    };
    let of_yaml = Node::parse(&Source::new("theirs", tree.as_str())).unwrap().to_json().unwrap();
    vec![
        ("list", listing(false).list(), parsed(list)),
        ("list --export", listing(true).list(), parsed(export)),
        ("list --yaml", listing(false).tree(), of_yaml),
        ("graph", json!(listing(false).graph("all", false)), json!(graph)),
    ]
}

fn names(hosts: &[HostName]) -> Vec<&str> {
    hosts.iter().map(HostName::as_str).collect()
}

fn sorted(names: &[impl AsRef<str>]) -> Vec<&str> {
    let mut names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    names.sort_unstable();
    names
}

/// Everything that differs, in a line each.
fn differences(case: &Case, answer: &Answer) -> Vec<String> {
    let sources = read_inventories(&case.inventories, Some(Path::new(&case.playbook_directory)));
    let inventory = match sources.and_then(|sources| Inventory::parse(&sources)) {
        Ok(inventory) => inventory,
        Err(wrong) => return vec![format!("refused: {wrong}")],
    };
    let mut wrong = Vec::new();
    let mut differ = |what: String, ours: Json, theirs: Json| {
        if ours != theirs {
            wrong.push(format!("{what}\n    converge: {ours}\n    Ansible:  {theirs}"));
        }
    };
    differ("hosts".into(), json!(sorted(&names(inventory.hosts()))), json!(sorted(&answer.order)));
    if answer.ordered {
        differ("order of hosts".into(), json!(names(inventory.hosts())), json!(answer.order));
    }
    for (group, hosts) in &answer.groups {
        let ours = inventory.group_hosts(group).unwrap_or_default();
        differ(format!("group {group}"), json!(sorted(&names(ours))), json!(sorted(hosts)));
    }
    for host in inventory.hosts() {
        let variables = inventory.variables(host);
        let mut ours: BTreeMap<String, Json> =
            variables.iter().map(|(name, v)| (name.to_owned(), v.given.value.to_json().unwrap())).collect();
        let mut theirs = answer.hosts.get(host.as_str()).cloned().unwrap_or_default();
        theirs.remove("magic_inventory_hostname_short");
        let place = inventory.place_of_inventory(host);
        // A list of hosts is no file, though Ansible calls it one.
        let listed = theirs["magic_inventory_file"].as_str().is_some_and(|file| file.contains(','));
        if listed && place.is_none() {
            theirs.insert("magic_inventory_file".into(), Json::Null);
            theirs.insert("magic_inventory_dir".into(), Json::Null);
        }
        ours.insert("magic_inventory_file".into(), json!(place.map(|place| &place.file)));
        ours.insert("magic_inventory_dir".into(), json!(place.map(|place| &place.directory)));
        ours.insert("magic_group_names".into(), json!(inventory.groups_of(host)));
        let all: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for name in all {
            differ(format!("{host}: {name}"), json!(ours.get(name)), json!(theirs.get(name)));
        }
    }
    for (what, ours, theirs) in listings(&inventory, &answer.commands) {
        differ(what.to_owned(), ours, theirs);
    }
    for (text, theirs) in case.patterns.iter().zip(&answer.patterns) {
        let ours = Pattern::parse(text).unwrap_or_else(|error| panic!("{error}")).select(&inventory);
        if theirs.error.is_some() {
            differ(format!("pattern {text}: {:?}", theirs.error), json!(ours.unmatched.is_empty()), json!(false));
        } else if theirs.ordered {
            differ(format!("pattern {text}"), json!(names(&ours.hosts)), json!(theirs.hosts));
        } else if !text.contains(']') {
            differ(format!("pattern {text}"), json!(sorted(&names(&ours.hosts))), json!(sorted(&theirs.hosts)));
        }
    }
    wrong
}

#[test]
fn inventories_mean_what_they_mean_to_ansible() {
    let directory = tempfile::tempdir().unwrap();
    let seeds = match std::env::var("CONVERGE_SEED") {
        Ok(seed) => seed.parse().unwrap()..=seed.parse().unwrap(),
        Err(_) => 0..=CASES - 1,
    };
    let cases: Vec<Case> = seeds.map(|seed| generate::case(seed, directory.path())).collect();
    let answers = ask(directory.path(), &cases.iter().map(question).collect::<Vec<_>>());
    let mut wrong = Vec::new();
    let (mut ordered, mut variables) = (0, 0);
    for (case, answer) in cases.iter().zip(&answers) {
        assert!(
            !answer.warnings.iter().any(|warning| warning.contains("parse")),
            "{}: {:?}",
            case.seed,
            answer.warnings
        );
        variables += answer.hosts.values().map(BTreeMap::len).sum::<usize>();
        ordered += answer.patterns.iter().filter(|chosen| chosen.ordered && !chosen.hosts.is_empty()).count();
        let differing = differences(case, answer);
        if !differing.is_empty() {
            let shown = &differing[..differing.len().min(4)];
            wrong.push(format!("CONVERGE_SEED={}: {} differ\n  {}", case.seed, differing.len(), shown.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong[..wrong.len().min(12)].join("\n\n"));
    // What is compared is worth comparing.
    if cases.len() > 1 {
        assert!(ordered > 400 && variables > 10_000, "{ordered} {variables}");
    }
}
