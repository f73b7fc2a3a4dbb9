//! Components as declared for hosts: what the pre-flight, the planner and drift speak about.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{HostName, Share};
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
    /// How its play goes over its hosts.
    #[serde(default)]
    pub rolling: Rolling,
    /// What is declared.
    pub component: Component,
}

/// How a play goes over its hosts. By default all change side by side, and the first that fails ends the run after its
/// stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rolling {
    /// `serial`, where the play has it.
    pub serial: Option<Serial>,
    /// `settle`: seconds for which what was started must stay healthy before anything else begins.
    pub settle: Option<u32>,
    /// `max_fail_percentage`: at how many failed hosts of a hundred nothing more begins.
    pub max_fail_percentage: Option<u32>,
}

/// `serial` of a play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serial {
    /// The hosts of each batch; the last holds for all that follow.
    pub sizes: Vec<Share>,
    /// `file:line:column` of what says so.
    pub declared_at: String,
}

impl Serial {
    /// How many hosts each batch has where `changing` hosts of a play of `hosts` are to change. The sum is `changing`.
    #[must_use]
    pub fn batches(&self, changing: usize, hosts: usize) -> Vec<usize> {
        let (mut batches, mut left) = (Vec::new(), changing);
        for number in 0.. {
            let size = self.sizes.get(number).or(self.sizes.last()).map_or(left, |share| share.at_most(hosts));
            if left == 0 {
                break;
            }
            batches.push(size.clamp(1, left));
            left -= size.clamp(1, left);
        }
        batches
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sizes.as_slice() {
            [one] => write!(f, "{one}"),
            all => write!(f, "[{}]", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}

impl Instance {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> InstanceId {
        InstanceId { host: self.host.clone(), component: self.component.name.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_follow_each_other_and_the_last_repeats() {
        let batches = |sizes: &[&str], changing: usize, hosts: usize| {
            let sizes = sizes.iter().map(|text| Share::parse(text).unwrap()).collect();
            Serial { sizes, declared_at: String::new() }.batches(changing, hosts)
        };
        assert_eq!(batches(&["2"], 5, 5), [2, 2, 1]);
        assert_eq!(batches(&["1", "25%", "100%"], 16, 16), [1, 4, 11]);
        assert_eq!(batches(&["1", "25%"], 16, 16), [1, 4, 4, 4, 3]);
        // Percentages are of the play, also where few of its hosts change; and never of nothing.
        assert_eq!(batches(&["25%"], 6, 16), [4, 2]);
        assert_eq!(batches(&["10%"], 3, 3), [1, 1, 1]);
        assert_eq!(batches(&["9"], 3, 3), [3]);
        assert_eq!(batches(&["9"], 0, 3), [0; 0]);
    }
}
