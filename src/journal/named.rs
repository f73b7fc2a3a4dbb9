//! Which run is meant by what was typed. Pure.

use crate::model::RunId;

/// Why what was typed means no run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamedError {
    /// Nothing is recorded at all.
    #[error("no run is recorded here")]
    NoRuns,
    /// No run begins so.
    #[error("no run begins with {0:?}; `converge history` lists them")]
    Unknown(String),
    /// Several do.
    #[error("{text:?} begins {} runs: {}", .runs.len(), .runs.iter().take(5).map(RunId::as_str).collect::<Vec<_>>().join(", "))]
    Ambiguous {
        /// What was typed.
        text: String,
        /// The runs, newest first.
        runs: Vec<RunId>,
    },
}

/// The run that `text` means among `runs`, newest first: `last`, a name, or the beginning of one name.
///
/// # Errors
/// When it means none, or several.
pub fn named(runs: &[RunId], text: &str) -> Result<RunId, NamedError> {
    let newest = runs.first().ok_or(NamedError::NoRuns)?;
    if text == "last" {
        return Ok(newest.clone());
    }
    let begin: Vec<RunId> = runs.iter().filter(|run| run.as_str().starts_with(text)).cloned().collect();
    match &begin[..] {
        [one] if !text.is_empty() => Ok(one.clone()),
        [] => Err(NamedError::Unknown(text.to_owned())),
        _ => Err(NamedError::Ambiguous { text: text.to_owned(), runs: begin }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_as_much_as_tells_it_apart() {
        let runs: Vec<RunId> = ["20261125T040000Z-aaaaaa", "20261125T033000Z-7f3a9c", "20261124T033000Z-000000"]
            .map(|run| RunId::parse(run).unwrap())
            .into();
        assert_eq!(named(&runs, "last").as_ref(), Ok(&runs[0]));
        assert_eq!(named(&runs, "20261125T033000Z-7f3a9c").as_ref(), Ok(&runs[1]));
        assert_eq!(named(&runs, "20261124").as_ref(), Ok(&runs[2]));
        let error = named(&runs, "20261125").unwrap_err().to_string();
        assert_eq!(error, "\"20261125\" begins 2 runs: 20261125T040000Z-aaaaaa, 20261125T033000Z-7f3a9c");
        assert_eq!(named(&runs, "x"), Err(NamedError::Unknown("x".into())));
        assert!(matches!(named(&runs[..1], ""), Err(NamedError::Ambiguous { .. })));
        assert_eq!(named(&[], "last"), Err(NamedError::NoRuns));
    }
}
