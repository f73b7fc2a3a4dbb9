//! What the planner knows of an instance while it goes through the releases.

use std::collections::BTreeSet;

use super::action::Migration;
use super::planner::Input;
use crate::desired::Instance;
use crate::facts::{Database, HostFacts, Observed, facts_of};
use crate::release::{PreviewState, Release, SchemaPreview, SchemaState};
use crate::resource::component::{
    Assessment, Cause, Installed, PlannedHop, PlannedPath, SchemaStep, assess, interpreter_of, path_of, schema_steps,
    waiting_revisions,
};

/// An instance at one point of the plan.
pub(super) struct Member<'a> {
    pub(super) instance: &'a Instance,
    pub(super) assessment: Assessment,
    /// The product that its package belongs to.
    pub(super) product: Option<&'a str>,
    hops: Vec<PlannedHop>,
    /// What they do to the schema, as far as their packages were read.
    schema_steps: Vec<SchemaStep>,
    /// The interpreters that environments for its hops are made with; a hop that needs none lacks here.
    interpreters: Vec<(Release, String)>,
    pub(super) database: Option<Database>,
    /// Whether something of it runs at this point of the plan.
    pub(super) running: bool,
    /// The release that is installed at this point of the plan.
    pub(super) installed: Option<Release>,
    /// Whether its package is whole at this point of the plan; only then can it be started.
    pub(super) whole: bool,
    /// How the database comes to what is installed at this point of the plan, where it is behind.
    pub(super) behind: Option<Migration>,
    /// Why its process must be restarted or started for a reason of its own.
    pub(super) restart: Option<String>,
    /// Whether the path of its environment is a link at this point of the plan.
    linked: bool,
    /// The environment that is used at this point of the plan.
    pub(super) environment: String,
    /// Whether an earlier run left the cluster frozen through it.
    pub(super) frozen: bool,
}

impl<'a> Member<'a> {
    pub(super) fn new(instance: &'a Instance, input: &Input<'a>) -> Self {
        let facts = facts_of(input.facts, &instance.host);
        let component = &instance.component;
        let assessment = assess(component, &facts);
        let hops = match path_of(component, &assessment, &facts, input.catalogue) {
            PlannedPath::Hops(hops) => hops,
            PlannedPath::Refused(_) | PlannedPath::Unknown(_) => Vec::new(),
        };
        let schema_steps = schema_steps(component, &hops, &facts);
        let interpreter = |hop: &PlannedHop| {
            let found = interpreter_of(component, &hop.to, &facts, input.catalogue).ok()?;
            Some((hop.to.clone(), found))
        };
        let interpreters = hops.iter().filter_map(interpreter).collect();
        let schema = component.schema_fact(&facts);
        let database = schema.and_then(|fact| fact.known().map(|known| known.database.clone()));
        let whole = match &assessment.installed {
            Installed::Release(_) => true,
            Installed::Interrupted { whole, .. } => whole.is_some(),
            Installed::Nothing | Installed::NoVenv | Installed::Unknown(_) => false,
        };
        let is_behind = matches!(assessment.schema, Some(Observed::Known(SchemaState::Behind { .. })));
        let behind =
            (is_behind && whole).then(|| waiting_revisions(component, &facts)).flatten().and_then(|p| migration_of(&p));
        let link = component.venv_fact(&facts).known().and_then(|venv| venv.link.clone());
        Member {
            instance,
            product: input.catalogue.product_of(&component.package).map(|product| product.name.as_str()),
            hops,
            schema_steps,
            interpreters,
            database,
            running: !assessment.running.is_stopped(),
            installed: assessment.installed.start_of_path().cloned(),
            whole,
            behind,
            restart: reason_to_restart(&assessment),
            linked: link.is_some(),
            environment: link.unwrap_or_else(|| component.venv.clone()),
            frozen: is_frozen(&assessment, &facts),
            assessment,
        }
    }

    /// The hop that ends at `release`.
    pub(super) fn hop(&self, release: &Release) -> Option<&PlannedHop> {
        self.hops.iter().find(|hop| hop.to == *release)
    }

    /// The releases that its hops end at.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Release> {
        self.hops.iter().map(|hop| &hop.to)
    }

    /// Whether its hop to `release` leaves the train.
    pub(super) fn is_major(&self, release: &Release) -> bool {
        self.hop(release).is_some_and(|hop| hop.major)
    }

    /// The environment that its hop to `release` is made in, where that is one beside the one that is used.
    pub(super) fn staged(&self, release: &Release) -> Option<String> {
        let component = &self.instance.component;
        let hop = self.hop(release)?;
        component.is_staged_at(self.linked, hop.major).then(|| component.staged_path(release))
    }

    /// The interpreter that an environment for `release` is made with.
    pub(super) fn interpreter(&self, release: &Release) -> Option<&str> {
        self.interpreters.iter().find(|(to, _)| to == release).map(|(_, path)| path.as_str())
    }

    /// Carries on that the path of its environment leads to `target`.
    pub(super) fn switched_to(&mut self, target: String) {
        self.linked = true;
        self.environment = target;
    }

    /// The environment that it comes back to, should `release` be taken back: a directory is moved aside first.
    pub(super) fn way_back(&self) -> String {
        match (&self.installed, self.linked) {
            (Some(installed), false) => self.instance.component.staged_path(installed),
            (Some(_) | None, true) | (None, false) => self.environment.clone(),
        }
    }

    fn preview(&self, release: &Release) -> Option<&SchemaPreview> {
        self.schema_steps.iter().find(|step| step.to == *release)?.preview.known()
    }

    /// How its database comes to `release`: known where the packages were read.
    pub(super) fn migration(&self, release: &Release) -> Option<Migration> {
        match &self.behind {
            Some(waiting) if self.installed.as_ref() == Some(release) => Some(waiting.clone()),
            Some(_) | None => migration_of(self.preview(release)?),
        }
    }

    /// Whether its database waits for what is installed, at `release`.
    pub(super) fn is_behind_at(&self, release: &Release) -> bool {
        self.behind.is_some() && self.installed.as_ref() == Some(release)
    }

    /// Whether it is known that `release` leaves the schema as it is.
    pub(super) fn keeps_schema(&self, release: &Release) -> bool {
        self.schema_steps.iter().any(|step| step.to == *release && step.changes_nothing())
    }

    /// What runs at `release`, in its order, with the first line of each revision.
    pub(super) fn pending(&self, release: &Release) -> String {
        if self.is_behind_at(release) {
            return "the database is behind the installed package".to_owned();
        }
        let Some(preview) = self.preview(release) else {
            return format!("the package's head at {release} may be ahead of the database");
        };
        let listed = |revisions: &[crate::release::PendingRevision]| {
            revisions.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let mut parts = Vec::new();
        if !preview.skipped.is_empty() {
            let (count, names) = (preview.skipped.len(), listed(&preview.skipped));
            parts.push(format!("{count} revision(s) come first that alembic would take for applied: {names}"));
        }
        if !preview.pending.is_empty() {
            parts.push(format!("{} revision(s) are pending: {}", preview.pending.len(), listed(&preview.pending)));
        }
        match parts.is_empty() {
            true => format!("the package's head at {release} may be ahead of the database"),
            false => parts.join(". "),
        }
    }
}

/// What a preview asks for, where it can be carried out at all.
fn migration_of(preview: &SchemaPreview) -> Option<Migration> {
    let mut heads = preview.to_heads.iter();
    let (Some(head), None, PreviewState::Sound) = (heads.next(), heads.next(), &preview.state) else { return None };
    let ids = |revisions: &[crate::release::PendingRevision]| revisions.iter().map(|one| one.id.clone()).collect();
    Some(Migration {
        rows: preview.rows.iter().cloned().collect::<BTreeSet<_>>(),
        skipped: ids(&preview.skipped),
        pending: ids(&preview.pending),
        head: head.clone(),
    })
}

fn reason_to_restart(assessment: &Assessment) -> Option<String> {
    let of_process = |cause: Cause| match cause {
        Cause::Package | Cause::Schema | Cause::Frozen => false,
        Cause::ProcessStopped | Cause::ProcessStale | Cause::ProcessForeign | Cause::Health => true,
    };
    let reasons: Vec<String> = assessment
        .differences
        .iter()
        .filter(|difference| of_process(difference.cause()))
        .map(ToString::to_string)
        .collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

fn is_frozen(assessment: &Assessment, facts: &HostFacts) -> bool {
    facts.unreachable.is_none() && assessment.differences.iter().any(|difference| difference.cause() == Cause::Frozen)
}
