//! Names of hosts and groups, checked once and trusted after that.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text can't be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a {what} name can't be empty")]
    Empty {
        /// `host` or `group`.
        what: &'static str,
    },
    /// The text holds a character that would be ambiguous in a pattern or unsafe in a message.
    #[error("{what} name {name:?} holds {character:?}, which patterns or terminals would read as something else")]
    Character {
        /// `host` or `group`.
        what: &'static str,
        /// The whole text.
        name: String,
        /// The first character that isn't allowed.
        character: char,
    },
}

/// Characters with a meaning in host patterns (`,:&!*~[]`), quotes, separators and anything that a
/// terminal or a shell would interpret are refused, so a name can be printed and matched as it is.
fn check(what: &'static str, text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    match text.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | '+' | '='))) {
        None => Ok(()),
        Some(character) => Err(NameError::Character { what, name: text.to_owned(), character }),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks and takes over a name.
            ///
            /// # Errors
            /// When it is empty or holds a character that isn't allowed in a name.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                check($what, text)?;
                Ok(Self(text.into()))
            }

            /// The name as written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// A host as the inventory names it (Ansible's `inventory_hostname`).
    HostName,
    "host"
);
name!(
    /// A group of hosts as the inventory names it.
    GroupName,
    "group"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_what_was_written() {
        assert_eq!(HostName::parse("gpu-01.example.org").unwrap().to_string(), "gpu-01.example.org");
        assert_eq!(format!("{:<6}|", GroupName::parse("all").unwrap()), "all   |");
    }

    #[test]
    fn names_that_a_pattern_or_a_terminal_would_misread_are_refused() {
        assert_eq!(HostName::parse(""), Err(NameError::Empty { what: "host" }));
        for bad in ["a b", "a:b", "!a", "a*", "a,b", "x[1]", "e\u{1b}[2J", "a/b", "a\n"] {
            assert!(matches!(HostName::parse(bad), Err(NameError::Character { .. })), "{bad:?}");
        }
    }
}
