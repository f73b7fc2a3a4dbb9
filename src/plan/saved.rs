//! Plans as files: written by `converge plan -o`, carried out by `converge apply` if the digest matches
//! and what the plan relies on still holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::action::Plan;
use crate::desired::{Instance, InstanceId};
use crate::model::{Digest, HostName};
use crate::preflight::{Finding, Request};

/// The version of the file's format; another one is refused.
const FORMAT: u32 = 6;

/// A plan with all that is needed to carry it out later. `T` is how a host is reached.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedPlan<T> {
    format: u32,
    /// The version of converge that wrote it.
    pub written_by: String,
    /// The digest of all the rest.
    pub digest: Digest,
    /// How each host is reached.
    pub targets: BTreeMap<HostName, T>,
    /// What the run leaves out by its limit, which a migration must know of.
    pub out_of_scope: Vec<Instance>,
    /// What the operator asked for and answered for: it is looked at again before the plan is carried out.
    pub request: Request,
    /// What was found and waived.
    pub waived: Vec<Finding>,
    /// The plan.
    pub plan: Plan,
}

/// Why a file can't be used as a plan.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// It isn't JSON of a plan.
    #[error("it is no plan that converge has written: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It is of another format.
    #[error("it has the format {found}, this converge reads {FORMAT} (it was written by {written_by})")]
    Format {
        /// The format in the file.
        found: u64,
        /// Who wrote it.
        written_by: String,
    },
    /// It was changed after it was written.
    #[error("its digest is {written}, its content has {computed}: it was changed after it was written")]
    Digest {
        /// As the file says.
        written: Digest,
        /// As computed.
        computed: Digest,
    },
}

/// One instance that is no longer as the plan found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StalePlan {
    /// The instance.
    pub instance: InstanceId,
    /// What the plan relies on.
    pub planned: String,
    /// What is there now.
    pub observed: String,
}

impl<T: Serialize + for<'de> Deserialize<'de>> SavedPlan<T> {
    /// Prepares a plan for saving.
    #[must_use]
    pub fn new(
        plan: Plan,
        out_of_scope: Vec<Instance>,
        targets: BTreeMap<HostName, T>,
        request: Request,
        waived: Vec<Finding>,
    ) -> Self {
        let digest = digest_of(&plan, &out_of_scope, &targets, &request, &waived);
        Self {
            format: FORMAT,
            written_by: concat!("converge ", env!("CARGO_PKG_VERSION")).into(),
            digest,
            targets,
            out_of_scope,
            request,
            waived,
            plan,
        }
    }

    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// When it is no plan, of another format, or was changed.
    pub fn parse(text: &str) -> Result<Self, SavedPlanError> {
        #[derive(Deserialize)]
        struct Head {
            format: u64,
            written_by: String,
        }
        let head: Head = serde_json::from_str(text)?;
        if head.format != u64::from(FORMAT) {
            return Err(SavedPlanError::Format { found: head.format, written_by: head.written_by });
        }
        let saved: Self = serde_json::from_str(text)?;
        let computed = digest_of(&saved.plan, &saved.out_of_scope, &saved.targets, &saved.request, &saved.waived);
        if computed != saved.digest {
            return Err(SavedPlanError::Digest { written: saved.digest, computed });
        }
        Ok(saved)
    }

    /// What no longer is as the plan found it; `now` is the basis of a plan made from fresh facts.
    #[must_use]
    pub fn stale(&self, now: &BTreeMap<InstanceId, String>) -> Vec<StalePlan> {
        let observed = |id: &InstanceId| now.get(id).cloned().unwrap_or_else(|| "not observed".into());
        self.plan
            .basis
            .iter()
            .filter(|(id, planned)| observed(id) != **planned)
            .map(|(id, planned)| StalePlan { instance: id.clone(), planned: planned.clone(), observed: observed(id) })
            .collect()
    }
}

fn digest_of<T: Serialize>(
    plan: &Plan,
    out_of_scope: &[Instance],
    targets: &BTreeMap<HostName, T>,
    request: &Request,
    waived: &[Finding],
) -> Digest {
    let rest = serde_json::to_string(&(out_of_scope, targets, request, waived)).unwrap_or_default();
    Digest::of(format!("{}\n{rest}", plan.digest()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::fixture::{Seen, agent, manager, world};
    use crate::plan::{Input, plan};
    use crate::release::Catalogue;

    fn saved() -> SavedPlan<String> {
        let instances = [manager("m", "25.6.2"), agent("a", "25.6.1")];
        let facts = world(instances.iter().map(|instance| (instance, Seen::default())));
        let plan = plan(&Input::new(&instances, &facts, &Catalogue::default()));
        assert!(!plan.is_empty());
        let targets = BTreeMap::from([(instances[0].host.clone(), "ssh".to_owned())]);
        SavedPlan::new(plan, vec![agent("left-out", "25.6.1")], targets, Request::default(), Vec::new())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let saved = saved();
        let read = SavedPlan::<String>::parse(&saved.to_text()).unwrap();
        assert_eq!((read.plan, read.out_of_scope, read.targets), (saved.plan, saved.out_of_scope, saved.targets));
        assert_eq!(read.digest, saved.digest);
    }

    #[test]
    fn any_change_shows_in_the_digest() {
        let text = saved().to_text();
        let changes =
            [("25.6.2", "25.6.4"), ("\"ssh\"", "\"telnet\""), ("left-out", "let-out"), ("/srv/backup", "/tmp")];
        for (from, to) in changes {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            let error = SavedPlan::<String>::parse(&changed).unwrap_err();
            assert!(matches!(error, SavedPlanError::Digest { .. }), "{from}: {error}");
        }
        // Layout is no content.
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        SavedPlan::<String>::parse(&value.to_string()).unwrap();
    }

    #[test]
    fn other_files_are_told_apart() {
        for text in ["", "{}", "[]", "25.6.4", "{\"format\": 6, \"written_by\": \"converge\"}"] {
            let error = SavedPlan::<String>::parse(text).unwrap_err();
            assert!(matches!(error, SavedPlanError::Malformed(_)), "{text}: {error}");
        }
        // A later format is named as such, whatever else is in it.
        let error =
            SavedPlan::<String>::parse("{\"format\": 9, \"written_by\": \"converge 9\", \"x\": []}").unwrap_err();
        assert_eq!(error.to_string(), "it has the format 9, this converge reads 6 (it was written by converge 9)");
    }

    #[test]
    fn what_changed_since_is_listed() {
        let saved = saved();
        assert_eq!(saved.stale(&saved.plan.basis), []);
        let mut now = saved.plan.basis.clone();
        let ids: Vec<InstanceId> = now.keys().cloned().collect();
        now.insert(ids[0].clone(), "stopped".into());
        now.remove(&ids[1]);
        let stale = saved.stale(&now);
        let seen: Vec<(&InstanceId, &str)> = stale.iter().map(|one| (&one.instance, one.observed.as_str())).collect();
        assert_eq!(seen, [(&ids[0], "stopped"), (&ids[1], "not observed")]);
    }
}
