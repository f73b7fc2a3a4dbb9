//! Where converge differs from Ansible on purpose: what Ansible makes of each case, and what converge does instead. The
//! table of docs/inventory.md lists the same.

use std::fs;
use std::path::Path;

use converge::cli::inventories::read_inventories;
use converge::inventory::{Inventory, Pattern};
use converge::model::HostName;
use serde_json::{Value as Json, json};

use super::ask;

/// An inventory, something that Ansible makes of it, and what converge does.
struct Difference {
    file: &'static str,
    text: &'static str,
    theirs: Theirs,
    ours: Ours,
}

enum Theirs {
    /// A variable of the host `h`.
    Has(&'static str, Json),
    /// A pattern chooses these hosts.
    Chooses(&'static str, &'static [&'static str]),
    /// No host of this name.
    Lacks(&'static str),
}

enum Ours {
    Has(&'static str, Json),
    /// A part of the pattern matches nothing: everywhere an error.
    Unmatched(&'static str, &'static str),
    /// A pattern is refused.
    NoPattern(&'static str, &'static str),
    /// The inventory is refused.
    Refuses(&'static str),
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn all() -> Vec<Difference> {
    use Ours::{NoPattern, Refuses, Unmatched};
    use Theirs::{Chooses, Lacks};
    let difference = |file, text, theirs, ours| Difference { file, text, theirs, ours };
    let numbers = [
        // Digits are never lost: what wouldn't print as it is written stays a text.
        ("i.yaml", "all: {hosts: {h: {a: 25.10}}}", json!(25.1), json!("25.10")),
        ("i.yaml", "all: {hosts: {h: {a: 0644}}}", json!(420), json!("0644")),
        ("i.yaml", "all: {hosts: {h: {a: 0x1f}}}", json!(31), json!("0x1f")),
        ("i.yaml", "all: {hosts: {h: {a: 1_000}}}", json!(1000), json!("1_000")),
        ("i.yaml", "all: {hosts: {h: {a: +5}}}", json!(5), json!("+5")),
        ("i.yaml", "all: {hosts: {h: {a: 12:30}}}", json!(750), json!("12:30")),
        ("i.ini", "h a=25.10", json!(25.1), json!("25.10")),
        ("i.ini", "h a=1e3", json!(1000.0), json!("1e3")),
        ("i.ini", "h a=.5", json!(0.5), json!(".5")),
        // Keys are texts, as they are written.
        ("i.yaml", "all: {hosts: {h: {a: {yes: 1}}}}", json!({"true": 1}), json!({"yes": 1})),
    ];
    let mut all: Vec<Difference> = numbers
        .map(|(file, text, theirs, ours)| difference(file, text, Theirs::Has("a", theirs), Ours::Has("a", ours)))
        .into();
    all.extend([
        difference("i.yaml", "all: {hosts: {h: {a: 1, a: 2}}}", Theirs::Has("a", json!(2)), Refuses("second time")),
        difference(
            "i.yaml",
            "all: {hosts: {h: {release: 25.10}}}",
            Theirs::Has("release", json!(25.1)),
            Refuses("a release must be quoted"),
        ),
        difference(
            "i.ini",
            "h release=25.10",
            Theirs::Has("release", json!(25.1)),
            Refuses("hint: write release='\"25.10\"'"),
        ),
        difference(
            "i.yaml",
            "all: {hosts: {h: {ansible_hots: x}}}",
            Theirs::Has("ansible_hots", json!("x")),
            Refuses("did you mean `ansible_host`?"),
        ),
        difference(
            "i.yaml",
            "all: {hosts: {h: {my-var: x}}}",
            Theirs::Has("my-var", json!("x")),
            Refuses("can't be the name of a variable"),
        ),
        difference("i.yaml", "all: {hosts: {h: }, host: {x: }}", Lacks("x"), Refuses("has no field `host`")),
        difference("i.ini", "h\nw[5:1]", Lacks("w5"), Refuses("its end comes before its start")),
        difference("i.ini", "h\nw[a:B]", Chooses("wB", &["wB"]), Refuses("a range is [first:last]")),
        difference(
            "i.ini",
            "h\nfe80::1",
            Chooses("fe80::1", &["fe80::1"]),
            Refuses("write an IPv6 address as ansible_host"),
        ),
        difference("i.yml", "[g]\nh\n", Chooses("g", &["h"]), Refuses("one in the INI format is named")),
        difference(
            "i.ini",
            "[h]\nh\nx\n",
            Chooses("h", &["h"]),
            Refuses("is a host and a group that doesn't hold just that host"),
        ),
        // No host is implicit.
        difference("i.ini", "h", Chooses("localhost", &["localhost"]), Unmatched("localhost", "localhost")),
        difference("i.ini", "h", Chooses("h:typo", &["h"]), Unmatched("h:typo", "typo")),
        difference("i.ini", "h\n[g]\nx", Chooses("g:!h,h", &["h"]), NoPattern("g:!h,h", "write commas only")),
        difference("i.ini", "h\n[g]\nx\ny", Chooses("g[0-1]", &["x", "y"]), NoPattern("g[0-1]", "[first:last]")),
        difference(
            "i.ini",
            "h\nx",
            Chooses("~(?!h|all|un)", &["x"]),
            NoPattern("~(?!h|all|un)", "isn't a regular expression"),
        ),
    ]);
    all
}

fn read(path: &Path) -> Result<Inventory, String> {
    let sources = read_inventories(&[path.display().to_string()], None);
    sources.and_then(|sources| Inventory::parse(&sources)).map_err(|wrong| wrong.to_string())
}

fn check(difference: &Difference, path: &Path) -> Result<(), String> {
    let inventory = read(path);
    match (&difference.ours, inventory) {
        (Ours::Refuses(why), Err(shown)) if shown.contains(why) => Ok(()),
        (Ours::Has(name, value), Ok(inventory)) => {
            let host = HostName::parse("h").unwrap();
            let ours = inventory.variables(&host).value(name).map(|node| node.to_json().unwrap());
            if ours.as_ref() == Some(value) { Ok(()) } else { Err(format!("{ours:?}")) }
        }
        (Ours::Unmatched(pattern, part), Ok(inventory)) => {
            let unmatched = Pattern::parse(pattern).unwrap().select(&inventory).unmatched;
            if unmatched == [*part] { Ok(()) } else { Err(format!("{unmatched:?}")) }
        }
        (Ours::NoPattern(pattern, why), Ok(_)) => match Pattern::parse(pattern) {
            Err(error) if error.to_string().contains(why) => Ok(()),
            other => Err(format!("{other:?}")),
        },
        (_, other) => Err(format!("{:?}", other.map(|_| "an inventory"))),
    }
}

#[test]
fn deliberate_differences_are_what_they_are_said_to_be() {
    let directory = tempfile::tempdir().unwrap();
    let all = all();
    let path = |at: usize, difference: &Difference| directory.path().join(format!("{at}")).join(difference.file);
    let mut questions = Vec::new();
    for (at, difference) in all.iter().enumerate() {
        let path = path(at, difference);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, difference.text).unwrap();
        let patterns: Vec<&str> = match difference.theirs {
            Theirs::Chooses(pattern, _) => vec![pattern],
            Theirs::Has(..) | Theirs::Lacks(_) => Vec::new(),
        };
        questions.push(json!({"inventories": [path], "playbook_directory": "/nonexistent", "patterns": patterns}));
    }
    let mut wrong = Vec::new();
    for (at, (difference, answer)) in all.iter().zip(ask(directory.path(), &questions)).enumerate() {
        let theirs = match &difference.theirs {
            Theirs::Has(name, value) => answer.hosts.get("h").and_then(|host| host.get(*name)) == Some(value),
            Theirs::Lacks(name) => answer.hosts.contains_key("h") && !answer.hosts.contains_key(*name),
            Theirs::Chooses(_, hosts) => answer.patterns[0].hosts == *hosts,
        };
        if !theirs {
            wrong.push(format!("Ansible, {}: {answer:?}", difference.text));
        }
        if let Err(shown) = check(difference, &path(at, difference)) {
            wrong.push(format!("converge, {}: {shown}", difference.text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
