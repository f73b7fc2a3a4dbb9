//! What the pre-flight refuses: each with its code, exit 3, and nothing changed on any host.

use std::fs;

use crate::bench::Bench;
use crate::rehearsal::{HEADS, INSTALLED};

#[test]
fn what_is_not_a_patch_forward_is_refused() {
    let bench = Bench::three();
    let release = |release: &str, code: &str| bench.refuses(&["-e", &format!("release={release}")], code);
    let ran =
        bench.looks(&["-e", "release=25.7.0"]).exits(3).says(&["[major-unasked] mandatory", "nothing was changed"]);
    assert!(ran.err.contains("to stay in the train, declare \"25.6.4\""), "{ran}");
    let ran = bench.looks(&["-e", "release=25.7.0", "--major"]).exits(3).says(&["[not-last-patch] mandatory"]);
    assert!(ran.err.contains("first declare \"25.6.4\""), "{ran}");
    let ran = release("25.6.0", "downgrade");
    assert!(ran.err.contains("25.6.1 is installed, the older 25.6.0 is declared"), "{ran}");
    let ran = release("25.6.3", "not-published");
    assert!(ran.err.contains("or declare \"25.6.4\""), "{ran}");
    // Whatever would lead to a run refuses alike.
    let all = ["[major-unasked]", "mgr1/manager", "sto1/storage-proxy", "web1/webserver"];
    let drift = bench.looks(&["drift", "-e", "release=25.7.0"]).exits(2).says(&all).says(&["a run would be refused"]);
    assert!(!drift.out.contains("`converge plan` shows"), "{drift}");
    bench.looks(&["plan", "-e", "release=25.7.0"]).exits(3).says(&all);

    // A virtual environment that isn't there.
    let venv = bench.on("web1").venv();
    let away = venv.with_file_name("away");
    fs::rename(&venv, &away).unwrap();
    let ran = bench.refuses(&[], "unknown-fact");
    assert!(ran.err.contains(&format!("python3 -m venv {}", venv.display())), "{ran}");
    fs::rename(&away, &venv).unwrap();

    // A database that `alembic upgrade head` would make worse.
    bench.sql("INSERT INTO alembic_version VALUES ('3f1d5a7c9e02')");
    let ran = bench.refuses(&[], "schema-unsound");
    assert!(ran.err.contains("alembic_version has 2 rows: 3f1d5a7c9e02, 8c24e6b0d913"), "{ran}");
    bench.sql("DELETE FROM alembic_version WHERE version_num = '3f1d5a7c9e02'");
    bench.sql("UPDATE alembic_version SET version_num = 'feedfacecafe'");
    let ran = bench.refuses(&[], "schema-unsound");
    assert!(ran.err.contains("stands at feedfacecafe, which the installed package doesn't know"), "{ran}");
    let head = HEADS.iter().find(|(release, _)| *release == INSTALLED).unwrap().1;
    bench.sql(&format!("UPDATE alembic_version SET version_num = '{head}'"));

    // No place for backups: none declared, or one that can't become a directory.
    bench.refuses(&["-e", "backup_directory="], "no-backup");
    let file = bench.on("mgr1").directory().join("server.ini");
    let ran = bench.refuses(&["-e", &format!("backup_directory={}/backups", file.display())], "no-backup");
    assert!(ran.err.contains(&format!("{} is no directory that can be written to", file.display())), "{ran}");

    // All findings are told at once.
    let ran = bench.looks(&["-e", "release=25.6.3", "-e", "backup_directory="]).exits(3);
    assert_eq!(ran.err.matches("[not-published]").count(), 3, "{ran}");
    assert!(ran.err.contains("REFUSED: 3 findings"), "{ran}");
    bench.looks(&["--check"]).exits(2);
}
