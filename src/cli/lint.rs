//! `converge lint [PATH…]` and `--syntax-check`: what is wrong with a project, without any host or network. No program of an
//! inventory runs.

#![expect(clippy::disallowed_methods, reason = "looks for the files of a project")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::decode::Places;
use super::error::CliError;
use super::exit::Exit;
use super::inventories::read_inventories;
use super::options::{Format, LintArguments, Options};
use super::project::{
    self, ProjectFiles, all_files, entries, files_of, is_program, read_either, read_source, without_dot,
};
use super::{configuration, context, decode, output};
use crate::desired::resolve_connections;
use crate::document::{Diagnostic, Diagnostics, Node, Source, Span};
use crate::inventory::{Inventory, Level, read_variables};
use crate::lint::{Linter, Warning};
use crate::playbook::{Origin, Playbook, Role, RoleSources, bundled_role, bundled_role_names, read_tasks};
use crate::preflight::parse_waivers;
use crate::release::Catalogue;
use crate::report::{LintReport, lint_text};

/// `lint`.
pub(super) fn run(options: &Options, arguments: &LintArguments) -> Result<Exit, CliError> {
    let mut options = options.clone();
    let mut checked = Checked::default();
    let here = vec![PathBuf::from(".")];
    let paths = if arguments.paths.is_empty() { &here } else { &arguments.paths };
    // What is set for this directory holds for what it names, too.
    let set = configuration::apply(&mut options);
    checked.mistakes.append(set.err().unwrap_or_default());
    for path in paths {
        if path.is_dir() {
            checked.project(path, &options.configuration.roles_path);
        } else {
            checked.single(path);
        }
    }
    let wanting = checked.with_inventory(&options);
    let (files, mistakes, warnings) = checked.finish();
    match arguments.output {
        Format::Text => output::answer(&lint_text(files, &mistakes, &warnings))?,
        Format::Json => output::answer_json(&LintReport::of(&mistakes, &warnings))?,
    }
    say_wanting(wanting);
    let fails = !mistakes.is_empty() || arguments.strict && !warnings.is_empty();
    Ok(if fails { Exit::Error } else { Exit::Ok })
}

/// `--syntax-check`: what a run would read, and nothing else.
pub(super) fn syntax_check(options: &Options) -> Result<Exit, CliError> {
    let mut checked = Checked::default();
    let root = Path::new(".");
    let roles_path = &options.configuration.roles_path;
    let read = project::read_playbook(root, options.playbook.as_deref(), roles_path);
    if let Some((playbook, roles)) = checked.mistakes.keep(read) {
        checked.playbook(&playbook.source);
        let used: BTreeSet<&str> = roles.names().collect();
        for role in used.into_iter().filter_map(|name| roles.get(name)) {
            match role.origin {
                Origin::Project => checked.role(Path::new(&role.directory), &role.name),
                Origin::Bundled => checked.bundled(&role.name),
            }
        }
        checked.places.push(project::playbook_directory(root, options.playbook.as_deref()));
    }
    let wanting = checked.with_inventory(options);
    let (files, mistakes, _) = checked.finish();
    if !mistakes.is_empty() {
        return Err(mistakes.into());
    }
    say_wanting(wanting);
    let hosts =
        if options.inventory.is_empty() { "; no inventory is named, so no host's values were looked at" } else { "" };
    output::answer(&format!("{files} file{} without a mistake{hosts}\n", if files == 1 { "" } else { "s" }))?;
    Ok(Exit::Ok)
}

fn say_wanting(hosts: usize) {
    if hosts > 0 {
        let s = if hosts == 1 { "" } else { "s" };
        output::say(&format!("note: what depends on facts of {hosts} host{s} wasn't looked at: no host is asked\n"));
    }
}

/// What has been looked at.
#[derive(Default)]
struct Checked {
    linter: Linter,
    mistakes: Diagnostics,
    files: BTreeSet<String>,
    /// Directories of playbooks, where files that tasks name may lie.
    places: Vec<PathBuf>,
}

impl Checked {
    fn read(&mut self, path: &Path) -> Option<Arc<Source>> {
        let source = self.mistakes.keep(read_source(&without_dot(path)))?;
        self.files.insert(source.path.clone());
        Some(source)
    }

    fn parsed(&mut self, source: &Arc<Source>) -> Option<Node> {
        self.files.insert(source.path.clone());
        self.mistakes.keep(Node::parse(source))
    }

    /// Everything below a directory that means something to converge.
    fn project(&mut self, root: &Path, roles_path: &[PathBuf]) {
        self.settings(root);
        let playbooks = root.join("playbooks");
        for directory in [root.join("roles"), playbooks.join("roles")].iter().chain(roles_path) {
            for role in self.listed(directory) {
                if role.is_dir() {
                    let name = role.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    self.role(&role, &name);
                }
            }
        }
        bundled_role_names().into_iter().for_each(|name| self.bundled(name));
        for directory in [root, &playbooks, &root.join("inventories")] {
            for (kind, level) in [
                ("group_vars", Level::InventoryGroupVars),
                ("host_vars", Level::InventoryHostVars),
                ("vars", Level::VarsFiles),
            ] {
                for path in self.below(&directory.join(kind)) {
                    self.variables(&path, level);
                }
            }
        }
        for path in self.listed(&playbooks).into_iter().chain(self.listed(root)) {
            if is_yaml(&path) && !is_setting(&path) {
                self.by_content(&path, path.starts_with(&playbooks));
            }
        }
        for path in self.listed(&root.join("inventories")) {
            self.inventory(&path);
        }
        for directory in [root, &playbooks] {
            self.templates(&directory.join("templates"));
            for path in self.below(&directory.join("tasks")) {
                self.task_file(&path);
            }
        }
        self.places.extend([playbooks, root.to_owned()]);
    }

    /// `releases.yaml`, `waivers.yaml`, `converge.yaml`.
    fn settings(&mut self, root: &Path) {
        for stem in ["releases", "waivers", "converge"] {
            let found = self.mistakes.keep(read_either(root, stem)).flatten();
            if let Some(source) = found {
                self.setting(stem, &source);
            }
        }
    }

    fn setting(&mut self, stem: &str, source: &Arc<Source>) {
        self.files.insert(source.path.clone());
        match stem {
            "releases" => drop(self.mistakes.keep(Catalogue::extended(std::slice::from_ref(source)))),
            "waivers" => drop(self.mistakes.keep(parse_waivers(source))),
            _ => drop(self.mistakes.keep(configuration::check_project_file(source))),
        }
    }

    /// One file, by its name and by what it holds.
    fn single(&mut self, path: &Path) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let within = |directory: &str| path.components().any(|part| part.as_os_str() == directory);
        bundled_role_names().into_iter().for_each(|name| self.bundled(name));
        if is_setting(path) {
            if let Some(source) = self.read(path) {
                self.setting(&stem, &source);
            }
        } else if within("templates") {
            self.template(path);
        } else if within("group_vars") || within("host_vars") || within("vars") || within("defaults") {
            self.variables(path, Level::VarsFiles);
        } else if within("tasks") {
            self.task_file(path);
        } else if name.ends_with(".ini") || !name.contains('.') {
            self.inventory(path);
        } else {
            self.by_content(path, true);
        }
        self.places.push(project::directory_of(path));
    }

    /// A YAML file that may be a playbook, an inventory, or (where `ours`) tasks.
    fn by_content(&mut self, path: &Path, ours: bool) {
        let Some(source) = self.mistakes.keep(read_source(&without_dot(path))) else { return };
        let Some(document) = self.parsed(&source) else { return };
        let is_play = |item: &Node| {
            ["hosts", "import_playbook", "ansible.builtin.import_playbook"].iter().any(|word| item.get(word).is_some())
        };
        let is_group = |node: &Node| ["hosts", "children"].iter().any(|word| node.get(word).is_some());
        if let Ok(items) = document.as_list() {
            if items.iter().any(is_play) || ours && items.is_empty() {
                self.playbook(&source);
            } else if ours {
                self.task_file(path);
            }
        } else if document
            .as_mapping()
            .is_ok_and(|entries| entries.iter().any(|(key, value)| key.key_text() == "all" || is_group(value)))
        {
            self.inventory(path);
        } else if ours {
            self.playbook(&source);
        } else {
            // Somebody else's file.
            self.files.remove(&source.path);
        }
    }

    fn playbook(&mut self, source: &Arc<Source>) {
        self.mistakes.keep(Playbook::read(source, Origin::Project, &ProjectFiles));
        if let Some(document) = self.parsed(source) {
            self.linter.playbook(&document);
        }
    }

    fn task_file(&mut self, path: &Path) {
        let Some(source) = self.read(path) else { return };
        self.mistakes.keep(read_tasks(&source, &ProjectFiles));
        if let Some(document) = self.parsed(&source) {
            self.linter.tasks(&document, "", false);
        }
    }

    fn variables(&mut self, path: &Path, level: Level) {
        let Some(source) = self.read(path) else { return };
        if let Some(document) = self.parsed(&source) {
            self.mistakes.keep(read_variables(&document, level, &source.path));
            self.linter.variables(&document, false);
        }
    }

    fn template(&mut self, path: &Path) {
        if let Some(source) = self.read(path) {
            self.linter.template(&source);
        }
    }

    fn templates(&mut self, directory: &Path) {
        let files = self.mistakes.keep(all_files(directory)).unwrap_or_default();
        files.iter().for_each(|path| self.template(path));
    }

    fn inventory(&mut self, path: &Path) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if ["group_vars", "host_vars", "vars_plugins"].contains(&&*name) || (path.is_file() && !is_inventory(&name)) {
            return;
        }
        if is_program(path) {
            return output::say(&format!("note: {} is a program and isn't run\n", path.display()));
        }
        let names = [without_dot(path).display().to_string()];
        let Some(sources) = self.mistakes.keep(read_inventories(&names, None)) else { return };
        self.files.extend(sources.inventories.iter().map(|text| text.source.path.clone()));
        self.files.extend(sources.vars.iter().map(|file| file.source.path.clone()));
        let Some(inventory) = self.mistakes.keep(Inventory::parse(&sources)) else { return };
        self.mistakes.keep(resolve_connections(&inventory, &[], None));
        for host in inventory.hosts() {
            let variables = inventory.variables(host);
            self.linter.given(variables.names());
            variables.iter().for_each(|(_, variable)| self.linter.values(&variable.given.value));
        }
    }

    /// A role of the project, with every file of it, whether or not anything uses it.
    fn role(&mut self, directory: &Path, name: &str) {
        let Some(sources) = self.mistakes.keep(project::read_role(directory, name)).flatten() else {
            return self.linter.role(name, &directory.display().to_string(), []);
        };
        if let Some(role) = self.mistakes.keep(Role::parse(&sources)) {
            self.mistakes.append(role.mistakes_of_other_files());
        }
        self.role_files(&sources, true);
        self.templates(&directory.join("templates"));
    }

    /// A role that comes with the program: it gives variables and handlers, and is right.
    fn bundled(&mut self, name: &str) {
        let Some(sources) = bundled_role(name) else { return };
        for source in [&sources.defaults, &sources.vars].into_iter().flatten() {
            if let Ok(document) = Node::parse(source) {
                let entries = document.as_mapping().unwrap_or_default();
                self.linter.given(entries.iter().map(|(name, _)| name.key_text()));
            }
        }
        self.linter.role(name, "", []);
    }

    fn role_files(&mut self, sources: &RoleSources, ours: bool) {
        let directory = sources.rest.directory.clone();
        let mut tasks: Vec<(String, Span)> = Vec::new();
        for (inside, source) in &sources.rest.files.0 {
            self.files.insert(source.path.clone());
            // What is wrong with it as YAML is known by now.
            let Ok(document) = Node::parse(source) else { continue };
            match inside.split('/').next().unwrap_or_default() {
                "tasks" => {
                    let name = inside.trim_start_matches("tasks/").trim_end_matches(".yaml").trim_end_matches(".yml");
                    tasks.push((name.to_owned(), Span::whole(source)));
                    self.linter.tasks(&document, &directory, false);
                }
                "handlers" => self.linter.tasks(&document, &directory, true),
                _ => self.linter.variables(&document, ours),
            }
        }
        for source in [&sources.meta, &sources.rest.argument_specs].into_iter().flatten() {
            self.files.insert(source.path.clone());
            if let Ok(document) = Node::parse(source) {
                self.linter.meta(&document);
                self.linter.argument_specs(&document);
            }
        }
        self.linter.role(&sources.name, &directory, tasks);
    }

    /// With an inventory, everything as its hosts would have it. Gives the number of hosts whose facts would be needed.
    fn with_inventory(&mut self, options: &Options) -> usize {
        if options.inventory.is_empty() {
            return 0;
        }
        let (mistakes, wanting) = context::check(options);
        self.mistakes.append(mistakes);
        wanting
    }

    fn finish(mut self) -> (usize, Diagnostics, Vec<Warning>) {
        for wanted in self.linter.wanted_files() {
            let fetched = self.places.iter().map(|playbook| {
                let places = Places { root: PathBuf::from("."), playbook: playbook.clone() };
                decode::fetch(&wanted.name, &wanted.role, &places)
            });
            let all: Vec<_> = fetched.collect();
            if all.iter().all(Result::is_err) {
                all.into_iter().take(1).for_each(|read| drop(self.mistakes.keep(read)));
            }
        }
        let report = self.linter.finish();
        self.mistakes.append(report.mistakes);
        let mistakes = each_once(&self.mistakes);
        let told = |warning: &Warning| mistakes.iter().any(|mistake| mistake.span == warning.diagnostic.span);
        let warnings = report.warnings.into_iter().filter(|warning| !told(warning)).collect();
        (self.files.len(), mistakes, warnings)
    }

    fn listed(&mut self, directory: &Path) -> Vec<PathBuf> {
        if directory.is_dir() { self.mistakes.keep(entries(directory)).unwrap_or_default() } else { Vec::new() }
    }

    /// All YAML files below a directory.
    fn below(&mut self, directory: &Path) -> Vec<PathBuf> {
        if directory.is_dir() { self.mistakes.keep(files_of(directory)).unwrap_or_default() } else { Vec::new() }
    }
}

/// By file and line, and what two ways have found once.
fn each_once(all: &Diagnostics) -> Diagnostics {
    let mut kept: Vec<Diagnostic> = Vec::new();
    for mistake in all {
        let is_known = |other: &Diagnostic| other.span == mistake.span && other.message == mistake.message;
        if !kept.iter().any(is_known) {
            kept.push(mistake.clone());
        }
    }
    kept.sort_by_key(|mistake| mistake.span.as_ref().map(|span| (span.source.path.clone(), span.start)));
    kept.into_iter().collect()
}

fn is_yaml(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

fn is_setting(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default();
    is_yaml(path) && ["releases", "waivers", "converge"].iter().any(|setting| stem == *setting)
}

/// Whether a file of a directory of inventories may be one, by its name.
fn is_inventory(name: &str) -> bool {
    let other = [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];
    !name.starts_with('.') && !other.iter().any(|end| name.ends_with(end))
}
