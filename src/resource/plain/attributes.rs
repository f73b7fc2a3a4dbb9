//! Mode and owners of what lies at a path.

use serde::{Deserialize, Serialize};

use crate::document::{Diagnostic, Fields, Node};
use crate::facts::Stat;
use crate::model::shell_quote as q;

/// Mode and owners; what isn't declared is left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// The owner, by name or number.
    pub owner: Option<String>,
    /// The group, by name or number.
    pub group: Option<String>,
    /// Permission bits.
    pub mode: Option<u32>,
}

impl Attributes {
    /// Reads `owner`, `group` and `mode`.
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let owner = fields.given("owner", name);
        let group = fields.given("group", name);
        let mode = fields.given("mode", mode);
        Self { owner, group, mode }
    }

    /// What of `stat` is to change.
    pub(super) fn changes(&self, stat: &Stat) -> Vec<String> {
        let mut changes = Vec::new();
        let mut note = |what: &str, declared: Option<String>, found: &str| {
            if let Some(declared) = declared.filter(|declared| declared != found) {
                changes.push(format!("{what} {found} -> {declared}"));
            }
        };
        note("owner", self.owner.clone(), &stat.owner);
        note("group", self.group.clone(), &stat.group);
        note("mode", self.mode.map(octal), &octal(stat.mode));
        changes
    }

    /// Commands that set them on a path; each ends the script where it fails.
    pub(super) fn script(&self, path: &str) -> String {
        let mut text = String::new();
        // Setting an owner clears set-user-id, so the mode comes last. `-h`: never through a link.
        if let Some(owner) = &self.owner {
            text.push_str(&format!("chown -h -- {} {path} || exit\n", q(owner)));
        }
        if let Some(group) = &self.group {
            text.push_str(&format!("chgrp -h -- {} {path} || exit\n", q(group)));
        }
        if let Some(mode) = self.mode {
            text.push_str(&format!("chmod -- {mode:04o} {path} || exit\n"));
        }
        text
    }
}

/// `0644`.
pub(super) fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}

/// `0644 root:root`.
pub(super) fn in_words(stat: &Stat) -> String {
    format!("{} {}:{}", octal(stat.mode), stat.owner, stat.group)
}

/// A name that no tool takes for an option or for two words.
pub(super) fn name(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_filled_text()?;
    let fine = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$' | '@' | '\\');
    if text.starts_with('-') || !text.chars().all(fine) {
        return Err(Diagnostic::at(&node.span, format!("\"{text}\" can't be the name of a user or a group")));
    }
    Ok(text)
}

/// Octal digits, as `chmod` takes them. A number without quotes is read as it is written, not as YAML would.
fn mode(node: &Node) -> Result<u32, Diagnostic> {
    let text = node.as_text()?;
    let digits = text.trim().trim_start_matches("0o");
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o7777 && digits.len() >= 3 => Ok(mode),
        Ok(_) | Err(_) => Err(Diagnostic::at(&node.span, format!("\"{text}\" is no mode in octal digits"))
            .hint("as in `mode: \"0644\"`; letters as in u=rw aren't taken")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Diagnostics, Source};
    use crate::facts::StatKind;
    use crate::model::Timestamp;

    fn read(text: &str) -> Result<Attributes, Diagnostics> {
        let node = Node::parse(&Source::new("t.yaml", text)).unwrap();
        let mut fields = Fields::of(&node, "file").unwrap();
        let read = Attributes::read(&mut fields);
        fields.build(|| Some(read))
    }

    #[test]
    fn modes_are_octal_however_they_are_written() {
        for (text, mode) in
            [("mode: 0644", 0o644), ("mode: '0644'", 0o644), ("mode: 755", 0o755), ("mode: '02755'", 0o2755)]
        {
            assert_eq!(read(text).unwrap().mode, Some(mode), "{text}");
        }
        for text in ["mode: u=rw", "mode: 9", "mode: '77777'", "mode: 8", "owner: -R", "group: a b"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(read("owner: ''").unwrap(), Attributes::default());
    }

    #[test]
    fn only_what_is_declared_is_compared() {
        let (owner, group) = ("root".to_owned(), "adm".to_owned());
        let stat = Stat { kind: StatKind::Directory, mode: 0o750, owner, group, bytes: 0, modified: Timestamp(0) };
        assert!(read("owner: root").unwrap().changes(&stat).is_empty());
        assert_eq!(
            read("{owner: bai, group: adm, mode: '0755'}").unwrap().changes(&stat),
            ["owner root -> bai", "mode 0750 -> 0755"]
        );
    }
}
