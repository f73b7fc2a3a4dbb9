//! The tables against the decoders: a word that nobody knows makes each decoder say what it knows.

use std::collections::BTreeSet;

use super::*;
use crate::document::{Diagnostics, Node, Source};
use crate::inventory::{Inventory, InventorySources};
use crate::playbook::{KnownFiles, Origin, Playbook, Role, RoleRest, RoleSources};
use crate::preflight::parse_waivers;
use crate::release::Catalogue;
use crate::resource::component;
use crate::resource::plain::{ContentSpec, Plain};

const NOBODY_S: &str = "zzqq";

fn node(text: &str) -> Node {
    Node::parse(&Source::new("t.yaml", text)).unwrap()
}

/// The words that a decoder says it has, in the hint about one that it hasn't.
fn known_of(mistakes: &Diagnostics) -> BTreeSet<String> {
    let about = mistakes.iter().find(|mistake| mistake.message.contains(NOBODY_S));
    let about = about.unwrap_or_else(|| panic!("nothing was said of {NOBODY_S}:\n{mistakes}"));
    let hint = about.hint.clone().unwrap_or_default();
    let listed = hint.split_once("has ").unwrap_or_else(|| panic!("no list of words in: {hint}")).1;
    let listed = listed.split(';').next().unwrap_or_default();
    listed.split(", ").map(|word| word.trim_matches('`').to_owned()).collect()
}

/// Holds what a decoder knows against a table; `refused` are words that it knows only to say what to write instead.
fn compare(what: &str, mistakes: &Diagnostics, words: &[Word], refused: &[&str]) {
    let mut decoder = known_of(mistakes);
    decoder.retain(|word| !refused.contains(&word.as_str()));
    let table: BTreeSet<String> = words.iter().map(|word| word.name.to_owned()).collect();
    let lacking: Vec<&String> = decoder.difference(&table).collect();
    let surplus: Vec<&String> = table.difference(&decoder).collect();
    assert!(lacking.is_empty(), "src/vocabulary lacks these words of {what}, which its decoder takes: {lacking:?}");
    assert!(surplus.is_empty(), "src/vocabulary has these words of {what}, which its decoder refuses: {surplus:?}");
}

#[test]
fn every_kind_has_a_table_with_the_words_of_its_decoder() {
    for kind in TaskKind::all() {
        let TaskKind::Plain(word) = kind else { continue };
        let words = body_words(kind);
        let words = words.unwrap_or_else(|| panic!("src/vocabulary/kinds.rs lacks the kind `{word}`"));
        assert!(!meaning_of(kind).is_empty(), "{word}");
        // `file` and others know two names for one field, and take either.
        for first in ["", "dest: /x, "] {
            let body = node(&format!("{{{first}{NOBODY_S}: 1}}"));
            let read = match Plain::read(word, &body) {
                Some(read) => read,
                None => ContentSpec::read(word, &body, |_| Ok(Vec::new())).map(Plain::Content),
            };
            if words.iter().any(|word| word.name == "dest") || first.is_empty() {
                let twice =
                    ["path", "dest"].into_iter().filter(|name| !known_of(read.as_ref().unwrap_err()).contains(*name));
                let twice: Vec<&str> = twice.collect();
                let words: Vec<Word> =
                    words.iter().filter(|word| !twice.contains(&word.name) || word.is_required).copied().collect();
                let refused = ["password", "remove", "backrefs", "recurse", "update_cache", "host"];
                compare(&format!("the kind `{word}`"), &read.unwrap_err(), &words, &refused);
            }
        }
    }
}

#[test]
fn a_component_and_its_parts_have_the_words_of_their_decoders() {
    let whole = component::decode(&node(&format!("{{{NOBODY_S}: 1}}"))).unwrap_err();
    let table = body_words(TaskKind::Component).unwrap();
    compare("component", &whole, table, &[]);
    for word in table {
        let Shape::Fields(fields) = word.shape else { continue };
        let part = component::decode(&node(&format!("{{{}: {{{NOBODY_S}: 1}}}}", word.name))).unwrap_err();
        compare(word.name, &part, fields, &[]);
    }
}

fn role(tasks: &str, meta: &str, specs: &str) -> Diagnostics {
    let source = |path: &str, text: &str| Some(Source::new(path, text));
    let rest = RoleRest {
        directory: "roles/r".into(),
        argument_specs: source("s", specs).filter(|_| !specs.is_empty()),
        files: KnownFiles::default(),
    };
    let sources = RoleSources {
        name: "r".into(),
        origin: Origin::Project,
        defaults: None,
        vars: None,
        tasks: source("t", tasks),
        meta: source("m", meta),
        handlers: None,
        rest,
    };
    Role::parse(&sources).unwrap_err()
}

#[test]
fn plays_tasks_and_roles_have_the_words_of_their_decoders() {
    let play = |text: &str| Playbook::parse(&Source::new("p.yaml", text), Origin::Project).unwrap_err();
    let plays: Vec<Word> = playbook::PLAY
        .iter()
        .copied()
        .chain(playbook::IMPORT.iter().filter(|word| word.is_required).copied())
        .collect();
    compare("a play", &play(&format!("- {{hosts: a, {NOBODY_S}: 1}}")), &plays, &[]);
    let import = play(&format!("- {{import_playbook: x, {NOBODY_S}: 1}}"));
    compare("import_playbook", &import, playbook::IMPORT, &["ansible.builtin.import_playbook"]);
    let shared_and = |more: &[Word]| -> Vec<Word> { playbook::SHARED.iter().chain(more).copied().collect() };
    let role_entry = play(&format!("- {{hosts: a, roles: [{{role: r, {NOBODY_S}: 1}}]}}"));
    let entry: Vec<Word> = shared_and(&playbook::ROLE_ENTRY[..1]);
    compare("a role's entry", &role_entry, &entry, &[]);
    let block = role(&format!("- {{block: [], {NOBODY_S}: 1}}"), "", "");
    compare("a block", &block, &shared_and(&playbook::TASK[..1]), &[]);
    let looped = role(&format!("- {{meta: noop, loop: [1], loop_control: {{{NOBODY_S}: 1}}}}"), "", "");
    let refused = ["pause", "extended", "extended_allitems", "break_when"];
    compare("loop_control", &looped, playbook::LOOP_CONTROL, &refused);
    for group in playbook::GROUPS.iter().filter(|word| word.name.ends_with("_role")) {
        let called = role(&format!("- {}: {{name: x, {NOBODY_S}: 1}}", group.name), "", "");
        let Shape::Fields(fields) = group.shape else { panic!("{}", group.name) };
        compare(group.name, &called, fields, &["handlers_from", "apply"]);
    }
    compare("meta", &role("", &format!("{NOBODY_S}: 1"), ""), playbook::META, &["collections"]);
    let entry_point = role("", "", &format!("argument_specs: {{main: {{{NOBODY_S}: 1}}}}"));
    compare("an entry point", &entry_point, playbook::ENTRY_POINT, &[]);
    let argument = role("", "", &format!("argument_specs: {{main: {{options: {{x: {{{NOBODY_S}: 1}}}}}}}}"));
    compare("an argument", &argument, playbook::ARGUMENT, &["aliases"]);
}

#[test]
fn every_field_of_a_task_is_described_and_every_described_one_is_taken() {
    let described: BTreeSet<&str> =
        playbook::TASK.iter().chain(playbook::SHARED).chain(playbook::HANDLER).map(|word| word.name).collect();
    let known: BTreeSet<&str> = crate::playbook::task_words().collect();
    assert_eq!(described, known, "src/vocabulary/playbook.rs and the decoder of tasks don't have the same words");
}

#[test]
fn other_files_have_the_words_of_their_decoders() {
    let inventory = format!("all: {{hosts: {{a: {{ansible_{NOBODY_S}: 1}}}}}}");
    let parsed = Inventory::parse(&InventorySources::of(Source::new("i.yaml", inventory)));
    assert!(parsed.is_err(), "names that begin with ansible_ are a closed set");
    for word in files::CONNECTION {
        let vars = format!("all: {{hosts: {{a: }}, vars: {{{}: 1}}}}", word.name);
        let parsed = Inventory::parse(&InventorySources::of(Source::new("i.yaml", vars)));
        assert!(parsed.is_ok(), "{}: {}", word.name, parsed.unwrap_err());
    }
    let connection: BTreeSet<&str> = files::CONNECTION.iter().map(|word| word.name).collect();
    let honoured: BTreeSet<&str> = crate::inventory::connection_variables().collect();
    assert_eq!(connection, honoured, "src/vocabulary/files.rs and the inventory don't have the same words");
    let waiver = parse_waivers(&Source::new("w.yaml", format!("waivers: [{{{NOBODY_S}: 1}}]"))).unwrap_err();
    compare("a waiver", &waiver, files::WAIVER, &[]);
    let config = crate::cli::configuration_words();
    assert_eq!(files::CONFIG.iter().map(|word| word.name).collect::<BTreeSet<_>>(), config.into_iter().collect());
}

#[test]
fn releases_have_the_words_of_their_decoders() {
    let of = |text: &str| {
        let text = format!("products: {{x: {{main-package: x, {text}}}}}");
        Catalogue::extended(&[Source::new("r.yaml", text)]).unwrap_err()
    };
    compare("a product", &of(&format!("{NOBODY_S}: 1")), files::PRODUCT, &[]);
    for (text, what, words) in [
        ("work: {zzqq: 1}", "work", files::WORK),
        ("trains: [{train: \"1.2\", zzqq: 1}]", "a train", files::TRAIN),
        ("broken: [{release: \"1.2.3\", zzqq: 1}]", "a broken release", files::BROKEN),
        ("hops: [{from: \"1.2\", to: \"1.3\", zzqq: 1}]", "a hop", files::HOP),
        ("hops: [{from: \"1.2\", to: \"1.3\", steps: [{zzqq: 1}]}]", "a step", files::STEP),
        ("hops: [{from: \"1.2\", to: \"1.3\", risks: [{zzqq: 1}]}]", "a risk of a hop", files::RISK),
        ("hops: [{from: \"1.2\", to: \"1.3\", unusable: {zzqq: 1}}]", "unusable", files::UNUSABLE),
        ("hops: [{from: \"1.2\", to: \"1.3\", steps: [{when: [{zzqq: 1}]}]}]", "a condition", files::CONDITION),
        ("risks: [{id: a, zzqq: 1}]", "a risk", files::RELEASE_RISK),
        ("deviations: [{revision: a, thing: table b, zzqq: 1}]", "a deviation", files::DEVIATION),
    ] {
        compare(what, &of(text), words, &[]);
    }
}

/// All properties of all schemas say what they mean.
#[test]
fn every_property_is_described() {
    fn undescribed(way: &str, schema: &serde_json::Value, found: &mut Vec<String>) {
        let serde_json::Value::Object(fields) = schema else {
            if let serde_json::Value::Array(items) = schema {
                items.iter().for_each(|item| undescribed(way, item, found));
            }
            return;
        };
        for (key, value) in fields {
            if let ("properties", Some(properties)) = (key.as_str(), value.as_object()) {
                let without = properties.iter().filter(|(_, property)| property.get("description").is_none());
                found.extend(without.map(|(name, _)| format!("{way}.{name}")));
            }
            undescribed(&format!("{way}.{key}"), value, found);
        }
    }
    let mut found = Vec::new();
    for (name, schema) in json_schemas() {
        undescribed(name, &schema, &mut found);
    }
    assert_eq!(found, Vec::<String>::new());
}
