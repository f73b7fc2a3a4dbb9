//! Tags: the names by which a run takes some tasks and leaves others out. The rules are Ansible's.

use std::collections::BTreeSet;

use crate::document::{Diagnostic, Diagnostics, Node, Value};

/// The tags of something, with all that it inherits.
pub type Tags = BTreeSet<String>;

/// `--tags` and `--skip-tags`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagSelection {
    /// What is taken; nothing stands for `all`.
    pub only: Tags,
    /// What is left out.
    pub skip: Tags,
}

impl TagSelection {
    /// From the words of the command line, each with one tag or several behind commas.
    #[must_use]
    pub fn of(only: &[String], skip: &[String]) -> Self {
        let read = |words: &[String]| words.iter().flat_map(|word| split(word)).collect();
        Self { only: read(only), skip: read(skip) }
    }

    /// Whether everything is taken but what says `never`.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.skip.is_empty() && (self.only.is_empty() || self.only.iter().all(|tag| tag == "all"))
    }

    /// Whether something with these tags is taken. `always` is taken unless it is skipped, `never` only when one of its
    /// tags is asked for by name; `tagged`, `untagged` and `all` stand for what they say.
    #[must_use]
    pub fn takes(&self, tags: &Tags) -> bool {
        let asked = |tag: &str| self.only.contains(tag);
        let never = tags.contains("never");
        let taken = tags.contains("always")
            || ((self.only.is_empty() || asked("all")) && !never)
            || tags.iter().any(|tag| asked(tag))
            || (asked("tagged") && !tags.is_empty() && !never)
            || (asked("untagged") && tags.is_empty());
        taken && !self.leaves_out(tags)
    }

    fn leaves_out(&self, tags: &Tags) -> bool {
        let skipped = |tag: &str| self.skip.contains(tag);
        if skipped("all") {
            return !tags.contains("always") || skipped("always");
        }
        tags.iter().any(|tag| skipped(tag))
            || (skipped("tagged") && !tags.is_empty())
            || (skipped("untagged") && tags.is_empty())
    }
}

fn split(text: &str) -> impl Iterator<Item = String> {
    text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned)
}

/// Reads `tags`: one, several behind commas, or a list.
pub(super) fn read(node: &Node) -> Result<Tags, Diagnostics> {
    let items = match &node.value {
        Value::Sequence(items) => items.as_slice(),
        Value::Null | Value::Scalar(_) | Value::Mapping(_) => std::slice::from_ref(node),
    };
    let mut mistakes = Diagnostics::new();
    let mut tags = Tags::new();
    for item in items {
        let Some(text) = mistakes.keep(item.as_str().map_err(|_| item.unexpected("a tag, or a list of them"))) else {
            continue;
        };
        if text.contains("{{") {
            let message = "tags can't be templates: they are asked for before anything is rendered";
            mistakes.push(Diagnostic::at(&item.span, message).hint("write the tag itself"));
        } else {
            tags.extend(split(text));
        }
    }
    mistakes.or_ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(only: &str, skip: &str, tags: &str) -> bool {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        TagSelection::of(&words(only), &words(skip)).takes(&split(tags).collect())
    }

    /// What ansible-core 2.18 answers for the same.
    #[test]
    fn tags_choose_what_ansible_chooses() {
        for (only, skip, tags, taken) in [
            ("", "", "", true),
            ("", "", "a", true),
            ("", "", "never", false),
            ("", "", "never,a", false),
            ("", "", "always,never", true),
            ("a", "", "", false),
            ("a", "", "a,b", true),
            ("a,c", "", "c", true),
            ("a", "", "always", true),
            ("a", "", "never,a", true),
            ("never", "", "never", true),
            ("all", "", "never", false),
            ("all", "", "a", true),
            ("tagged", "", "", false),
            ("tagged", "", "a", true),
            ("tagged", "", "never,a", false),
            ("untagged", "", "", true),
            ("untagged", "", "a", false),
            ("untagged", "", "always", true),
            ("", "a", "a,b", false),
            ("", "a", "b", true),
            ("", "always", "always", false),
            ("a", "always", "always", false),
            ("", "tagged", "a", false),
            ("", "tagged", "", true),
            ("", "tagged", "always", false),
            ("", "untagged", "", false),
            ("", "all", "a", false),
            ("", "all", "always", true),
            ("a", "a", "a", false),
            ("a", "b", "a,b", false),
        ] {
            assert_eq!(takes(only, skip, tags), taken, "--tags '{only}' --skip-tags '{skip}' of [{tags}]");
        }
    }

    #[test]
    fn tags_are_read_in_every_way_that_people_write_them() {
        let read = |text: &str| {
            let node = Node::parse(&crate::document::Source::new("t.yaml", text)).unwrap();
            super::read(&node).map(|tags| tags.into_iter().collect::<Vec<_>>().join(" ")).map_err(|d| d.to_string())
        };
        assert_eq!(read("a"), Ok("a".into()));
        assert_eq!(read("b, a"), Ok("a b".into()));
        assert_eq!(read("[a, 'b,c']"), Ok("a b c".into()));
        assert!(read("'{{x}}'").unwrap_err().starts_with("t.yaml:1:1: tags can't be templates"));
        assert!(read("[[a]]").unwrap_err().contains("a tag, or a list of them"));
    }
}
