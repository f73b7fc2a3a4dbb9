//! Declarations from files: every `tests/cases/inventory/NAME.yaml` against what `NAME.expected` says that it means,
//! or how its mistakes read. `CONVERGE_WRITE_EXPECTED=1 cargo test --test declaring` writes the expectations anew;
//! read the difference before committing it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use converge::desired::resolve_connections;
use converge::document::{Diagnostics, Source};
use converge::inventory::{Inventory, InventorySources, Pattern};
use converge::model::{GroupName, HostName};

fn cases() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/inventory");
    let mut files: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

/// What an inventory means: hosts in order with their groups, how they are reached, and each variable with its
/// place and level; then its groups.
fn describe(inventory: &Inventory) -> Result<String, Diagnostics> {
    let mut shown = String::new();
    for (host, connection) in resolve_connections(inventory, &[], None)? {
        let groups: Vec<String> = inventory.groups_of(&host).iter().map(GroupName::to_string).collect();
        let user = connection.user.unwrap_or_default();
        writeln!(
            shown,
            "{host} in {}: {:?} {user}@{}:{}",
            groups.join(","),
            connection.kind,
            connection.host,
            connection.port
        )
        .unwrap();
        for (name, variable) in inventory.variables(&host).iter() {
            let (given, lost) = (&variable.given, variable.lost.len());
            let place = format!("{}:{}", given.value.span.start.line, given.value.span.start.column);
            let value = given.value.to_json()?;
            writeln!(shown, "  {name} = {value} from {place}, {} {}, {lost} lost", given.level, given.giver).unwrap();
        }
    }
    for group in inventory.groups() {
        let hosts = inventory.group_hosts(group.as_str()).unwrap();
        writeln!(shown, "group {group}: {}", hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(" ")).unwrap();
    }
    Ok(shown)
}

#[test]
fn inventories_mean_what_is_expected_of_them() {
    let write = std::env::var_os("CONVERGE_WRITE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    let all = cases();
    assert!(all.len() >= 12, "the cases are gone: {all:?}");
    for path in all {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let source = Source::new(name.clone(), fs::read_to_string(&path).unwrap());
        let described = Inventory::parse(&InventorySources::of(source)).and_then(|inventory| describe(&inventory));
        assert_eq!(described.is_err(), name.starts_with("error-"), "{name}: {described:?}");
        let shown = described.unwrap_or_else(|mistakes| format!("{mistakes}\n"));
        assert!(
            !shown.chars().any(|c| c.is_control() && c != '\n'),
            "{name} would send control characters to a terminal"
        );
        let expected = path.with_extension("expected");
        if write {
            fs::write(&expected, &shown).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != shown {
            wrong.push(format!("{name}:\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

#[test]
fn patterns_choose_what_ansible_chooses() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/inventory/nested.yaml")).unwrap();
    let inventory = Inventory::parse(&InventorySources::of(Source::new("nested.yaml", text))).unwrap();
    for (pattern, expected) in [
        ("all", "lone mgr1 mgr2 store1 gpu01 gpu02 gpu03"),
        ("site", "mgr1 mgr2 store1 gpu01 gpu02 gpu03"),
        ("site:!agent", "mgr1 mgr2 store1"),
        ("site:&edge", "mgr2 gpu03"),
        ("!edge", "mgr1 store1 gpu01 gpu02"),
        ("agent[0]:manager[-1]", "store1 gpu01"),
        ("agent[0:1]", "gpu01 gpu02"),
        ("site[0]", "mgr1"),
        ("~gpu0[23]", "gpu02 gpu03"),
        ("*1", "mgr1 store1 gpu01"),
        ("ungrouped", ""),
        ("e*:&a*", "lone mgr2 gpu03"),
    ] {
        let chosen = Pattern::parse(pattern).unwrap().select(&inventory).hosts;
        assert_eq!(chosen.iter().map(HostName::as_str).collect::<Vec<_>>().join(" "), expected, "{pattern}");
    }
}
