//! The words of everything that operators write, each with its meaning and what may stand there. Pure.
//!
//! Two things are made of these tables: the JSON Schemas that editors complete and check by ([`json_schemas`]), and the check of
//! the bodies of tasks that no host evaluates (`lint`). The decoders don't read them; the tests of this module put a wrong word
//! to every decoder and hold what it says that it knows against the table, so that neither can have a word more.

mod component;
mod files;
mod json_schema;
mod kinds;
mod playbook;
#[cfg(test)]
mod tests;

pub use json_schema::{json_schema, json_schema_names, json_schemas};

use crate::playbook::TaskKind;

/// One field of a mapping.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// As it is written.
    pub name: &'static str,
    /// What may stand there.
    pub shape: Shape,
    /// Whether it has to be there.
    pub is_required: bool,
    /// What it means, in a sentence.
    pub meaning: &'static str,
}

/// What may stand somewhere. Inside plays, tasks and roles a template may stand wherever a single value may.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Anything at all.
    Anything,
    /// One text; a number counts as one.
    Text,
    /// A text that begins with `/`.
    Path,
    /// Yes or no.
    Truth,
    /// A whole number.
    Number,
    /// Seconds, or a number with units (`1h30m`).
    Time,
    /// A release: a text, for YAML would lose digits of a number.
    Release,
    /// The mode of a file in octal digits.
    Mode,
    /// A date, as in 2026-12-31.
    Date,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A mapping with these fields and no others.
    Fields(&'static [Word]),
    /// A mapping of names that the writer chooses.
    Named(&'static Shape),
    /// A list.
    List(&'static Shape),
    /// One, or a list of them.
    Some(&'static Shape),
    /// Either of two.
    Either(&'static Shape, &'static Shape),
    /// Something that is defined once, by its name there.
    Defined(&'static str),
}

/// A field that may be left out.
pub(crate) const fn may(name: &'static str, shape: Shape, meaning: &'static str) -> Word {
    Word { name, shape, is_required: false, meaning }
}

/// A field that has to be there.
pub(crate) const fn must(name: &'static str, shape: Shape, meaning: &'static str) -> Word {
    Word { name, shape, is_required: true, meaning }
}

/// The fields of the body of a task of this kind; `None` for a kind whose body is no mapping.
#[must_use]
pub fn body_words(kind: TaskKind) -> Option<&'static [Word]> {
    match kind {
        TaskKind::Component => Some(component::COMPONENT),
        TaskKind::Meta => None,
        TaskKind::Assert | TaskKind::Debug | TaskKind::Fail | TaskKind::Plain(_) => {
            kinds::KINDS.iter().find(|(word, ..)| *word == kind.word()).map(|(_, _, fields)| *fields)
        }
    }
}

/// What a kind is for, in a sentence.
#[must_use]
pub fn meaning_of(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Component => component::MEANING,
        TaskKind::Meta => {
            "Something about the run itself: flush_handlers does handlers that were notified here, noop does nothing."
        }
        TaskKind::Assert | TaskKind::Debug | TaskKind::Fail | TaskKind::Plain(_) => {
            kinds::KINDS.iter().find(|(word, ..)| *word == kind.word()).map_or("", |(_, meaning, _)| meaning)
        }
    }
}
