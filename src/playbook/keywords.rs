//! Words of Ansible's language that this release doesn't have, and what to write instead.

use crate::document::{Diagnostic, Node};

/// By the start or whole of the word; a `*` at the end stands for any ending.
const WORDS: [(&str, &str); 59] = [
    ("any_errors_fatal", "write it in the play: it holds for all of its tasks"),
    ("args", "write the arguments below the kind"),
    ("async*", "remove it: long actions run as detached jobs anyway"),
    ("become_exe", "remove it: sudo, su and doas are looked for in the PATH of the login"),
    ("become_flags", "remove it: converge gives sudo, su and doas the options that it needs"),
    ("block", "write the tasks one after the other"),
    ("rescue", "remove it: a failed action stops its host, and a rerun goes on from there"),
    ("always", "remove it: a failed action stops its host, and a rerun goes on from there"),
    ("changed_when", "remove it: what changes is found by comparing facts"),
    ("failed_when", "remove it: what failed is found by verifying facts"),
    ("check_mode", "remove it: `--check` plans without acting"),
    ("collections", "remove it: the kinds of tasks are built in"),
    ("connection", "set ansible_connection in the inventory"),
    ("debugger", "remove it"),
    ("delegate_*", "write a play for the hosts that should do it"),
    ("diff", "remove it: the plan shows every difference"),
    ("environment", "set the environment in the service's own unit or script"),
    ("fact_path", "remove it: facts are gathered as the tasks need them"),
    ("force_handlers", "remove it: processes restart because of what they run, not of notifications"),
    ("gather_*", "remove it: facts are gathered as the tasks need them"),
    ("handlers", "remove them: processes restart because of what they run, not of notifications"),
    ("ignore_errors", "remove it: errors are never ignored"),
    ("ignore_unreachable", "remove it: use --limit to leave hosts out"),
    ("import_playbook", "write the plays into one file"),
    ("import_role", "name the role under `roles` of the play"),
    ("import_tasks", "write the tasks into this file"),
    ("include", "write the tasks into this file"),
    ("include_role", "name the role under `roles` of the play"),
    ("include_tasks", "write the tasks into this file"),
    ("include_vars", "put the variables into group_vars, host_vars or the role's vars"),
    ("listen", "remove it: there are no handlers"),
    ("local_action", "write a play for a host with ansible_connection: local"),
    ("loop*", "write one task for each item"),
    ("max_fail_percentage", "write it in the play: it holds for all of its tasks"),
    ("module_defaults", "use variables"),
    ("no_log", "remove it: secrets never reach logs"),
    ("notify", "remove it: processes restart because of what they run, not of notifications"),
    ("order", "remove it: hosts come in the order of the inventory"),
    ("poll", "remove it: long actions run as detached jobs anyway"),
    ("port", "set ansible_port in the inventory"),
    ("post_tasks", "put the tasks under `tasks`, or into a later play"),
    ("pre_tasks", "put the tasks into an earlier play"),
    ("register", "remove it: tasks don't read each other's results"),
    ("remote_user", "set ansible_user in the inventory"),
    ("retries", "remove it: waiting is bounded by the task's own timeouts"),
    ("delay", "remove it: waiting is bounded by the task's own timeouts"),
    ("until", "remove it: waiting is bounded by the task's own timeouts"),
    ("run_once", "remove it: what is done once per cluster (a migration) is planned once"),
    ("serial", "write it in the play: a task has no batches of its own"),
    ("set_fact", "use `vars`"),
    ("strategy", "remove it: the plan orders the actions"),
    ("tags", "use `--limit` or a playbook of its own"),
    ("throttle", "remove it: use --forks"),
    ("timeout", "use the timeouts of the task's kind"),
    ("vars_files", "put the variables into group_vars, host_vars or `vars`"),
    ("vars_prompt", "give the value with -e"),
    ("when", "make a group of the hosts that are meant and name it under `hosts`"),
    ("with_*", "write one task for each item"),
    ("meta", "remove it: there are no handlers to flush"),
];

/// Modules of Ansible's that people reach for; refused as kinds rather than as unknown words.
const MODULES: [&str; 36] = [
    "apt",
    "assert",
    "command",
    "copy",
    "cron",
    "debug",
    "dnf",
    "docker_container",
    "fail",
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
    "template",
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
