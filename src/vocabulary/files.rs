//! Inventories, `releases.yaml`, `waivers.yaml`, `converge.yaml`.

use super::Shape::{Date, Defined, Fields, List, Named, Number, OneOf, Release, Some, Text, Truth};
use super::{Word, may, must};

/// Variables that say how a host is reached. Every other name is the writer's own.
pub(super) const CONNECTION: &[Word] = &[
    may("ansible_host", Text, "The name or address to connect to (default: the host's own name)."),
    may("ansible_port", Number, "The port (default: SSH configuration's, or 22)."),
    may("ansible_user", Text, "Who logs in."),
    may("ansible_connection", OneOf(&["ssh", "smart", "local"]), "Over SSH (default), or on this machine."),
    may("ansible_ssh_private_key_file", Text, "The private key to try first."),
    may("ansible_private_key_file", Text, "The same as ansible_ssh_private_key_file."),
    may("ansible_ssh_host", Text, "The older name of ansible_host."),
    may("ansible_ssh_port", Number, "The older name of ansible_port."),
    may("ansible_ssh_user", Text, "The older name of ansible_user."),
    may("ansible_password", Text, "The password to log in with. Better kept out of files."),
    may("ansible_ssh_pass", Text, "The older name of ansible_password."),
    may("ansible_ssh_password", Text, "The older name of ansible_password."),
    may("ansible_ssh_args", Text, "Options of the ssh command, the weakest of the three."),
    may("ansible_ssh_common_args", Text, "Options of the ssh command, as in -o ProxyJump=bastion."),
    may("ansible_ssh_extra_args", Text, "Options of the ssh command, the strongest of the three."),
    may("ansible_python_interpreter", Text, "A Python on the host, for probes that need one."),
    may("ansible_group_priority", Number, "Which group wins of several at one depth; only below vars of a group."),
    may("ansible_become", Truth, "Whether everything is done as another user."),
    may("ansible_become_user", Text, "Whom to become (default root)."),
    may("ansible_become_method", OneOf(&["sudo", "su", "doas"]), "How."),
    may("ansible_become_password", Text, "The password that this takes. Better kept out of files."),
    may("ansible_become_pass", Text, "The older name of ansible_become_password."),
];

/// A group of an inventory.
pub(super) const GROUP: &[Word] = &[
    may("hosts", Defined("hosts"), "Its hosts, each as a key with its variables below; ranges as in web[01:16]."),
    may("children", Defined("groups"), "Groups in it, each as a key."),
    may("vars", Defined("host_variables"), "Variables of all its hosts."),
];

/// `converge.yaml`.
pub(super) const CONFIG: &[Word] = &[
    may("playbook", Text, "As --playbook."),
    may("releases", Text, "As --releases."),
    may("waivers", Text, "As --waivers."),
    may("vault_password_file", Text, "As --vault-password-file."),
    may("vault_identity_list", Text, "As --vault-id, several parted by commas."),
    may("state_dir", Text, "As --state-dir."),
    may("max_failures", Number, "As --max-failures."),
    may("forks", Number, "As --forks: hosts at work at the same time."),
    may("timeout", Number, "As --timeout: seconds to wait for a connection."),
    may("user", Text, "As --user: who logs in where the inventory names nobody."),
    may("private_key", Text, "As --private-key."),
    may("ask_pass", Truth, "As --ask-pass."),
    may("become", Truth, "As --become."),
    may("become_user", Text, "As --become-user."),
    may("become_method", OneOf(&["sudo", "su", "doas"]), "As --become-method."),
    may("ask_become_pass", Truth, "As --ask-become-pass."),
    may("become_password_file", Text, "As --become-password-file."),
    may("roles_path", Some(&Text), "Directories of roles behind the project's own."),
    may("ssh_args", Text, "ansible_ssh_args of hosts that have none."),
    may("ssh_common_args", Text, "ansible_ssh_common_args of hosts that have none."),
    may("ssh_extra_args", Text, "ansible_ssh_extra_args of hosts that have none."),
    may("host_key_checking", Truth, "no: StrictHostKeyChecking=no, weaker than what the inventory says."),
    may("port", Number, "ansible_port of hosts that have none."),
    may("python", Text, "ansible_python_interpreter of hosts that have none."),
];

/// One waiver.
pub(super) const WAIVER: &[Word] = &[
    must("rule", Text, "The rule's code; `converge explain` lists them."),
    may("about", Release, "What of it: a release, a manual step. Without it, whatever the rule is about."),
    must("reason", Text, "Why this is in order."),
    must("owner", Text, "Who answers for it."),
    must("expires", Date, "The last day on which it holds, in UTC."),
];

/// A file of waivers.
pub(super) const WAIVERS: &[Word] = &[must("waivers", List(&Fields(WAIVER)), "The waivers.")];

/// `releases.yaml`.
pub(super) const RELEASES: &[Word] =
    &[must("products", Named(&Defined("product")), "Products by name; laid over what is bundled.")];

const SOURCE: Word = must("source", Text, "Where this is known from.");
const REASON: Word = must("reason", Text, "Why.");
const REMOVE: Word = may("remove", Truth, "yes takes the entry out; then nothing else stands beside its key.");
const PACKAGES: Word = may("packages", List(&Text), "The packages that it concerns (default: all).");
const WHEN: Word = may("when", List(&Fields(CONDITION)), "Conditions that must all hold; what isn't known holds.");
const EVIDENCE: &[Word] = &[REASON, SOURCE];

/// A product. Where an entry says `remove: true`, what is required otherwise is left out; only `lint` can tell.
pub(super) const PRODUCT: &[Word] = &[
    REMOVE,
    may("scheme", OneOf(&["pep440", "semver"]), "How releases are numbered (default pep440)."),
    may("main-package", Text, "Whose published releases stand for the product's; a new product must name it."),
    may("packages", List(&Text), "What belongs to it; a * at the end stands for any rest."),
    may("change-log", Text, "The address of a change log; {release} stands for the release."),
    may("work", Fields(WORK), "Where running work is found."),
    may("migrations", Named(&Text), "Packages that bring a schema, each with alembic's directory in its wheel."),
    may("trains", List(&Fields(TRAIN)), "Trains of releases."),
    may("broken", List(&Fields(BROKEN)), "Releases that are published, and yet never to be installed."),
    may("hops", List(&Fields(HOP)), "What is known of upgrades from train to train."),
    may("risks", List(&Fields(RELEASE_RISK)), "What can go wrong on leaving certain releases, also by a patch."),
    may("deviations", List(&Fields(DEVIATION)), "Where sound databases are not as a revision leaves them."),
];

pub(super) const WORK: &[Word] = &[
    must("package", Text, "The package whose database has the table."),
    must("table", Text, "The table."),
    must("column", Text, "The column of the status."),
    must("terminal", List(&Text), "Statuses of work that is over."),
];

pub(super) const TRAIN: &[Word] = &[
    must("train", Release, "The train, in quotes."),
    REMOVE,
    may("lts", Truth, "Whether it is maintained longer than others."),
    may("stop-gap", Truth, "Whether it exists only to be gone through."),
    may("python", Text, "The Pythons that it runs on, as PEP 440 specifiers."),
    may("empty", Fields(EVIDENCE), "No release of it can be installed."),
    may("source", Text, "Where this is known from; has to be there unless the entry is removed."),
];

pub(super) const BROKEN: &[Word] = &[
    must("release", Release, "The release, in quotes."),
    REMOVE,
    PACKAGES,
    may("reason", Text, "Why; has to be there unless the entry is removed."),
    may("source", Text, "Where this is known from; has to be there unless the entry is removed."),
];

pub(super) const HOP: &[Word] = &[
    must("from", Release, "The train that is left."),
    must("to", Release, "The train that is entered."),
    REMOVE,
    may("steps", List(&Fields(STEP)), "What only a person can do."),
    may("risks", List(&Fields(RISK)), "What can go wrong."),
    may("unusable", Fields(UNUSABLE), "The target can't be entered from certain releases."),
];

pub(super) const STEP: &[Word] =
    &[must("id", Text, "The name that a waiver uses."), must("text", Text, "What to do."), SOURCE, WHEN];

pub(super) const RISK: &[Word] =
    &[must("id", Text, "The name that a waiver uses."), must("text", Text, "What can happen."), PACKAGES, SOURCE, WHEN];

pub(super) const RELEASE_RISK: &[Word] = &[
    must("id", Text, "The name that a waiver uses."),
    REMOVE,
    may("leaving", List(&Text), "Ranges of releases; has to be there unless the entry is removed."),
    may("text", Text, "What can happen; has to be there unless the entry is removed."),
    PACKAGES,
    may("source", Text, "Where this is known from; has to be there unless the entry is removed."),
    WHEN,
];

pub(super) const UNUSABLE: &[Word] = &[
    must("from", Text, "The releases that it can't be entered from."),
    may("to", Text, "The releases that can't be entered (default: all)."),
    REASON,
    SOURCE,
];

pub(super) const DEVIATION: &[Word] = &[
    must("revision", Text, "The revision."),
    must("thing", Text, "A thing as `converge schema check` writes it, such as column sessions.owner."),
    REMOVE,
    may("reason", Text, "Why; has to be there unless the entry is removed."),
    may("source", Text, "Where this is known from; has to be there unless the entry is removed."),
];

pub(super) const CONDITION: &[Word] = &[
    may("package", Text, "A component of this package is part of the cluster."),
    may("python-below", Release, "The interpreter before the hop is older than this, in quotes."),
    may("postgresql-below", Number, "A database server is older than this."),
    may("distribution", Text, "This is installed beside a component."),
    may("file", Text, "A file is there on a host; begins with / or ~/."),
    may("stop-signal", Text, "A component is declared to be stopped by it, as in SIGTERM."),
];
