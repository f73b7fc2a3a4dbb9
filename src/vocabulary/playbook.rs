//! Plays, tasks, blocks, roles.

use super::Shape::{Anything, Defined, Either, Fields, List, Named, Number, OneOf, Some, Text, Time, Truth};
use super::{Shape, Word, may, must};

const TASKS: Shape = List(&Defined("task"));
const VARS: Word = may("vars", Defined("variables"), "Variables, seen by what stands here.");
const TAGS: Word = may("tags", Some(&Text), "Names by which a run takes this or leaves it out (--tags, --skip-tags).");
const ENVIRONMENT: Word =
    may("environment", Some(&Either(&Named(&Text), &Text)), "The environment of what is run; inner ones win.");
const NO_LOG: Word = may("no_log", Truth, "Whether its values are hidden.");
const IGNORE: Word = may("ignore_errors", Truth, "Whether a failure doesn't stop the host.");
const BECOME: Word = may("become", Truth, "Whether it is done as another user.");
const BECOME_USER: Word = may("become_user", Text, "Whom to become (default root).");
const BECOME_METHOD: Word = may("become_method", OneOf(&["sudo", "su", "doas"]), "How.");

/// What tasks, blocks and entries of roles share.
pub(super) const SHARED: &[Word] = &[
    may("when", Defined("conditions"), "A condition, or a list of which all must hold. No braces."),
    TAGS,
    VARS,
    BECOME,
    BECOME_USER,
    BECOME_METHOD,
    ENVIRONMENT,
    NO_LOG,
    IGNORE,
    may("run_once", Truth, "Once in the play, on its first host."),
    may("delegate_to", Text, "The host of the inventory that does it instead."),
    may("notify", Some(&Text), "The handler to do at the end, or a list of them."),
];

/// What only a task has.
pub(super) const TASK: &[Word] = &[
    may("name", Text, "Shown in plans and messages."),
    may("loop", Either(&List(&Anything), &Text), "One task for each item: a list, or a template that gives one."),
    may("loop_control", Fields(LOOP_CONTROL), "How a loop calls and shows its items."),
    may("until", Defined("conditions"), "Tried again until this holds."),
    may("retries", Number, "How often it is tried again (default 3)."),
    may("delay", Time, "Seconds between two attempts (default 5)."),
];

/// What only a handler has.
pub(super) const HANDLER: &[Word] = &[may("listen", Some(&Text), "Other names that notify it.")];

pub(super) const LOOP_CONTROL: &[Word] = &[
    may("loop_var", Text, "The variable that holds the item (default item)."),
    may("index_var", Text, "The variable that holds its number, from 0."),
    may("label", Text, "What is shown of an item."),
];

const FILE: Shape = Either(&Text, &Fields(&[must("file", Text, "The file of tasks.")]));
const ROLE_CALL: Shape = Fields(&[
    must("name", Text, "The role."),
    may("tasks_from", Text, "Another file of its tasks/ than main."),
    may("vars_from", Text, "Another file of its vars/ than main."),
    may("defaults_from", Text, "Another file of its defaults/ than main."),
    may("public", Truth, "Taken and without effect."),
    may("allow_duplicates", Truth, "Taken and without effect: what is named is done."),
    may("rolespec_validate", Truth, "Arguments are always checked; no is refused."),
]);

/// What makes an entry a group of tasks. `block` may also be a kind; the schema tells both apart.
pub(super) const GROUPS: &[Word] = &[
    may("block", TASKS, "Tasks that share what is said beside it."),
    may("import_tasks", FILE, "The tasks of another file, by a plain name."),
    may("include_tasks", FILE, "The same; may have a loop."),
    may("import_role", ROLE_CALL, "The tasks of a role."),
    may("include_role", ROLE_CALL, "The same; may have a loop."),
];

/// What only a block has.
pub(super) const BLOCK: &[Word] = &[
    may("rescue", TASKS, "Done on a host where a task of the block failed."),
    may("always", TASKS, "Done afterwards, however the block ended."),
];

/// A play.
pub(super) const PLAY: &[Word] = &[
    may("name", Text, "Shown in plans and messages."),
    may("hosts", Some(&Text), "The pattern that chooses its hosts, or a list of them. No template."),
    may(
        "order",
        OneOf(&["inventory", "reverse_inventory", "sorted", "reverse_sorted"]),
        "In which order hosts are taken.",
    ),
    may("serial", Some(&Text), "How many hosts at a time: a number, a percentage, or a list of both."),
    may("settle", Time, "How long a batch must stay healthy before the next begins, up to a day."),
    may("max_fail_percentage", Text, "At how many failed hosts of a hundred nothing more begins."),
    may("any_errors_fatal", Truth, "The same as max_fail_percentage: 0."),
    VARS,
    may("vars_files", Some(&Some(&Text)), "Files of variables; a list in the list stands for the first that is there."),
    may("pre_tasks", TASKS, "Done first."),
    may("roles", List(&Defined("role_entry")), "Roles, whose tasks come before the play's own."),
    may("tasks", TASKS, "Done behind the roles."),
    may("post_tasks", TASKS, "Done last."),
    may("handlers", List(&Defined("handler")), "What is done once, where something notified it."),
    TAGS,
    ENVIRONMENT,
    NO_LOG,
    IGNORE,
    BECOME,
    BECOME_USER,
    BECOME_METHOD,
    may("gather_facts", Truth, "Taken and without effect: hosts are asked for what is needed."),
];

/// What imports the plays of another file.
pub(super) const IMPORT: &[Word] = &[
    must("import_playbook", Text, "The file."),
    may("name", Text, "Taken and without effect."),
    VARS,
    TAGS,
    may("when", Defined("conditions"), "A condition of all its plays."),
];

/// An entry of `roles` or `dependencies`, beside what it shares with tasks.
pub(super) const ROLE_ENTRY: &[Word] = &[may("role", Text, "The role."), may("name", Text, "The same as role.")];

/// `meta/main.yaml`.
pub(super) const META: &[Word] = &[
    may("dependencies", List(&Defined("role_entry")), "Roles whose tasks come before its own."),
    may("allow_duplicates", Truth, "Whether it comes again in a play that had it before with the same parameters."),
    may(
        "argument_specs",
        Defined("argument_specs"),
        "What the role may be given, where no argument_specs.yaml says it.",
    ),
    may("galaxy_info", Anything, "Only describes."),
    may("standalone", Anything, "Only describes."),
    may("description", Anything, "Only describes."),
    may("author", Anything, "Only describes."),
];

/// An entry point of an argument specification.
pub(super) const ENTRY_POINT: &[Word] = &[
    may("options", Defined("options"), "The arguments by name."),
    may("short_description", Anything, "Only describes."),
    may("description", Anything, "Only describes."),
    may("author", Anything, "Only describes."),
    may("version_added", Anything, "Only describes."),
    may("seealso", Anything, "Only describes."),
    may("deprecated", Anything, "Only describes."),
    may("notes", Anything, "Only describes."),
];

const TYPES: Shape = OneOf(&["str", "int", "float", "bool", "list", "dict", "path", "raw"]);

/// One argument.
pub(super) const ARGUMENT: &[Word] = &[
    may("type", TYPES, "What it has to be (default str)."),
    may("required", Truth, "Whether it has to be given."),
    may("elements", TYPES, "What each item of a list has to be."),
    may("options", Defined("options"), "The fields of a mapping, or of each mapping of a list."),
    may("choices", List(&Anything), "The values that it may have."),
    may("default", Anything, "What it is where it isn't given: the weakest value of all."),
    may("description", Anything, "Only describes."),
    may("version_added", Anything, "Only describes."),
    may("removed_in_version", Anything, "Only describes."),
    may("no_log", Anything, "Taken and without effect."),
];
