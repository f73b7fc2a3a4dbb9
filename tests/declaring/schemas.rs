//! The JSON Schemas, by a real validator: over everything that the program and the documentation bring, and over what is broken.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use converge::document::{Node, Source};
use converge::vocabulary::json_schemas;
use serde_json::Value as Json;

/// All schemas, compiled.
struct Validator {
    schemas: Schemas,
    by_name: BTreeMap<&'static str, SchemaIndex>,
}

impl Validator {
    fn new() -> Self {
        let (mut schemas, mut compiler, mut by_name) = (Schemas::new(), Compiler::new(), BTreeMap::new());
        for (name, schema) in json_schemas() {
            let place = format!("http://converge.invalid/{name}");
            compiler.add_resource(&place, schema).unwrap();
            by_name.insert(
                name,
                compiler.compile(&place, &mut schemas).unwrap_or_else(|error| panic!("{name}: {error:#}")),
            );
        }
        Self { schemas, by_name }
    }

    fn mistakes(&self, schema: &str, document: &Json) -> Option<String> {
        self.schemas.validate(document, self.by_name[schema]).err().map(|error| format!("{error:#}"))
    }
}

/// The schema that an editor would be told to use for a file; `None` for what has none.
fn schema_of(path: &Path, document: &Json) -> Option<&'static str> {
    let text = path.display().to_string();
    let (file, within) = (path.file_stem()?.to_str()?, |part: &str| text.contains(part));
    Some(match file {
        "releases" => "releases",
        "waivers" => "waivers",
        "converge" => "config",
        "argument_specs" => "role-argument-specs",
        _ if within("/meta/") => "role-meta",
        _ if within("/handlers/") => "role-handlers",
        _ if within("/tasks/") => "role",
        _ if within("/defaults/") || within("/vars/") || within("group_vars") || within("host_vars") => "variables",
        _ if document.as_array().is_some_and(|items| {
            items.iter().any(|item| item.get("hosts").is_some() || item.get("import_playbook").is_some())
        }) =>
        {
            "playbook"
        }
        _ if document.is_array() => "role",
        _ if within("inventor") || file == "prod" => "inventory",
        _ => "variables",
    })
}

fn yaml_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(yaml_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The files of a case, as `=== PATH` begins them.
fn files_of_case(path: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(path).unwrap();
    let files = text.split("=== ").skip(1).filter_map(|file| file.split_once('\n'));
    files.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

fn parsed(path: &str, text: &str) -> Option<Json> {
    Node::parse(&Source::new(path, text)).ok()?.to_json().ok()
}

/// The cases of resolving have components with fields of their own: nothing decodes them there.
fn without_components(document: Json) -> Json {
    match document {
        Json::Object(fields) => {
            let plain = |(key, value): (String, Json)| match key.as_str() {
                "component" => (key, Json::from("{{component}}")),
                _ => (key, without_components(value)),
            };
            Json::Object(fields.into_iter().map(plain).collect())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(without_components).collect()),
        other => other,
    }
}

#[test]
fn what_the_program_brings_fits_its_schemas() {
    let validator = Validator::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    let mut checked: BTreeMap<&str, usize> = BTreeMap::new();
    let mut check = |path: &Path, text: &str| {
        let document = parsed(&path.display().to_string(), text).unwrap_or_else(|| panic!("{}", path.display()));
        let is_made_up = path.components().any(|part| part.as_os_str() == "cases");
        let document = if is_made_up { without_components(document) } else { document };
        if let Some(schema) = schema_of(path, &document) {
            *checked.entry(schema).or_default() += 1;
            wrong.extend(
                validator.mistakes(schema, &document).map(|why| format!("{} ({schema}): {why}", path.display())),
            );
        }
    };
    for directory in ["playbooks", "roles", "inventories"] {
        for path in yaml_files(&root.join(directory)) {
            check(&path, &fs::read_to_string(&path).unwrap());
        }
    }
    let releases = root.join("src/release/catalogue/releases.yaml");
    check(&releases, &fs::read_to_string(&releases).unwrap());
    let cases = ["tests/cases/playbooks", "tests/cases/lint"].map(|directory| root.join(directory));
    for case in cases.iter().flat_map(|directory| fs::read_dir(directory).unwrap()) {
        let path = case.unwrap().path();
        let is_right = path.extension().is_some_and(|extension| extension == "project")
            && !path.file_name().unwrap().to_str().unwrap().starts_with("error-")
            && (path.parent().unwrap().ends_with("playbooks") || path.file_stem().unwrap() == "clean");
        for (name, text) in files_of_case(&path).into_iter().filter(|_| is_right) {
            if name.ends_with(".yaml") && !name.ends_with("compose.yaml") {
                check(&path.join(name), &text);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    for schema in ["inventory", "playbook", "role", "role-handlers", "variables", "releases"] {
        assert!(checked.get(schema).is_some_and(|count| *count > 0), "nothing was checked by {schema}: {checked:?}");
    }
}

/// Examples in the documentation that name what they are: a comment with the path begins them, or a play or a group is in them.
#[test]
fn examples_of_the_documentation_fit_their_schemas() {
    let validator = Validator::new();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for entry in fs::read_dir(docs).unwrap() {
        let page = entry.unwrap().path();
        let Ok(text) = fs::read_to_string(&page) else { continue };
        for example in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next()) {
            let named = example.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or_default();
            let named = named.split_whitespace().next().filter(|name| name.contains('/') && name.contains(".y"));
            let Some(document) = parsed(&page.display().to_string(), example) else { continue };
            let is_play = document.as_array().is_some_and(|items| items.iter().any(|item| item.get("hosts").is_some()));
            let schema = match named {
                Some(name) => schema_of(Path::new(&format!("/{name}")), &document),
                None if is_play => Some("playbook"),
                None => None,
            };
            let Some(schema) = schema else { continue };
            checked += 1;
            wrong.extend(
                validator
                    .mistakes(schema, &document)
                    .map(|why| format!("{} ({schema}): {why}\n{example}", page.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(checked >= 5, "{checked} examples");
}

/// One mistake each. What no schema can see, only `converge lint` does.
const BROKEN: &[(&str, &str)] = &[
    ("playbook", "- {hosts: a, taks: []}"),
    ("playbook", "- {tasks: []}"),
    ("playbook", "- {hosts: a, order: shuffled}"),
    ("playbook", "- {hosts: a, gather_facts: maybe}"),
    ("playbook", "- {hosts: a, roles: [{rol: x}]}"),
    ("playbook", "- {hosts: a, tasks: [{fle: {path: /a}}]}"),
    ("playbook", "- {hosts: a, tasks: [{file: {path: /a, onwer: x}}]}"),
    ("playbook", "- {hosts: a, tasks: [{file: {path: /a, state: directroy}}]}"),
    ("playbook", "- {hosts: a, tasks: [{file: {path: relative}}]}"),
    ("playbook", "- {hosts: a, tasks: [{file: {path: /a}, copy: {dest: /b, content: x}}]}"),
    ("playbook", "- {hosts: a, tasks: [{name: nothing}]}"),
    ("playbook", "- {hosts: a, tasks: [{debug: {msg: x}, register: y}]}"),
    ("playbook", "- {hosts: a, tasks: [{debug: {msg: x}, when: \"{{x}}\"}]}"),
    ("playbook", "- {import_playbook: x.yaml, hosts: a}"),
    ("role", "- copy: {dest: /a, content: x, mode: u=rw}"),
    ("role", "- component: {package: x, venv: /v, process: {systemd: x}}"),
    ("role", "- component: {package: x, release: 25.5, venv: /v, process: {systemd: x}}"),
    ("role", "- component: {package: x, release: '1', venv: /v, process: {systemd: x, stop_signal: SIGKILL}}"),
    ("role", "- wait_for: {port: ssh}"),
    ("role", "{name: no list}"),
    ("role", "- {include_role: {nam: x}}"),
    ("role", "- {meta: end_play}"),
    ("role-handlers", "- {name: x, listne: y, service: {name: x}}"),
    ("role-meta", "dependancies: []"),
    ("role-argument-specs", "argument_specs: {main: {options: {a: {type: itn}}}}"),
    ("role-argument-specs", "argument_specs: {main: {options: {a: {requird: yes}}}}"),
    ("variables", "- a"),
    ("variables", "ansible_port: ssh"),
    ("inventory", "web: {host: {a: }}"),
    ("inventory", "web: {hosts: [a, b]}"),
    ("inventory", "web: {hosts: {a: {ansible_connection: telnet}}}"),
    ("releases", "products: {x: {main-package: x, scheme: calver}}"),
    ("releases", "products: {x: {main-package: x, trains: [{train: 25.5, source: y}]}}"),
    ("releases", "product: {}"),
    ("waivers", "waivers: [{rule: change-log, reason: x, owner: y}]"),
    ("waivers", "waivers: [{rule: change-log, reason: x, owner: y, expires: soon}]"),
    ("config", "fork: 5"),
    ("config", "forks: many"),
    ("config", "inventory: prod.yaml"),
];

#[test]
fn what_is_broken_fits_no_schema() {
    let validator = Validator::new();
    let fits = |(schema, text): &&(&str, &str)| {
        let document = parsed("broken.yaml", text).unwrap_or_else(|| panic!("no YAML: {text}"));
        validator.mistakes(schema, &document).is_none()
    };
    let unseen: Vec<&(&str, &str)> = BROKEN.iter().filter(fits).collect();
    assert!(unseen.is_empty(), "taken by their schemas: {unseen:#?}");
}

/// Mistakes that need more than one place, or a value, to be seen: they are for `converge lint`, whose cases have them.
#[test]
fn some_mistakes_are_left_to_lint() {
    let validator = Validator::new();
    for (schema, text, why) in [
        ("playbook", "- {hosts: a, roles: [nosuch]}", "whether a role is there"),
        ("playbook", "- {hosts: a, tasks: [{debug: {msg: '{{#if x}}'}}]}", "the inside of a template"),
        ("playbook", "- {hosts: a, tasks: [{debug: {msg: x}, when: 'x =='}]}", "the inside of a condition"),
        (
            "playbook",
            "- {hosts: a, tasks: [{service: {name: x, state: started}, notify: nobody}]}",
            "names of handlers",
        ),
        ("role", "- command: {cmd: x}", "that one of several fields has to be there"),
        ("inventory", "web: {hosts: {a: {ansible_hots: x}}}", "names that begin with ansible_"),
        (
            "waivers",
            "waivers: [{rule: downgrade, reason: x, owner: y, expires: 2030-01-01}]",
            "which rules can be waived",
        ),
    ] {
        let document = parsed("left.yaml", text).unwrap();
        assert_eq!(validator.mistakes(schema, &document), None, "{why} is seen now: move it to the broken ones");
    }
}
