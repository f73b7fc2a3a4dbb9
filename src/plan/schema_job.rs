//! The schema job: the script that migrates a database in one transaction, and the one that rehearses it on a copy. Pure.
//!
//! `schema_job.py` does the work, with the alembic and the `env.py` of the package that migrates. It asserts that the
//! database stands exactly where the plan says, runs the skipped revisions first and untracked, then what `alembic
//! upgrade head` runs, and ends with one row or with nothing changed at all.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use super::script::lock;
use crate::facts::{DATABASE_URL_PY, DatabaseKind};
use crate::model::shell_quote as q;

/// What a migration relies on and what it leaves; made by the planner from graphs, never decided on the host.
#[derive(Debug, Clone, Copy)]
pub struct SchemaJob<'a> {
    /// The virtual environment whose package migrates; it need not be the one that is linked.
    pub venv: &'a str,
    /// The operator's `alembic.ini`.
    pub ini: &'a str,
    /// The directory to run in.
    pub chdir: &'a str,
    /// The kind of database that the plan was made for; another one is refused.
    pub kind: DatabaseKind,
    /// What `alembic_version` must hold before, exactly.
    pub rows: &'a BTreeSet<String>,
    /// Revisions below the rows that never ran, in the order in which they have to: run first, untracked.
    pub skipped: &'a [String],
    /// What `alembic upgrade head` must be about to run, in its order.
    pub pending: &'a [String],
    /// The package's one head, and the only row after.
    pub head: &'a str,
    /// The release that is left, as the package's `apply-missing-revisions` takes it: that command runs everything then.
    pub upstream: Option<&'a str>,
}

/// The job in the words of `schema_job.py`.
#[derive(Serialize)]
struct Words<'a> {
    verb: &'a str,
    kind: DatabaseKind,
    rows: &'a BTreeSet<String>,
    skipped: &'a [String],
    pending: &'a [String],
    head: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scratch: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outside: Option<&'a BTreeSet<String>>,
}

const PROGRAM: &str = concat!(include_str!("schema_job/upstream.py"), include_str!("schema_job.py"));

/// Ends the program in the script; no line of it may read so.
const END: &str = "CONVERGE_SCHEMA_JOB";

/// The body of a script that migrates (POSIX sh).
///
/// It prints a line when a revision begins and one when it has ended, and at the end `schema SHA256`, the digest of the
/// schema that it left. It ends with 0, with [`super::BUSY`] when another migration is at work, or with another status after
/// saying what it found and whether everything was rolled back.
///
/// With [`SchemaJob::upstream`], the package's own command runs instead, once the same things have been seen, and what it
/// would run is what the plan says; only when it has succeeded is the head stamped. That is not atomic.
#[must_use]
pub fn migrate(job: &SchemaJob<'_>) -> String {
    script(job, "migration", &words(job, "migrate"))
}

/// The body of a script that restores `backup` into a database `scratch` beside the real one (under SQLite a file), runs
/// the very same job there, and drops it again.
///
/// It prints `rehearsed ok SECONDS`, the time that the job took without the restoring, and `schema SHA256` as
/// [`migrate`] does. Of the real database nothing is changed; a database `scratch` that no rehearsal made is refused.
///
/// `outside` are revisions that reach outside of the database ([`crate::release::RiskKind::reaches_outside`]). Run on a
/// copy, such a one would still meet the real cluster: Backend.AI's 1d42c726d8a3 deletes keys of etcd. The rehearsal stops
/// before the first of them, and says `rehearsed part SECONDS` and no digest.
#[must_use]
pub fn rehearse(job: &SchemaJob<'_>, backup: &str, scratch: &str, outside: &BTreeSet<String>) -> String {
    let words =
        Words { backup: Some(backup), scratch: Some(scratch), outside: Some(outside), ..words(job, "rehearse") };
    script(job, "rehearsal", &words)
}

fn words<'a>(job: &SchemaJob<'a>, verb: &'a str) -> Words<'a> {
    // The environment's own paths are arguments of their own; `..` must not hide a field that was added.
    let SchemaJob { venv: _, ini: _, chdir: _, kind, rows, skipped, pending, head, upstream } = *job;
    Words { verb, kind, rows, skipped, pending, head, upstream, backup: None, scratch: None, outside: None }
}

fn script(job: &SchemaJob<'_>, what: &str, words: &Words<'_>) -> String {
    // A value of plain texts and lists can't fail to be written.
    let words = serde_json::to_string(words).unwrap_or_default();
    let mut text = format!("cd {} || exit\n", q(job.chdir));
    text.push_str(&lock(&format!("{}/.converge-{what}.lock", job.chdir.trim_end_matches('/')), what));
    let python = q(&format!("{}/bin/python", job.venv));
    // Over standard input, so that neither quoting nor the length of a command line matters.
    let _ = writeln!(text, "{python} -I - {} {} {} <<'{END}'", q(job.ini), q(job.chdir), q(&words));
    let _ = writeln!(text, "{DATABASE_URL_PY}{PROGRAM}{END}");
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn job<'a>(rows: &'a BTreeSet<String>, skipped: &'a [String]) -> SchemaJob<'a> {
        SchemaJob {
            venv: "/srv/it's/.venv",
            ini: "/srv/it's/alembic.ini",
            chdir: "/srv/it's/",
            kind: DatabaseKind::Postgresql,
            rows,
            skipped,
            pending: &[],
            head: "c4",
            upstream: None,
        }
    }

    /// What a shell hands to the Python of the environment: its words and its standard input.
    #[allow(clippy::disallowed_methods, reason = "how a script is quoted only a shell can tell")]
    fn handed_over(body: &str) -> String {
        let body = body.replace("/srv/it'\\''s/.venv/bin/python", "show").replace("'show'", "show");
        // The lock's file lies in a directory that isn't there; who holds locks is not what this is about.
        let body = body.replace("cd '/srv/it'\\''s/'", "cd /").replace("command -v flock", "false");
        let mut child = Command::new("/bin/sh")
            .args(["-c", &format!("show() {{ printf '%s\\n' \"$@\"; cat; }}\nact() {{\n{body}}}\nact </dev/null\n")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{body}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn the_program_and_the_job_arrive_whole_whatever_the_paths_hold() {
        let (rows, skipped) = (BTreeSet::from(["b2".to_owned()]), ["x1".to_owned()]);
        let seen = handed_over(&migrate(&job(&rows, &skipped)));
        assert_eq!(
            seen.lines().take(5).collect::<Vec<_>>(),
            [
                "-I",
                "-",
                "/srv/it's/alembic.ini",
                "/srv/it's/",
                r#"{"verb":"migrate","kind":"postgresql","rows":["b2"],"skipped":["x1"],"pending":[],"head":"c4"}"#,
            ]
        );
        assert!(seen.ends_with(&format!("{DATABASE_URL_PY}{PROGRAM}")), "{seen}");
    }

    #[test]
    fn a_rehearsal_is_the_same_job_with_a_backup_and_a_place() {
        let rows = BTreeSet::new();
        let text = rehearse(&job(&rows, &[]), "/backup/it's.dump", "it_rehearsal", &BTreeSet::from(["x1".to_owned()]));
        let seen = handed_over(&text);
        assert!(seen.contains(r#""verb":"rehearse""#), "{seen}");
        assert!(seen.contains(r#""backup":"/backup/it's.dump","scratch":"it_rehearsal","outside":["x1"]}"#), "{seen}");
        // A rehearsal doesn't keep a migration of the real database out.
        assert!(text.contains(".converge-rehearsal.lock") && !text.contains(".converge-migration.lock"));
    }

    #[test]
    fn no_line_of_the_program_ends_it() {
        assert!(!format!("{DATABASE_URL_PY}{PROGRAM}").lines().any(|line| line == END));
        assert!(DATABASE_URL_PY.ends_with('\n') && PROGRAM.ends_with('\n'));
    }
}
