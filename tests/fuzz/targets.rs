//! What is fuzzed: each reads bytes that somebody else wrote, and says what must hold of whatever comes out.
//!
//! Shared by the fuzzers here and by `tests/corpora.rs`, which plays everything that they have kept.

use std::collections::BTreeMap;
use std::path::Path;

use converge::document::{Node, Source};
use converge::facts::{
    CommandQuery, DiskQuery, EffectsQuery, FileQuery, HealthQuery, InterpretersQuery, MigrationsAt, PackageSourceQuery,
    PathsQuery, PinsQuery, Probe, ProcessQuery, PublishedQuery, Query, ResolutionQuery, SchemaQuery, UnitQuery,
    VenvQuery, WheelQuery, WorkQuery, read_answers,
};
use converge::inventory::{
    Inventory, InventoryFormat, InventorySources, InventoryText, Pattern, SshArguments, hosts_to_ask, import_bssh,
};
use converge::model::{HostName, is_unsafe};
use converge::packages::read_archive;
use converge::playbook::{Origin, Playbook, Templates};
use converge::release::{PageKind, Release, Wheel, join_files, parse_index_page, parse_metadata, parse_revision_file};
use converge::remote::{Reply, read_lock_answer};
use converge::transport::{ConfigText, KnownHosts, SshOptions, SshSettings};

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them; a corpus has the name of its target.
pub const TARGETS: [Target; 12] = [
    ("known_hosts", known_hosts),
    ("probe", probe),
    ("job", job),
    ("revision", revision),
    ("index_page", index_page),
    ("wheel", wheel),
    ("journal", journal),
    ("yaml", yaml),
    ("inventory", inventory),
    ("ssh_config", ssh_config),
    ("ssh_arguments", ssh_arguments),
    ("template", template),
];

/// What goes to a terminal later on must not be able to steer it.
fn is_harmless(text: &str) {
    let harmful = text.chars().find(|c| is_unsafe(*c));
    assert_eq!(harmful, None, "{text:?}");
}

/// Files of known hosts, as operators and accidents leave them.
pub fn known_hosts(data: &[u8]) {
    let mut known = KnownHosts::default();
    known.add_file(Path::new("known_hosts"), data);
    let first = String::from_utf8_lossy(data);
    let name = first.split_whitespace().next().unwrap_or_default();
    for (name, port) in [(name, 22), ("mgr1", 22), ("192.0.2.7", 2222), ("", 0)] {
        let keys = known.lookup(name, port);
        // A key that is revoked is trusted by nobody.
        for revoked in keys.revoked() {
            let verdict = keys.check(&revoked.key);
            assert!(!matches!(verdict, converge::transport::Verdict::Trusted), "{verdict:?}");
        }
        let _ = keys.algorithms();
    }
}

/// Every question that there is.
fn questions() -> Vec<Query> {
    let (venv, s) = ("/v".to_owned(), |text: &str| text.to_owned());
    let database = SchemaQuery { ini: s("/i"), chdir: s("/"), venv: venv.clone() };
    let release = Release::parse("25.6.1").expect("a release");
    vec![
        Query::System,
        Query::Jobs,
        Query::Disk(DiskQuery { path: s("/d") }),
        Query::File(FileQuery { path: s("/f") }),
        Query::Venv(VenvQuery { path: venv.clone(), package: s("p") }),
        Query::Process(ProcessQuery { title: Some(s("^p")), user: Some(s("u")), pid_file: Some(s("/p")) }),
        Query::Unit(UnitQuery { name: s("p.service") }),
        Query::Health(HealthQuery { url: s("http://h/"), version: Some(s("/v")), venv: venv.clone() }),
        Query::Schema(database.clone()),
        Query::Published(PublishedQuery { venv: venv.clone(), package: s("p"), index_args: vec![] }),
        Query::Pins(PinsQuery { venv: venv.clone() }),
        Query::Interpreters(InterpretersQuery { venv: venv.clone(), paths: vec![s("/py")], ensurepip: true }),
        Query::Effects(EffectsQuery { database: database.clone(), revisions: Default::default() }),
        Query::Work(WorkQuery { database, table: s("t"), column: s("c"), terminal: vec![s("x")] }),
        Query::Command(CommandQuery::of("true")),
        Query::Paths(PathsQuery { pattern: s("/srv/*") }),
        Query::PackageSource(PackageSourceQuery { venv: venv.clone() }),
        Query::Wheel(WheelQuery {
            venv: venv.clone(),
            package: s("p"),
            release,
            index_args: vec![],
            migrations: MigrationsAt::Layout,
        }),
        Query::Resolution(ResolutionQuery {
            venv,
            interpreter: None,
            requirements: vec![s("p==1")],
            same: vec![],
            constraints: vec![],
            args: vec![],
        }),
    ]
}

/// What a host answers to a survey.
pub fn probe(data: &[u8]) {
    let probe = Probe::new("n1", questions());
    let host = HostName::parse("mgr1").expect("a name");
    match read_answers(&probe, &host, data, data) {
        Ok(facts) => {
            for (query, fact) in &facts.answers {
                assert!(probe.queries().contains(query), "an answer to nothing that was asked");
                let told = serde_json::to_value(fact).expect("JSON");
                each_text(&told, &|text| is_harmless(text));
            }
        }
        Err(error) => drop(error.to_string()),
    }
}

fn each_text(value: &serde_json::Value, look: &impl Fn(&str)) {
    match value {
        serde_json::Value::String(text) => look(text),
        serde_json::Value::Array(all) => all.iter().for_each(|one| each_text(one, look)),
        serde_json::Value::Object(all) => all.iter().for_each(|(key, one)| {
            look(key);
            each_text(one, look);
        }),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// What a host says of a job, and of a lock. Cut as the first byte says: nothing may depend on where.
pub fn job(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let read = |piece: usize| {
        let (mut reply, mut output) = (Reply::new("n1"), Vec::new());
        for part in rest.chunks(piece) {
            reply.take(part, &mut |bytes| output.extend_from_slice(bytes));
        }
        let told = reply.finish(&mut |bytes| output.extend_from_slice(bytes));
        (output, told, reply.begun(), reply.passed(), reply.omitted())
    };
    let whole = read(rest.len().max(1));
    assert!(whole.0.len() <= rest.len());
    assert_eq!(read(usize::from(*first) + 1), whole);
    let _ = read_lock_answer("n1", rest);
}

/// A file of a migration directory.
pub fn revision(data: &[u8]) {
    let one = parse_revision_file("a.py", data);
    assert_eq!(one, parse_revision_file("a.py", data));
    if let Err(error) = one {
        drop(error.to_string());
    }
}

/// A page of a package index, of the kind that the first byte says.
pub fn index_page(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let kind = if first % 2 == 0 { PageKind::Html } else { PageKind::Json };
    match parse_index_page(kind, &String::from_utf8_lossy(rest)) {
        Ok(files) => drop(join_files("backend.ai-manager", files)),
        Err(error) => drop(error.to_string()),
    }
}

/// A wheel, or only its METADATA.
pub fn wheel(data: &[u8]) {
    drop(parse_metadata(data).map_err(|error| error.to_string()));
    let name = "backend_ai_manager-25.6.1-py3-none-any.whl";
    match read_archive(name, data, None) {
        Ok(contents) => {
            let release = Release::parse("25.6.1").expect("a release");
            drop(Wheel::read(&contents, "backend.ai-manager", &release, None).map_err(|error| error.to_string()));
        }
        Err(error) => drop(error.to_string()),
    }
}

/// A run's journal, torn or forged.
pub fn journal(data: &[u8]) {
    match converge::journal::read(data) {
        Ok(journal) => {
            let _ = (journal.start(), journal.all_faults().count());
        }
        Err(error) => drop(error.to_string()),
    }
}

/// A document of somebody else's repository: as YAML, as an inventory, as a playbook.
pub fn yaml(data: &[u8]) {
    let source = Source::new("site.yaml", String::from_utf8_lossy(data));
    drop(Node::parse(&source).map_err(|wrong| wrong.to_string()));
    drop(Inventory::parse(&InventorySources::of(source.clone())).map_err(|wrong| wrong.to_string()));
    drop(Playbook::parse(&source, Origin::Project).map_err(|wrong| wrong.to_string()));
}

/// An inventory in INI, what a program printed, a list of hosts, a pattern: each of the first line's kind or all.
pub fn inventory(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let source = Source::new("hosts", text.clone());
    for format in [InventoryFormat::Ini, InventoryFormat::HostList, InventoryFormat::Program { hosts: BTreeMap::new() }]
    {
        let inventories = vec![InventoryText { source: source.clone(), format, place: None }];
        let sources = InventorySources { inventories, ..InventorySources::of(source.clone()) };
        match Inventory::parse(&sources) {
            Ok(inventory) => {
                for line in text.lines().take(20) {
                    drop(Pattern::parse(line).map(|pattern| pattern.select(&inventory)));
                    drop(inventory.limit(line).map_err(|wrong| is_harmless(&wrong.to_string())));
                }
            }
            Err(wrong) => is_harmless(&wrong.to_string()),
        }
    }
    drop(hosts_to_ask(&source).map_err(|wrong| is_harmless(&wrong.to_string())));
    drop(import_bssh(&source).map_err(|wrong| is_harmless(&wrong.to_string())));
}

/// What `ssh -G` prints, and the files that it read: the answer, then a line with `--`, then a file.
pub fn ssh_config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (answer, file) = text.split_once("--\n").unwrap_or((&text, &text));
    let options = SshOptions::for_home("kim", Path::new("/home/kim"));
    // Of what an empty configuration says, whatever the answer repeats isn't set.
    for empty in ["", "hostname localhost\nport 22\nciphers aes128-ctr\nidentityfile ~/.ssh/id_rsa\n"] {
        match SshSettings::of_answer("gpu07", answer, empty, &options) {
            Ok(settings) => {
                assert_ne!(settings.port(), 0);
                assert!(settings.known_hosts_files().iter().all(|path| path.is_absolute()));
                settings.jump_hosts().for_each(is_one_word);
            }
            Err(error) => drop(error.to_string()),
        }
    }
    let config = ConfigText::parse(file);
    // Two names that it can't tell apart may share an answer: case alone must not hide a difference.
    assert_eq!(config.signature("gpu07").len(), config.signature("GPU07").len());
}

/// What becomes a word of a command line, or a name to connect to.
fn is_one_word(text: &str) {
    let is_sound =
        !text.is_empty() && !text.starts_with('-') && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    assert!(is_sound, "{text:?}");
}

/// Options of the ssh command in somebody's inventory, two variables of them: the first line, and the rest.
pub fn ssh_arguments(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let mut arguments = SshArguments::default();
    for part in [first, rest] {
        if let Err(wrong) = arguments.add(&Node::text_from("ansible_ssh_args", part)) {
            drop(wrong.to_string());
        }
    }
    // Options and their values, one word each: none of those that let `ssh` do anything but answer.
    let mut words = arguments.options.iter();
    while let Some(option) = words.next() {
        let letters: Vec<char> = option.chars().collect();
        let ['-', letter] = letters[..] else { panic!("{option:?}") };
        assert!(!"LRDwWNfsgOtIEyGQVeKP".contains(letter), "{option:?}");
        if "oilpJcmbBS".contains(letter) {
            let value = words.next().expect("a value");
            assert!(!value.chars().any(char::is_control), "{value:?}");
        }
    }
}

/// A template of somebody else's playbook, over values of each kind.
pub fn template(data: &[u8]) {
    let values = serde_json::json!({
        "name": "mgr1", "on": true, "off": false, "n": 7, "nothing": null, "list": ["a", "b", ["c"], {"d": "e"}],
        "map": {"key": "value", "list": [1, 2, 3]}, "empty": [],
    });
    let templates = Templates::new();
    match templates.parse(&String::from_utf8_lossy(data)) {
        Ok(template) => drop(templates.render(&template, values).map_err(|error| error.to_string())),
        Err(error) => drop(error.to_string()),
    }
}
