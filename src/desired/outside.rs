//! What the scopes of one resolution share: engines, facts of hosts, variables of other hosts.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use super::facts::{Facts, node_of};
use super::magic;
use super::scope::Scope;
use crate::document::{Diagnostic, Diagnostics, Node, Source, Span, Value};
use crate::facts::Observed;
use crate::inventory::{Given, Inventory};
use crate::model::HostName;
use crate::playbook::{Conditions, Templates};

/// How a mistake begins that is none: a fact that is needed and not known. It has no place, and never reaches a person.
const UNKNOWN: &str = "unknown facts: ";

/// What the scopes of one resolution share.
pub(super) struct Outside<'d> {
    pub(super) templates: Templates,
    pub(super) conditions: Conditions,
    inventory: &'d Inventory,
    extra: &'d [(Arc<str>, Given)],
    facts: Facts<'d>,
    groups: Arc<Node>,
    hostvars: OnceCell<Arc<Node>>,
    gathering: Cell<bool>,
    /// Hosts whose facts are used and were not asked for.
    wanting: RefCell<BTreeSet<HostName>>,
}

impl<'d> Outside<'d> {
    pub(super) fn new(inventory: &'d Inventory, extra: &'d [(Arc<str>, Given)], facts: Facts<'d>) -> Self {
        Self {
            templates: Templates::new(),
            conditions: Conditions::new(),
            inventory,
            extra,
            facts,
            groups: magic::groups(inventory),
            hostvars: OnceCell::new(),
            gathering: Cell::new(false),
            wanting: RefCell::new(BTreeSet::new()),
        }
    }

    pub(super) fn groups(&self) -> &Arc<Node> {
        &self.groups
    }

    /// Hosts whose facts were used and not asked for yet.
    pub(super) fn wanting(&self) -> BTreeSet<HostName> {
        self.wanting.borrow().clone()
    }

    /// `ansible_facts` of a host.
    ///
    /// # Errors
    /// [`unknown_of`] tells that from a mistake.
    pub(super) fn facts_of(&self, host: &HostName) -> Result<Arc<Node>, Diagnostics> {
        let unknown = |why: &str| Err(Diagnostic::nowhere(format!("{UNKNOWN}{why}")).into());
        match self.facts {
            Facts::Unasked => {
                self.wanting.borrow_mut().insert(host.clone());
                unknown("not asked yet")
            }
            Facts::Asked(all) => match all.get(host) {
                Some(Observed::Known(system)) => Ok(Arc::new(node_of(system))),
                Some(Observed::Unknown(why)) => unknown(why),
                Some(Observed::Absent) | None => unknown("the host was not asked"),
            },
        }
    }

    /// `hostvars`: the variables that the inventory and the command line give each host, rendered as that host sees them.
    /// What can't be rendered there is left out.
    pub(super) fn hostvars(&self) -> Result<Arc<Node>, Diagnostics> {
        if let Some(known) = self.hostvars.get() {
            return Ok(known.clone());
        }
        if self.gathering.replace(true) {
            let message = "a variable that other hosts see can't use `hostvars` itself";
            return Err(Diagnostic::nowhere(message).into());
        }
        let span = Span::whole(&Source::new("hostvars", ""));
        let hosts = self.inventory.hosts().iter().map(|host| {
            let mut variables = self.inventory.variables(host);
            variables.give_all(self.extra);
            let magic = magic::of_host(self.inventory, &self.groups, host);
            let names: Vec<String> = variables.names().chain(magic.keys().copied()).map(str::to_owned).collect();
            let scope = Scope::new(self, host, Arc::new(variables), magic);
            let value = |name: &String| {
                let value = scope.value(name).ok().flatten().filter(|value| value.to_json().is_ok())?;
                Some((Node::text(span.clone(), name), value.as_ref().clone()))
            };
            let value = Value::Mapping(names.iter().filter_map(value).collect());
            (Node::text(span.clone(), host.as_str()), Node { span: span.clone(), tag: None, value })
        });
        let all = Value::Mapping(hosts.collect());
        self.gathering.set(false);
        Ok(self.hostvars.get_or_init(|| Arc::new(Node { span, tag: None, value: all })).clone())
    }
}

/// Why facts that were needed aren't known, where nothing else is wrong.
pub(super) fn unknown_of(mistakes: &Diagnostics) -> Option<String> {
    let why = |mistake: &Diagnostic| match (&mistake.span, mistake.message.strip_prefix(UNKNOWN)) {
        (None, Some(why)) => Some(why.to_owned()),
        (_, _) => None,
    };
    let all: Vec<String> = mistakes.iter().map(why).collect::<Option<_>>()?;
    all.into_iter().next()
}

/// The mistakes among them that are some.
pub(super) fn without_unknown(mistakes: &Diagnostics) -> Diagnostics {
    let is_one = |mistake: &&Diagnostic| mistake.span.is_some() || !mistake.message.starts_with(UNKNOWN);
    mistakes.iter().filter(is_one).cloned().collect()
}
