//! The files that a playbook names: read by whoever has a file system, asked for by name here.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::document::{Diagnostic, Node, Source, did_you_mean, nearest};

/// Reads files by the path that a playbook or role gives them. What reads a playbook asks through this trait, so that
/// reading stays pure and tests need no directory.
pub trait Files: fmt::Debug {
    /// The text of a file; `None` when there is none of that path.
    ///
    /// # Errors
    /// When it is there and can't be read.
    fn read(&self, path: &str) -> Result<Option<Arc<Source>>, Diagnostic>;

    /// The names of the files in a directory (as `directory_of` gives it), to suggest one instead of a mistyped one.
    fn names_in(&self, directory: &str) -> Vec<String>;
}

/// Files that are there already, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownFiles(pub BTreeMap<String, Arc<Source>>);

impl Files for KnownFiles {
    fn read(&self, path: &str) -> Result<Option<Arc<Source>>, Diagnostic> {
        Ok(self.0.get(path).cloned())
    }

    fn names_in(&self, directory: &str) -> Vec<String> {
        let names = self.0.keys().filter_map(|path| path.strip_prefix(directory));
        names.filter(|name| !name.contains('/')).map(str::to_owned).collect()
    }
}

/// The directory that a file lies in, as part of a path: empty, or with a slash at its end.
pub(crate) fn directory_of(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..=at])
}

/// A path as seen from a directory, without `.` and `..` where they lead nowhere.
pub(crate) fn join(directory: &str, name: &str) -> String {
    let whole = if name.starts_with('/') { name.to_owned() } else { format!("{directory}{name}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "." => {}
            "" if !parts.is_empty() => {}
            ".." if parts.last().is_some_and(|last| !matches!(*last, "" | "..")) => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The mistake that a file isn't there, with one that is called nearly the same.
pub(crate) fn no_such_file(node: &Node, tried: &[String], files: &dyn Files) -> Diagnostic {
    let wanted = node.key_text().rsplit('/').next().unwrap_or_default();
    let names: Vec<String> = tried.iter().flat_map(|path| files.names_in(directory_of(path))).collect();
    let hint = near_file(wanted, &names);
    Diagnostic::at(&node.span, format!("there is no file {}", tried.join(", nor "))).maybe_hint(hint)
}

/// "did you mean" for the name of a file: one with nearly the same stem, for most end alike.
pub(crate) fn near_file(wanted: &str, names: &[String]) -> Option<String> {
    fn stem(name: &str) -> &str {
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }
    let near = names.iter().map(String::as_str).filter(|name| !nearest(stem(wanted), [stem(name)]).is_empty());
    did_you_mean(wanted, near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_as_a_person_would_write_them() {
        for (directory, name, joined) in [
            ("", "a.yaml", "a.yaml"),
            ("playbooks/", "./x/../vars/a.yaml", "playbooks/vars/a.yaml"),
            ("playbooks/", "../roles/a", "roles/a"),
            ("", "../a", "../a"),
            ("/srv/p/", "../a", "/srv/a"),
            ("p/", "/etc//a", "/etc/a"),
        ] {
            assert_eq!(join(directory, name), joined);
        }
        assert_eq!((directory_of("a/b.yaml"), directory_of("b.yaml")), ("a/", ""));
    }
}
