//! A real Backend.AI cluster: two managers on one database, a storage proxy and a web server, on four hosts that this
//! test starts and removes. Needs root, and `tests/lab/install` once.

#[path = "support/lab.rs"]
mod lab;

use lab::Lab;

/// Who answers for what nobody but people can know.
const WAIVERS: &str = r#"
waivers:
  - rule: change-log
    about: "23.9.10"
    reason: read on Monday
    owner: kim@example.org
    expires: 2099-12-31
"#;

#[test]
fn a_real_cluster_goes_one_patch_release_forward_and_a_second_run_does_nothing() {
    let lab = Lab::start("patch");
    assert_eq!(lab.running(), ["23.09.8"; 5]);
    assert_eq!(lab.sql("select version_num from alembic_version"), ["8b2ec7e3d22a"]);
    for manager in ["mgr1", "mgr2"] {
        assert_eq!(lab.titles(manager), ["backend.ai: manager local", "backend.ai: manager worker-0"]);
    }

    // Nobody has read the release notes: refused, until somebody answers for it.
    let before = lab.processes();
    let refused = lab.converge(&[]);
    assert_eq!(refused.code, 3);
    assert!(refused.text.contains("[change-log] waivable") && refused.text.contains("/releases/tag/23.09.10"));
    std::fs::write(lab.home().join("waivers.yaml"), WAIVERS).unwrap();

    // Before: drift, seen without touching anything.
    let drift = lab.converge(&["drift"]);
    assert_eq!(drift.code, 2);
    assert!(drift.text.contains("23.9.8 is installed, 23.9.10 is declared"));
    // The wheel was read: what the hop does to the schema is known before anything stops.
    let plan = lab.converge(&["--check"]);
    assert_eq!(plan.code, 2);
    assert!(plan.text.contains("4 revision(s) are pending: "), "{}", plan.text);
    assert!(plan.text.contains("change-log] 23.9.10: read on Monday (kim@example.org, waivers.yaml:"), "{}", plan.text);
    assert_eq!(lab.processes(), before);

    // The main job.
    let run = lab.converge(&[]);
    assert_eq!(run.code, 0, "{}", run.text);
    assert_eq!(lab.running(), ["23.09.10"; 5]);
    assert_eq!(lab.sql("select version_num from alembic_version"), ["75ea2b136830"]);
    // An effect of one of the four revisions, so that the row is not all that moved.
    let column = "select max_session_count_per_model_session from user_resource_policies";
    assert!(lab.sql(column).iter().all(|count| count == "10"), "{:?}", lab.sql(column));
    assert_eq!(run.text.matches("changed: [mgr1] migrate").count(), 1);
    assert_eq!(run.text.matches("changed: [mgr2] migrate").count(), 0);
    assert!(run.text.contains("Converged: gathered and planned again"));
    assert!(lab.ssh("mgr1", "pg_restore --list /var/backups/backend.ai/*.dump").contains("alembic_version"));
    for (host, titles) in [("mgr1", 2), ("mgr2", 2), ("edge1", 5)] {
        assert_eq!(lab.titles(host).len(), titles, "{host}: {:?}", lab.titles(host));
    }

    // The second run does nothing, and says why.
    let after = lab.processes();
    let second = lab.converge(&[]);
    assert_eq!(second.code, 0);
    assert!(second.text.contains("Nothing to do: 4 component(s) on 3 host(s) are as declared."));
    assert!(second.text.contains("mgr2/manager: 23.9.10 installed, running 23.09.10, database at head 75ea2b136830"));
    assert_eq!(lab.processes(), after);
    assert_eq!(lab.converge(&["drift"]).code, 0);

    // A main process that dies leaves a worker that answers healthily; it is found, ended and replaced.
    lab.ssh("mgr2", "kill -KILL $(systemctl show -p MainPID --value backendai-manager)");
    let drift = lab.converge(&["drift"]);
    assert_eq!(drift.code, 2, "{}", drift.text);
    assert!(drift.text.contains("mgr2/manager: process-"), "{}", drift.text);
    let mended = lab.converge(&[]);
    assert_eq!(mended.code, 0, "{}", mended.text);
    assert!(!mended.text.contains("install backend.ai-manager"));
    assert_eq!(lab.titles("mgr2"), ["backend.ai: manager local", "backend.ai: manager worker-0"]);
    assert_eq!(lab.converge(&["drift"]).code, 0);
}
