//! Finds and reads the inventories that `-i` names: files, directories, programs, lists of hosts; and the vars files beside
//! them and beside the playbook. I/O.
//!
//! Nothing is read that isn't named, and no program runs that isn't.

#![expect(clippy::disallowed_methods, reason = "looks at the files that are inventories")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::inventory_program;
use super::machine::full_path;
use super::project::{directory_of, entries, is_same, read_source, read_vars_beside, without_dot};
use crate::document::{Diagnostic, Diagnostics, Source};
use crate::inventory::{Beside, InventoryFormat, InventoryPlace, InventorySources, InventoryText, limit_files};

/// Files of a directory of inventories that are none, by the end of their name: Ansible's list.
const NO_INVENTORY: [&str; 12] =
    [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];

/// Directories beside or in a directory of inventories that hold something else.
const NO_INVENTORIES: [&str; 3] = ["group_vars", "host_vars", "vars_plugins"];

/// Reads the inventories of these names, in order, and the `group_vars/` and `host_vars/` beside them and beside the
/// playbook.
///
/// # Errors
/// Every file that can't be read, every program that doesn't answer, and every name that has more than one vars file.
pub fn read_inventories(names: &[String], playbook_directory: Option<&Path>) -> Result<InventorySources, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let (mut inventories, mut directories): (Vec<InventoryText>, Vec<PathBuf>) = Default::default();
    for name in names {
        let path = Path::new(name);
        if name.contains(',') && !path.exists() {
            let source = Source::new("-i", name.as_str());
            inventories.push(InventoryText { source, format: InventoryFormat::HostList, place: None });
            continue;
        }
        let directory = if path.is_dir() { path.to_path_buf() } else { directory_of(path) };
        // Of two readings of one directory the later one would win anyway.
        directories.retain(|known| !is_same(known, &directory));
        directories.push(directory);
        if path.is_dir() {
            inventories.extend(mistakes.keep(read_directory(path)).unwrap_or_default());
        } else {
            inventories.extend(mistakes.keep(read_file(path, Programs::Run)));
        }
    }
    let mut vars = Vec::new();
    for (number, directory) in directories.iter().enumerate() {
        read_vars_beside(directory, Beside::Inventory(number), &mut vars, &mut mistakes);
    }
    if let Some(directory) = playbook_directory {
        // The same directory twice in a row would give each variable twice.
        if !directories.last().is_some_and(|last| is_same(last, directory)) {
            read_vars_beside(directory, Beside::Playbook, &mut vars, &mut mistakes);
        }
    }
    let playbook_directory = playbook_directory.filter(|directory| directory.is_dir()).map(full_path);
    mistakes.or_ok(InventorySources { inventories, vars, playbook_directory, defaults: Vec::new() })
}

/// Reads the files that limits name (`@FILE`).
///
/// # Errors
/// Every one that can't be read.
pub fn read_limit_files(limits: &[&str]) -> Result<BTreeMap<String, Arc<Source>>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let names = limits.iter().flat_map(|limit| limit_files(limit));
    let files = names.filter_map(|name| Some((name.clone(), mistakes.keep(read_source(Path::new(&name)))?)));
    let files = files.collect();
    mistakes.or_ok(files)
}

/// What a message and the journal call these inventories: whole paths, and lists as they are.
#[must_use]
pub fn full_names(names: &[String]) -> Option<String> {
    let full = |name: &String| {
        let path = Path::new(name);
        if path.exists() { full_path(path) } else { name.clone() }
    };
    (!names.is_empty()).then(|| names.iter().map(full).collect::<Vec<_>>().join(" "))
}

/// Whether programs are run or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Programs {
    Run,
    Refuse,
}

/// All inventories of a directory, in ASCII order, those of directories in it among them.
fn read_directory(directory: &Path) -> Result<Vec<InventoryText>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut inventories = Vec::new();
    for path in entries(directory)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if NO_INVENTORIES.contains(&&*name) || NO_INVENTORY.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        if path.is_dir() {
            inventories.extend(mistakes.keep(read_directory(&path)).unwrap_or_default());
        } else {
            inventories.extend(mistakes.keep(read_file(&path, Programs::Refuse)));
        }
    }
    if inventories.is_empty() && mistakes.is_empty() {
        let message = format!("the directory {} holds no inventory", directory.display());
        mistakes.push(Diagnostic::nowhere(message).hint("its files are inventories in YAML or INI"));
    }
    mistakes.or_ok(inventories)
}

fn read_file(path: &Path, programs: Programs) -> Result<InventoryText, Diagnostics> {
    let path = without_dot(path);
    let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
    let place = Some(InventoryPlace {
        file: absolute.display().to_string(),
        directory: directory_of(&absolute).display().to_string(),
    });
    if !is_program(&path) {
        let source = read_source(&path).map_err(|mistake| mistake.maybe_hint(list_hint(&path)))?;
        return Ok(InventoryText { place, ..InventoryText::of(source) });
    }
    if programs == Programs::Refuse {
        let message = format!("{} is a program, and programs run only where they are named", path.display());
        let hint =
            format!("name it: -i {}; or take it out of the directory, or its right to be executed", path.display());
        return Err(Diagnostic::nowhere(message).hint(hint).into());
    }
    let (source, hosts) = inventory_program::run(&absolute, &path.display().to_string())?;
    Ok(InventoryText { source, format: InventoryFormat::Program { hosts }, place })
}

/// Whether a file may be executed and begins as a program does: a right alone says little, as some file systems give it to
/// every file.
fn is_program(path: &Path) -> bool {
    use std::io::Read as _;
    let executable = path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    let mut start = [0; 4];
    let mut begins = || fs::File::open(path).and_then(|mut file| file.read(&mut start)).is_ok();
    executable && begins() && (start.starts_with(b"#!") || start == *b"\x7fELF")
}

/// For a name that was meant as a list of one host.
fn list_hint(path: &Path) -> Option<String> {
    let name = path.to_str().filter(|name| !path.exists() && !name.contains('/'))?;
    let has_extension = [".yaml", ".yml", ".ini", ".json"].iter().any(|extension| name.ends_with(extension));
    (!has_extension).then(|| format!("a list of hosts has a comma, also behind a single one: -i {name},"))
}

#[cfg(test)]
mod tests {
    use super::super::project::tests::project;
    use super::*;
    use crate::inventory::Inventory;
    use crate::model::HostName;

    fn names(root: &Path, names: &[&str]) -> Vec<String> {
        let name =
            |name: &&str| if name.contains(',') { (*name).to_owned() } else { root.join(name).display().to_string() };
        names.iter().map(name).collect()
    }

    fn read(root: &Path, inventories: &[&str]) -> Result<InventorySources, String> {
        read_inventories(&names(root, inventories), None).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn vars_files_are_found_as_ansible_finds_them() {
        let project = project(&[
            ("inventories/prod.yaml", "all: {}"),
            ("inventories/group_vars/all/b.yml", ""),
            ("inventories/group_vars/all/a.yaml", ""),
            ("inventories/group_vars/all/.hidden.yaml", ""),
            ("inventories/group_vars/all/sub/c.yaml", ""),
            ("inventories/group_vars/all/notes.txt", ""),
            ("inventories/group_vars/web.yaml~", ""),
            ("inventories/group_vars/web", ""),
            ("inventories/host_vars/web1.example.org", ""),
            ("playbooks/group_vars/web.yml", ""),
        ]);
        let root = project.path();
        let prod = names(root, &["inventories/prod.yaml"]);
        let sources = read_inventories(&prod, Some(&root.join("playbooks"))).unwrap();
        let shown: Vec<String> = sources
            .vars
            .iter()
            .map(|file| {
                let path = Path::new(&file.source.path).strip_prefix(root).unwrap().display().to_string();
                format!("{path} {:?} {:?}", file.scope, file.beside)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "inventories/group_vars/all/a.yaml Group(\"all\") Inventory(0)",
                "inventories/group_vars/all/b.yml Group(\"all\") Inventory(0)",
                "inventories/group_vars/all/sub/c.yaml Group(\"all\") Inventory(0)",
                "inventories/group_vars/web Group(\"web\") Inventory(0)",
                "inventories/host_vars/web1.example.org Host(\"web1.example.org\") Inventory(0)",
                "playbooks/group_vars/web.yml Group(\"web\") Playbook",
            ]
        );
        // A playbook directory that is the inventory's own isn't read twice.
        assert_eq!(read_inventories(&prod, Some(&root.join("inventories"))).unwrap().vars.len(), 5);
    }

    #[test]
    fn several_inventories_are_one_and_later_ones_win() {
        let project = project(&[
            ("a/one", "[web]\nw1 x=1 y=1\n[web:vars]\nz=1\n"),
            ("a/group_vars/web.yaml", "g: a\nh: a\n"),
            ("b/one/10.yaml", "web: {hosts: {w1: {x: 2}, w2: }}\n"),
            ("b/one/20.ini", "[web:vars]\nz=2\n"),
            ("b/one/sub/30.ini", "w3\n"),
            ("b/one/notes.md", "no inventory"),
            ("b/one/group_vars/all.yaml", "g: all\n"),
            ("b/one/group_vars/web.yaml", "g: b\n"),
        ]);
        let sources = read(project.path(), &["a/one", "b/one", "l1,l2:2222,w1"]).unwrap();
        assert_eq!(sources.inventories.len(), 5);
        let inventory = Inventory::parse(&sources).unwrap();
        let hosts: Vec<&str> = inventory.hosts().iter().map(HostName::as_str).collect();
        assert_eq!(hosts, ["w3", "l1", "l2", "w1", "w2"]);
        let variables = inventory.variables(inventory.host("w1").unwrap());
        let shown: Vec<String> =
            variables.iter().map(|(name, v)| format!("{name}={}", v.given.value.as_str().unwrap())).collect();
        assert_eq!(shown, ["g=b", "h=a", "x=2", "y=1", "z=2"]);
        assert_eq!(inventory.place_of_inventory(inventory.host("l1").unwrap()), None);
        let place = inventory.place_of_inventory(inventory.host("w3").unwrap()).unwrap();
        assert!(place.file.ends_with("b/one/sub/30.ini") && place.directory.ends_with("b/one/sub"), "{place:?}");
    }

    #[test]
    fn programs_run_where_they_are_named_and_only_there() {
        let list = "#!/bin/sh\nif [ \"$1\" = --list ]; then echo '{\"web\": [\"w1\", \"w2\"]}'; else echo \"{\\\"me\\\": \\\"$2\\\"}\"; fi\n";
        let project = project(&[("d/inv.sh", list), ("d/a.yaml", "x: {hosts: {y: }}"), ("host_vars/w1", "v: 1")]);
        let inventory = Inventory::parse(&read(project.path(), &["d/inv.sh"]).unwrap()).unwrap();
        let w2 = inventory.variables(inventory.host("w2").unwrap());
        assert_eq!(w2.value("me").unwrap().as_str().unwrap(), "w2");
        let shown = read(project.path(), &["d"]).unwrap_err();
        assert!(shown.contains("d/inv.sh is a program") && shown.contains("hint: name it: -i "), "{shown}");
    }

    #[test]
    fn programs_that_fail_or_hang_are_told_with_what_they_said() {
        let project = project(&[
            ("fails", "#!/bin/sh\necho '{}'\necho 'no credentials' >&2\nexit 3\n"),
            ("talks", "#!/bin/sh\necho Loading...\necho '{}'\n"),
            ("lost", "#!/no/such/interpreter\n"),
        ]);
        let wrong = |name: &str| match read(project.path(), &[name]).map(|sources| Inventory::parse(&sources)) {
            Err(shown) => shown,
            Ok(Err(wrong)) => wrong.to_string(),
            Ok(Ok(_)) => panic!("{name}"),
        };
        let shown = wrong("fails");
        assert!(shown.contains("--list ended with exit status 3") && shown.contains("no credentials"), "{shown}");
        let shown = wrong("talks");
        assert!(shown.contains("talks --list:1:1: not valid JSON") && shown.contains("    1 | Loading..."), "{shown}");
        assert!(wrong("lost").contains("can't be run"), "{}", wrong("lost"));
    }

    #[test]
    fn all_unreadable_files_are_named_at_once() {
        let project =
            project(&[("group_vars/web.yaml", ""), ("group_vars/web.yml", ""), ("group_vars/x", ""), ("e/x.md", "")]);
        fs::write(project.path().join("group_vars/x"), [0xff, 0xfe]).unwrap();
        let shown = read(project.path(), &["prod.yaml", "e"]).unwrap_err();
        for part in ["prod.yaml: No such file", "are for `web`", "x: it isn't UTF-8 (byte 0)", "e holds no inventory"] {
            assert!(shown.contains(part), "{shown}");
        }
        let shown = read_inventories(&["mgr1".to_owned()], None).unwrap_err().to_string();
        assert!(shown.contains("a list of hosts has a comma, also behind a single one: -i mgr1,"), "{shown}");
    }
}
