//! YAML text → a tree of nodes that know where they were written, and mistakes that show the line. Pure.
//!
//! Everything that operators write (inventories, variables, playbooks, roles) is read through this module, so
//! that every mistake has a file, a line, a column and the line itself. [`Node::parse`] gives the tree, the
//! `as_…` methods of [`Node`] give typed values, and [`Fields`] decodes a mapping by hand and collects *all* of
//! its mistakes. Scalars keep their raw text: `25.10` never becomes `25.1`, and `yes` is a boolean only where
//! a boolean is asked for.
//!
//! It must not read files and knows nothing of what the documents mean.

mod command_line;
mod diagnostic;
mod fields;
mod nearest;
mod node;
mod parse;
mod scalar;
mod source;

pub use command_line::{parse_assignments, split_words};
pub use diagnostic::{Diagnostic, Diagnostics, place_of, printable};
pub use fields::Fields;
pub use nearest::{did_you_mean, nearest};
pub use node::{Node, Scalar, ScalarStyle, Value};
pub use source::{Position, Source, Span};
