//! The way through the tasks of a play: blocks, files, roles, loops and conditions, for all of its hosts at once.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value as Json;

use super::becoming::becoming_of;
use super::checks::{self, Outcome};
use super::resolve::{Members, Resolver};
use super::scope::Scope;
use super::task::{BlockPart, Message, Part, Refusal, ResolvedRetry, ResolvedTask, Section};
use crate::document::{Diagnostic, Diagnostics, Node, Span, did_you_mean};
use crate::inventory::{Becoming, Given, GivenVariables, Level};
use crate::model::HostName;
use crate::playbook::{
    ArgumentSpec, Contents, Entry, Group, Play, Repeat, Role, RoleCall, RoleEntry, Shared, Tags, Task, TaskKind,
    check_arguments, directory_of, join, no_such_file,
};

/// So deep may roles call each other: a person loses track far sooner.
const DEPTH: usize = 16;

/// Longest label of an item, in characters.
const LABEL: usize = 60;

/// What a place in a playbook has inherited.
#[derive(Clone)]
pub(super) struct Way<'d> {
    index: usize,
    play: &'d Play,
    pub(super) section: Section,
    role: Option<&'d Role>,
    pub(super) tags: Tags,
    /// Whom it becomes, the outermost first.
    becoming: Vec<&'d Becoming>,
    environment: Vec<&'d Node>,
    no_log: Option<&'d Node>,
    ignore_errors: Option<&'d Node>,
    run_once: Option<&'d Node>,
    delegate_to: Option<&'d Node>,
    notify: Vec<&'d Node>,
    blocks: Vec<BlockPart>,
    /// How many roles it is within.
    depth: usize,
}

impl<'d> Way<'d> {
    pub(super) fn new(index: usize, play: &'d Play, becoming: &'d Becoming) -> Self {
        let way = Self {
            index,
            play,
            section: Section::Main,
            role: None,
            tags: Tags::new(),
            becoming: vec![becoming],
            environment: Vec::new(),
            no_log: None,
            ignore_errors: None,
            run_once: None,
            delegate_to: None,
            notify: Vec::new(),
            blocks: Vec::new(),
            depth: 0,
        };
        way.within(&play.shared)
    }

    pub(super) fn of(&self, section: Section) -> Self {
        Self { section, ..self.clone() }
    }

    /// With what something inside says.
    fn within(&self, shared: &'d Shared) -> Self {
        let mut way = self.clone();
        way.tags.extend(shared.tags.iter().cloned());
        way.becoming.push(&shared.becoming);
        way.environment.extend(&shared.environment);
        way.no_log = shared.no_log.as_ref().or(way.no_log);
        way.ignore_errors = shared.ignore_errors.as_ref().or(way.ignore_errors);
        way.run_once = shared.run_once.as_ref().or(way.run_once);
        way.delegate_to = shared.delegate_to.as_ref().or(way.delegate_to);
        way.notify.extend(&shared.notify);
        way
    }

    fn part(&self, block: usize, part: Part) -> Self {
        let mut way = self.clone();
        way.blocks.push(BlockPart { block, part });
        way
    }

    pub(super) fn play(&self) -> &'d Play {
        self.play
    }

    /// With what a handler itself says.
    pub(super) fn as_handler(&self, task: &'d Task) -> Self {
        // What its role or play notifies was meant for the tasks there.
        Self { notify: Vec::new(), run_once: None, ..self.clone() }.within(&task.shared)
    }

    /// The name of a task, behind that of its role.
    pub(super) fn shown(&self, task: &str) -> String {
        self.role.map_or_else(|| task.to_owned(), |role| format!("{} : {task}", role.name))
    }
}

impl<'d> Resolver<'d> {
    pub(super) fn entries(&mut self, entries: &'d [Entry], way: &Way<'d>, members: &Members<'d>) {
        for entry in entries {
            match entry {
                Entry::Task(task) if way.section == Section::Handlers => self.handler(task, way, members),
                Entry::Task(task) => self.task(task, way, members),
                Entry::Group(group) => self.group(group, way, members),
            }
        }
    }

    /// Whether any task of it is taken by its tags: what isn't has no say, and no mistakes.
    fn takes_any(&self, contents: &'d Contents, tags: &Tags, depth: usize) -> bool {
        let selection = self.declaration.tags;
        let with = |more: &Tags| tags.union(more).cloned().collect::<Tags>();
        let any = |entries: &'d [Entry]| {
            entries.iter().any(|entry| match entry {
                Entry::Task(task) => selection.takes(&with(&task.shared.tags)),
                Entry::Group(group) => self.takes_any(&group.contents, &with(&group.shared.tags), depth),
            })
        };
        match contents {
            Contents::Block { tasks, rescue, always } => any(tasks) || any(rescue) || any(always),
            Contents::File { tasks, .. } => any(tasks),
            Contents::Role(call) => match self.declaration.roles.get(&call.name) {
                // What is wrong with it is told where it is resolved.
                Some(role) if depth < DEPTH => match role.tasks_of(call.tasks_from.as_ref()) {
                    Ok(tasks) => tasks.iter().any(|entry| match entry {
                        Entry::Task(task) => selection.takes(&with(&task.shared.tags)),
                        Entry::Group(group) => self.takes_any(&group.contents, &with(&group.shared.tags), depth + 1),
                    }),
                    Err(_) => true,
                },
                Some(_) | None => true,
            },
        }
    }

    fn group(&mut self, group: &'d Group, way: &Way<'d>, members: &Members<'d>) {
        let way = way.within(&group.shared);
        if way.section != Section::Handlers && !self.takes_any(&group.contents, &way.tags, 0) {
            return;
        }
        for members in self.rounds(group, members) {
            match &group.contents {
                Contents::Role(call) => self.role(call, &group.shared, None, &way, &members),
                Contents::File { tasks, .. } => {
                    let members = self.that_hold(&group.shared.when, &members, &group.span);
                    self.entries(tasks, &way, &members);
                }
                Contents::Block { tasks, rescue, always } => {
                    let members = self.that_hold(&group.shared.when, &members, &group.span);
                    self.blocks += 1;
                    let block = self.blocks;
                    self.entries(tasks, &way.part(block, Part::Tasks), &members);
                    self.entries(rescue, &way.part(block, Part::Rescue), &members);
                    self.entries(always, &way.part(block, Part::Always), &members);
                }
            }
        }
    }

    /// The members for each item of a loop, in turn; once for what has none.
    fn rounds(&mut self, group: &'d Group, members: &Members<'d>) -> Vec<Members<'d>> {
        let Some(repeat) = &group.repeat else {
            let variables = &group.shared.variables;
            let within = |scope: &Rc<Scope<'d>>| match variables.is_empty() {
                true => scope.clone(),
                false => Rc::new(scope.within([variables], [])),
            };
            return vec![members.iter().map(within).collect()];
        };
        let mut rounds: Vec<Members<'d>> = Vec::new();
        for scope in members {
            let items = self.items(Some(repeat), &group.shared.variables, scope, &group.span);
            for (number, (_, scope)) in items.into_iter().enumerate() {
                match rounds.get_mut(number) {
                    Some(round) => round.push(scope),
                    None => rounds.push(vec![scope]),
                }
            }
        }
        rounds
    }

    fn that_hold(&mut self, when: &'d [Node], members: &Members<'d>, span: &Span) -> Members<'d> {
        if when.is_empty() {
            return members.clone();
        }
        let mut within = Members::new();
        for scope in members {
            if self.keep(scope, "a block", span, scope.holds(when)).unwrap_or(false) {
                within.push(scope.clone());
            }
        }
        within
    }

    /// A role under `roles` or `dependencies`: it comes once in a play with the same parameters.
    pub(super) fn role_entry(&mut self, entry: &'d RoleEntry, way: &Way<'d>, members: &Members<'d>) {
        let way = way.within(&entry.shared);
        let parameters: Vec<String> =
            entry.shared.variables.iter().map(|(name, given)| format!("{name}={:?}", given.value.to_json())).collect();
        let when: Vec<&str> = entry.shared.when.iter().map(Node::key_text).collect();
        let key = format!("{} {parameters:?} {when:?} {:?}", entry.call.name, way.tags);
        self.role(&entry.call, &entry.shared, Some(key), &way, members);
    }

    fn role(
        &mut self,
        call: &'d RoleCall,
        shared: &'d Shared,
        once: Option<String>,
        way: &Way<'d>,
        members: &Members<'d>,
    ) {
        let Some(role) = self.declaration.roles.get(&call.name) else { return self.no_such_role(call) };
        if members.is_empty() {
            return;
        }
        if way.depth >= DEPTH {
            let message = format!("roles need each other more than {DEPTH} times in a row, `{}` among them", role.name);
            self.mistakes.push(Diagnostic::at(&call.span, message));
            return;
        }
        if let Some(key) = once
            && !role.allow_duplicates
            && !self.state.done.insert(key)
        {
            return;
        }
        let (Some(tasks), Some(variables), Some(defaults)) = (
            self.mistakes.keep(role.tasks_of(call.tasks_from.as_ref())),
            self.mistakes.keep(role.variables_of("vars", call.vars_from.as_ref())),
            self.mistakes.keep(role.variables_of("defaults", call.defaults_from.as_ref())),
        ) else {
            return;
        };
        let entry_point = call.tasks_from.as_ref().map_or("main", |from| from.key_text());
        let spec = role.specs.get(entry_point.trim_end_matches(".yaml").trim_end_matches(".yml"));
        let of_spec = spec.map(|spec| defaults_of(role, spec)).unwrap_or_default();
        let local = |name: &str, value: &str| (name.to_owned(), Arc::new(Node::text_from("magic variable", value)));
        let mut within = Members::new();
        for scope in members {
            let locals = [local("role_name", &role.name), local("role_path", &role.directory)];
            let scope = Rc::new(scope.within([&of_spec, defaults, variables, &shared.variables], locals));
            if !self.keep(&scope, &role.name, &call.span, scope.holds(&shared.when)).unwrap_or(false) {
                continue;
            }
            let fits = spec.is_none_or(|spec| {
                let given: Vec<(String, Span)> =
                    shared.variables.iter().map(|(name, given)| (name.to_string(), given.value.span.clone())).collect();
                let value = |name: &str| scope.value(name).map(|value| value.map(|node| node.as_ref().clone()));
                let checked = check_arguments(&role.name, spec, &call.span, &given, value);
                self.keep(&scope, &role.name, &call.span, checked).is_some()
            });
            if fits {
                within.push(scope);
            }
        }
        let way = Way { role: Some(role), depth: way.depth + 1, ..way.clone() };
        for entry in &role.dependencies {
            self.role_entry(entry, &way, &within);
        }
        self.state.use_role(role, &way, &within);
        self.entries(tasks, &way, &within);
    }

    fn no_such_role(&mut self, call: &RoleCall) {
        let hint = did_you_mean(&call.name, self.declaration.roles.names());
        let hint = hint.unwrap_or_else(|| format!("put its tasks into roles/{}/tasks/main.yaml", call.name));
        self.mistakes.push(Diagnostic::at(&call.span, format!("there is no role `{}`", call.name)).hint(hint));
    }

    fn task(&mut self, task: &'d Task, way: &Way<'d>, members: &Members<'d>) {
        let way = way.within(&task.shared);
        if !self.declaration.tags.takes(&way.tags) {
            return;
        }
        for scope in members {
            let once = self.truth(way.run_once, scope, task);
            if once && self.state.first.as_ref() != Some(scope.host()) {
                continue;
            }
            for (item, scope) in self.items(task.repeat.as_ref(), &task.shared.variables, scope, &task.span) {
                self.item(task, &way, &scope, item, once);
            }
        }
    }

    fn item(&mut self, task: &'d Task, way: &Way<'d>, scope: &Scope<'d>, item: Option<String>, once: bool) {
        let name = label_of(task);
        if !self.keep(scope, &name, &task.span, scope.holds(&task.shared.when)).unwrap_or(false) {
            return;
        }
        let no_log = self.truth(way.no_log, scope, task);
        if let Some(outcome) = checks::decide(task.kind, &task.body, scope, no_log) {
            let name = self.keep(scope, &name, &task.span, name_of(task, scope)).unwrap_or(name);
            let host = scope.host().clone();
            match self.keep(scope, &name, &task.span, outcome) {
                None | Some(Outcome::Silent) => {}
                Some(Outcome::Says(text)) => {
                    self.desired.messages.push(Message { host, task: way.shown(&name), item, text });
                }
                Some(Outcome::Refuses(observed, message)) => {
                    let (task, span) = (way.shown(&name), task.span.clone());
                    self.desired.refusals.push(Refusal { host, task, observed, message, span });
                }
                Some(Outcome::Flush) => self.push(task, way, scope, item, once),
            }
            return;
        }
        self.push(task, way, scope, item, once);
    }

    fn push(&mut self, task: &'d Task, way: &Way<'d>, scope: &Scope<'d>, item: Option<String>, once: bool) {
        if let Some((resolved, notifications)) = self.resolved(task, way, scope, item, once) {
            self.state.notify(self.desired.tasks.len(), scope.host(), notifications);
            self.desired.tasks.push(resolved);
        }
    }

    /// A task with nothing left to render, and the places of the handlers that it notifies.
    pub(super) fn resolved(
        &mut self,
        task: &'d Task,
        way: &Way<'d>,
        scope: &Scope<'d>,
        item: Option<String>,
        run_once: bool,
    ) -> Option<(ResolvedTask, Vec<(String, Span)>)> {
        let host = scope.host();
        let label = label_of(task);
        let inner_first: Vec<&Becoming> = way.becoming.iter().rev().copied().collect();
        let become_user = self.keep(scope, &label, &task.span, becoming_of(&inner_first, scope));
        if let Some(user) = &become_user
            && task.kind != TaskKind::Meta
        {
            let noted = self.becomers.note(host, &task.span, user.clone());
            self.keep(scope, &label, &task.span, noted);
        }
        let mut mistakes = Diagnostics::new();
        let name = mistakes.keep(name_of(task, scope));
        let body = mistakes.keep(scope.render(&task.body));
        let content = match (task.kind, &body) {
            (TaskKind::Plain("template"), Some(body)) => mistakes.keep(self.template(body, way, scope)).flatten(),
            _ => None,
        };
        let environment = mistakes.keep(environment(&way.environment, scope));
        let notifications = mistakes.keep(notifications(&way.notify, scope));
        let delegate_to = mistakes.keep(self.delegate(way.delegate_to, scope));
        if let Some(Some(other)) = &delegate_to {
            self.admit(other);
        }
        let no_log = self.truth(way.no_log, scope, task);
        let ignore_errors = self.truth(way.ignore_errors, scope, task);
        self.keep(scope, &label, &task.span, mistakes.or_ok(()))?;
        let notifications = notifications?;
        let resolved = ResolvedTask {
            play: way.play.name.clone(),
            play_index: way.index,
            rolling: way.play.rolling.clone(),
            section: way.section,
            role: way.role.map(|role| role.name.clone()),
            role_directory: way.role.map(|role| role.directory.clone()).unwrap_or_default(),
            task: name?,
            item,
            span: task.span.clone(),
            host: host.clone(),
            kind: task.kind,
            body: body?,
            content,
            variables: scope.variables().clone(),
            tags: way.tags.clone(),
            notify: notifications.iter().map(|(name, _)| name.clone()).collect(),
            handlers: Vec::new(),
            environment: environment?,
            become_user: become_user?,
            no_log,
            ignore_errors,
            run_once,
            delegate_to: delegate_to?,
            retry: task.retry.as_ref().map(|retry| ResolvedRetry {
                until: retry.until.clone(),
                retries: retry.retries,
                delay: retry.delay,
            }),
            blocks: way.blocks.clone(),
        };
        Some((resolved, notifications))
    }

    /// What the file that a `template` names comes to: one of `templates/` of its role, or of the playbook, or beside it.
    /// Without `src` there is none: whoever reads the fields says so.
    fn template(&self, body: &Node, way: &Way<'_>, scope: &Scope<'_>) -> Result<Option<String>, Diagnostics> {
        let Some(source) = body.get("src").filter(|node| !node.is_blank()) else { return Ok(None) };
        let name = source.as_filled_text()?;
        let playbook = directory_of(&way.play.span.source.path);
        let of_role = way.role.map(|role| format!("{}/templates/", role.directory));
        let directories = of_role.into_iter().chain([format!("{playbook}templates/"), playbook.to_owned()]);
        let tried: Vec<String> = directories.map(|directory| join(&directory, &name)).collect();
        for path in &tried {
            if let Some(found) = self.declaration.files.read(path)? {
                return scope.render_source(&found).map(Some);
            }
        }
        Err(no_such_file(source, &tried, self.declaration.files).into())
    }

    fn delegate(&self, node: Option<&Node>, scope: &Scope<'_>) -> Result<Option<HostName>, Diagnostics> {
        let Some(node) = node else { return Ok(None) };
        let rendered = scope.render(node)?;
        let name = rendered.as_filled_text()?;
        let inventory = self.declaration.inventory;
        match inventory.host(&name) {
            Some(host) => Ok(Some(host.clone())),
            None => {
                let known = inventory.hosts().iter().map(HostName::as_str);
                let hint = did_you_mean(&name, known)
                    .unwrap_or_else(|| format!("name a host of the inventory; `{name}` may be put there, as local"));
                let message = format!("`delegate_to` names a host of the inventory, and there is no {name}");
                Err(Diagnostic::at(&rendered.span, message).hint(hint).into())
            }
        }
    }

    fn truth(&mut self, node: Option<&'d Node>, scope: &Scope<'d>, task: &'d Task) -> bool {
        let Some(node) = node else { return false };
        let read = scope.render(node).and_then(|value| Ok(value.as_bool()?));
        self.keep(scope, &label_of(task), &task.span, read).unwrap_or(false)
    }

    /// The scopes of a task: one, or one for each item of its loop, with what is shown of the item.
    pub(super) fn items(
        &mut self,
        repeat: Option<&'d Repeat>,
        variables: &'d GivenVariables,
        scope: &Rc<Scope<'d>>,
        span: &Span,
    ) -> Vec<(Option<String>, Rc<Scope<'d>>)> {
        let Some(repeat) = repeat else {
            let own = if variables.is_empty() { scope.clone() } else { Rc::new(scope.within([variables], [])) };
            return vec![(None, own)];
        };
        let outer = if variables.is_empty() { scope.clone() } else { Rc::new(scope.within([variables], [])) };
        let list = outer.render(&repeat.items).and_then(|list| Ok(list.as_list()?.to_vec()));
        let mut all = Vec::new();
        for (number, item) in self.keep(scope, "a loop", span, list).unwrap_or_default().into_iter().enumerate() {
            let shown = item.to_json().map(|json| shown_item(&json));
            let index = Node::from_json(&item.span, &Json::from(number));
            let mut locals = vec![(repeat.variable.clone(), Arc::new(item))];
            locals.extend(repeat.index.clone().map(|name| (name, Arc::new(index))));
            let scope = Rc::new(scope.within([variables], locals));
            let label = match &repeat.label {
                Some(label) => scope.render(label).and_then(|label| Ok(label.as_text()?)),
                None => shown.map_err(Diagnostics::from),
            };
            all.extend(self.keep(&scope, "a loop", span, label).map(|label| (Some(label), scope)));
        }
        all
    }
}

/// The name of a task as far as it is known before anything is rendered.
fn label_of(task: &Task) -> String {
    task.name.as_ref().map_or_else(|| task.kind.word().to_owned(), |name| name.key_text().to_owned())
}

pub(super) fn name_of(task: &Task, scope: &Scope<'_>) -> Result<String, Diagnostics> {
    match &task.name {
        Some(name) => Ok(scope.render(name)?.as_text()?),
        None => Ok(task.kind.word().to_owned()),
    }
}

fn shown_item(json: &Json) -> String {
    let text = json.as_str().map_or_else(|| json.to_string(), str::to_owned);
    match text.char_indices().nth(LABEL) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// What a specification says that an argument is where it isn't given: weaker than the role's own defaults.
fn defaults_of(role: &Role, spec: &ArgumentSpec) -> GivenVariables {
    let given = |node: &Node| Given {
        value: Arc::new(node.clone()),
        level: Level::RoleDefaults,
        giver: Arc::from(role.name.as_str()),
    };
    spec.iter()
        .filter_map(|(name, argument)| Some((Arc::from(name.as_str()), given(argument.default.as_ref()?))))
        .collect()
}

/// The environment of what is run; of values for one name the innermost holds.
fn environment(all: &[&Node], scope: &Scope<'_>) -> Result<BTreeMap<String, String>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut environment = BTreeMap::new();
    for node in all {
        let Some(rendered) = mistakes.keep(scope.render(node)) else { continue };
        let Some(entries) = mistakes.keep(rendered.as_mapping().map_err(|_| rendered.unexpected("a mapping"))) else {
            continue;
        };
        for (key, value) in entries {
            let name = key.key_text();
            let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(is_fine) {
                mistakes
                    .push(Diagnostic::at(&key.span, format!("`{name}` can't be the name of an environment variable")));
            }
            environment.extend(mistakes.keep(value.as_text()).map(|text| (name.to_owned(), text)));
        }
    }
    mistakes.or_ok(environment)
}

/// Names of handlers, each where it stands.
fn notifications(all: &[&Node], scope: &Scope<'_>) -> Result<Vec<(String, Span)>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let names = all.iter().filter_map(|node| {
        let rendered = mistakes.keep(scope.render(node))?;
        mistakes.keep(rendered.as_filled_text()).map(|name| (name, node.span.clone()))
    });
    let names = names.collect();
    mistakes.or_ok(names)
}
