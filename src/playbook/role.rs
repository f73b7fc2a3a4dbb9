//! Roles: variables, tasks and handlers that plays and tasks refer to by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Origin;
use super::argument_spec::{ArgumentSpec, read_specs};
use super::entry::{Entry, Reader};
use super::files::KnownFiles;
use super::play::{RoleEntry, names_of, read_roles};
use crate::document::{Diagnostic, Diagnostics, Fields, Node, Source, did_you_mean};
use crate::inventory::{GivenVariables, Level, read_variables};

/// The texts of one role; each file may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSources {
    /// The name that plays use.
    pub name: String,
    /// Whether it comes with the program or from the project.
    pub origin: Origin,
    /// `defaults/main.yaml`
    pub defaults: Option<Arc<Source>>,
    /// `vars/main.yaml`
    pub vars: Option<Arc<Source>>,
    /// `tasks/main.yaml`
    pub tasks: Option<Arc<Source>>,
    /// `meta/main.yaml`
    pub meta: Option<Arc<Source>>,
    /// `handlers/main.yaml`
    pub handlers: Option<Arc<Source>>,
    /// The rest of it.
    pub rest: RoleRest,
}

/// What a role may have beside the files that most have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleRest {
    /// Its directory, as messages and `role_path` call it.
    pub directory: String,
    /// `meta/argument_specs.yaml`
    pub argument_specs: Option<Arc<Source>>,
    /// All YAML files of `tasks/`, `handlers/`, `vars/` and `defaults/`, by their path below the directory.
    pub files: KnownFiles,
}

/// One role.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Whether it comes with the program or from the project.
    pub origin: Origin,
    /// Its directory.
    pub directory: String,
    /// Its defaults, the weakest variables of all.
    pub defaults: GivenVariables,
    /// Its variables, stronger than the inventory's and the play's.
    pub variables: GivenVariables,
    /// Its tasks.
    pub tasks: Vec<Entry>,
    /// Its handlers.
    pub handlers: Vec<Entry>,
    /// `dependencies`: roles whose tasks come before its own.
    pub dependencies: Vec<RoleEntry>,
    /// `allow_duplicates`: whether it comes again in a play that had it before with the same parameters.
    pub allow_duplicates: bool,
    /// What its entry points may be given.
    pub specs: BTreeMap<String, ArgumentSpec>,
    /// The other files of `tasks/`, `vars/` and `defaults/`. A mistake in one that nobody names is nobody's.
    other_tasks: BTreeMap<String, Result<Vec<Entry>, Diagnostics>>,
    other_variables: BTreeMap<String, Result<GivenVariables, Diagnostics>>,
}

/// Roles by name.
#[derive(Debug, Clone, Default)]
pub struct Roles(BTreeMap<String, Role>);

impl Roles {
    /// Reads roles.
    ///
    /// # Errors
    /// All mistakes of all roles.
    pub fn parse(sources: &[RoleSources]) -> Result<Self, Diagnostics> {
        let mut mistakes = Diagnostics::new();
        let mut roles = BTreeMap::new();
        for source in sources {
            if let Some(role) = mistakes.keep(Role::parse(source)) {
                roles.insert(source.name.clone(), role);
            }
        }
        mistakes.or_ok(Self(roles))
    }

    /// Roles that have been read one by one.
    #[must_use]
    pub fn of(roles: impl IntoIterator<Item = Role>) -> Self {
        Self(roles.into_iter().map(|role| (role.name.clone(), role)).collect())
    }

    /// The role of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Role> {
        self.0.get(name)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// `main` without its extension, as `tasks_from` names files.
fn stem(path: &str) -> &str {
    path.strip_suffix(".yaml").or_else(|| path.strip_suffix(".yml")).unwrap_or(path)
}

impl Role {
    /// Reads one role.
    ///
    /// # Errors
    /// All mistakes of the files that every use of it reads.
    pub fn parse(sources: &RoleSources) -> Result<Self, Diagnostics> {
        let mut mistakes = Diagnostics::new();
        let read = |source: &Arc<Source>, level| {
            Node::parse(source).and_then(|node| read_variables(&node, level, &sources.name))
        };
        let mut variables = |source: &Option<Arc<Source>>, level| -> GivenVariables {
            source.as_ref().and_then(|source| mistakes.keep(read(source, level))).unwrap_or_default()
        };
        let defaults = variables(&sources.defaults, Level::RoleDefaults);
        let own = variables(&sources.vars, Level::RoleVars);
        let RoleRest { directory, argument_specs, files } = &sources.rest;
        let list = |source: &Arc<Source>, path: &str, handlers: bool| {
            let reader = if handlers { Reader::of_handlers(files, path) } else { Reader::new(files, path) };
            Node::parse(source).and_then(|node| reader.entries(&node))
        };
        let tasks = sources.tasks.as_ref().and_then(|source| mistakes.keep(list(source, "tasks/main.yaml", false)));
        let handlers =
            sources.handlers.as_ref().and_then(|source| mistakes.keep(list(source, "handlers/main.yaml", true)));
        let meta = sources.meta.as_ref().and_then(|source| mistakes.keep(Meta::read(source))).unwrap_or_default();
        let specs = argument_specs.as_ref().and_then(|source| mistakes.keep(specs_of(source)));
        if let (Some(specs), Some(source)) = (&meta.specs, argument_specs) {
            let message = format!("argument_specs stand in meta/main.yaml and in {}", source.path);
            mistakes.push(Diagnostic::at(&specs.1, message).hint("keep them in one of the two"));
        }
        let mut role = Self {
            name: sources.name.clone(),
            origin: sources.origin,
            directory: directory.clone(),
            defaults,
            variables: own,
            tasks: tasks.unwrap_or_default(),
            handlers: handlers.unwrap_or_default(),
            dependencies: meta.dependencies,
            allow_duplicates: meta.allow_duplicates,
            specs: specs.or(meta.specs.map(|(specs, _)| specs)).unwrap_or_default(),
            other_tasks: BTreeMap::new(),
            other_variables: BTreeMap::new(),
        };
        for (path, source) in &files.0 {
            if let Some(name) = path.strip_prefix("tasks/") {
                role.other_tasks.insert(stem(name).to_owned(), list(source, path, false));
            } else if path.starts_with("vars/") {
                role.other_variables.insert(stem(path).to_owned(), read(source, Level::RoleVars));
            } else if path.starts_with("defaults/") {
                role.other_variables.insert(stem(path).to_owned(), read(source, Level::RoleDefaults));
            }
        }
        mistakes.or_ok(role)
    }

    /// The tasks of an entry point: `main` without `tasks_from`.
    ///
    /// # Errors
    /// When there is no such file, or mistakes are in it.
    pub fn tasks_of(&self, from: Option<&Node>) -> Result<&[Entry], Diagnostics> {
        let Some(from) = from else { return Ok(&self.tasks) };
        let name = stem(from.as_str()?);
        match self.other_tasks.get(name) {
            Some(Ok(tasks)) => Ok(tasks),
            Some(Err(mistakes)) => Err(mistakes.clone()),
            None if name == "main" => Ok(&self.tasks),
            None => Err(self.no_such_file(from, "tasks", self.other_tasks.keys().map(String::as_str))),
        }
    }

    /// The variables of `vars/` or `defaults/` (`part`): those of `main` without `from`.
    ///
    /// # Errors
    /// When there is no such file, or mistakes are in it.
    pub fn variables_of(&self, part: &str, from: Option<&Node>) -> Result<&GivenVariables, Diagnostics> {
        let main = if part == "vars" { &self.variables } else { &self.defaults };
        let Some(from) = from else { return Ok(main) };
        let name = stem(from.as_str()?);
        match self.other_variables.get(&format!("{part}/{name}")) {
            Some(Ok(variables)) => Ok(variables),
            Some(Err(mistakes)) => Err(mistakes.clone()),
            None if name == "main" => Ok(main),
            None => {
                let known = self.other_variables.keys().filter_map(|path| path.strip_prefix(part));
                Err(self.no_such_file(from, part, known.map(|path| path.trim_start_matches('/'))))
            }
        }
    }

    /// All its lists of tasks: those of every file of `tasks/` that can be read, and its handlers.
    pub fn all_tasks(&self) -> impl Iterator<Item = &[Entry]> {
        let others = self.other_tasks.values().filter_map(|read| read.as_deref().ok());
        [self.tasks.as_slice(), self.handlers.as_slice()].into_iter().chain(others)
    }

    /// What is wrong with files that no use of it need ever read: the other ones of `tasks/`, `vars/` and `defaults/`.
    #[must_use]
    pub fn mistakes_of_other_files(&self) -> Diagnostics {
        let mut all = Diagnostics::new();
        for mistakes in self.other_tasks.values().filter_map(|read| read.as_ref().err()) {
            all.append(mistakes.clone());
        }
        for mistakes in self.other_variables.values().filter_map(|read| read.as_ref().err()) {
            all.append(mistakes.clone());
        }
        all
    }

    fn no_such_file<'a>(&self, from: &Node, part: &str, known: impl Iterator<Item = &'a str>) -> Diagnostics {
        let name = from.key_text();
        let message = format!("the role `{}` has no file {part}/{name}.yaml", self.name);
        Diagnostic::at(&from.span, message).maybe_hint(did_you_mean(stem(name), known)).into()
    }

    /// The names of the roles that it needs.
    #[must_use]
    pub fn role_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.dependencies.iter().map(|entry| entry.call.name.as_str()).collect();
        names_of(&self.tasks, &mut names);
        names_of(&self.handlers, &mut names);
        self.other_tasks.values().flatten().for_each(|tasks| names_of(tasks, &mut names));
        names
    }
}

type Specs = BTreeMap<String, ArgumentSpec>;

/// What counts of `meta/main.yaml`; `galaxy_info` and the like only describe.
#[derive(Default)]
struct Meta {
    dependencies: Vec<RoleEntry>,
    allow_duplicates: bool,
    specs: Option<(Specs, crate::document::Span)>,
}

impl Meta {
    fn read(source: &Arc<Source>) -> Result<Self, Diagnostics> {
        let node = Node::parse(source)?;
        let mut fields = Fields::of(&node, "meta/main.yaml")?;
        let dependencies = fields.given("dependencies", read_roles).unwrap_or_default();
        let allow_duplicates = fields.given("allow_duplicates", Node::as_bool).unwrap_or(false);
        let specs = fields.optional("argument_specs", |node| read_specs(node).map(|specs| (specs, node.span.clone())));
        for word in ["galaxy_info", "standalone", "description", "author"] {
            fields.node(word);
        }
        fields.refuse(
            "collections",
            || "`collections` isn't supported in this release".into(),
            "remove it: the kinds of tasks are built in",
        );
        fields.build(|| Some(Self { dependencies, allow_duplicates, specs }))
    }
}

fn specs_of(source: &Arc<Source>) -> Result<Specs, Diagnostics> {
    let node = Node::parse(source)?;
    let mut fields = Fields::of(&node, "the argument specification")?;
    let specs = fields.required("argument_specs", read_specs);
    fields.build(|| specs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Option<Arc<Source>> {
        Some(Source::new(path, text))
    }

    fn web() -> RoleSources {
        RoleSources {
            name: "web".into(),
            origin: Origin::Project,
            defaults: source("roles/web/defaults/main.yaml", "a: 1"),
            vars: source("roles/web/vars/main.yaml", "b: 2"),
            tasks: source("roles/web/tasks/main.yaml", "- import_tasks: more.yml\n- component: {}"),
            meta: source(
                "roles/web/meta/main.yaml",
                "galaxy_info: {}\ndependencies: [common, {role: tls, vars: {x: 1}}]\n",
            ),
            handlers: source("roles/web/handlers/main.yaml", "- name: restart\n  component: {}\n"),
            rest: RoleRest {
                directory: "roles/web".into(),
                argument_specs: None,
                files: KnownFiles(BTreeMap::from(
                    [
                        ("tasks/more.yml", "- include_role: {name: db}\n"),
                        ("tasks/bad.yaml", "- shell: ls\n"),
                        ("vars/x.yaml", "c: 3\n"),
                    ]
                    .map(|(path, text)| (path.to_owned(), Source::new(format!("roles/web/{path}"), text))),
                )),
            },
        }
    }

    #[test]
    fn a_role_s_files_are_read_and_what_it_needs_is_known() {
        let role = Role::parse(&web()).unwrap();
        assert_eq!((role.defaults.len(), role.variables.len(), role.tasks.len(), role.handlers.len()), (1, 1, 2, 1));
        assert_eq!(role.variables[0].1.level, Level::RoleVars);
        assert_eq!(role.role_names(), ["common", "tls", "db", "db"]);
        let from = |name: &str| Node::text_from("t", name);
        assert_eq!(role.tasks_of(Some(&from("more.yml"))).unwrap().len(), 1);
        assert_eq!(role.variables_of("vars", Some(&from("x"))).unwrap().len(), 1);
        // Only who names a file hears of its mistakes.
        assert!(role.tasks_of(Some(&from("bad"))).unwrap_err().to_string().contains("bad.yaml:1:3: `shell` isn't"));
        assert!(role.tasks_of(Some(&from("moer"))).unwrap_err().to_string().contains("did you mean `more`?"));
    }

    #[test]
    fn all_mistakes_of_a_role_come_at_once() {
        let mut sources = web();
        sources.meta = source("roles/web/meta/main.yaml", "dependencies: [../x]\ncollections: [a.b]\n");
        sources.handlers = source("roles/web/handlers/main.yaml", "- component: {}\n");
        sources.defaults = source("roles/web/defaults/main.yaml", "web_release: 26.1");
        sources.tasks = source("roles/web/tasks/main.yaml", "- import_tasks: none.yaml\n");
        let shown = Roles::parse(&[sources]).unwrap_err().to_string();
        for part in [
            "meta/main.yaml:1:16: `../x` can't be the name of a role",
            "meta/main.yaml:2:1: `collections` isn't",
            "handlers/main.yaml:1:3: a handler has a `name`",
            "defaults/main.yaml:1:14: a release",
            "tasks/main.yaml:1:17: there is no file tasks/none.yaml",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
    }

    #[test]
    fn files_that_import_each_other_are_told() {
        let mut sources = web();
        let loops = Source::new("roles/web/tasks/more.yml", "- import_tasks: more.yml");
        sources.rest.files.0.insert("tasks/more.yml".into(), loops);
        let shown = Role::parse(&sources).unwrap_err().to_string();
        assert!(
            shown.contains("files import each other: tasks/main.yaml > tasks/more.yml > tasks/more.yml"),
            "{shown}"
        );
    }
}
