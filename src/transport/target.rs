//! Where to connect to.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{BecomeUser, HostName, Secret};

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

/// What the inventory says of a host; the rest is SSH configuration's to say, or has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SshTarget {
    /// `ansible_host`: the name that SSH configuration is asked about, or an IP address (without brackets).
    pub address: String,
    /// `ansible_port`.
    pub port: Option<u16>,
    /// `ansible_user`.
    pub user: Option<String>,
    /// `ansible_ssh_private_key_file`: the private key to try before anything else.
    pub identity_file: Option<PathBuf>,
    /// `ansible_password`: never written anywhere, so a saved plan doesn't have it.
    #[serde(skip)]
    pub password: Option<Secret>,
    /// The file to go by instead of the usual configuration (`-F` in `ansible_ssh_common_args`).
    pub config: Option<PathBuf>,
    /// The other options of `ssh` in `ansible_ssh_common_args` and its likes, a word each.
    pub options: Vec<String>,
}
