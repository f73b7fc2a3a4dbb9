//! The host that copies of backups are kept on.

use serde::{Deserialize, Serialize};

use super::decode::absolute;
use super::spec::Component;
use crate::document::{Diagnostic, Fields, Node};
use crate::facts::{CommandQuery, DiskQuery, Query};
use crate::model::HostName;

/// Where copies of backups go, as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupHost {
    /// A host of the inventory.
    pub name: HostName,
    /// The directory there; `None`: the same as where the backup is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
}

/// Where copies of the backups of one component on one host go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupCopies<'a> {
    /// Another host than the one that makes them.
    pub host: &'a HostName,
    /// The directory there.
    pub directory: &'a str,
}

/// What taking a copy needs on its host, said in a line when it is missing. No Python: it may be a bare machine with disks.
const TOOLS: &str =
    "for t in dd stat sha256sum find; do command -v \"$t\" >/dev/null || { echo \"it has no $t\"; exit 1; }; done";

impl BackupCopies<'_> {
    /// The question about room there.
    #[must_use]
    pub fn disk_query(&self) -> DiskQuery {
        DiskQuery { path: self.directory.to_owned() }
    }

    /// The question whether it has the programs that taking a copy needs.
    #[must_use]
    pub fn tools_query(&self) -> CommandQuery {
        CommandQuery::of(TOOLS)
    }

    /// All that its host is asked before anything stops.
    #[must_use]
    pub fn queries(&self) -> Vec<Query> {
        vec![Query::Jobs, Query::Disk(self.disk_query()), Query::Command(self.tools_query())]
    }
}

impl Component {
    /// Where copies of the backups go that are made on `host`. `None` where no host is declared for them, and where they are
    /// made on the declared one: there they are already.
    #[must_use]
    pub fn backup_copies(&self, host: &HostName) -> Option<BackupCopies<'_>> {
        let schema = self.schema.as_ref()?;
        let declared = schema.backup_host.as_ref().filter(|declared| declared.name != *host)?;
        let directory = declared.directory.as_deref().or(schema.backup.as_deref())?;
        Some(BackupCopies { host: &declared.name, directory })
    }
}

/// Reads it from a component's schema. A directory alone would be declared for nothing.
pub(super) fn backup_host(fields: &mut Fields<'_>, node: &Node) -> Option<BackupHost> {
    let name = fields.given("backup_host", |node| {
        let text = node.as_text()?;
        HostName::parse(&text).map_err(|error| Diagnostic::at(&node.span, error.to_string()))
    });
    let directory = fields.given("backup_host_directory", absolute);
    if name.is_none() && directory.is_some() {
        let message = "`backup_host_directory` is the directory on a `backup_host`, and none is declared";
        let place = node.get("backup_host_directory").map_or(&node.span, |node| &node.span);
        fields.mistake(Diagnostic::at(place, message));
    }
    name.map(|name| BackupHost { name, directory })
}
