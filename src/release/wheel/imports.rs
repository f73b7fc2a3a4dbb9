//! Modules that a package imports from itself and doesn't hold. Pure.
//!
//! A wheel can lack a part of its own package (24.9.14 of Backend.AI's manager lacks `ai.backend.manager.errors`, so it
//! installs and doesn't start). Only imports at the top of a module count: those behind `try`, `if` or inside a function
//! may be meant to fail. The names behind `from x import` aren't looked at, as they may be no modules.

use std::collections::{BTreeMap, BTreeSet};

use super::error::WheelError;
use crate::release::schema::python_source::logical_lines;

/// What a package is made of, by the names of its files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct OwnModules {
    /// Its packages that have no package around them: `ai.backend.manager` (`ai` and `ai.backend` are shared).
    roots: BTreeSet<String>,
    /// Every module and directory, dotted.
    modules: BTreeSet<String>,
}

impl OwnModules {
    /// Takes stock of the files of a wheel.
    pub(super) fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut packages, mut modules) = (BTreeSet::new(), BTreeSet::new());
        for name in names {
            let Some((directory, file)) = name.rsplit_once('/') else { continue };
            for (at, _) in directory.match_indices('/') {
                modules.insert(dotted(&directory[..at]));
            }
            modules.insert(dotted(directory));
            // Compiled modules carry a tag: `fast.cpython-312-x86_64-linux-gnu.so`.
            if let Some((stem, _)) =
                file.split_once('.').filter(|_| [".py", ".so", ".pyd"].iter().any(|end| file.ends_with(end)))
            {
                if stem == "__init__" {
                    packages.insert(dotted(directory));
                } else {
                    modules.insert(format!("{}.{stem}", dotted(directory)));
                }
            }
        }
        let inside = |package: &String| package.match_indices('.').any(|(at, _)| packages.contains(&package[..at]));
        Self { roots: packages.iter().filter(|package| !inside(package)).cloned().collect(), modules }
    }

    fn lacks(&self, module: &str) -> bool {
        let own = module.match_indices('.').any(|(at, _)| self.roots.contains(&module[..at]));
        own && !self.modules.contains(module)
    }
}

fn dotted(path: &str) -> String {
    path.replace('/', ".")
}

/// The modules that the source file `name` imports from its own package although the package doesn't hold them.
///
/// # Errors
/// When the text isn't UTF-8 or isn't Python.
pub(super) fn missing_imports(own: &OwnModules, name: &str, bytes: &[u8]) -> Result<BTreeSet<String>, WheelError> {
    let unreadable = |reason: String| WheelError::Source { file: name.to_owned(), reason };
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable("expected UTF-8, found other bytes".into()))?;
    let lines = logical_lines(text)
        .map_err(|unclosed| unreadable(format!("line {}: a string is not closed", unclosed.line)))?;
    let imports = lines.iter().filter(|line| line.indent == 0).flat_map(|line| imported(name, &line.code));
    Ok(imports.filter(|module| own.lacks(module)).collect())
}

/// Whether a line of the file seems to import such a module. It may stand in a text; [`missing_imports`] tells.
pub(super) fn suspect_imports(own: &OwnModules, name: &str, bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let imports = |line: &&str| line.starts_with("from ") || line.starts_with("import ");
    text.lines().filter(imports).flat_map(|line| imported(name, line)).any(|module| own.lacks(&module))
}

/// The modules that one statement imports, dotted and absolute.
fn imported(file: &str, code: &str) -> Vec<String> {
    let (keyword, rest) = code.split_once([' ', '\t']).unwrap_or((code, ""));
    match keyword {
        "import" => rest.split(',').filter_map(|module| module.split_whitespace().next()).map(str::to_owned).collect(),
        "from" => {
            // `from . import x` takes the package itself, `from .x import y` one beside.
            let module = rest.split(" import").next().unwrap_or_default().split_whitespace().next().unwrap_or_default();
            absolute(file, module).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn absolute(file: &str, module: &str) -> Option<String> {
    let relative = module.trim_start_matches('.');
    let up = module.len() - relative.len();
    if up == 0 {
        return Some(module.to_owned());
    }
    let mut package: Vec<&str> = file.split('/').collect();
    for _ in 0..up {
        package.pop()?;
    }
    package.extend(relative.split('.').filter(|part| !part.is_empty()));
    Some(package.join("."))
}

/// Joins what several files lack: each module with the first file that imports it.
pub(super) fn first_importers(missing: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, String> {
    let mut first = BTreeMap::new();
    for (file, modules) in missing {
        for module in modules {
            first.entry(module).or_insert_with(|| file.clone());
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacks(source: &str) -> Vec<String> {
        let own = OwnModules::of([
            "ai/backend/manager/__init__.py",
            "ai/backend/manager/api/__init__.py",
            "ai/backend/manager/api/group.py",
            "ai/backend/manager/data/kinds.py",
            "ai/backend/manager/fast.cpython-312-x86_64-linux-gnu.so",
            "backend_ai_manager-1.dist-info/METADATA",
        ]);
        missing_imports(&own, "ai/backend/manager/api/group.py", source.as_bytes()).unwrap().into_iter().collect()
    }

    #[test]
    fn modules_that_the_wheel_does_not_hold_are_found() {
        assert_eq!(
            lacks("from ai.backend.manager.errors.common import (\n    X,\n)\n"),
            ["ai.backend.manager.errors.common"]
        );
        assert_eq!(lacks("import os, ai.backend.manager.gone as g\n"), ["ai.backend.manager.gone"]);
        assert_eq!(lacks("from ..errors import X\n"), ["ai.backend.manager.errors"]);
        assert_eq!(lacks("from .gone import X\n"), ["ai.backend.manager.api.gone"]);
    }

    #[test]
    fn what_is_there_or_belongs_to_others_is_not_missing() {
        let there = "from ai.backend.manager import api, __version__\nfrom ai.backend.manager.data import kinds\nimport ai.backend.manager.fast\n\
                     from . import group\nfrom .. import api\nfrom .group import X\nfrom ai.backend.common.gone import X\nimport sqlalchemy as sa\n";
        assert_eq!(lacks(there), Vec::<String>::new());
    }

    #[test]
    fn imports_that_may_fail_and_texts_do_not_count() {
        let guarded = "try:\n    from ai.backend.manager.gone import X\nexcept ImportError:\n    X = None\nDOC = '''\nfrom ai.backend.manager.gone import X\n'''\n\
                       def f():\n    import ai.backend.manager.gone\n# import ai.backend.manager.gone\n";
        assert_eq!(lacks(guarded), Vec::<String>::new());
    }
}
