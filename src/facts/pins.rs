//! Which distributions of an environment pin which others exactly, from their `METADATA`.
//!
//! `pip install -U` of one package exits 0 when it breaks the pins of another: what would break must be known before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};
use crate::release::{Release, normalize_name};

/// Which environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PinsQuery {
    /// Its directory.
    pub venv: String,
}

/// Exact pins by normalised names: who, on what, at which release.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pins {
    /// For each distribution what it pins.
    pub pins: BTreeMap<String, BTreeMap<String, Release>>,
}

/// A requirement behind `;` depends on an extra or a platform: only what stands before it is a pin of its own.
pub(super) const FUNCTION: &str = r#"q() {
[ -d "$1" ] || { e absent 1; return; }
for s in "$1"/lib/python3*/site-packages; do cd "$s" 2>/dev/null || continue
e pins "$(grep -aHE '^Requires-Dist:[^;]*==' -- *.dist-info/METADATA 2>/dev/null | tr '\n\t\r' '|  ')"; done
}
"#;

pub(super) fn call(query: &PinsQuery) -> String {
    format!("q {}", quote(&query.venv))
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Pins> {
    if answer.get("absent").is_some() {
        return Observed::Absent;
    }
    let mut pins = Pins::default();
    for line in answer.all("pins").flat_map(|lines| lines.split('|')) {
        if let Some((from, on, release)) = pin(line) {
            pins.pins.entry(from).or_default().insert(on, release);
        }
    }
    Observed::Known(pins)
}

/// `NAME-VERSION.dist-info/METADATA:Requires-Dist: NAME (==VERSION) ; MARKER`
fn pin(line: &str) -> Option<(String, String, Release)> {
    let (directory, requirement) = line.split_once(".dist-info/METADATA:Requires-Dist:")?;
    let from = directory.rsplit_once('-').map_or(directory, |(name, _)| name);
    let (requirement, marker) = requirement.split_once(';').unwrap_or((requirement, ""));
    if marker.contains("extra") {
        return None;
    }
    let (name, specifier) = requirement.split_once("==")?;
    let name = name.trim().trim_end_matches('(').trim();
    let name = name.split('[').next().unwrap_or(name).trim();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let specifier = specifier.trim().trim_end_matches(')').trim();
    // `==1.2.*` and a second condition are ranges, which pip resolves.
    let release = Release::parse(specifier.trim_start_matches('=')).ok()?;
    plain.then(|| (normalize_name(from), normalize_name(name), release))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_pins_are_read_in_both_spellings_and_ranges_are_not_pins() {
        let head = "backend.ai_manager-23.9.8.dist-info/METADATA:Requires-Dist:";
        let read = |rest: &str| pin(&format!("{head} {rest}")).map(|(from, on, r)| format!("{from} {on} {r}"));
        for spelled in
            ["backend.ai-common (==23.09.8)", "backend.ai-common==23.09.8", "backend_ai_common[x] ===23.09.8"]
        {
            assert_eq!(read(spelled).unwrap(), "backend-ai-manager backend-ai-common 23.09.8", "{spelled}");
        }
        assert!(read("yarl==1.8.2; python_version < \"4\"").is_some());
        for other in ["aiohttp (==3.8.*)", "x (>=1,!=2)", "x==1,<2", "pytest==7; extra == \"test\"", "x>=1 ; y == '2'"]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
