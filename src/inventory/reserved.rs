//! Names of variables that mean something to the program, or that would to Ansible.

use super::becoming;
use crate::document::{Diagnostic, Node, did_you_mean};

/// Connection variables that are honoured.
const HONOURED: [&str; 17] = [
    "ansible_host",
    "ansible_port",
    "ansible_user",
    "ansible_connection",
    "ansible_ssh_private_key_file",
    "ansible_private_key_file",
    "ansible_ssh_host",
    "ansible_ssh_port",
    "ansible_ssh_user",
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_ssh_password",
    "ansible_ssh_args",
    "ansible_ssh_common_args",
    "ansible_ssh_extra_args",
    "ansible_python_interpreter",
    "ansible_group_priority",
];

/// Names that templates may use and nobody may set.
pub const MAGIC: [&str; 12] = [
    "inventory_hostname",
    "inventory_hostname_short",
    "inventory_file",
    "inventory_dir",
    "playbook_dir",
    "groups",
    "group_names",
    "hostvars",
    "ansible_play_hosts",
    "ansible_facts",
    "role_name",
    "role_path",
];

/// Ansible's connection variables that this release doesn't honour (by the start of their name), and what to do
/// instead. They are refused because to ignore one would be to act as another user or over another path.
const REFUSED: [(&str, &str); 13] = [
    ("ansible_become_exe", "remove it: sudo, su and doas are looked for in the PATH of the login"),
    ("ansible_become_flags", "remove it: converge gives sudo, su and doas the options that it needs"),
    ("ansible_sudo", "write ansible_become, ansible_become_user, ansible_become_password"),
    (
        "ansible_su_",
        "write ansible_become, ansible_become_user, ansible_become_password, and ansible_become_method: su",
    ),
    ("ansible_sftp_extra_args", "options of the sftp command aren't supported: connections don't go through it"),
    ("ansible_scp_extra_args", "options of the scp command aren't supported: connections don't go through it"),
    ("ansible_ssh_executable", "connections don't go through the ssh command"),
    ("ansible_ssh_pipelining", "remove it: commands always go over one session"),
    ("ansible_pipelining", "remove it: commands always go over one session"),
    (
        "ansible_host_key_checking",
        "remove it: StrictHostKeyChecking in ssh_config or `ansible_ssh_common_args` says it",
    ),
    (
        "ansible_ssh_host_key_checking",
        "remove it: StrictHostKeyChecking in ssh_config or `ansible_ssh_common_args` says it",
    ),
    ("ansible_shell", "commands always run in the POSIX sh of the host"),
    ("ansible_remote_tmp", "remove it: nothing is copied to the host"),
];

/// Whether the name is a connection variable that is honoured, and holds for a host whatever plays are about. Those that
/// say whom to become aren't of that kind.
#[must_use]
pub fn is_connection_variable(name: &str) -> bool {
    HONOURED.contains(&name)
}

/// Checks the name of a variable that an operator sets.
///
/// # Errors
/// When it can't be used in a template, is set by the program itself, or is an `ansible_…` name that isn't honoured.
pub fn check_name(key: &Node) -> Result<&str, Diagnostic> {
    let name = key.key_text();
    let mut chars = name.chars();
    let first_is_fine = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !first_is_fine || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(Diagnostic::at(&key.span, format!("`{name}` can't be the name of a variable"))
            .hint("use letters, digits and underscores, and start with a letter"));
    }
    if MAGIC.contains(&name) {
        return Err(
            Diagnostic::at(&key.span, format!("`{name}` is set by converge itself")).hint("choose another name")
        );
    }
    if !name.starts_with("ansible_") || HONOURED.contains(&name) || becoming::VARIABLES.contains(&name) {
        return Ok(name);
    }
    if let Some((_, instead)) = REFUSED.iter().find(|(start, _)| name.starts_with(start)) {
        return Err(Diagnostic::at(&key.span, format!("`{name}` isn't supported in this release")).hint(*instead));
    }
    let hint = did_you_mean(name, HONOURED.into_iter().chain(becoming::VARIABLES)).unwrap_or_else(|| {
        "names that start with `ansible_` are for connection variables; choose another name".to_owned()
    });
    Err(Diagnostic::at(&key.span, format!("`{name}` isn't a known connection variable")).hint(hint))
}

/// All of them, those that say whom to become among them.
#[cfg(test)]
pub(crate) fn connection_variables() -> impl Iterator<Item = &'static str> {
    HONOURED.into_iter().chain(becoming::VARIABLES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str) -> Result<(), String> {
        check_name(&Node::text_from("t", name)).map(|_| ()).map_err(|d| format!("{} / {}", d.message, d.hint.unwrap()))
    }

    #[test]
    fn names_that_would_be_ignored_are_refused_by_name() {
        for fine in [
            "release",
            "_x",
            "ansible_host",
            "ansible_become_user",
            "ansible_ssh_common_args",
            "ansible_python_interpreter",
            "ansiblefoo",
        ] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        for (bad, about) in [
            ("ansible_become_flags", "remove it"),
            ("ansible_sudo_pass", "ansible_become_password"),
            ("ansible_becom", "did you mean `ansible_become`?"),
            ("ansible_sftp_extra_args", "sftp command"),
            ("ansible_hots", "did you mean `ansible_host`?"),
            ("ansible_whatever", "choose another name"),
            ("groups", "set by converge"),
            ("my-var", "letters, digits"),
            ("1st", "letters, digits"),
            ("", "letters, digits"),
        ] {
            assert!(check(bad).unwrap_err().contains(about), "{bad}: {:?}", check(bad));
        }
    }
}
