//! A package of the operating system, as dpkg knows it.

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};

/// Which package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OsPackageQuery {
    /// Its name.
    pub name: String,
}

/// A package that is installed whole. One that is half installed, or of which only configuration is left, is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsPackage {
    /// Its version, as Debian writes it.
    pub version: String,
}

pub(super) const FUNCTION: &str = r#"dp() {
command -v dpkg-query >/dev/null 2>&1 || { e unknown "there is no dpkg-query: only apt's packages are known"; return; }
o=$(dpkg-query -W -f '${db:Status-Status} ${Version}' -- "$1" 2>&1) || { case $o in *"no packages found"*) e absent 1;; *) e unknown "dpkg-query: $o";; esac; return; }
case $o in "installed "*) e version "${o#* }";; *) e absent 1;; esac
}
"#;

pub(super) fn call(query: &OsPackageQuery) -> String {
    format!("dp {}", quote(&query.name))
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<OsPackage> {
    match answer.get("version") {
        Some(version) => Observed::Known(OsPackage { version: version.to_owned() }),
        None => Observed::Absent,
    }
}
