//! What is wrong with a project without any host: templates and conditions that don't parse, fields that no kind has, names
//! that lead nowhere; and what is no mistake and yet hardly meant ([`Warning`]). Pure.
//!
//! Whoever reads the files gives them to a [`Linter`] one by one; what needs all of them is told by [`Linter::finish`]. What the
//! decoders of whole files say is kept by the caller: here stands only what they can't see before a host evaluates it.

mod body;
mod tasks;
mod warning;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use warning::{Warning, WarningKind};

use crate::document::{Diagnostic, Diagnostics, Node, ScalarStyle, Source, Span, Value, did_you_mean};
use crate::inventory::MAGIC;
use crate::playbook::{Conditions, Templates, is_template, whole_file};

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// What a run would refuse.
    pub mistakes: Diagnostics,
    /// What is hardly meant.
    pub warnings: Vec<Warning>,
}

/// A file of the project that a task names, and the directory of its role (empty outside of roles).
#[derive(Debug, Clone)]
pub struct WantedFile {
    /// The name as written.
    pub name: Node,
    /// The role's directory.
    pub role: String,
}

/// Collects what is given and used all over a project.
#[derive(Debug, Default)]
pub struct Linter {
    templates: Templates,
    conditions: Conditions,
    mistakes: Diagnostics,
    warnings: Vec<Warning>,
    /// Names of variables that anything gives.
    given: BTreeSet<String>,
    /// Variables of roles, which should be used by something.
    of_roles: Vec<(String, Span)>,
    /// Names that any template or condition mentions.
    used: BTreeSet<String>,
    /// Names that have to be given by something.
    wanted: Vec<(String, Span)>,
    /// Names of handlers, each with where it stands; all names of one handler together.
    handlers: Vec<(Vec<String>, Span)>,
    notified: Vec<(String, Span)>,
    /// Whether a handler or a notification has a name that only a host can tell.
    untold_names: bool,
    /// Roles that are there, with the files of their tasks.
    roles: BTreeMap<String, BTreeMap<String, Span>>,
    role_calls: Vec<(Node, Option<Node>)>,
    /// Files of tasks of roles that something imports: role's directory and name.
    imported: BTreeSet<(String, String)>,
    directories: BTreeMap<String, String>,
    files: Vec<WantedFile>,
}

/// Where something stands.
#[derive(Debug, Clone, Copy)]
struct Place<'p> {
    /// The directory of the role; empty outside of roles.
    role: &'p str,
    handlers: bool,
}

impl Linter {
    /// Nothing read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A role that is there, with its directory. The files of `tasks/` by their names without an extension.
    pub fn role(&mut self, name: &str, directory: &str, tasks: impl IntoIterator<Item = (String, Span)>) {
        self.directories.insert(name.to_owned(), directory.to_owned());
        self.roles.entry(name.to_owned()).or_default().extend(tasks);
    }

    /// A playbook.
    pub fn playbook(&mut self, document: &Node) {
        let place = Place { role: "", handlers: false };
        for play in document.as_list().unwrap_or_default() {
            self.play(play, place);
        }
    }

    /// A list of tasks or handlers; `role` is the directory of the role, empty outside of roles.
    pub fn tasks(&mut self, document: &Node, role: &str, handlers: bool) {
        self.entries(document, Place { role, handlers });
    }

    /// `meta/main.yaml` of a role: its dependencies.
    pub fn meta(&mut self, document: &Node) {
        if let Some(entries) = document.get("dependencies") {
            self.role_entries(entries, Place { role: "", handlers: false });
        }
    }

    /// An argument specification: its arguments are given by whoever calls the role.
    pub fn argument_specs(&mut self, document: &Node) {
        let specs = document.get("argument_specs").and_then(|specs| specs.as_mapping().ok()).unwrap_or_default();
        for (_, entry_point) in specs {
            let options = entry_point.get("options").and_then(|options| options.as_mapping().ok()).unwrap_or_default();
            self.given.extend(options.iter().map(|(name, _)| name.key_text().to_owned()));
        }
    }

    /// A mapping of variables. Those of roles should be used somewhere.
    pub fn variables(&mut self, document: &Node, of_role: bool) {
        for (name, value) in document.as_mapping().unwrap_or_default() {
            let text = name.key_text().to_owned();
            if of_role {
                self.of_roles.push((text.clone(), name.span.clone()));
            }
            self.given.insert(text);
            self.number(value);
            self.values(value);
        }
    }

    /// Names that are given elsewhere, as by an inventory that was read as a whole.
    pub fn given<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) {
        self.given.extend(names.into_iter().map(str::to_owned));
    }

    /// A file that is a template.
    pub fn template(&mut self, source: &Arc<Source>) {
        if is_template(&source.text) {
            self.template_at(&source.text, &whole_file(source));
        }
    }

    /// Every template in a value.
    pub fn values(&mut self, node: &Node) {
        match &node.value {
            Value::Scalar(scalar) if node.tag.is_none() && is_template(&scalar.text) => {
                self.template_at(&scalar.text, &node.span);
            }
            Value::Null | Value::Scalar(_) => {}
            Value::Sequence(items) => items.iter().for_each(|item| self.values(item)),
            Value::Mapping(entries) => entries.iter().for_each(|(_, value)| self.values(value)),
        }
    }

    fn template_at(&mut self, text: &str, span: &Span) {
        match self.templates.parse(text) {
            Err(error) => self.mistakes.push(error.told(span)),
            Ok(template) => {
                self.used.extend(template.required.iter().chain(&template.possible).cloned());
                let place = |name: &String| (name.clone(), crate::playbook::named_in(span, name));
                self.wanted.extend(template.required.iter().map(place));
            }
        }
    }

    /// A condition, or a list of them.
    fn condition(&mut self, node: &Node) {
        if let Value::Sequence(items) = &node.value {
            return items.iter().for_each(|item| self.condition(item));
        }
        match self.conditions.names(node) {
            Err(mistake) => self.mistakes.push(mistake),
            Ok(names) => {
                // What is asked for, or has a value for the case, need not be there.
                let asks = ["defined", "default"].iter().any(|word| node.key_text().contains(word));
                let place = |name: &String| (name.clone(), node.span.narrowed_to(name));
                if !asks {
                    self.wanted.extend(names.iter().map(place));
                }
                self.used.extend(names);
            }
        }
    }

    /// A number whose digits other readers of YAML would lose.
    fn number(&mut self, value: &Node) {
        if let Value::Scalar(scalar) = &value.value
            && scalar.style == ScalarStyle::Plain
            && scalar.text.parse::<f64>().is_ok()
            && scalar.text.contains('.')
            && scalar.text.ends_with('0')
        {
            let text = &scalar.text;
            let message = format!("other readers of YAML take {text} for a number and lose its last digit");
            self.warn(WarningKind::UnquotedNumber, &value.span, message, Some(format!("write \"{text}\"")));
        }
    }

    fn warn(&mut self, kind: WarningKind, span: &Span, message: String, hint: Option<String>) {
        let warning = Warning { kind, diagnostic: Diagnostic::at(span, message).maybe_hint(hint) };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The files of the project that tasks name.
    #[must_use]
    pub fn wanted_files(&self) -> &[WantedFile] {
        &self.files
    }

    /// What needs a look at everything.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.check_roles();
        self.check_handlers();
        self.check_names();
        self.check_files();
        let place = |warning: &Warning| {
            let span = warning.diagnostic.span.as_ref();
            span.map(|span| (span.source.path.clone(), span.start))
        };
        self.warnings.sort_by_key(|warning| (place(warning), warning.kind));
        Report { mistakes: self.mistakes, warnings: self.warnings }
    }

    fn check_roles(&mut self) {
        for (call, from) in std::mem::take(&mut self.role_calls) {
            let name = call.key_text();
            if is_template(name) {
                continue;
            }
            let Some(files) = self.roles.get(name) else {
                let hint = did_you_mean(name, self.roles.keys().map(String::as_str));
                let hint = hint.unwrap_or_else(|| format!("put its tasks into roles/{name}/tasks/main.yaml"));
                self.mistakes.push(Diagnostic::at(&call.span, format!("there is no role `{name}`")).hint(hint));
                continue;
            };
            let Some(from) = from else { continue };
            let file = stem(from.key_text());
            if file != "main" && !files.contains_key(file) && !files.is_empty() {
                let message = format!("the role `{name}` has no file tasks/{file}.yaml");
                let hint = did_you_mean(file, files.keys().map(String::as_str));
                self.mistakes.push(Diagnostic::at(&from.span, message).maybe_hint(hint));
            }
            if let Some(directory) = self.directories.get(name) {
                self.imported.insert((directory.clone(), file.to_owned()));
            }
        }
    }

    fn check_handlers(&mut self) {
        if self.untold_names {
            return;
        }
        let known: BTreeSet<&str> = self.handlers.iter().flat_map(|(names, _)| names).map(String::as_str).collect();
        let mut wrong = Vec::new();
        for (name, span) in &self.notified {
            // `role : name` is one as well.
            let short = name.rsplit_once(" : ").map_or(name.as_str(), |(_, short)| short);
            if !known.contains(name.as_str()) && !known.contains(short) {
                let hint = did_you_mean(name, known.iter().copied()).unwrap_or_else(|| {
                    "write it under `handlers` of the play or in handlers/main.yaml of a role".to_owned()
                });
                wrong.push(Diagnostic::at(span, format!("no handler of this play is called `{name}`")).hint(hint));
            }
        }
        wrong.into_iter().for_each(|mistake| self.mistakes.push(mistake));
        let notified: BTreeSet<&str> = self
            .notified
            .iter()
            .flat_map(|(name, _)| [Some(name.as_str()), name.rsplit_once(" : ").map(|(_, short)| short)])
            .flatten()
            .collect();
        let idle = self.handlers.iter().filter(|(names, _)| !names.iter().any(|name| notified.contains(name.as_str())));
        for (names, span) in idle.cloned().collect::<Vec<_>>() {
            let message = format!("nothing notifies the handler `{}`", names.first().cloned().unwrap_or_default());
            self.warn(WarningKind::UnusedHandler, &span, message, Some("notify it, or remove it".into()));
        }
    }

    fn check_names(&mut self) {
        let wanted = std::mem::take(&mut self.wanted);
        for (name, span) in wanted {
            if self.given.contains(&name) || MAGIC.contains(&name.as_str()) || name == "item" {
                continue;
            }
            let near = did_you_mean(&name, self.given.iter().map(String::as_str).chain(MAGIC));
            let hint =
                near.unwrap_or_else(|| "give it in an inventory or in defaults/ of the role; or it comes by -e".into());
            let message = format!("nothing in the project gives `{name}` a value");
            self.warn(WarningKind::UndefinedVariable, &span, message, Some(hint));
        }
        for (name, span) in std::mem::take(&mut self.of_roles) {
            if !self.used.contains(&name) && !name.starts_with("ansible_") {
                let message = format!("nothing uses the variable `{name}` of the role");
                self.warn(WarningKind::UnusedVariable, &span, message, Some("use it, or remove it".into()));
            }
        }
    }

    fn check_files(&mut self) {
        let mut idle = Vec::new();
        for (role, files) in &self.roles {
            let directory = self.directories.get(role).cloned().unwrap_or_default();
            let used = |file: &String| file == "main" || self.imported.contains(&(directory.clone(), file.clone()));
            idle.extend(files.iter().filter(|(file, _)| !used(file)).map(|(file, span)| (file.clone(), span.clone())));
        }
        for (file, span) in idle {
            let message = format!("nothing imports the tasks of `{file}`");
            self.warn(WarningKind::UnusedFile, &span, message, Some("import_tasks it, or remove the file".into()));
        }
    }
}

/// A name without the extension of YAML.
fn stem(path: &str) -> &str {
    path.strip_suffix(".yaml").or_else(|| path.strip_suffix(".yml")).unwrap_or(path)
}
