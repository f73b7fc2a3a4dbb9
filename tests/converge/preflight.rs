//! `converge preflight`, waivers and a product of the project's own, on a real cluster.

use std::fs;

use crate::bench::Bench;

/// A product that the bundled catalogue knows nothing of.
const RELEASES: &str = r#"
products:
  rehearsal:
    main-package: rehearsal-manager
    packages: [rehearsal-manager, rehearsal-storage-proxy, rehearsal-webserver, rehearsal-common]
    change-log: "https://example.org/changes/{release}"
    work: { package: rehearsal-manager, table: jobs, column: state, terminal: [DONE, "GIVEN UP"] }
    trains:
      - { train: "25.6", source: this test }
      - { train: "25.7", source: this test }
    hops:
      - from: "25.6"
        to: "25.7"
        steps:
          - { id: new-settings, text: write the settings anew, source: this test }
"#;

fn write(bench: &Bench, name: &str, text: &str) {
    fs::write(bench.cluster.operator_directory().join(name), text).unwrap();
}

#[test]
fn rules_of_a_products_own_are_checked_and_waived_by_name() {
    let bench = Bench::three();
    bench.sql("CREATE TABLE jobs (id integer primary key, state text)");
    // Of a product that nobody declared, only what holds for all is asked.
    bench.looks(&["preflight"]).exits(0).says(&["finds nothing that stops a run; it would carry out"]);

    write(&bench, "releases.yaml", RELEASES);
    let ran = bench.looks(&["preflight"]).exits(3);
    let ran = ran.says(&["REFUSED: 2 findings", "[change-log] waivable", "https://example.org/changes/25.6.4"]);
    ran.says(&["--waive 'change-log@25.6.2=REASON'", "asked by: rehearsal.yaml:4:14: release: \"25.6.4\""]);
    // The run itself, the plan and drift say the same.
    bench.looks(&[]).exits(3).says(&["[change-log] waivable"]);
    bench.looks(&["plan"]).exits(3).says(&["[change-log] waivable"]);
    bench.looks(&["drift"]).exits(2).says(&["a run would be refused for 2 finding(s)"]);

    // One of the two is answered for on the command line, then both.
    let ran = bench.looks(&["preflight", "--waive", "change-log@25.6.2=read by me"]).exits(3);
    ran.says(&["REFUSED: 1 finding", "mgr1/manager: [change-log] 25.6.2: read by me (--waive)"]);
    let json = bench.looks(&["preflight", "--output", "json", "--waive", "change-log=read"]).exits(0).json();
    assert_eq!(
        (json["refused"].as_bool(), json["findings"].as_array().map(Vec::len)),
        (Some(false), Some(2)),
        "{json}"
    );
    assert_eq!(json["findings"][0]["waived"]["reason"], "read");

    // Running work is counted in the product's own table, by what is not over.
    bench.sql("INSERT INTO jobs (state) VALUES ('DONE'), ('GIVEN UP'), ('RUNNING'), ('NEW WORD')");
    let ran = bench.looks(&["preflight", "--waive", "change-log=read"]).exits(3);
    ran.says(&["[work-running-patch] waivable", "2 of jobs run: 1 NEW WORD, 1 RUNNING"]);
    let major = bench.looks(&["preflight", "-e", "release=25.7.0", "--major"]).exits(3);
    major.says(&["[work-running] mandatory", "[manual-step] waivable", "write the settings anew"]);
    bench.sql("DELETE FROM jobs");

    // A file of waivers has owners and ends.
    let waiver = |expires: &str| {
        format!("waivers:\n  - {{rule: change-log, reason: read, owner: kim@example.org, expires: {expires}}}\n")
    };
    write(&bench, "waivers.yaml", &waiver("2001-01-01"));
    let ran = bench.looks(&["preflight"]).exits(3);
    ran.says(&["the waiver of change-log at waivers.yaml:2:5 has expired (kim@example.org)"]);
    write(&bench, "waivers.yaml", &waiver("2999-12-31"));
    bench.looks(&["preflight"]).exits(0).says(&["Waived:", "read (kim@example.org, waivers.yaml:2:5)"]);

    // A saved plan carries them, and nothing else is given to it.
    bench.looks(&["plan", "-o", "plan.json"]).exits(2);
    let mut command = bench.binary();
    let ran: crate::bench::Ran =
        command.args(["apply", "plan.json", "--waive", "change-log=x"]).output().unwrap().into();
    ran.exits(64).says(&["a saved plan carries the waivers"]);
    let plan = fs::read_to_string(bench.cluster.operator_directory().join("plan.json")).unwrap();
    assert!(plan.contains("kim@example.org"), "{plan}");
}

#[test]
fn mistakes_in_waivers_are_told_before_anything_is_asked() {
    let bench = Bench::three();
    for (waiver, part) in [
        ("downgrade=I know", "the rule downgrade is mandatory: nothing waives it"),
        ("chang-log=x", "did you mean `change-log`"),
        ("change-log", "a waiver needs a reason"),
    ] {
        bench.looks(&["--waive", waiver]).exits(1).says(&[part]);
    }
    write(&bench, "waivers.yaml", "waivers:\n  - {rule: change-log, reason: x}\n");
    bench.looks(&["preflight"]).exits(1).says(&["waivers.yaml:2:", "lacks `owner`", "lacks `expires`"]);
}

#[test]
fn every_rule_can_be_explained() {
    let bench = Bench::three();
    let explain =
        |words: &[&str]| -> crate::bench::Ran { bench.binary().arg("explain").args(words).output().unwrap().into() };
    explain(&[]).exits(0).says(&["Mandatory", "Waivable", "schema-skips", "change-log"]);
    explain(&["schema-skips"]).exits(0).says(&["schema-skips (mandatory)", "source:", "spliced"]);
    explain(&["schema-skip"]).exits(64).says(&["did you mean `schema-skips`"]);
    let json = explain(&["change-log", "--output", "json"]).exits(0).json();
    assert_eq!(json["severity"], "waivable");
}
