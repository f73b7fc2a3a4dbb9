//! What is no mistake and yet hardly meant.

use std::fmt;

use crate::document::Diagnostic;

/// A warning: a run would not refuse it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What kind of thing it is.
    pub kind: WarningKind,
    /// Where, what, and what to write instead.
    pub diagnostic: Diagnostic,
}

/// The kinds of warnings. Their codes stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WarningKind {
    /// A name that nothing in the project gives a value; `-e` may.
    UndefinedVariable,
    /// The mode of a file without quotes.
    UnquotedMode,
    /// A number that other readers of YAML lose a digit of.
    UnquotedNumber,
    /// A file of a role's tasks that nothing imports.
    UnusedFile,
    /// A handler that nothing notifies.
    UnusedHandler,
    /// A variable of a role that nothing uses.
    UnusedVariable,
}

impl WarningKind {
    /// All of them, by their codes.
    pub const ALL: [Self; 6] = [
        Self::UndefinedVariable,
        Self::UnquotedMode,
        Self::UnquotedNumber,
        Self::UnusedFile,
        Self::UnusedHandler,
        Self::UnusedVariable,
    ];

    /// The code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::UndefinedVariable => "undefined-variable",
            Self::UnquotedMode => "unquoted-mode",
            Self::UnquotedNumber => "unquoted-number",
            Self::UnusedFile => "unused-file",
            Self::UnusedHandler => "unused-handler",
            Self::UnusedVariable => "unused-variable",
        }
    }
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}
