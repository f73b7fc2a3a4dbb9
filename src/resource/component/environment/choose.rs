//! Which interpreter a new environment is made with.

use crate::facts::{Interpreter, Interpreters};
use crate::release::{PublishedRelease, Release};

/// The first interpreter, in the order of preference, that meets `requires_python`, a set of version specifiers (PEP
/// 345). Without one, the first that there is.
///
/// # Errors
/// When none does, with those that are there and why the others can't be used.
pub fn choose<'a>(
    interpreters: &'a Interpreters,
    requires_python: Option<&str>,
    release: &Release,
) -> Result<&'a Interpreter, String> {
    let asked = PublishedRelease {
        requires_python: requires_python.map(str::to_owned),
        ..PublishedRelease::plain(release.clone())
    };
    if let Some(found) = interpreters.found.iter().find(|interpreter| asked.runs_on(&interpreter.version)) {
        return Ok(found);
    }
    let mut seen: Vec<String> =
        interpreters.found.iter().map(|one| format!("{} is Python {}", one.path, one.version)).collect();
    seen.extend(interpreters.unfit.iter().map(|one| format!("{} can't be used: {}", one.path, one.reason)));
    if seen.is_empty() {
        seen.push("none is there".into());
    }
    let required = requires_python.map_or_else(|| "any Python".to_owned(), |range| format!("Python {range}"));
    Err(format!("{release} needs {required}, and of the interpreters on the host {}", seen.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::UnfitInterpreter;

    fn interpreters(versions: &[&str]) -> Interpreters {
        let found = versions
            .iter()
            .map(|version| Interpreter { path: format!("/opt/{version}/bin/python3"), version: (*version).into() });
        Interpreters { found: found.collect(), ..Interpreters::default() }
    }

    #[test]
    fn the_first_that_meets_what_is_required_is_chosen() {
        let there = interpreters(&["3.11.7", "3.13.0", "3.12.1", "3.12.9"]);
        let release = Release::parse("24.3.0").unwrap();
        let chosen = |required| choose(&there, required, &release).map(|one| one.version.as_str());
        assert_eq!(chosen(Some(">=3.12,<3.13")), Ok("3.12.1"));
        assert_eq!(chosen(Some(">=3.12")), Ok("3.13.0"));
        assert_eq!(chosen(None), Ok("3.11.7"));
        let refused = chosen(Some(">=3.14")).unwrap_err();
        assert!(refused.contains("24.3.0 needs Python >=3.14") && refused.contains("Python 3.12.9"), "{refused}");
    }

    #[test]
    fn without_any_the_reasons_are_told() {
        let release = Release::parse("24.3.0").unwrap();
        let mut there = interpreters(&[]);
        assert!(choose(&there, None, &release).unwrap_err().contains("none is there"));
        let unfit = UnfitInterpreter { path: "/usr/bin/python3.12".into(), reason: "no module ensurepip".into() };
        there.unfit.push(unfit);
        let refused = choose(&there, None, &release).unwrap_err();
        assert!(refused.contains("/usr/bin/python3.12 can't be used: no module ensurepip"), "{refused}");
    }
}
