//! Every setting that something other than the command line may give: where it may stand, and what becomes of Ansible's
//! others. Pure; docs/configuration.md shows the same tables, and a test holds them together.

/// A setting and where it may stand; the environment wins over `converge.yaml`, that over `ansible.cfg`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// Its word in `converge.yaml`; empty where only Ansible's places have it.
    pub(super) word: &'static str,
    /// Sections and keys of `ansible.cfg`.
    pub(super) keys: &'static [(&'static str, &'static str)],
    /// Variables of the environment.
    pub(super) variables: &'static [&'static str],
}

const fn setting(
    word: &'static str,
    keys: &'static [(&'static str, &'static str)],
    variables: &'static [&'static str],
) -> Setting {
    Setting { word, keys, variables }
}

pub(super) const PLAYBOOK: Setting = setting("playbook", &[], &[]);
pub(super) const RELEASES: Setting = setting("releases", &[], &[]);
pub(super) const WAIVERS: Setting = setting("waivers", &[], &[]);
pub(super) const STATE_DIR: Setting = setting("state_dir", &[], &[]);
pub(super) const MAX_FAILURES: Setting = setting("max_failures", &[], &[]);
pub(super) const FORKS: Setting = setting("forks", &[("defaults", "forks")], &["ANSIBLE_FORKS"]);
pub(super) const TIMEOUT: Setting = setting(
    "timeout",
    &[("ssh_connection", "timeout"), ("defaults", "timeout")],
    &["ANSIBLE_SSH_TIMEOUT", "ANSIBLE_TIMEOUT"],
);
pub(super) const USER: Setting = setting("user", &[("defaults", "remote_user")], &["ANSIBLE_REMOTE_USER"]);
pub(super) const PRIVATE_KEY: Setting =
    setting("private_key", &[("defaults", "private_key_file")], &["ANSIBLE_PRIVATE_KEY_FILE"]);
pub(super) const ASK_PASS: Setting = setting("ask_pass", &[("defaults", "ask_pass")], &["ANSIBLE_ASK_PASS"]);
pub(super) const BECOME: Setting = setting("become", &[("privilege_escalation", "become")], &["ANSIBLE_BECOME"]);
pub(super) const BECOME_USER: Setting =
    setting("become_user", &[("privilege_escalation", "become_user")], &["ANSIBLE_BECOME_USER"]);
pub(super) const BECOME_METHOD: Setting =
    setting("become_method", &[("privilege_escalation", "become_method")], &["ANSIBLE_BECOME_METHOD"]);
pub(super) const ASK_BECOME_PASS: Setting =
    setting("ask_become_pass", &[("privilege_escalation", "become_ask_pass")], &["ANSIBLE_BECOME_ASK_PASS"]);
pub(super) const BECOME_PASSWORD_FILE: Setting =
    setting("become_password_file", &[("defaults", "become_password_file")], &["ANSIBLE_BECOME_PASSWORD_FILE"]);
pub(super) const VAULT_PASSWORD_FILE: Setting =
    setting("vault_password_file", &[("defaults", "vault_password_file")], &["ANSIBLE_VAULT_PASSWORD_FILE"]);
pub(super) const VAULT_IDENTITY_LIST: Setting =
    setting("vault_identity_list", &[("defaults", "vault_identity_list")], &["ANSIBLE_VAULT_IDENTITY_LIST"]);
pub(super) const ROLES_PATH: Setting = setting("roles_path", &[("defaults", "roles_path")], &["ANSIBLE_ROLES_PATH"]);
pub(super) const SSH_ARGS: Setting = setting("ssh_args", &[("ssh_connection", "ssh_args")], &["ANSIBLE_SSH_ARGS"]);
pub(super) const SSH_COMMON_ARGS: Setting =
    setting("ssh_common_args", &[("ssh_connection", "ssh_common_args")], &["ANSIBLE_SSH_COMMON_ARGS"]);
pub(super) const SSH_EXTRA_ARGS: Setting =
    setting("ssh_extra_args", &[("ssh_connection", "ssh_extra_args")], &["ANSIBLE_SSH_EXTRA_ARGS"]);
pub(super) const HOST_KEY_CHECKING: Setting = setting(
    "host_key_checking",
    &[("ssh_connection", "host_key_checking"), ("defaults", "host_key_checking")],
    &["ANSIBLE_SSH_HOST_KEY_CHECKING", "ANSIBLE_HOST_KEY_CHECKING"],
);
pub(super) const PORT: Setting = setting("port", &[("defaults", "remote_port")], &["ANSIBLE_REMOTE_PORT"]);
pub(super) const PYTHON: Setting =
    setting("python", &[("defaults", "interpreter_python")], &["ANSIBLE_PYTHON_INTERPRETER"]);
pub(super) const VERBOSITY: Setting = setting("", &[("defaults", "verbosity")], &["ANSIBLE_VERBOSITY"]);
pub(super) const NO_COLOR: Setting = setting("", &[("defaults", "nocolor")], &["ANSIBLE_NOCOLOR"]);
pub(super) const FORCE_COLOR: Setting = setting("", &[("defaults", "force_color")], &["ANSIBLE_FORCE_COLOR"]);
/// Named where an inventory is missing, and never taken.
pub(super) const INVENTORY: Setting = setting("", &[("defaults", "inventory")], &["ANSIBLE_INVENTORY"]);

/// All of them.
pub(super) const SETTINGS: [Setting; 28] = [
    PLAYBOOK,
    RELEASES,
    WAIVERS,
    STATE_DIR,
    MAX_FAILURES,
    FORKS,
    TIMEOUT,
    USER,
    PRIVATE_KEY,
    ASK_PASS,
    BECOME,
    BECOME_USER,
    BECOME_METHOD,
    ASK_BECOME_PASS,
    BECOME_PASSWORD_FILE,
    VAULT_PASSWORD_FILE,
    VAULT_IDENTITY_LIST,
    ROLES_PATH,
    SSH_ARGS,
    SSH_COMMON_ARGS,
    SSH_EXTRA_ARGS,
    HOST_KEY_CHECKING,
    PORT,
    PYTHON,
    VERBOSITY,
    NO_COLOR,
    FORCE_COLOR,
    INVENTORY,
];

/// Settings of Ansible's that would change what an inventory means, and what to do about each. To ignore one would be to
/// act on other hosts, or with other values, than was meant. The value beside it is the one that changes nothing.
pub(super) const REFUSED: [(&str, &str, &str, Option<&str>, &str); 6] = [
    (
        "defaults",
        "hash_behaviour",
        "ANSIBLE_HASH_BEHAVIOUR",
        Some("replace"),
        "a stronger value replaces a weaker one here, mappings too: write them out in full",
    ),
    ("defaults", "precedence", "ANSIBLE_PRECEDENCE", None, "variables have Ansible's usual precedence here"),
    (
        "defaults",
        "force_valid_group_names",
        "ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS",
        Some("never"),
        "groups keep their names here: write them in the way in which patterns name them",
    ),
    (
        "inventory",
        "ignore_extensions",
        "ANSIBLE_INVENTORY_IGNORE",
        None,
        "name the files of the directory that are inventories, each by -i",
    ),
    (
        "inventory",
        "ignore_patterns",
        "ANSIBLE_INVENTORY_IGNORE_REGEX",
        None,
        "name the files of the directory that are inventories, each by -i",
    ),
    (
        "defaults",
        "playbook_vars_root",
        "ANSIBLE_PLAYBOOK_VARS_ROOT",
        Some("top"),
        "the group_vars and host_vars beside the playbook are what is read here",
    ),
];

/// Settings of Ansible's that people set and that mean nothing here, with the reason.
pub(super) const IGNORED: [(&str, &str, &str, &str); 22] = [
    ("ssh_connection", "pipelining", "ANSIBLE_PIPELINING", "commands always go over one session"),
    ("ssh_connection", "control_path", "ANSIBLE_SSH_CONTROL_PATH", "a run has one session to a host anyway"),
    ("ssh_connection", "control_path_dir", "ANSIBLE_SSH_CONTROL_PATH_DIR", "a run has one session to a host anyway"),
    ("ssh_connection", "retries", "ANSIBLE_SSH_RETRIES", "a lost connection is taken up again for `--reconnect`"),
    ("ssh_connection", "transfer_method", "ANSIBLE_SSH_TRANSFER_METHOD", "everything goes over the one session"),
    ("defaults", "transport", "ANSIBLE_TRANSPORT", "`ansible_connection` says it, host by host"),
    ("defaults", "remote_tmp", "ANSIBLE_REMOTE_TMP", "nothing is copied to a host to be run there"),
    ("defaults", "local_tmp", "ANSIBLE_LOCAL_TEMP", "nothing is kept in between"),
    ("defaults", "gathering", "ANSIBLE_GATHERING", "facts are always gathered, in one round trip"),
    ("defaults", "fact_caching", "ANSIBLE_CACHE_PLUGIN", "facts of hosts are never taken from an earlier time"),
    ("defaults", "strategy", "ANSIBLE_STRATEGY", "the plan says what goes side by side"),
    ("defaults", "stdout_callback", "ANSIBLE_STDOUT_CALLBACK", "`--output` says how an answer is printed"),
    ("defaults", "callbacks_enabled", "ANSIBLE_CALLBACKS_ENABLED", "there are no plugins; times are always shown"),
    ("defaults", "display_skipped_hosts", "ANSIBLE_DISPLAY_SKIPPED_HOSTS", "a plan holds only what is to be done"),
    ("defaults", "deprecation_warnings", "ANSIBLE_DEPRECATION_WARNINGS", "there are none"),
    ("defaults", "command_warnings", "ANSIBLE_COMMAND_WARNINGS", "there are none"),
    ("defaults", "nocows", "ANSIBLE_NOCOWS", "there are no cows"),
    ("defaults", "retry_files_enabled", "ANSIBLE_RETRY_FILES_ENABLED", "`converge resume` goes on from the journal"),
    (
        "defaults",
        "retry_files_save_path",
        "ANSIBLE_RETRY_FILES_SAVE_PATH",
        "`converge resume` goes on from the journal",
    ),
    ("defaults", "log_path", "ANSIBLE_LOG_PATH", "every run has a journal: `converge history`, `converge show`"),
    ("defaults", "library", "ANSIBLE_LIBRARY", "there are no modules but the kinds of tasks that are built in"),
    ("inventory", "enable_plugins", "ANSIBLE_INVENTORY_ENABLED", "files in YAML and INI, programs and lists are read"),
];
