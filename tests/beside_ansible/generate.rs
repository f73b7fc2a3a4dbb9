//! Inventories by seed: groups in groups, hosts and ranges, variables at every place that there is, in YAML and in INI,
//! in files and directories, several at once. Equal seeds make equal inventories.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

/// Numbers that follow from a seed (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// What `-i` and the playbook are in one case, and patterns to try.
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) inventories: Vec<String>,
    pub(crate) playbook_directory: String,
    pub(crate) patterns: Vec<String>,
}

const GROUPS: [&str; 10] = ["site", "eu-west", "manager", "agent", "web", "db_main", "zz9", "Kim", "edge.a", "bücher"];
const HOSTS: [&str; 8] =
    ["gpu[01:04]", "w[1:5:2].example.org", "db[a:c]", "lone", "10.0.0.[7:8]", "mgr1:2222", "r[1:2]n[08:10]", "x-y_z"];
const NAMES: [&str; 9] = ["alpha", "beta", "gamma", "delta", "home", "ansible_user", "ansible_host", "_x9", "Epsilon"];

fn value(random: &mut Random, depth: usize) -> Json {
    match random.below(if depth < 2 { 13 } else { 10 }) {
        0 => json!(random.below(100_000)),
        1 => json!(-12),
        2 => json!(random.one_in(2)),
        3 => Json::Null,
        4 => json!("plain"),
        5 => json!("two words: and # a mark"),
        6 => json!("ünïcödé ✓ 東京"),
        7 => json!(
            *random.pick(&["yes", "no", "True", "null", "~", "1", "1.5", "[x]", "{a: b}", "a=b", "", "it's", "\"q\""])
        ),
        8 => json!(*random.pick(&[1.5, -0.25, 100.0])),
        9 => json!(format!("/srv/{}", random.below(9))),
        10 => Json::Array((0..random.below(4)).map(|_| value(random, depth + 1)).collect()),
        _ => {
            let keys = random.below(4);
            Json::Object((0..keys).map(|at| (format!("k{at}"), value(random, depth + 1))).collect())
        }
    }
}

fn variables(random: &mut Random) -> BTreeMap<&'static str, Json> {
    let count = random.below(4);
    (0..count)
        .map(|_| {
            let name = *random.pick(&NAMES);
            let value =
                if name.starts_with("ansible_") { json!(format!("u{}", random.below(9))) } else { value(random, 0) };
            (name, value)
        })
        .collect()
}

/// A value in YAML: as JSON, which is YAML, or in other ways of writing the same.
fn yaml(random: &mut Random, value: &Json) -> String {
    match value {
        Json::Bool(true) if random.one_in(2) => (*random.pick(&["yes", "on", "True", "TRUE"])).to_owned(),
        Json::Bool(false) if random.one_in(2) => (*random.pick(&["no", "off", "False"])).to_owned(),
        Json::Null => (*random.pick(&["null", "~", ""])).to_owned(),
        Json::String(text) if text == "plain" && random.one_in(2) => text.clone(),
        Json::String(text) if !text.contains('\'') && random.one_in(2) => format!("'{text}'"),
        other => other.to_string(),
    }
}

/// A value as a literal of Python.
fn python(value: &Json) -> String {
    match value {
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        Json::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        Json::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("'{key}': {}", python(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Groups of one file: which hosts, children and variables each has.
struct File {
    groups: Vec<Section>,
}

struct Section {
    name: &'static str,
    hosts: Vec<(&'static str, BTreeMap<&'static str, Json>)>,
    children: Vec<&'static str>,
    variables: BTreeMap<&'static str, Json>,
    priority: Option<usize>,
}

/// Children come later in the list of groups, so that no group is below itself.
fn file(random: &mut Random, groups: &[&'static str]) -> File {
    let mut sections: Vec<Section> = Vec::new();
    for (at, name) in groups.iter().enumerate() {
        if random.one_in(5) {
            continue;
        }
        let children = groups[at + 1..].iter().filter(|_| random.one_in(4)).copied().collect();
        let hosts = (0..random.below(3)).map(|_| (*random.pick(&HOSTS), variables(random))).collect();
        let priority = random.one_in(6).then(|| random.below(20));
        sections.push(Section { name, hosts, children, variables: variables(random), priority });
    }
    let hosts = (0..1 + random.below(2)).map(|_| (*random.pick(&HOSTS), variables(random))).collect();
    let name = *random.pick(&["all", "ungrouped"]);
    sections.push(Section { name, hosts, children: Vec::new(), variables: variables(random), priority: None });
    if random.one_in(2) {
        sections.rotate_right(1);
    }
    File { groups: sections }
}

/// Of hosts that are written twice in one group the later one counts; YAML doesn't allow a key twice.
fn once<'s>(
    hosts: &'s [(&'static str, BTreeMap<&'static str, Json>)],
) -> Vec<&'s (&'static str, BTreeMap<&'static str, Json>)> {
    let later = |at: usize, name: &str| hosts[at + 1..].iter().any(|(other, _)| *other == name);
    hosts.iter().enumerate().filter(|(at, (name, _))| !later(*at, name)).map(|(_, host)| host).collect()
}

fn in_yaml(random: &mut Random, file: &File) -> String {
    let mut text = String::from("---\n");
    for section in &file.groups {
        writeln!(text, "{}:", section.name).unwrap();
        let mut parts: Vec<String> = Vec::new();
        if !section.hosts.is_empty() {
            let mut part = "  hosts:\n".to_owned();
            for (name, variables) in once(&section.hosts) {
                writeln!(part, "    '{name}':").unwrap();
                for (key, value) in variables {
                    writeln!(part, "      {key}: {}", yaml(random, value)).unwrap();
                }
            }
            parts.push(part);
        }
        if !section.children.is_empty() {
            let children = section.children.iter().map(|name| format!("    {name}:\n"));
            parts.push(format!("  children:\n{}", children.collect::<String>()));
        }
        let priority = section.priority.map(|priority| format!("    ansible_group_priority: {priority}\n"));
        let given = section.variables.iter().map(|(key, value)| format!("    {key}: {}\n", yaml(random, value)));
        let given: String = given.chain(priority).collect();
        if !given.is_empty() {
            parts.push(format!("  vars:\n{given}"));
        }
        let by = random.below(parts.len().max(1));
        parts.rotate_left(by);
        parts.iter().for_each(|part| text.push_str(part));
    }
    text
}

fn in_ini(random: &mut Random, file: &File) -> String {
    let mut text = String::from("# hosts\n");
    let mut rest: Vec<String> = Vec::new();
    // Every group needs a section of its own, also where it is only below another one.
    let mut names: Vec<&str> = file.groups.iter().map(|section| section.name).collect();
    for section in &file.groups {
        names.extend(section.children.iter().copied());
    }
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    for name in names {
        let section = file.groups.iter().find(|section| section.name == name);
        writeln!(text, "[{name}]{}", random.pick(&["", "  # a comment"])).unwrap();
        let Some(section) = section else { continue };
        for (host, variables) in &section.hosts {
            let pairs = variables.iter().map(|(key, value)| {
                let literal = python(value).replace('\\', "\\\\").replace('"', "\\\"");
                format!(" {key}=\"{literal}\"")
            });
            writeln!(text, "{host}{}{}", pairs.collect::<String>(), random.pick(&["", " # x=y", "  "])).unwrap();
        }
        if !section.children.is_empty() {
            rest.push(format!("[{name}:children]\n{}\n", section.children.join("\n")));
        }
        let mut part = format!("[{name}:vars]\n");
        for (key, value) in &section.variables {
            writeln!(part, "{key}{}{}", random.pick(&["=", " = "]), python(value)).unwrap();
        }
        if let Some(priority) = section.priority {
            writeln!(part, "ansible_group_priority={priority}").unwrap();
        }
        rest.push(part);
    }
    if random.one_in(2) {
        rest.reverse();
    }
    text + &rest.concat()
}

/// Writes an inventory and gives its name.
fn write(random: &mut Random, directory: &Path, number: usize, groups: &[&'static str]) -> String {
    if random.one_in(7) {
        return "lone,gpu01, extra:2201".to_owned();
    }
    let file = file(random, groups);
    let (text, names) = match random.one_in(2) {
        true => (in_yaml(random, &file), ["hosts.yaml", "hosts.yml", "hosts"]),
        false => (in_ini(random, &file), ["hosts.ini", "hosts.cfg", "hosts"]),
    };
    let place = directory.join(if number > 0 && random.one_in(3) { "i0".to_owned() } else { format!("i{number}") });
    if random.one_in(4) {
        // A directory of two.
        let second = self::file(random, groups);
        fs::create_dir_all(place.join("d/sub")).unwrap();
        let extension = if names[0] == "hosts.yaml" { "yaml" } else { "ini" };
        fs::write(place.join(format!("d/10-{number}.{extension}")), text).unwrap();
        fs::write(place.join(format!("d/sub/20-{number}.yml")), in_yaml(random, &second)).unwrap();
        fs::write(place.join("d/README.md"), "nothing").unwrap();
        vars_files(random, &place.join("d"), groups);
        return place.join("d").display().to_string();
    }
    fs::create_dir_all(&place).unwrap();
    let name = *random.pick(&names);
    let path = if place.join(name).exists() { place.join(format!("{number}{name}")) } else { place.join(name) };
    fs::write(&path, text).unwrap();
    vars_files(random, &place, groups);
    path.display().to_string()
}

/// `group_vars` and `host_vars` in one of the forms that they may have.
fn vars_files(random: &mut Random, directory: &Path, groups: &[&'static str]) {
    let hosts = ["gpu01", "gpu02", "w1.example.org", "dba", "lone", "10.0.0.7", "nobody"];
    let all: Vec<(&str, &str)> = ["all", "ungrouped", "nothing"]
        .iter()
        .chain(groups)
        .map(|name| ("group_vars", *name))
        .chain(hosts.map(|name| ("host_vars", name)))
        .collect();
    for (kind, name) in all {
        let exists =
            ["", ".yml", ".yaml", ".json"].iter().any(|end| directory.join(kind).join(format!("{name}{end}")).exists());
        if exists || !random.one_in(4) {
            continue;
        }
        let text = |random: &mut Random| {
            let variables = variables(random);
            variables.iter().map(|(key, value)| format!("{key}: {}\n", yaml(random, value))).collect::<String>()
        };
        let place = directory.join(kind);
        fs::create_dir_all(&place).unwrap();
        match random.below(5) {
            0 => fs::write(place.join(name), text(random)).unwrap(),
            1 => fs::write(place.join(format!("{name}.yml")), text(random)).unwrap(),
            2 => fs::write(place.join(format!("{name}.yaml")), text(random)).unwrap(),
            3 => fs::write(place.join(format!("{name}.json")), json!(variables(random)).to_string()).unwrap(),
            _ => {
                fs::create_dir_all(place.join(name).join("sub")).unwrap();
                fs::write(place.join(name).join("b.yml"), text(random)).unwrap();
                fs::write(place.join(name).join("a"), text(random)).unwrap();
                fs::write(place.join(name).join("sub/c.yaml"), text(random)).unwrap();
                fs::write(place.join(name).join(".hidden.yml"), "alpha: hidden\n").unwrap();
            }
        }
    }
}

fn pattern(random: &mut Random, groups: &[&'static str]) -> String {
    let hosts = ["gpu01", "gpu04", "w1.example.org", "dbb", "lone", "10.0.0.8", "mgr1", "r1n09"];
    let mut part = || match random.below(10) {
        0 => (*random.pick(&hosts)).to_owned(),
        1 => "gpu*".to_owned(),
        2 => (*random.pick(&["gpu0?", "*1*", "[gw]*", "gpu0[!12]", "*.example.org", "e*", "*"])).to_owned(),
        3 => (*random.pick(&["~gpu0[23]", "~.*n(08|10)", "~db", "~(web|agent)$", "~w\\d"])).to_owned(),
        4 => format!("{}[{}]", random.pick(groups), random.pick(&["0", "-1", "1", "0:1", "1:", "1:2", "0:0"])),
        5 => (*random.pick(&["all", "ungrouped", "all[0]", "gpu*[1]"])).to_owned(),
        _ => (*random.pick(groups)).to_owned(),
    };
    let parts = [part(), part(), part()];
    let separator = *random.pick(&[":", ","]);
    let prefix = |random: &mut Random| *random.pick(&["", "!", "&"]);
    match random.below(4) {
        0 => parts[0].clone(),
        1 => format!("{}{}{separator}{}", prefix(random), parts[0], parts[1]),
        2 => format!("{}{separator}{}{}", parts[0], prefix(random), parts[1]),
        _ => format!("{}{separator}!{}{separator}{}{}", parts[0], parts[1], prefix(random), parts[2]),
    }
}

/// Writes the files of a case below `directory`.
pub(crate) fn case(seed: u64, directory: &Path) -> Case {
    let random = &mut Random::new(seed);
    let root = directory.join(format!("case{seed}"));
    let count = 2 + random.below(GROUPS.len() - 2);
    let mut groups: Vec<&'static str> = GROUPS.to_vec();
    for at in (1..groups.len()).rev() {
        let other = random.below(at + 1);
        groups.swap(at, other);
    }
    groups.truncate(count);
    let mut inventories: Vec<String> =
        (0..1 + random.below(3)).map(|number| write(random, &root, number, &groups)).collect();
    inventories.dedup();
    let playbooks = if random.one_in(4) { root.join("i0") } else { root.join("playbooks") };
    fs::create_dir_all(&playbooks).unwrap();
    if random.one_in(2) {
        vars_files(random, &playbooks, &groups);
    }
    let patterns = (0..12).map(|_| pattern(random, &groups)).collect();
    Case { seed, inventories, playbook_directory: playbooks.display().to_string(), patterns }
}
