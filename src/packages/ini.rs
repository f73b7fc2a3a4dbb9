//! pip's configuration files, as Python's `RawConfigParser` reads them. No I/O.

use std::collections::BTreeMap;

/// The values of one file, by section and key; keys are lower-case with dashes, as pip takes them.
pub(super) type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// Reads a configuration file: sections, `key = value` or `key: value`, values that go on in indented lines, and whole
/// lines of comment. There is no interpolation, and `#` behind a value belongs to it.
///
/// # Errors
/// What is wrong, with the number of the line. The line itself is not shown: it may hold a password.
pub(super) fn parse(text: &str) -> Result<Sections, String> {
    let mut sections = Sections::new();
    let mut section: Option<String> = None;
    let mut key: Option<String> = None;
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let within = section.as_ref().map(|name| sections.entry(name.clone()).or_default());
        if line.starts_with([' ', '\t'])
            && let (Some(values), Some(key)) = (within, &key)
        {
            let value: &mut String = values.entry(key.clone()).or_default();
            value.push('\n');
            value.push_str(trimmed);
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[') {
            let name = name.split(']').next().filter(|name| name.len() + 1 < trimmed.len());
            let name = name.ok_or_else(|| format!("line {number}: a section has no closing bracket"))?;
            sections.entry(name.to_owned()).or_default();
            section = Some(name.to_owned());
            key = None;
            continue;
        }
        let Some(name) = &section else {
            return Err(format!("line {number}: a setting stands outside of any section"));
        };
        let (found, value) = trimmed
            .split_once(['=', ':'])
            .ok_or_else(|| format!("line {number}: expected `key = value`, a section or a comment"))?;
        let found = normalize_key(found.trim());
        sections.entry(name.clone()).or_default().insert(found.clone(), value.trim().to_owned());
        key = Some(found);
    }
    Ok(sections)
}

/// pip's own way to compare keys (`_normalize_name`).
pub(super) fn normalize_key(key: &str) -> String {
    let key = key.to_lowercase().replace('_', "-");
    key.strip_prefix("--").map(str::to_owned).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_python_does() {
        let text = "# site\n[global]\nIndex_URL = https://a:b@x/simple # no comment\n--find-links =\n    /srv/a\n\n    https://x/b\ntimeout: 60\n[install]\n; none\nno-index = yes\n";
        let read = parse(text).unwrap();
        assert_eq!(read["global"]["index-url"], "https://a:b@x/simple # no comment");
        assert_eq!(read["global"]["find-links"], "\n/srv/a\nhttps://x/b");
        assert_eq!(read["global"]["timeout"], "60");
        assert_eq!(read["install"]["no-index"], "yes");
    }

    #[test]
    fn mistakes_have_their_line_but_not_its_text() {
        for (text, expected) in [
            ("index-url = https://a:s3cr3t@x\n", "line 1: a setting stands outside"),
            ("[global]\n\ns3cr3t\n", "line 3: expected"),
            ("[global\n", "line 1: a section has no closing bracket"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(expected) && !error.contains("s3cr3t"), "{error}");
        }
    }
}
