//! Several tasks in one place: blocks, files of tasks, roles in a list of tasks.
//!
//! Everything is known before anything is done, so `include_…` means the same as `import_…`, and may have a `loop`.

use super::entry::{Entry, Reader};
use super::keywords;
use super::play::{RoleCall, read_role_call};
use super::repeat::{self, Repeat};
use super::shared::{self, Shared};
use super::task::{head, kinds};
use crate::document::{Diagnostic, Diagnostics, Fields, Node, Span};
use crate::inventory::Level;

/// Several tasks that share what is said of them.
#[derive(Debug, Clone)]
pub struct Group {
    /// Where it starts.
    pub span: Span,
    /// `name`, if it has one.
    pub name: Option<Node>,
    /// The tasks.
    pub contents: Contents,
    /// What holds for all of them.
    pub shared: Shared,
    /// `loop` of `include_tasks` and `include_role`.
    pub repeat: Option<Repeat>,
}

/// Where the tasks of a [`Group`] come from.
#[derive(Debug, Clone)]
pub enum Contents {
    /// `block`, with `rescue` and `always`.
    Block {
        /// The tasks.
        tasks: Vec<Entry>,
        /// What is done when one of them fails.
        rescue: Vec<Entry>,
        /// What is done afterwards, however they end.
        always: Vec<Entry>,
    },
    /// `import_tasks`, `include_tasks`.
    File {
        /// The file.
        path: String,
        /// Its tasks.
        tasks: Vec<Entry>,
    },
    /// `import_role`, `include_role`.
    Role(Box<RoleCall>),
}

/// The words that make an entry a group.
pub(super) const WORDS: [&str; 5] = ["block", "import_tasks", "include_tasks", "import_role", "include_role"];

/// The word that makes this entry a group, if one does.
pub(super) fn word_of(node: &Node) -> Option<&'static str> {
    let entries = node.as_mapping().ok()?;
    let short = |key: &Node| key.key_text().trim_start_matches("ansible.builtin.").to_owned();
    // A mapping below `block` is a block of lines in a file, a kind of task.
    let is_kind = |word: &str, value: &Node| word == "block" && value.as_mapping().is_ok() && !value.is_null();
    WORDS.into_iter().find(|word| entries.iter().any(|(key, value)| short(key) == *word && !is_kind(word, value)))
}

pub(super) fn read(reader: &Reader<'_>, node: &Node, word: &'static str) -> Result<Group, Diagnostics> {
    let what = format!("`{word}`");
    let mut fields = Fields::of(node, what.clone())?;
    let name = fields.optional("name", |node| node.as_str().map(|_| node.clone()));
    let shared = shared::read(&mut fields, Level::Block, word);
    let repeat = if word.starts_with("include_") { repeat::read(&mut fields) } else { None };
    let contents = match word {
        "block" => read_block(reader, &mut fields),
        _ => None,
    };
    let mut problems = Diagnostics::new();
    let mut included = None;
    for (key, value) in fields.rest() {
        if key.key_text().trim_start_matches("ansible.builtin.") == word {
            included = match word {
                "import_role" | "include_role" => {
                    problems.keep(read_role_call(value, word)).map(|call| Contents::Role(Box::new(call)))
                }
                _ => problems.keep(read_file(reader, value)),
            };
        } else if matches!(key.key_text(), "loop" | "loop_control") {
            let message = format!("`{}` of `{word}` isn't possible", key.key_text());
            let hint = match word {
                "block" => "put the tasks into a file and write include_tasks with the loop",
                _ => "write include_tasks or include_role with the loop",
            };
            problems.push(Diagnostic::at(&key.span, message).hint(hint));
        } else {
            problems.push(keywords::refuse(key, &kinds()).unwrap_or_else(|| unknown(key, word)));
        }
    }
    fields.mistake(problems);
    let span = head(node);
    fields.build(|| Some(Group { span, name, contents: contents.or(included)?, shared, repeat }))
}

fn read_block(reader: &Reader<'_>, fields: &mut Fields<'_>) -> Option<Contents> {
    let tasks = fields.required("block", |node| reader.entries(node));
    let rescue = fields.optional("rescue", |node| reader.entries(node)).unwrap_or_default();
    let always = fields.optional("always", |node| reader.entries(node)).unwrap_or_default();
    Some(Contents::Block { tasks: tasks?, rescue, always })
}

/// `import_tasks: FILE` or `import_tasks: {file: FILE}`.
fn read_file(reader: &Reader<'_>, node: &Node) -> Result<Contents, Diagnostics> {
    let mut named = None;
    let file = match node.as_str() {
        Ok(_) => node,
        Err(_) => {
            let mut fields = Fields::of(node, "the file of tasks")?;
            fields.refuse("apply", || "`apply` isn't needed".into(), "write `tags`, `become`, … beside include_tasks");
            named = fields.required("file", |node| node.as_str().map(|_| node.clone())).or(named);
            fields.finish()?;
            named.as_ref().unwrap_or(node)
        }
    };
    if file.as_str()?.contains("{{") {
        return Err(Diagnostic::at(&file.span, "the name of a file of tasks can't be a template")
            .hint("write one include_tasks for each file, each with its `when`")
            .into());
    }
    let (path, tasks) = reader.file(file)?;
    Ok(Contents::File { path, tasks })
}

fn unknown(key: &Node, word: &str) -> Diagnostic {
    let all: Vec<&str> = ["name"].into_iter().chain(shared::FIELDS).collect();
    let hint = crate::document::did_you_mean(key.key_text(), all.iter().copied())
        .unwrap_or_else(|| format!("it has {}", all.join(", ")));
    Diagnostic::at(&key.span, format!("`{word}` has no field `{}`", key.key_text())).hint(hint)
}
