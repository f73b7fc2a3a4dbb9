//! Components as declared for hosts: what the pre-flight, the planner and drift speak about.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::model::HostName;
use crate::resource::component::Component;

/// One component on one host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstanceId {
    /// The host.
    pub host: HostName,
    /// The component's name.
    pub component: String,
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.component)
    }
}

/// A component as declared for one host, with its place in the playbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The host.
    pub host: HostName,
    /// The number of the play that declares it, from 0: the order in which components move and start.
    pub play: usize,
    /// How many hosts of the play may change at a time, where the play says.
    pub batch: Option<Batch>,
    /// What is declared.
    pub component: Component,
}

/// `serial` of a play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The number of hosts.
    pub hosts: NonZeroU32,
    /// `file:line:column` of what says so.
    pub declared_at: String,
}

impl Instance {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> InstanceId {
        InstanceId { host: self.host.clone(), component: self.component.name.clone() }
    }
}
