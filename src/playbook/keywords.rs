//! Words of Ansible's language that this release doesn't have, and what to write instead.

use crate::document::{Diagnostic, Node};

/// By the start or whole of the word; a `*` at the end stands for any ending.
const WORDS: &[(&str, &str)] = &[
    ("any_errors_fatal", "write it in the play: it holds for all of its tasks"),
    ("args", "write the arguments below the kind"),
    ("async*", "remove it: long actions run as detached jobs anyway"),
    ("become_exe", "remove it: sudo, su and doas are looked for in the PATH of the login"),
    ("become_flags", "remove it: converge gives sudo, su and doas the options that it needs"),
    ("rescue", "write it beside a `block`"),
    ("always", "write it beside a `block`"),
    ("changed_when", "remove it: what changes is found by comparing facts"),
    ("failed_when", "remove it: what failed is found by verifying facts"),
    ("check_mode", "remove it: `--check` plans without acting"),
    ("collections", "remove it: the kinds of tasks are built in"),
    ("connection", "set ansible_connection in the inventory"),
    ("debugger", "remove it"),
    ("delegate_facts", "remove it: facts are always those of the host that was asked"),
    ("action", "write the kind itself as the word: `command:`, `copy:`, …"),
    ("diff", "remove it: the plan shows every difference"),
    ("fact_path", "remove it: facts are gathered as the tasks need them"),
    ("force_handlers", "remove it: what a failed run has left to restart, the next one finds"),
    ("gather_subset", "remove it: facts are gathered as the tasks need them"),
    ("gather_timeout", "remove it: facts are gathered as the tasks need them"),
    ("ignore_unreachable", "remove it: use --limit to leave hosts out"),
    ("include", "write include_tasks"),
    ("include_vars", "put the variables into group_vars, host_vars or the role's vars"),
    ("listen", "write it in a handler"),
    ("local_action", "write the kind, and delegate_to a host of the inventory that has ansible_connection: local"),
    ("loop_with", "write `loop`"),
    ("max_fail_percentage", "write it in the play: it holds for all of its tasks"),
    ("module_defaults", "use variables"),
    ("poll", "remove it: long actions run as detached jobs anyway"),
    ("port", "set ansible_port in the inventory"),
    (
        "register",
        "write what is known of a host from ansible_facts; tasks don't read each other's results, for a plan is made before any of them is done",
    ),
    ("remote_user", "set ansible_user in the inventory"),
    ("serial", "write it in the play: a task has no batches of its own"),
    ("set_fact", "use `vars`"),
    ("strategy", "remove it: the plan orders the actions"),
    ("throttle", "remove it: use --forks"),
    ("timeout", "use the timeouts of the task's kind"),
    ("vars_prompt", "give the value with -e"),
    ("with_*", "write `loop` with a list; a pair of a mapping is one item with two fields"),
];

/// Modules of Ansible's that people reach for; refused as kinds rather than as unknown words.
const MODULES: &[&str] = &[
    "apt",
    "command",
    "copy",
    "cron",
    "dnf",
    "docker_container",
    "fetch",
    "file",
    "get_url",
    "git",
    "group",
    "lineinfile",
    "mount",
    "package",
    "pause",
    "pip",
    "ping",
    "raw",
    "reboot",
    "script",
    "service",
    "service_facts",
    "setup",
    "shell",
    "slurp",
    "stat",
    "synchronize",
    "systemd",
    "unarchive",
    "uri",
    "user",
    "wait_for",
];

/// The mistake that a word of Ansible's isn't supported; `None` when it is no such word.
pub(super) fn refuse(key: &Node, kinds: &str) -> Option<Diagnostic> {
    let word = key.key_text();
    let matches = |known: &str| match known.strip_suffix('*') {
        Some(start) => word.starts_with(start),
        None => word == known,
    };
    if let Some((_, instead)) = WORDS.iter().find(|(known, _)| matches(known)) {
        return Some(Diagnostic::at(&key.span, format!("`{word}` isn't supported in this release")).hint(*instead));
    }
    let short = word.rsplit('.').next().unwrap_or(word);
    if word.contains('.') || MODULES.contains(&short) {
        let message = format!("`{word}` isn't a kind of task in this release");
        return Some(Diagnostic::at(&key.span, message).hint(format!("the kinds are: {kinds}")));
    }
    None
}
