//! The script that backs a database up, verifies the backup and removes old ones. Rendered from what the planner
//! decided; `backup.py` runs on the host, with the Python of the environment.

use std::fmt::Write as _;

use crate::facts::{DATABASE_URL_PY, DatabaseKind};
use crate::model::shell_quote as q;

/// What is backed up, and where to.
#[derive(Debug, Clone, Copy)]
pub struct BackupJob<'a> {
    /// The virtual environment whose Python runs it.
    pub venv: &'a str,
    /// The operator's alembic.ini, which names the database.
    pub ini: &'a str,
    /// The directory that paths in the ini start from.
    pub chdir: &'a str,
    /// What the plan was made for; a database of another kind is refused.
    pub kind: DatabaseKind,
    /// Where the backup goes: `DIRECTORY/NAME-WHEN-RELEASE-TIME.EXTENSION`, NAME being the database's.
    pub file: &'a str,
    /// How many older backups of the database stay in that directory.
    pub keep: u32,
    /// Extensions of the files that are saved beside a backup and go with it.
    pub snapshots: &'a [&'a str],
    /// Whether its sha256 is noted beside it.
    pub sum: bool,
}

/// The command that brings a backup back, to be typed on the host that holds it, with PostgreSQL's own words for where
/// the server is.
///
/// The database is dropped and created anew: what a migration has added depends on what was there before, so that
/// `--clean` alone can drop neither, and would leave the rows as the migration left them.
#[must_use]
pub fn restore_command(kind: DatabaseKind, file: &str) -> String {
    let file = q(file);
    match kind {
        DatabaseKind::Postgresql => {
            format!("pg_restore --clean --if-exists --create --exit-on-error --dbname=postgres {file}")
        }
        DatabaseKind::Sqlite => format!("cp {file} over the database file"),
    }
}

/// Notes the sha256 of the file `F` beside it, as `sha256sum -c` reads it (POSIX sh).
pub(super) const NOTE_SUM: &str = r#"umask 077
h=$(sha256sum <"$F") && printf '%s  %s\n' "${h%% *}" "${F##*/}" >"$F.sha256.part" || exit
mv -f -- "$F.sha256.part" "$F.sha256"
"#;

const PROGRAM: &str = include_str!("backup.py");

/// Ends the program in the script; no line of it may read so.
const END: &str = "CONVERGE_BACKUP";

/// The body of a script that makes and verifies the backup (POSIX sh).
///
/// It prints `backup FILE BYTES`, then `removed FILE` for every old one that went. It fails when the backup is empty, can't
/// be read back, or lacks the rows of a table; a file that could not be removed is said, and fails nothing.
#[must_use]
pub fn backup(job: &BackupJob<'_>) -> String {
    let BackupJob { venv, ini, chdir, kind, file, keep, snapshots, sum } = *job;
    let kind = match kind {
        DatabaseKind::Postgresql => "postgresql",
        DatabaseKind::Sqlite => "sqlite",
    };
    let python = q(&format!("{venv}/bin/python"));
    let snapshots: String = snapshots.iter().map(|name| format!(" {}", q(name))).collect();
    let mut text = String::new();
    let _ = writeln!(text, "{python} -I -S - {} {} {} {kind} {keep}{snapshots} <<'{END}'", q(ini), q(chdir), q(file));
    let _ = writeln!(text, "{DATABASE_URL_PY}{PROGRAM}{END}");
    if sum {
        let _ = write!(text, "r=$?; [ $r = 0 ] || exit $r\nF={}\n{NOTE_SUM}", q(file));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_quoted_and_no_line_of_the_program_ends_it() {
        let text = backup(&BackupJob {
            venv: "/srv/it's/.venv",
            ini: "/srv/it's/alembic.ini",
            chdir: "/srv/it's",
            kind: DatabaseKind::Postgresql,
            file: "/backup/it's-before-1.0-20260101T000000Z.dump",
            keep: 3,
            snapshots: &["etcd", "it's"],
            sum: false,
        });
        assert_eq!(
            text.lines().next().unwrap(),
            "'/srv/it'\\''s/.venv/bin/python' -I -S - '/srv/it'\\''s/alembic.ini' '/srv/it'\\''s' \
             '/backup/it'\\''s-before-1.0-20260101T000000Z.dump' postgresql 3 etcd 'it'\\''s' <<'CONVERGE_BACKUP'"
        );
        assert!(!format!("{DATABASE_URL_PY}{PROGRAM}").lines().any(|line| line == END));
        assert!(DATABASE_URL_PY.ends_with('\n') && PROGRAM.ends_with('\n'));
    }
}
