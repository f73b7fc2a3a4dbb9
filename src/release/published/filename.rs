//! Names of distribution files: which package, which release.

use crate::release::Release;

/// What a distribution file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// A wheel (PEP 427).
    Wheel,
    /// A source archive (PEP 625, and the spellings before it).
    Sdist,
}

/// Normalises a distribution's name as PEP 503 does.
#[must_use]
pub fn normalize_name(name: &str) -> String {
    let mut normalized = String::with_capacity(name.len());
    for character in name.chars() {
        if matches!(character, '-' | '_' | '.') {
            if !normalized.ends_with('-') {
                normalized.push('-');
            }
        } else {
            normalized.extend(character.to_lowercase());
        }
    }
    normalized
}

/// The release that a file of `package` holds, as PEP 440 normalises it; `None` where the file is of another package,
/// of another kind (eggs, installers, signatures), or of no release.
#[must_use]
pub fn release_of_file(package: &str, file: &str) -> Option<(FileKind, Release)> {
    let (kind, version) = match file.strip_suffix(".whl") {
        Some(stem) => (FileKind::Wheel, wheel_version(package, stem)?),
        None => (FileKind::Sdist, sdist_version(package, file)?),
    };
    let release = Release::parse(version).ok()?;
    Some((kind, Release::parse(&release.normalized()).ok()?))
}

/// `NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM`; no part holds a dash.
fn wheel_version<'a>(package: &str, stem: &'a str) -> Option<&'a str> {
    let parts: Vec<&str> = stem.split('-').collect();
    let well_formed = matches!(parts.len(), 5 | 6) && parts.iter().all(|part| !part.is_empty());
    (well_formed && normalize_name(parts[0]) == normalize_name(package)).then(|| parts[1])
}

/// `NAME-VERSION.tar.gz`. Before PEP 625 the name could hold dashes itself, so every dash is tried.
fn sdist_version<'a>(package: &str, file: &'a str) -> Option<&'a str> {
    let stem = [".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tar.xz"].iter().find_map(|end| file.strip_suffix(end))?;
    let wanted = normalize_name(package);
    stem.match_indices('-')
        .filter(|(at, _)| normalize_name(&stem[..*at]) == wanted)
        .map(|(at, _)| &stem[at + 1..])
        .find(|version| Release::parse(version).is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(package: &str, file: &str) -> Option<String> {
        release_of_file(package, file).map(|(kind, release)| format!("{kind:?} {release}"))
    }

    #[test]
    fn every_spelling_of_a_name_is_understood() {
        let of = |file: &str| seen("backend.ai-manager", file);
        assert_eq!(of("backend.ai_manager-23.9.8-py3-none-any.whl").as_deref(), Some("Wheel 23.9.8"));
        assert_eq!(of("backend_ai_manager-24.09.14-py3-none-any.whl").as_deref(), Some("Wheel 24.9.14"));
        assert_eq!(of("Backend_AI_manager-25.1.1-1b-py3-none-any.whl").as_deref(), Some("Wheel 25.1.1"));
        assert_eq!(of("backend.ai-manager-20.3.0.tar.gz").as_deref(), Some("Sdist 20.3.0"));
        assert_eq!(of("backend_ai_manager-20.3.0rc1.zip").as_deref(), Some("Sdist 20.3.0rc1"));
    }

    #[test]
    fn what_is_no_file_of_the_package_is_left_out() {
        for file in [
            "backend.ai_manager-23.9.8-py3.7.egg",
            "backend.ai_manager-23.9.8.exe",
            "backend.ai_agent-23.9.8-py3-none-any.whl",
            "backend.ai_manager-client-1.0.tar.gz",
            "backend.ai_manager-latest-py3-none-any.whl",
            "backend.ai_manager-23.9.8-any.whl",
            "backend.ai-manager-23.9.8.tar.gz.asc",
            "",
            "-",
        ] {
            assert_eq!(seen("backend.ai-manager", file), None, "{file}");
        }
        // A package whose name is the beginning of another's.
        assert_eq!(seen("foo", "foo-2-1.0.tar.gz"), None);
        assert_eq!(seen("foo-2", "foo-2-1.0.tar.gz").as_deref(), Some("Sdist 1.0"));
    }

    proptest! {
        #[test]
        fn a_wheel_s_own_name_is_read_back(name in "[a-z][a-z0-9]{0,5}([._-][a-z0-9]{1,5}){0,2}", x in 0u32..99, y in 0u32..99) {
            let file = format!("{}-{x}.{y}-py3-none-any.whl", name.replace('-', "_"));
            prop_assert_eq!(seen(&name, &file), Some(format!("Wheel {x}.{y}")));
        }

        #[test]
        fn no_name_makes_it_panic(package in ".{0,12}", file in ".{0,40}") {
            let _ = release_of_file(&package, &file);
            let _ = release_of_file(&package, &format!("{file}.whl"));
            let _ = release_of_file(&package, &format!("{file}.tar.gz"));
        }
    }
}
