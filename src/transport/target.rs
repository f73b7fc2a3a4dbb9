//! Where to connect to.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{BecomeUser, HostName};

/// A host and the way to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The host, as the inventory names it: used in messages, never to connect.
    pub name: HostName,
    /// The way to it.
    pub kind: TargetKind,
    /// Whom everything there is done as, where that isn't who logs in. The password doesn't get into a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub become_user: Option<BecomeUser>,
}

/// The way to a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetKind {
    /// Over SSH.
    Ssh(SshTarget),
    /// A shell on the controller itself, as the user that runs it.
    Local,
}

/// What `ansible_host`, `ansible_port`, `ansible_user` and `ansible_ssh_private_key_file` say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshTarget {
    /// Name or IP address (without brackets) to connect to, and to look up in known_hosts.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// User to log in as; without one, [`super::SshOptions::user`].
    pub user: Option<String>,
    /// Private key file to try before anything else; without one, the agent and
    /// [`super::SshOptions::identities`] are tried.
    pub identity_file: Option<PathBuf>,
}
