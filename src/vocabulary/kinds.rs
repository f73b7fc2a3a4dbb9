//! The kinds of tasks but `component`.

use super::Shape::{Mode, Number, OneOf, Path, Some, Text, Time, Truth};
use super::{Shape, Word, may, must};

const PRESENT: Shape = OneOf(&["present", "absent"]);
const STATE: Word = may("state", PRESENT, "Whether it is to be there: present (default) or absent.");
const OWNER: Word = may("owner", Text, "The user whom the file belongs to; stays as it is where nothing is said.");
const GROUP: Word = may("group", Text, "The group that the file belongs to; stays as it is where nothing is said.");
const MODE: Word = may("mode", Mode, "Permissions in octal digits, in quotes: \"0640\". A new file is 0644 otherwise.");
const VALIDATE: Word = may(
    "validate",
    Text,
    "A command that must succeed before the new content is put into place; %s stands for the new file.",
);
const BACKUP: Word = may("backup", Truth, "Whether what is replaced is kept as FILE.TIME~.");
const CREATE: Word = may("create", Truth, "Whether the file is made where it isn't there.");
const AFTER: Word = may("insertafter", Text, "Behind the last line that matches this expression, or EOF.");
const BEFORE: Word = may("insertbefore", Text, "Ahead of the last line that matches this expression, or BOF.");
const TIMEOUT: Word = may("timeout", Time, "How long it may take, in seconds or as in 5m.");
const SYSTEM: Word =
    may("system", Truth, "Whether it is an account of the system, with a number below those of people.");

/// The word, what it is for, its fields.
pub(super) const KINDS: &[(&str, &str, &[Word])] = &[
    (
        "assert",
        "Conditions that must hold before anything is changed; one that doesn't refuses the run.",
        &[
            must("that", Shape::Defined("conditions"), "A condition, or a list of them. No braces."),
            may("fail_msg", Some(&Text), "What is said where one doesn't hold."),
            may("msg", Some(&Text), "The same as fail_msg."),
            may("success_msg", Some(&Text), "What is said where all hold."),
            may("quiet", Truth, "Whether nothing is said where all hold."),
        ],
    ),
    (
        "debug",
        "A line beside the plan.",
        &[
            may("msg", Shape::Anything, "What is shown."),
            may("var", Text, "A variable whose value is shown, without braces."),
            may("verbosity", Number, "Taken and without effect."),
        ],
    ),
    (
        "fail",
        "Refuses the run wherever its `when` holds, before anything is changed.",
        &[may("msg", Some(&Text), "What is said then.")],
    ),
    (
        "block",
        "A block of lines in a file, between two markers.",
        &[
            must("path", Path, "The file."),
            may("block", Text, "The lines; none, or an empty text, leaves none."),
            may("marker", Text, "The line of both markers; {mark} stands for BEGIN and END."),
            STATE,
            AFTER,
            BEFORE,
            CREATE,
            OWNER,
            GROUP,
            MODE,
            VALIDATE,
            BACKUP,
        ],
    ),
    (
        "command",
        "A command that runs where a guard says that its effect is missing. It needs at least one guard.",
        &[
            must("cmd", Text, "The command, for /bin/sh."),
            may("chdir", Path, "The directory that it runs in."),
            may("creates", Path, "Guard: it runs while this isn't there."),
            may("removes", Path, "Guard: it runs while this is there."),
            may("unless", Text, "Guard: it runs while this command fails. It may only look."),
            may("onlyif", Text, "Guard: it runs while this command succeeds. It may only look."),
            TIMEOUT,
        ],
    ),
    (
        "copy",
        "A file with a given content, compared by its sha256.",
        &[
            must("dest", Path, "The file on the host."),
            may("src", Text, "A file of the project: in files/ of the role, in files/ beside the playbook, beside it."),
            may("content", Text, "The content itself; excludes src."),
            may("force", Truth, "no: a file that is there already stays as it is."),
            OWNER,
            GROUP,
            MODE,
            VALIDATE,
            BACKUP,
        ],
    ),
    (
        "cron",
        "An entry of a user's crontab.",
        &[
            must("name", Text, "What marks the entry, so that it is found again."),
            may("job", Text, "The command."),
            may("minute", Text, "0-59, *, */5."),
            may("hour", Text, "0-23."),
            may("day", Text, "1-31."),
            may("month", Text, "1-12."),
            may("weekday", Text, "0-6, from Sunday on."),
            may(
                "special_time",
                OneOf(&["reboot", "yearly", "annually", "monthly", "weekly", "daily", "hourly"]),
                "A time that has a name, instead of the fields.",
            ),
            may("user", Text, "Whose crontab."),
            STATE,
        ],
    ),
    (
        "file",
        "A directory, a link, a file's mode and owners, or nothing at a path.",
        &[
            may("path", Path, "What it is about."),
            may("dest", Path, "The same as path."),
            may("state", OneOf(&["file", "directory", "link", "absent"]), "What is to be there (default file)."),
            may("src", Text, "Where a link leads."),
            OWNER,
            GROUP,
            MODE,
        ],
    ),
    (
        "group",
        "A group of the system.",
        &[must("name", Text, "Its name."), may("gid", Number, "Its number."), SYSTEM, STATE],
    ),
    (
        "http",
        "An HTTP endpoint that must answer.",
        &[
            must("url", Text, "The address, as the host itself reaches it."),
            may("status", Number, "The status that counts (default 200)."),
            TIMEOUT,
        ],
    ),
    (
        "line",
        "A line in a file.",
        &[
            must("path", Path, "The file."),
            may("line", Text, "The line."),
            may("regexp", Text, "What the line that is replaced or removed matches."),
            STATE,
            AFTER,
            BEFORE,
            CREATE,
            OWNER,
            GROUP,
            MODE,
            VALIDATE,
            BACKUP,
        ],
    ),
    (
        "package",
        "Packages of the operating system.",
        &[
            must("name", Some(&Text), "The package, or a list of them."),
            may("state", PRESENT, "present (default) or absent; `latest` isn't possible."),
            may("version", Text, "Exactly this version."),
        ],
    ),
    (
        "service",
        "A systemd unit.",
        &[
            must("name", Text, "The unit; .service is added where no type is named."),
            may("state", OneOf(&["started", "stopped", "restarted"]), "What it should be; restarted is for handlers."),
            may("enabled", Truth, "Whether it starts with the system."),
            may("restart_on", Some(&Path), "Files: where one is younger than the process, the unit is restarted."),
            may("daemon_reload", Truth, "Taken and without effect: systemd reads changed units by itself here."),
        ],
    ),
    (
        "user",
        "A user of the system.",
        &[
            must("name", Text, "The user."),
            may("uid", Number, "The user's number."),
            may("group", Text, "The user's own group."),
            may("groups", Some(&Text), "Further groups; those not named here stay."),
            may("append", Truth, "yes: groups are only ever added."),
            may("home", Path, "The home directory."),
            may("create_home", Truth, "Whether the home directory is made (default yes)."),
            may("shell", Path, "The login shell."),
            may("comment", Text, "The user's full name."),
            SYSTEM,
            STATE,
        ],
    ),
    (
        "wait_for",
        "Something that comes by itself and is waited for.",
        &[
            may("port", Number, "A TCP port on which something listens."),
            may("path", Path, "Something that lies there."),
            may("state", OneOf(&["started", "stopped", "present", "absent"]), "Whether it is to come or to go."),
            TIMEOUT,
        ],
    ),
];
