//! The pre-flight on what real packages from PyPI hold: every row of the tables of hops that were tried by hand is told
//! before anything stops. Uses the network, as `real_releases` does, and the same kept answers.

#[path = "support/wheels.rs"]
mod wheels;

use std::collections::{BTreeMap, BTreeSet};

use converge::desired::{Instance, Rolling};
use converge::document::{Node, Source};
use converge::facts::{
    Database, DatabaseKind, Disk, Distribution, Fact, HostFacts, Jobs, Observed, Pins, Published, Query, SchemaFact,
    Venv, normalize_name,
};
use converge::model::{HostName, Timestamp};
use converge::preflight::{Input, Request, check};
use converge::release::{Catalogue, PublishedRelease, Release};
use converge::resource::component::{Component, Layout, decode};

const PACKAGE: &str = "backend.ai-manager";

fn manager(declared: &str) -> Component {
    let text = format!(
        "{{ package: {PACKAGE}, name: manager, release: '{declared}', venv: /v, process: {{ command: run, title: x }}, \
           schema: {{ alembic: /m/alembic.ini, backup: /b }} }}"
    );
    decode(&Node::parse(&Source::new("site.yaml", text)).unwrap()).unwrap()
}

/// A host whose manager is at `from`, its database at that package's head, with just `from` and `to` published.
fn facts(component: &Component, from: &str, to: &str) -> HostFacts {
    let (old, new) = (wheels::manager(from), wheels::manager(to));
    let installed = Release::parse(from).unwrap();
    let distribution = Distribution { release: Some(installed.clone()), spelled: from.into(), complete: true };
    let venv = Venv {
        python: "3.13.0".into(),
        base: "/usr/bin".into(),
        executable: true,
        link: None,
        marker: false,
        distributions: BTreeMap::from([(normalize_name(PACKAGE), vec![distribution])]),
        moved_aside: vec![],
        installed_at: Some(Timestamp(1)),
    };
    let graph = old.revisions().unwrap().clone();
    let schema = SchemaFact {
        database: Database { kind: DatabaseKind::Postgresql, identity: "1:1".into() },
        name: "backend".into(),
        rows: graph.heads(),
        bytes: 1 << 20,
        graph: Observed::Known(graph),
        previous: None,
        dump_tool: Some(16),
        server: Some(16),
    };
    let published = [installed, component.release.clone()].map(PublishedRelease::plain).to_vec();
    let disk =
        |path: &str| Disk { available_kib: 1 << 30, mounted_on: "/".into(), existing: path.into(), writable: true };
    let mut answers = BTreeMap::from([
        (Query::Jobs, Fact::Jobs(Observed::Known(Jobs::default()))),
        (Query::Venv(component.venv_query()), Fact::Venv(Observed::Known(venv))),
        (Query::Schema(component.schema_query().unwrap()), Fact::Schema(Observed::Known(schema))),
        (Query::Published(component.published_query()), Fact::Published(Observed::Known(Published::new(published)))),
        (Query::Pins(component.pins_query()), Fact::Pins(Observed::Known(Pins::default()))),
        (Query::Disk(component.venv_disk_query()), Fact::Disk(Observed::Known(disk("/v")))),
        (Query::Disk(component.backup_disk_query().unwrap()), Fact::Disk(Observed::Known(disk("/b")))),
    ]);
    let wheel = Query::Wheel(component.wheel_query(&component.release).unwrap());
    answers.insert(wheel, Fact::Wheel(Observed::Known(new.clone())));
    HostFacts { host: host(), observed_at: Timestamp(2), unreachable: None, answers }
}

fn host() -> HostName {
    HostName::parse("mgr1").unwrap()
}

/// What the pre-flight says of the schema and the package on the way from `from` to `to`, without what the catalogue
/// knows: only what the packages themselves tell.
fn says(from: &str, to: &str, layout: Layout) -> String {
    let mut component = manager(to);
    component.environments.layout = layout;
    let instances = [Instance { host: host(), play: 0, rolling: Rolling::default(), component }];
    let facts = BTreeMap::from([(host(), facts(&instances[0].component, from, to))]);
    let findings = check(&Input {
        instances: &instances,
        resources: &[],
        out_of_scope: &[],
        facts: &facts,
        catalogue: &Catalogue::default(),
        request: &Request { major: true, ..Request::default() },
        now: Timestamp(3),
    });
    let codes = BTreeSet::from(["schema-skips", "schema-target", "schema-unsound", "missing-module"]);
    let told: Vec<String> = findings
        .into_iter()
        .filter(|finding| codes.contains(finding.code.as_str()))
        .map(|finding| format!("{}: {}", finding.code, finding.observed))
        .collect();
    if told.is_empty() { "clean".into() } else { told.join("\n") }
}

#[track_caller]
fn row(from: &str, to: &str, expected: &str) {
    // In place, nothing that alembic would leave out can be brought in, so all of it is told.
    let said = says(from, to, Layout::InPlace);
    assert!(said.contains(expected), "{from} → {to}: expected {expected:?}, the pre-flight says: {said}");
}

/// The table of hops between trains. 23.09.11 and 24.12.0 were never published: 23.9.10 and 24.12.1 stand for them.
#[test]
fn every_hop_of_the_table_is_told() {
    row("23.9.10", "24.3.0", "silently skip 6 revision(s)");
    row("23.9.10", "24.3.11", "silently skip 6 revision(s)");
    row("24.3.11", "24.9.0", "silently skip 4 revision(s)");
    row("24.3.11", "24.9.6", "silently skip 4 revision(s)");
    row("24.9.6", "24.12.1", "schema-target: the database will stand at ecc9f6322be4");
    row("24.9.6", "25.1.1", "schema-target: the database will stand at ecc9f6322be4");
    row("24.9.5", "24.12.1", "clean");
    row("24.9.5", "25.1.1", "clean");
    row("24.9.14", "25.2.0", "silently skip 7 revision(s)");
    row("24.9.6", "25.5.2", "silently skip 7 revision(s)");
    for (from, to) in [("25.1.1", "25.6.17"), ("25.6.17", "25.15.12"), ("25.15.12", "26.4.0"), ("25.15.12", "26.9.6")] {
        row(from, to, "clean");
    }
    row("26.4.16", "26.9.0", "clean");
    row("26.3.3", "26.4.0", "silently skip 1 revision(s): 1cc9b47e0a8e");
    row("26.4.8", "26.7.0", "schema-target: the database will stand at");
    row("26.4.10", "26.8.1", "clean");
    row("26.4.11", "26.8.3", "schema-target: the database will stand at e1b7f3d20a94");
    row("26.7.0", "26.8.1", "silently skip 3 revision(s)");
    row("26.8.3", "26.9.0", "silently skip 1 revision(s)");
}

/// With the old package beside the new one, what would be left out runs first; but not where merges lie above it.
#[test]
fn what_would_be_left_out_is_carried_out_where_its_order_is_known() {
    for (from, to) in [("23.9.10", "24.3.0"), ("24.3.11", "24.9.6"), ("24.9.6", "25.5.2")] {
        assert_eq!(says(from, to, Layout::Auto), "clean", "{from} → {to}");
    }
    for (from, to) in [("26.3.3", "26.4.0"), ("26.7.0", "26.8.1"), ("26.8.3", "26.9.0")] {
        let said = says(from, to, Layout::Auto);
        assert!(said.contains("there are merges above them"), "{from} → {to}: {said}");
    }
}

#[test]
fn broken_wheels_are_told() {
    row("25.19.2", "26.1.0", "schema-target: backend.ai-manager 26.1.0 carries no migrations");
    row("24.9.6", "24.9.14", "missing-module: backend.ai-manager 24.9.14 imports ai.backend.manager.errors");
    // In patches of one train nothing is wrong.
    row("23.9.8", "23.9.10", "clean");
    row("25.6.0", "25.6.1", "clean");
}
