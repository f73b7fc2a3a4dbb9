//! Lists of tasks: single ones, blocks, and what is imported from files and roles.

use std::cell::RefCell;

use super::files::{Files, directory_of, join, no_such_file};
use super::group::{self, Group};
use super::task::{self, Task};
use crate::document::{Diagnostic, Diagnostics, Node};

/// Reads a file of tasks by itself, as if something imported it.
///
/// # Errors
/// All its mistakes.
pub fn read_tasks(
    source: &std::sync::Arc<crate::document::Source>,
    files: &dyn Files,
) -> Result<Vec<Entry>, Diagnostics> {
    Node::parse(source).and_then(|node| Reader::new(files, &source.path).entries(&node))
}

/// One entry of a list of tasks.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A task.
    Task(Box<Task>),
    /// Several tasks that share what is said of them.
    Group(Box<Group>),
}

/// So deep may files import each other: a person loses track far sooner.
const DEPTH: usize = 16;

/// Reads lists of tasks, and the files that they import.
pub(super) struct Reader<'f> {
    files: &'f dyn Files,
    /// Where files are looked for beside the directory of the one that imports them.
    home: String,
    /// Whether handlers are read.
    handlers: bool,
    /// The files that are being read, outermost first.
    way: RefCell<Vec<String>>,
}

impl<'f> Reader<'f> {
    /// `path` is the file whose tasks are read.
    pub(super) fn new(files: &'f dyn Files, path: &str) -> Self {
        let way = RefCell::new(vec![path.to_owned()]);
        Self { files, home: directory_of(path).to_owned(), handlers: false, way }
    }

    /// The same for handlers.
    pub(super) fn of_handlers(files: &'f dyn Files, path: &str) -> Self {
        Self { handlers: true, ..Self::new(files, path) }
    }

    /// Reads a list of tasks; nothing stands for none.
    pub(super) fn entries(&self, node: &Node) -> Result<Vec<Entry>, Diagnostics> {
        if node.is_null() {
            return Ok(Vec::new());
        }
        let items = node.as_list().map_err(|_| node.unexpected("a list of tasks"))?;
        let mut mistakes = Diagnostics::new();
        let entries = items.iter().filter_map(|item| mistakes.keep(self.entry(item))).collect();
        mistakes.or_ok(entries)
    }

    fn entry(&self, node: &Node) -> Result<Entry, Diagnostics> {
        match group::word_of(node) {
            Some(word) => group::read(self, node, word).map(|group| Entry::Group(Box::new(group))),
            None => task::read_task(node, self.handlers).map(|task| Entry::Task(Box::new(task))),
        }
    }

    /// Reads the tasks of another file, which `node` names.
    pub(super) fn file(&self, node: &Node) -> Result<(String, Vec<Entry>), Diagnostics> {
        let name = node.as_filled_text()?;
        let beside = self.way.borrow().last().map(|path| directory_of(path).to_owned()).unwrap_or_default();
        let mut tried = vec![join(&beside, &name)];
        if self.home != beside {
            tried.push(join(&self.home, &name));
        }
        for path in &tried {
            let Some(source) = self.files.read(path)? else { continue };
            if self.way.borrow().contains(path) || self.way.borrow().len() > DEPTH {
                let way = self.way.borrow().join(" > ");
                return Err(Diagnostic::at(&node.span, format!("files import each other: {way} > {path}"))
                    .hint("a file can't import itself; write `loop` for what is done several times")
                    .into());
            }
            self.way.borrow_mut().push(path.clone());
            let read = Node::parse(&source).and_then(|document| self.entries(&document));
            self.way.borrow_mut().pop();
            return read.map(|entries| (path.clone(), entries));
        }
        Err(no_such_file(node, &tried, self.files).into())
    }
}
