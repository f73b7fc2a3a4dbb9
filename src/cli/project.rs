//! Finds and reads the files of a project: the inventory with its vars files, playbooks and roles. I/O.
//!
//! All reading of declarations from the file system happens here; the texts then go to the pure modules.

// Ready for a lint that bans raw calls: this module is the one that may read project files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::document::{Diagnostic, Diagnostics, Source};
use crate::inventory::{Beside, InventorySources, Scope, VarsFile};

/// Largest file that is read, in bytes: an inventory of ten thousand hosts is about one megabyte; whatever is
/// larger than this is no declaration.
const FILE_SIZE: u64 = 16 * 1024 * 1024;

/// Extensions of a vars file, in the order in which Ansible looks for them; a file without one comes first.
const EXTENSIONS: [&str; 4] = ["", "yaml", "yml", "json"];

/// Reads one file.
///
/// # Errors
/// When it can't be read, is too large, or isn't UTF-8.
pub fn read_source(path: &Path) -> Result<Arc<Source>, Diagnostic> {
    let shown = path.display().to_string();
    let cant = |reason: String| Diagnostic::nowhere(format!("can't read {shown}: {reason}"));
    let metadata = fs::metadata(path).map_err(|error| cant(error.to_string()))?;
    if metadata.is_dir() {
        return Err(cant("it is a directory".to_owned()).hint("name a YAML file in it"));
    }
    if metadata.len() > FILE_SIZE {
        return Err(cant(format!("it is larger than {FILE_SIZE} bytes")));
    }
    let bytes = fs::read(path).map_err(|error| cant(error.to_string()))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(shown, text)),
        Err(error) => Err(cant(format!("it isn't UTF-8 (byte {})", error.utf8_error().valid_up_to()))),
    }
}

/// Reads the inventory file and the `group_vars/` and `host_vars/` beside it and beside the playbook.
///
/// # Errors
/// Every file that can't be read, and every name that has more than one file.
pub fn read_inventory(inventory: &Path, playbook_directory: Option<&Path>) -> Result<InventorySources, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let source = mistakes.keep(read_source(inventory));
    let beside = directory_of(inventory);
    let mut vars = Vec::new();
    read_vars_beside(&beside, Beside::Inventory, &mut vars, &mut mistakes);
    if let Some(directory) = playbook_directory {
        // The same directory twice would give each variable twice.
        if !is_same(directory, &beside) {
            read_vars_beside(directory, Beside::Playbook, &mut vars, &mut mistakes);
        }
    }
    match source {
        Some(inventory) => mistakes.or_ok(InventorySources { inventory, vars }),
        None => Err(mistakes),
    }
}

/// The directory that a file lies in, as it would be written.
fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        Some(_) | None => PathBuf::from("."),
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        (Ok(_) | Err(_), _) => false,
    }
}

fn read_vars_beside(directory: &Path, beside: Beside, vars: &mut Vec<VarsFile>, mistakes: &mut Diagnostics) {
    type MakeScope = fn(String) -> Scope;
    let kinds: [(&str, MakeScope); 2] = [("group_vars", Scope::Group), ("host_vars", Scope::Host)];
    for (kind, scope) in kinds {
        let directory = without_dot(&directory.join(kind));
        if !directory.is_dir() {
            continue;
        }
        let mut found: Vec<(String, PathBuf)> = Vec::new();
        for path in mistakes.keep(entries(&directory)).unwrap_or_default() {
            let Some(name) = name_of(&path) else { continue };
            if let Some((_, other)) = found.iter().find(|(known, _)| *known == name) {
                let message = format!("both {} and {} are for `{name}`", other.display(), path.display());
                mistakes.push(Diagnostic::nowhere(message).hint("keep one; Ansible would silently ignore the other"));
                continue;
            }
            for file in mistakes.keep(files_of(&path)).unwrap_or_default() {
                if let Some(source) = mistakes.keep(read_source(&file)) {
                    vars.push(VarsFile { scope: scope(name.clone()), beside, source });
                }
            }
            found.push((name, path));
        }
    }
}

/// The group or host that an entry of `group_vars/` or `host_vars/` is for; `None` when it isn't a vars file.
fn name_of(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    if path.is_dir() {
        return Some(file.to_owned());
    }
    match file.rsplit_once('.') {
        Some((stem, extension)) if EXTENSIONS[1..].contains(&extension) => Some(stem.to_owned()),
        // A dot may be part of a host's name: `host_vars/web1.example.org`.
        Some(_) | None => Some(file.to_owned()),
    }
}

/// The vars files that a path stands for: itself, or all below a directory in ASCII order.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in entries(path)? {
        let extension = entry.extension().and_then(|extension| extension.to_str()).unwrap_or("");
        if entry.is_dir() || EXTENSIONS.contains(&extension) {
            files.extend(files_of(&entry)?);
        }
    }
    Ok(files)
}

/// The entries of a directory in ASCII order, without hidden files and editors' back-ups.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    let cant = |error: std::io::Error| Diagnostic::nowhere(format!("can't read {}: {error}", directory.display()));
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(cant)? {
        let name = entry.map_err(cant)?.file_name();
        let text = name.to_string_lossy();
        if !text.starts_with('.') && !text.ends_with('~') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names.into_iter().map(|name| directory.join(name)).collect())
}

/// `./group_vars` reads better as `group_vars`.
fn without_dot(path: &Path) -> PathBuf {
    path.strip_prefix(".").map_or_else(|_| path.to_path_buf(), Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        directory
    }

    #[test]
    fn vars_files_are_found_as_ansible_finds_them() {
        let project = project(&[
            ("inventories/prod.yaml", "all: {}"),
            ("inventories/group_vars/all/b.yml", ""),
            ("inventories/group_vars/all/a.yaml", ""),
            ("inventories/group_vars/all/.hidden.yaml", ""),
            ("inventories/group_vars/all/sub/c.yaml", ""),
            ("inventories/group_vars/all/notes.txt", ""),
            ("inventories/group_vars/web.yaml~", ""),
            ("inventories/group_vars/web", ""),
            ("inventories/host_vars/web1.example.org", ""),
            ("playbooks/group_vars/web.yml", ""),
        ]);
        let root = project.path();
        let sources = read_inventory(&root.join("inventories/prod.yaml"), Some(&root.join("playbooks"))).unwrap();
        let shown: Vec<String> = sources
            .vars
            .iter()
            .map(|file| {
                let path = Path::new(&file.source.path).strip_prefix(root).unwrap().display().to_string();
                format!("{path} {:?} {:?}", file.scope, file.beside)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "inventories/group_vars/all/a.yaml Group(\"all\") Inventory",
                "inventories/group_vars/all/b.yml Group(\"all\") Inventory",
                "inventories/group_vars/all/sub/c.yaml Group(\"all\") Inventory",
                "inventories/group_vars/web Group(\"web\") Inventory",
                "inventories/host_vars/web1.example.org Host(\"web1.example.org\") Inventory",
                "playbooks/group_vars/web.yml Group(\"web\") Playbook",
            ]
        );
        // A playbook directory that is the inventory's own isn't read twice.
        let same = read_inventory(&root.join("inventories/prod.yaml"), Some(&root.join("inventories"))).unwrap();
        assert_eq!(same.vars.len(), 5);
    }

    #[test]
    fn all_unreadable_files_are_named_at_once() {
        let project = project(&[("group_vars/web.yaml", ""), ("group_vars/web.yml", ""), ("group_vars/x", "")]);
        fs::write(project.path().join("group_vars/x"), [0xff, 0xfe]).unwrap();
        let shown = read_inventory(&project.path().join("prod.yaml"), None).unwrap_err().to_string();
        for part in ["prod.yaml: No such file", "are for `web`", "x: it isn't UTF-8 (byte 0)"] {
            assert!(shown.contains(part), "{shown}");
        }
        assert!(read_source(project.path()).unwrap_err().to_string().contains("it is a directory"));
    }
}
