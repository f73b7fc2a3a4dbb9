//! `package`: packages of Debian and Ubuntu.

use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::document::{Diagnostic, Diagnostics, Fields, Node};
use crate::facts::{HostFacts, Observed, OsPackageQuery, Query};
use crate::model::shell_quote as q;

/// Downloads take their time.
pub(super) const LIMIT: u32 = 1800;

/// The body of a `package` task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageSpec {
    /// Their names.
    pub names: Vec<String>,
    /// The version that the only one of them must have.
    pub version: Option<String>,
    /// Whether they are to be there.
    pub present: bool,
}

impl PackageSpec {
    pub(super) fn read(node: &Node) -> Result<Self, Diagnostics> {
        let mut fields = Fields::of(node, "package")?;
        fields.refuse(
            "update_cache",
            || "`update_cache` isn't a field of `package`".into(),
            "remove it: the lists are fetched when something is to be installed",
        );
        let names = fields.required("name", names);
        let version = fields.given("version", super::filled);
        let present = fields.given("state", state).unwrap_or(true);
        if let (Some(names), Some(_)) = (&names, &version)
            && (names.len() != 1 || !present)
        {
            fields.mistake(Diagnostic::at(&node.span, "`version` is for one package that is to be there"));
        }
        fields.build(|| Some(Self { names: names?, version, present }))
    }

    fn query(name: &str) -> OsPackageQuery {
        OsPackageQuery { name: name.to_owned() }
    }

    pub(super) fn queries(&self) -> Vec<Query> {
        self.names.iter().map(|name| Query::OsPackage(Self::query(name))).collect()
    }

    pub(super) fn judge(&self, facts: &HostFacts) -> Verdict {
        let (mut states, mut changes) = (Vec::new(), Vec::new());
        for name in &self.names {
            let found = match facts.os_package(&Self::query(name)) {
                Observed::Unknown(reason) => return Verdict::Unknown(reason),
                Observed::Absent => None,
                Observed::Known(package) => Some(package.version.as_str()),
            };
            states.push(format!("{name} {}", found.unwrap_or("absent")));
            match (found, self.present, &self.version) {
                (None, true, version) => {
                    changes.push(format!("{name}: absent -> {}", version.as_deref().unwrap_or("installed")))
                }
                (Some(found), true, Some(version)) if found != version => {
                    changes.push(format!("{name}: {found} -> {version}"))
                }
                (Some(found), false, _) => changes.push(format!("{name}: {found} -> absent")),
                (Some(_), true, _) | (None, false, _) => {}
            }
        }
        Verdict::of(states.join(", "), changes)
    }

    pub(super) fn script(&self, _facts: &HostFacts) -> String {
        let words = |name: &String| match &self.version {
            Some(version) => q(&format!("{name}={version}")),
            None => q(name),
        };
        let names = self.names.iter().map(words).collect::<Vec<_>>().join(" ");
        let apt = "DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300";
        match self.present {
            false => format!("{apt} remove -- {names} || exit\n"),
            // Lists are fetched only where they are too old to install from.
            true => {
                let allow = if self.version.is_some() { " --allow-downgrades" } else { "" };
                let install = format!(
                    "{apt} -o Dpkg::Options::=--force-confold install --no-install-recommends{allow} -- {names}"
                );
                format!("{install} || {{ {apt} update && {install}; }} || exit\n")
            }
        }
    }
}

fn state(node: &Node) -> Result<bool, Diagnostic> {
    match node.as_text()?.trim() {
        "latest" => Err(Diagnostic::at(&node.span, "`latest` changes from day to day, and can't be declared")
            .hint("name a `version`, or leave it to the host's unattended upgrades")),
        _ => super::one_of(node, &[("present", true), ("absent", false)]),
    }
}

fn names(node: &Node) -> Result<Vec<String>, Diagnostics> {
    let names = super::texts(node)?;
    let fine = |name: &String| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | ':'))
    };
    match names.iter().find(|name| !fine(name)) {
        Some(name) => Err(Diagnostic::at(&node.span, format!("\"{name}\" can't be the name of a package"))
            .maybe_hint(name.split_once('=').map(|_| "the version goes into `version`".to_owned()))
            .into()),
        None => Ok(names),
    }
}
