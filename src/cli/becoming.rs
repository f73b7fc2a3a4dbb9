//! What the command line says of becoming another user on the hosts, and the password for it.

use std::collections::BTreeMap;

use super::error::CliError;
use super::machine;
use super::options::Options;
use crate::document::Node;
use crate::inventory::Becoming;
use crate::model::{HostName, Secret};
use crate::transport::Target;

/// `--become`, `--become-user` and `--become-method`, as keywords of the outermost place.
pub(super) fn of_command_line(options: &Options) -> Becoming {
    let node = |option: &str, text: &str| Node::text_from(option, text);
    Becoming {
        enabled: options.r#become.then(|| node("--become", "yes")),
        user: options.become_user.as_deref().map(|user| node("--become-user", user)),
        method: options.become_method.as_deref().map(|method| node("--become-method", method)),
    }
}

/// # Errors
/// When options say how to become another user, and no host does.
pub(super) fn check_effect(options: &Options, targets: &BTreeMap<HostName, Target>) -> Result<(), CliError> {
    let given = [
        ("--become-user", options.become_user.is_some()),
        ("--become-method", options.become_method.is_some()),
        ("--ask-become-pass", options.ask_become_pass),
        ("--become-password-file", options.become_password_file.is_some()),
    ];
    let idle = given.iter().find(|(_, is_given)| *is_given).map(|(name, _)| *name);
    match idle {
        Some(name) if targets.values().all(|target| target.become_user.is_none()) => Err(CliError::Usage(format!(
            "{name} has no effect, for no host becomes another user: add --become, or say `become` in the playbook or \
             `ansible_become` in the inventory"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Gives the password of the command line to all hosts that become another user and have none of their own.
///
/// # Errors
/// When it can't be asked for or read.
pub(super) fn add_password(options: &Options, targets: &mut BTreeMap<HostName, Target>) -> Result<(), CliError> {
    let mut without: Vec<&mut Option<Secret>> = targets
        .values_mut()
        .filter_map(|target| target.become_user.as_mut())
        .map(|become_user| &mut become_user.password)
        .filter(|password| password.is_none())
        .collect();
    if without.is_empty() {
        return Ok(());
    }
    let password = match &options.become_password_file {
        Some(file) => Some(machine::read_password(file)?),
        None if options.ask_become_pass => Some(machine::ask_password("Password to become another user: ")?),
        None => None,
    };
    for slot in &mut without {
        slot.clone_from(&password);
    }
    Ok(())
}
