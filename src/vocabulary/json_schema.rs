//! The tables as JSON Schemas (draft 2020-12), for editors with a YAML language server.

use serde_json::{Map, Value as Json, json};

use super::{Shape, Word, body_words, component, files, kinds, meaning_of, playbook};
use crate::playbook::TaskKind;

/// Whether templates may stand in what is described, and fields that are given an empty text count as left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Templates {
    Taken,
    Refused,
}

/// Names of the schemas, with what each is for.
const NAMES: [(&str, &str); 10] = [
    ("inventory", "An inventory of converge in YAML: groups with hosts and variables."),
    ("playbook", "A playbook of converge: a list of plays."),
    ("role", "Tasks of a role: tasks/main.yaml and the other files beside it."),
    ("role-handlers", "Handlers of a role: handlers/main.yaml."),
    ("role-meta", "meta/main.yaml of a role."),
    ("role-argument-specs", "meta/argument_specs.yaml of a role."),
    ("variables", "Variables: group_vars, host_vars, vars_files, defaults and vars of a role."),
    ("releases", "releases.yaml: what a project knows of releases beside what is bundled."),
    ("waivers", "waivers.yaml: broken rules that somebody answers for."),
    ("config", "converge.yaml: what is set for a project."),
];

/// The names of all schemas.
pub fn json_schema_names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().map(|(name, _)| name)
}

/// All schemas by name.
pub fn json_schemas() -> impl Iterator<Item = (&'static str, Json)> {
    json_schema_names().filter_map(|name| json_schema(name).map(|schema| (name, schema)))
}

/// One schema; `None` where there is none of the name.
#[must_use]
pub fn json_schema(name: &str) -> Option<Json> {
    let (name, description) = NAMES.into_iter().find(|(known, _)| *known == name)?;
    let (root, templates) = match name {
        "inventory" => (reference("groups"), Templates::Taken),
        "playbook" => (json!({"type": "array", "minItems": 1, "items": play()}), Templates::Taken),
        "role" => (list_of("task"), Templates::Taken),
        "role-handlers" => (list_of("handler"), Templates::Taken),
        "role-meta" => (fields(playbook::META, Templates::Refused), Templates::Refused),
        "role-argument-specs" => {
            let specs = json!({"argument_specs": described(reference("argument_specs"), "Entry points by the file of tasks/.")});
            let whole = json!({"type": "object", "properties": specs, "required": ["argument_specs"], "additionalProperties": false});
            (whole, Templates::Refused)
        }
        "variables" => (reference("variables"), Templates::Taken),
        "releases" => (fields(files::RELEASES, Templates::Refused), Templates::Refused),
        "waivers" => {
            let list = shape(&Shape::List(&Shape::Fields(files::WAIVER)), Templates::Refused);
            (json!({"anyOf": [fields(files::WAIVERS, Templates::Refused), list, {"type": "null"}]}), Templates::Refused)
        }
        _ => (fields(files::CONFIG, Templates::Refused), Templates::Refused),
    };
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("converge: {name}"),
        "description": description,
        "$defs": used(&root, &definitions(templates)),
    });
    if let (Json::Object(whole), Json::Object(root)) = (&mut schema, root) {
        whole.extend(root);
    }
    Some(schema)
}

fn reference(name: &str) -> Json {
    json!({"$ref": format!("#/$defs/{name}")})
}

fn described(mut schema: Json, meaning: &str) -> Json {
    if let Json::Object(fields) = &mut schema {
        fields.insert("description".into(), meaning.into());
    }
    schema
}

fn list_of(name: &str) -> Json {
    json!({"type": ["array", "null"], "items": reference(name)})
}

/// A mapping with these fields and no others.
fn fields(words: &[Word], templates: Templates) -> Json {
    let properties: Map<String, Json> = words.iter().map(|word| property(word, templates)).collect();
    let required: Vec<&str> = words.iter().filter(|word| word.is_required).map(|word| word.name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn property(word: &Word, templates: Templates) -> (String, Json) {
    let mut allowed = vec![shape(&word.shape, templates)];
    if templates == Templates::Taken && !matches!(word.shape, Shape::Anything) {
        // What is given an empty text, as by a variable with an empty default, counts as left out.
        let empty = if word.is_required { None } else { Some(json!({"enum": ["", null]})) };
        allowed.extend(empty);
    } else if !word.is_required {
        allowed.push(json!({"type": "null"}));
    }
    let schema = match <[Json; 1]>::try_from(allowed) {
        Ok([only]) => only,
        Err(several) => json!({"anyOf": several}),
    };
    (word.name.to_owned(), described(schema, word.meaning))
}

/// What may stand somewhere.
fn shape(shape: &Shape, templates: Templates) -> Json {
    let or_template = |schema: Json| match templates {
        Templates::Taken => json!({"anyOf": [schema, reference("template")]}),
        Templates::Refused => schema,
    };
    match shape {
        Shape::Anything => json!({}),
        Shape::Text => json!({"type": ["string", "number", "boolean"]}),
        Shape::Path => or_template(json!({"type": "string", "pattern": "^/"})),
        // Editors read YAML 1.2, where yes and no are texts.
        Shape::Truth => or_template(json!({"anyOf": [
            {"type": "boolean"},
            {"enum": ["yes", "no", "Yes", "No", "YES", "NO", "on", "off", "On", "Off", "ON", "OFF", "true", "false", "True", "False"]},
        ]})),
        Shape::Number => {
            or_template(json!({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]+$"}]}))
        }
        Shape::Time => or_template(json!({"anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": "^ *[0-9]+ *(ms|s|m|h|d)?( *[0-9]+ *(ms|s|m|h|d))* *$"},
        ]})),
        Shape::Release => json!({"type": "string"}),
        Shape::Mode => {
            or_template(json!({"anyOf": [{"type": "string", "pattern": "^[0-7]{3,5}$"}, {"type": "integer"}]}))
        }
        Shape::Date => json!({"type": "string", "pattern": "^ *[0-9]{4}-[0-9]{2}-[0-9]{2} *$"}),
        Shape::OneOf(words) => or_template(json!({"enum": words})),
        Shape::Fields(words) => or_template(fields(words, templates)),
        Shape::Named(each) => {
            or_template(json!({"type": "object", "additionalProperties": self::shape(each, templates)}))
        }
        Shape::List(each) => or_template(json!({"type": "array", "items": self::shape(each, templates)})),
        Shape::Some(each) => {
            let one = self::shape(each, templates);
            json!({"anyOf": [one.clone(), {"type": "array", "items": one}]})
        }
        Shape::Either(one, other) => json!({"anyOf": [self::shape(one, templates), self::shape(other, templates)]}),
        Shape::Defined(name) => reference(name),
    }
}

/// A play, or what imports plays. Ansible's full name of a word may stand for its short one.
fn play() -> Json {
    let import = fields(playbook::IMPORT, Templates::Taken);
    let full = |mut schema: Json| {
        let short = schema["properties"]["import_playbook"].clone();
        schema["properties"]["ansible.builtin.import_playbook"] = short;
        schema["required"] = json!([]);
        schema["anyOf"] = json!([{"required": ["import_playbook"]}, {"required": ["ansible.builtin.import_playbook"]}]);
        schema
    };
    let mut play = fields(playbook::PLAY, Templates::Taken);
    play["required"] = json!(["hosts"]);
    // One word tells the two apart, so that an editor speaks of the right one.
    let imports =
        json!({"anyOf": [{"required": ["import_playbook"]}, {"required": ["ansible.builtin.import_playbook"]}]});
    json!({"type": "object", "if": imports, "then": full(import), "else": play})
}

/// One entry of a list of tasks: exactly one kind, or one word that makes a group.
fn task(handler: bool) -> Json {
    let mut properties = Map::new();
    let mut add = |words: &[Word]| properties.extend(words.iter().map(|word| property(word, Templates::Taken)));
    add(playbook::TASK);
    add(playbook::SHARED);
    add(playbook::GROUPS);
    add(playbook::BLOCK);
    if handler {
        add(playbook::HANDLER);
    }
    let mut names: Vec<String> = playbook::GROUPS.iter().map(|word| word.name.to_owned()).collect();
    for kind in TaskKind::all() {
        let body = match body_words(kind) {
            Some(_) => reference(&format!("kind_{}", kind.word())),
            None => json!({"enum": ["flush_handlers", "noop"]}),
        };
        // `block` is a kind where it has fields, and a group where it has a list.
        let body = match properties.get(kind.word()) {
            Some(group) => json!({"anyOf": [body, group]}),
            None => body,
        };
        properties.insert(kind.word().to_owned(), described(body, meaning_of(kind)));
        names.push(kind.word().to_owned());
    }
    names.sort();
    names.dedup();
    for name in &names {
        let short = properties[name].clone();
        properties.insert(format!("ansible.builtin.{name}"), short);
    }
    let one = names.iter().flat_map(|name| [name.clone(), format!("ansible.builtin.{name}")]);
    let one: Vec<Json> = one.map(|name| json!({"required": [name]})).collect();
    json!({"type": "object", "properties": properties, "additionalProperties": false, "oneOf": one})
}

/// Everything that is referred to by name.
fn definitions(templates: Templates) -> Map<String, Json> {
    let role_entry = || {
        let mut entry = fields(playbook::ROLE_ENTRY, Templates::Taken);
        let shared: Map<String, Json> = playbook::SHARED.iter().map(|word| property(word, Templates::Taken)).collect();
        if let Some(properties) = entry["properties"].as_object_mut() {
            properties.extend(shared);
        }
        entry["anyOf"] = json!([{"required": ["role"]}, {"required": ["name"]}]);
        json!({"anyOf": [{"type": "string"}, entry]})
    };
    let host_variables = || {
        let mut known = fields(files::CONNECTION, Templates::Taken);
        known["additionalProperties"] = json!({});
        known["type"] = json!(["object", "null"]);
        known
    };
    let named = |each: &str| json!({"type": ["object", "null"], "additionalProperties": reference(each)});
    let group = || {
        let mut group = fields(files::GROUP, Templates::Taken);
        group["type"] = json!(["object", "null"]);
        group
    };
    let condition = json!({"anyOf": [{"type": "boolean"}, {"type": "string", "not": {"pattern": "\\{\\{|\\{%"}}]});
    let definition = |words: &[Word], templates| {
        let fields = fields(words, templates);
        json!({"anyOf": [fields, {"type": "null"}]})
    };
    let mut all: Map<String, Json> = [
        ("template", json!({"type": "string", "pattern": "\\{\\{", "description": "A template that gives the value."})),
        ("condition", condition),
        ("conditions", json!({"anyOf": [reference("condition"), {"type": "array", "items": reference("condition")}]})),
        ("variables", host_variables()),
        ("host_variables", host_variables()),
        ("hosts", json!({"anyOf": [named("host_variables"), {"type": "string"}]})),
        ("groups", json!({"anyOf": [named("group"), {"type": "string"}]})),
        ("group", group()),
        ("task", task(false)),
        ("handler", task(true)),
        ("role_entry", role_entry()),
        ("argument_specs", named("entry_point")),
        ("entry_point", definition(playbook::ENTRY_POINT, Templates::Refused)),
        ("options", named("argument")),
        ("argument", definition(playbook::ARGUMENT, Templates::Refused)),
        ("product", fields(files::PRODUCT, templates)),
    ]
    .into_iter()
    .map(|(name, schema)| (name.to_owned(), schema))
    .collect();
    let bodies = kinds::KINDS.iter().map(|(word, _, fields)| (*word, *fields));
    for (word, words) in bodies.chain([("component", component::COMPONENT)]) {
        // A text is what a variable gives that holds all of it.
        let body = json!({"anyOf": [fields(words, Templates::Taken), reference("template")]});
        all.insert(format!("kind_{word}"), body);
    }
    all
}

/// Those definitions that a schema refers to, itself or through others.
fn used(root: &Json, all: &Map<String, Json>) -> Map<String, Json> {
    let mut found = Map::new();
    let mut left = references(root);
    while let Some(name) = left.pop() {
        if let (false, Some(schema)) = (found.contains_key(&name), all.get(&name)) {
            left.extend(references(schema));
            found.insert(name, schema.clone());
        }
    }
    found
}

fn references(schema: &Json) -> Vec<String> {
    match schema {
        Json::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match (key.as_str(), value.as_str()) {
                ("$ref", Some(target)) => vec![target.trim_start_matches("#/$defs/").to_owned()],
                (_, _) => references(value),
            })
            .collect(),
        Json::Array(items) => items.iter().flat_map(references).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Vec::new(),
    }
}
