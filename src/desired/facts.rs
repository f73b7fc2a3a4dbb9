//! `ansible_facts`: what a first question to a host says of it, as conditions and templates see it.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::document::{Node, Source, Span};
use crate::facts::{Observed, System};
use crate::model::HostName;

/// What is known of the hosts when declarations are resolved.
#[derive(Debug, Clone, Copy)]
pub enum Facts<'d> {
    /// No host was asked. Whoever uses a fact is told in [`super::Desired::wanting`].
    Unasked,
    /// These hosts were asked. A fact that is unknown blocks what uses it.
    Asked(&'d BTreeMap<HostName, Observed<System>>),
}

/// The mapping that `ansible_facts` is: Ansible's names for what is known. What a host doesn't say isn't there, so that
/// whoever uses it is told.
pub(super) fn node_of(system: &System) -> Node {
    let System { os, kernel, uid: _, id, like, version, codename, hostname, machine, memory_kib, cpus } = system;
    let major = version.split('.').next().unwrap_or_default();
    let texts = [
        ("os", os.as_str()),
        ("system", "Linux"),
        ("kernel", kernel),
        ("distribution", distribution(id)),
        ("distribution_version", version),
        ("distribution_major_version", major),
        ("distribution_release", codename),
        ("os_family", family(id, like)),
        ("nodename", hostname),
        ("hostname", hostname.split('.').next().unwrap_or_default()),
        ("architecture", machine),
    ];
    let numbers = [("memtotal_mb", memory_kib / 1024), ("processor_vcpus", u64::from(*cpus))];
    let texts =
        texts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name.to_owned(), Json::from(text)));
    let numbers = numbers
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(name, number)| (name.to_owned(), Json::from(number)));
    Node::from_json(&Span::whole(&Source::new("facts of the host", "")), &Json::Object(texts.chain(numbers).collect()))
}

/// What Ansible calls the distributions that it knows; others keep their own name.
fn distribution(id: &str) -> &str {
    match id {
        "debian" => "Debian",
        "ubuntu" => "Ubuntu",
        "rhel" => "RedHat",
        "centos" => "CentOS",
        "rocky" => "Rocky",
        "almalinux" => "AlmaLinux",
        "fedora" => "Fedora",
        "ol" => "OracleLinux",
        "amzn" => "Amazon",
        "arch" => "Archlinux",
        "alpine" => "Alpine",
        other => other,
    }
}

fn family<'s>(id: &'s str, like: &'s [String]) -> &'s str {
    let of = |id: &str| match id {
        "debian" | "ubuntu" => Some("Debian"),
        "rhel" | "centos" | "rocky" | "almalinux" | "fedora" | "ol" | "amzn" => Some("RedHat"),
        "suse" | "sles" | "opensuse" => Some("Suse"),
        "arch" => Some("Archlinux"),
        "alpine" => Some("Alpine"),
        _ => None,
    };
    of(id).or_else(|| like.iter().find_map(|id| of(id))).unwrap_or_else(|| distribution(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_have_ansible_s_names() {
        let system = System {
            os: "Debian GNU/Linux 12 (bookworm)".into(),
            id: "debian".into(),
            version: "12".into(),
            hostname: "a.example.org".into(),
            memory_kib: 2_097_152,
            ..System::default()
        };
        let json = node_of(&system).to_json().unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "os": "Debian GNU/Linux 12 (bookworm)", "system": "Linux", "distribution": "Debian", "os_family": "Debian",
                "distribution_version": "12", "distribution_major_version": "12", "nodename": "a.example.org",
                "hostname": "a", "memtotal_mb": 2048,
            })
        );
        assert_eq!(family("linuxmint", &["ubuntu".into(), "debian".into()]), "Debian");
        assert_eq!(family("nixos", &[]), "nixos");
    }
}
