//! `component`: what it declares.

use super::Shape::{Fields, Named, Number, OneOf, Path, Release, Some, Text, Time};
use super::{Word, may, must};

pub(super) const MEANING: &str = "One component: its package, its schema, its process.";

pub(super) const COMPONENT: &[Word] = &[
    must("package", Text, "The package, by its name in the index."),
    may("name", Text, "What the component is called in plans (default: the package)."),
    must("release", Release, "The release that should run, in quotes."),
    must("venv", Path, "The virtual environment that it is installed in."),
    may("pip_args", Some(&Text), "Further options of pip. No credentials: those belong into pip.conf or ~/.netrc."),
    may("environments", Fields(ENVIRONMENTS), "How environments of several releases are kept."),
    must("process", Fields(PROCESS), "How it is started and stopped."),
    may("schema", Fields(SCHEMA), "Its database."),
    may("health", Fields(HEALTH), "Where it says that it is well."),
    may("freeze", Fields(FREEZE), "How new work is kept away during a major upgrade."),
    may("quorum", Text, "How many instances keep serving while others change: a number, or a percentage."),
    may("workloads", Text, "A command that lists running work."),
    may("notice", Text, "A command that succeeds when the users know of a major upgrade."),
    may("window", Text, "The hours in which it may be changed, as in \"Sat 22:00-04:00 Europe/Berlin\"."),
    may("state_files", Some(&Path), "Files that another release may not be able to read."),
];

const ENVIRONMENTS: &[Word] = &[
    may("layout", OneOf(&["auto", "in-place", "staged"]), "Whether each release gets an environment of its own."),
    may("keep", Number, "How many old environments are kept, 0 to 20."),
    may("interpreters", Some(&Path), "Pythons to choose from."),
    may("carry", Some(&Text), "Packages that are carried over: NAME, NAME==@, or a requirement."),
    may("installer", Text, "pip, uv, or uv's absolute path."),
    may("constraints", Some(&Path), "Files of constraints on the host; {train} and {release} may stand in them."),
    may("lock", Text, "The lock file of the project."),
];

const PROCESS: &[Word] = &[
    may("systemd", Text, "The unit that starts it."),
    may("command", Text, "The command that starts it, where no unit does."),
    may("chdir", Path, "The directory that the command runs in."),
    may("log", Path, "The file that takes its output."),
    may("title", Text, "An expression that its title in the process list matches."),
    may("user", Text, "The user that it runs as."),
    may("pid_file", Path, "The file with its number."),
    may(
        "stop_signal",
        OneOf(&["SIGTERM", "SIGINT", "SIGQUIT", "TERM", "INT", "QUIT"]),
        "What stops it (default SIGTERM).",
    ),
    may("stop_timeout", Time, "How long it may take to stop (default 90 s)."),
    may("start_timeout", Time, "How long it may take to be well (default 120 s)."),
];

const SCHEMA: &[Word] = &[
    may("alembic", Path, "Its alembic.ini on the host; without one it has no database."),
    may("chdir", Path, "Where alembic runs (default: where the ini lies)."),
    may("backup", Path, "The directory of backups."),
    may("backup_host", Text, "The host of the inventory that takes copies of backups."),
    may("backup_host_directory", Path, "The directory there (default: the same as here)."),
    may("timeout", Time, "How long a migration may take (default 4h)."),
    may("keep_backups", Number, "How many backups are kept, from 1 on (default 10)."),
    may("snapshots", Named(&Text), "Commands whose output is kept beside each backup, by name."),
    may(
        "rehearsal",
        OneOf(&["major", "always", "never"]),
        "When a migration is tried on a copy first (default major).",
    ),
    may("scratch", Text, "The name of the database for rehearsals."),
    may("left_out", OneOf(&["converge", "upstream"]), "Who runs revisions that an earlier upgrade left out."),
];

const HEALTH: &[Word] = &[
    may("http", Text, "The address that answers."),
    may("version", Text, "Where in the answer the release stands, as in /manager."),
];

const FREEZE: &[Word] = &[
    may("freeze", Text, "The command that keeps new work away."),
    may("unfreeze", Text, "The command that lets it in again."),
    may("status", Text, "The command whose last word says which of both holds."),
    may("frozen", Text, "That word while frozen (default frozen)."),
];
