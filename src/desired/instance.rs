//! Components as declared for hosts: what the pre-flight, the planner and drift speak about.

use std::fmt;

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
    /// What is declared.
    pub component: Component,
}

impl Instance {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> InstanceId {
        InstanceId { host: self.host.clone(), component: self.component.name.clone() }
    }
}
