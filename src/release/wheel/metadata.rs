//! `METADATA` of a wheel: core metadata as packaging.python.org specifies it, of which four fields matter here. Pure.

use std::collections::BTreeMap;

use crate::release::Release;
use crate::release::normalize_name;

/// What a `METADATA` file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelMetadata {
    /// `Name`, as written.
    pub name: String,
    /// `Version`.
    pub release: Release,
    /// `Requires-Python`, as written.
    pub requires_python: Option<String>,
    /// The packages that it demands in exactly one release, by normalised name. Requirements with a marker are left
    /// out: they hold only for an extra, or only on some machines.
    pub pins: BTreeMap<String, Release>,
}

/// A `METADATA` file that lacks what every one must have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// It isn't UTF-8.
    #[error("METADATA: expected UTF-8, found other bytes")]
    NotUtf8,
    /// A field is missing.
    #[error("METADATA has no {0}")]
    Missing(&'static str),
    /// The version can't be compared.
    #[error("METADATA: Version {0:?} is not a release as PEP 440 has it")]
    Version(String),
}

/// Reads a `METADATA` file.
///
/// # Errors
/// When it isn't UTF-8, or name or version are missing or unreadable.
pub fn parse_metadata(bytes: &[u8]) -> Result<WheelMetadata, MetadataError> {
    let text = std::str::from_utf8(bytes).map_err(|_| MetadataError::NotUtf8)?;
    let fields = fields(text);
    let first =
        |name: &'static str| fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let name = first("Name").filter(|name| !name.is_empty()).ok_or(MetadataError::Missing("Name"))?;
    let version = first("Version").ok_or(MetadataError::Missing("Version"))?;
    let release = Release::parse(version).map_err(|_| MetadataError::Version(version.clone()))?;
    let pins = fields
        .iter()
        .filter(|(field, _)| field.eq_ignore_ascii_case("Requires-Dist"))
        .filter_map(|(_, requirement)| exact_pin(requirement))
        .collect();
    Ok(WheelMetadata { name: name.clone(), release, requires_python: first("Requires-Python").cloned(), pins })
}

/// The header fields: up to the first empty line, continuation lines joined by a blank.
fn fields(text: &str) -> Vec<(&str, String)> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    for line in text.lines().take_while(|line| !line.trim_end_matches('\r').is_empty()) {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim(), value.trim().to_owned()));
        }
    }
    fields
}

/// Name and release of a requirement that allows just one release: `name==1.2`, `name[extra] (==1.2)`.
fn exact_pin(requirement: &str) -> Option<(String, Release)> {
    // `;` starts a marker. (A requirement by URL may hold one, too, and is no pin of a release either.)
    if requirement.contains([';', '@']) {
        return None;
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let (name, rest) = requirement.split_at(requirement.find(|c| !is_name(c)).unwrap_or(requirement.len()));
    let mut rest = rest.trim();
    if let Some(extras) = rest.strip_prefix('[') {
        rest = extras.split_once(']')?.1.trim();
    }
    let rest = rest.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(rest);
    let pinned = rest.split(',').find_map(|clause| {
        let clause = clause.trim();
        let version = clause.strip_prefix("===").or_else(|| clause.strip_prefix("=="))?.trim();
        // `==24.9.*` allows a whole train, and isn't a release.
        Release::parse(version).ok()
    })?;
    (!name.is_empty()).then(|| (normalize_name(name), pinned))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn name_release_python_and_pins_are_read() {
        let metadata = parse_metadata(
            b"Metadata-Version: 2.1\r\nName: backend.ai-manager\nVersion: 24.9.14\nRequires-Python: <3.13,>=3.12\n\
              Requires-Dist: backend.ai-common==24.09.14\nRequires-Dist: SQLAlchemy[postgresql_asyncpg]~=2.0.45\n\
              Summary: goes\n  on\n\nRequires-Dist: not-a-header==1\n",
        )
        .unwrap();
        assert_eq!((metadata.name.as_str(), metadata.release.to_string()), ("backend.ai-manager", "24.9.14".into()));
        assert_eq!(metadata.requires_python.as_deref(), Some("<3.13,>=3.12"));
        assert_eq!(
            metadata.pins,
            BTreeMap::from([("backend-ai-common".to_owned(), Release::parse("24.9.14").unwrap())])
        );
    }

    #[rstest]
    #[case("backend.ai-common==24.09.14", Some(("backend-ai-common", "24.9.14")))]
    #[case("backend.ai-common (==23.09.10)", Some(("backend-ai-common", "23.9.10")))]
    #[case("Some_Thing[a,b] == 1.0 , !=1.1", Some(("some-thing", "1.0")))]
    #[case("x===1.0", Some(("x", "1.0")))]
    #[case("x==1.*", None)]
    #[case("x~=1.0", None)]
    #[case("x>=1.0,<2", None)]
    #[case("x", None)]
    #[case("x==1.0; extra == 'dev'", None)]
    #[case("x==1.0 ; sys_platform == \"win32\"", None)]
    #[case("x @ https://example.com/x-1.0.whl", None)]
    #[case("x[broken==1.0", None)]
    fn only_exact_requirements_are_pins(#[case] requirement: &str, #[case] expected: Option<(&str, &str)>) {
        let expected = expected.map(|(name, release)| (name.to_owned(), Release::parse(release).unwrap()));
        assert_eq!(exact_pin(requirement), expected);
    }

    #[test]
    fn what_every_metadata_has_is_demanded() {
        assert_eq!(parse_metadata(b"Version: 1\n"), Err(MetadataError::Missing("Name")));
        assert_eq!(parse_metadata(b"Name: x\n"), Err(MetadataError::Missing("Version")));
        assert_eq!(parse_metadata(b"Name: x\nVersion: new\n"), Err(MetadataError::Version("new".into())));
        assert_eq!(parse_metadata(b"Name: \xff\n"), Err(MetadataError::NotUtf8));
    }
}
