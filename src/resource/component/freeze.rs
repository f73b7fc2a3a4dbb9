//! How users are kept out of a cluster while all of it is stopped, and let in again.

use serde::{Deserialize, Serialize};

use crate::facts::{CommandQuery, FileQuery};

/// Commands of the operator, run on the component's host by the user who logs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeSpec {
    /// Keeps users from beginning anything new; also the place to announce why. Harmless to run twice.
    pub freeze: String,
    /// Takes that back. Harmless to run twice.
    pub unfreeze: String,
    /// Prints the state, and changes nothing.
    pub status: String,
    /// What `status` prints where the cluster is frozen, without the blanks around it.
    pub frozen: String,
    /// A file that is there from before the freeze until after its end: whoever finds it and no run knows that a freeze
    /// was left behind. It lies beside the component's environment.
    pub marker: String,
}

impl FreezeSpec {
    /// The question for the state.
    #[must_use]
    pub fn status_query(&self) -> CommandQuery {
        CommandQuery::of(self.status.clone())
    }

    /// The question for a freeze that was left behind: cheap enough for every look.
    #[must_use]
    pub fn marker_query(&self) -> FileQuery {
        FileQuery { path: self.marker.clone() }
    }
}
