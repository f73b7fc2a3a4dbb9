//! Finds and reads the files of a project: vars files, playbooks and roles. I/O.
//!
//! All reading of declarations from the file system happens here; the texts then go to the pure modules.

#![expect(clippy::disallowed_methods, reason = "the one module that reads the files of a project")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::keyring;
use crate::document::{Diagnostic, Diagnostics, Source};
use crate::inventory::{Beside, ExtraVars, Scope, VarsFile};
use crate::playbook::{
    Files, KnownFiles, Origin, Playbook, Role, RoleRest, RoleSources, Roles, bundled_file, bundled_playbook,
    bundled_role, bundled_role_names,
};

/// Largest file that is read, in bytes: an inventory of ten thousand hosts is about one megabyte; whatever is
/// larger than this is no declaration.
const FILE_SIZE: u64 = 16 * 1024 * 1024;

/// Extensions of a vars file, in the order in which Ansible looks for them; a file without one comes first.
const EXTENSIONS: [&str; 4] = ["", "yaml", "yml", "json"];

/// Reads one file.
///
/// # Errors
/// When it can't be read, is too large, isn't UTF-8, or is encrypted and can't be decrypted.
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
        Ok(text) => keyring::revealed(shown, text),
        Err(error) => Err(cant(format!("it isn't UTF-8 (byte {})", error.utf8_error().valid_up_to()))),
    }
}

/// Reads the `-e` arguments: `key=value …`, `{…}`, or `@file`.
///
/// # Errors
/// Every file that can't be read.
pub fn read_extra_arguments(arguments: &[String]) -> Result<Vec<ExtraVars>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let extra = arguments.iter().filter_map(|argument| match argument.strip_prefix('@') {
        Some(path) => mistakes.keep(read_source(Path::new(path))).map(ExtraVars::File),
        None => Some(ExtraVars::Argument(Source::command_line(argument))),
    });
    let extra = extra.collect();
    mistakes.or_ok(extra)
}

/// The directory whose `group_vars/` and `host_vars/` count as the playbook's.
#[must_use]
pub fn playbook_directory(root: &Path, playbook: Option<&Path>) -> PathBuf {
    playbook.map_or_else(|| without_dot(&root.join("playbooks")), directory_of)
}

/// Reads a playbook and the roles that it names. Without a path, that is `playbooks/site.yaml` below `root` (the
/// current directory) or, when there is none, the bundled one. Each role is `roles/NAME/` below `root`, or `NAME/` in the
/// first directory of `roles_path` that has it, or the bundled one of that name.
///
/// # Errors
/// All mistakes of the playbook, or else all mistakes of its roles.
pub fn read_playbook(
    root: &Path,
    playbook: Option<&Path>,
    roles_path: &[PathBuf],
) -> Result<(Playbook, Roles), Diagnostics> {
    let (source, origin) = match playbook {
        Some(path) => (read_source(path)?, Origin::Project),
        None => match read_either(&root.join("playbooks"), "site")? {
            Some(source) => (source, Origin::Project),
            None => (bundled_playbook(), Origin::Bundled),
        },
    };
    let playbook = Playbook::read(&source, origin, &ProjectFiles)?;
    let beside = directory_of(Path::new(&source.path)).join("roles");
    let mut directories = vec![root.join("roles"), beside];
    directories.extend_from_slice(roles_path);
    let roles = read_roles(&directories, &playbook)?;
    Ok((playbook, roles))
}

/// The roles that a playbook names, and those that these need. Each is looked for in the directories, then among the
/// bundled ones.
fn read_roles(directories: &[PathBuf], playbook: &Playbook) -> Result<Roles, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut roles: BTreeMap<String, Option<Role>> = BTreeMap::new();
    let mut wanted: Vec<String> = playbook.role_names().into_iter().map(str::to_owned).collect();
    // The other bundled roles too, so that a mistyped name finds the nearest.
    let mut others: Vec<&str> = bundled_role_names();
    while let Some(name) = wanted.pop().or_else(|| others.pop().map(str::to_owned)) {
        if roles.contains_key(&name) {
            continue;
        }
        let before = mistakes.len();
        let own =
            directories.iter().find_map(|directory| mistakes.keep(read_role(&directory.join(&name), &name)).flatten());
        // What is there and can't be read isn't taken from elsewhere.
        let sources = own.or_else(|| (mistakes.len() == before).then(|| bundled_role(&name)).flatten());
        let role = sources.and_then(|sources| mistakes.keep(Role::parse(&sources)));
        wanted.extend(role.iter().flat_map(Role::role_names).map(str::to_owned));
        roles.insert(name, role);
    }
    mistakes.or_ok(Roles::of(roles.into_values().flatten()))
}

/// The files of the project, by their paths from the current directory.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProjectFiles;

impl Files for ProjectFiles {
    fn read(&self, path: &str) -> Result<Option<Arc<Source>>, Diagnostic> {
        if let Some(bundled) = bundled_file(path) {
            return Ok(Some(bundled));
        }
        let path = Path::new(path);
        if path.exists() { read_source(path).map(Some) } else { Ok(None) }
    }

    fn names_in(&self, directory: &str) -> Vec<String> {
        let directory = if directory.is_empty() { Path::new(".") } else { Path::new(directory) };
        let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
        // Only to suggest something: a directory that can't be read suggests nothing.
        entries(directory).unwrap_or_default().iter().filter_map(name).collect()
    }
}

/// Reads a role's directory; `None` when there is none. A project's role replaces the bundled one as a whole.
pub(super) fn read_role(directory: &Path, name: &str) -> Result<Option<RoleSources>, Diagnostics> {
    let directory = without_dot(directory);
    if !directory.is_dir() {
        return Ok(None);
    }
    let mut mistakes = Diagnostics::new();
    let mut part = |part: &str, stem: &str| mistakes.keep(read_either(&directory.join(part), stem)).flatten();
    let [defaults, vars, tasks, meta, handlers] =
        ["defaults", "vars", "tasks", "meta", "handlers"].map(|directory| part(directory, "main"));
    let argument_specs = part("meta", "argument_specs");
    let mut files = KnownFiles::default();
    for below in ["defaults", "vars", "tasks", "handlers"] {
        let below = directory.join(below);
        let all = if below.is_dir() { mistakes.keep(files_of(&below)).unwrap_or_default() } else { Vec::new() };
        for path in all {
            let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
            let inside = path.strip_prefix(&directory).ok().and_then(Path::to_str).map(str::to_owned);
            if let (true, Some(inside)) = (is_yaml, inside) {
                files.0.extend(mistakes.keep(read_source(&path)).map(|source| (inside, source)));
            }
        }
    }
    let has_tasks = files.0.keys().any(|path| path.starts_with("tasks/"));
    if !has_tasks && meta.is_none() && handlers.is_none() && mistakes.is_empty() {
        let message = format!("the role {} has no tasks", directory.display());
        mistakes.push(Diagnostic::nowhere(message).hint("its tasks are in tasks/main.yaml"));
    }
    let rest = RoleRest { directory: directory.display().to_string(), argument_specs, files };
    let (name, origin) = (name.to_owned(), Origin::Project);
    mistakes.or_ok(Some(RoleSources { name, origin, defaults, vars, tasks, meta, handlers, rest }))
}

/// Reads `STEM.yaml` or `STEM.yml` of a directory; `None` when there is neither.
///
/// # Errors
/// When both are there, or the one can't be read.
pub fn read_either(directory: &Path, stem: &str) -> Result<Option<Arc<Source>>, Diagnostic> {
    let directory = without_dot(directory);
    let found: Vec<PathBuf> = ["yaml", "yml"]
        .iter()
        .map(|extension| directory.join(format!("{stem}.{extension}")))
        .filter(|path| path.exists())
        .collect();
    match found.as_slice() {
        [] => Ok(None),
        [one] => read_source(one).map(Some),
        [one, other, ..] => {
            Err(Diagnostic::nowhere(format!("both {} and {} are there", one.display(), other.display()))
                .hint("keep one of them"))
        }
    }
}

/// The directory that a file lies in, as it would be written.
pub(super) fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Whether two paths lead to one directory.
pub(super) fn is_same(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        (Ok(_) | Err(_), _) => false,
    }
}

/// Reads the `group_vars/` and `host_vars/` of a directory.
pub(super) fn read_vars_beside(directory: &Path, beside: Beside, vars: &mut Vec<VarsFile>, mistakes: &mut Diagnostics) {
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

/// All files below a directory, whatever they are called; none where it isn't there.
///
/// # Errors
/// When a directory can't be read.
pub(super) fn all_files(directory: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in entries(directory)? {
        if entry.is_dir() { files.extend(all_files(&entry)?) } else { files.push(entry) }
    }
    Ok(files)
}

/// Whether a file may be executed.
pub(super) fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The vars files that a path stands for: itself, or all below a directory in ASCII order.
pub(super) fn files_of(path: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in entries(path)? {
        let extension = entry.extension().and_then(|extension| extension.to_str()).unwrap_or("");
        // As for Ansible, a directory with an extension is none of variables.
        if EXTENSIONS.contains(&extension) && (!entry.is_dir() || extension.is_empty()) {
            files.extend(files_of(&entry)?);
        }
    }
    Ok(files)
}

/// The entries of a directory in ASCII order, without hidden files and editors' back-ups.
///
/// # Errors
/// When it can't be read.
pub(super) fn entries(directory: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
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
pub(super) fn without_dot(path: &Path) -> PathBuf {
    path.strip_prefix(".").map_or_else(|_| path.to_path_buf(), Path::to_path_buf)
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A directory with these files; those that begin as programs do may be executed.
    pub(in crate::cli) fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            if text.starts_with("#!") {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        directory
    }

    #[test]
    fn an_empty_directory_has_the_bundled_playbook_and_a_project_overrides_role_by_role() {
        let empty = project(&[]);
        let (playbook, _) = read_playbook(empty.path(), None, &[]).unwrap();
        assert_eq!(playbook.origin, Origin::Bundled);
        let project = project(&[
            ("playbooks/site.yml", "- {hosts: all, roles: [manager, agent]}"),
            ("roles/manager/tasks/main.yaml", "- component: {a: 1}\n- component: {b: 1}"),
        ]);
        let (playbook, roles) = read_playbook(project.path(), None, &[]).unwrap();
        assert_eq!(playbook.origin, Origin::Project);
        assert_eq!((roles.get("manager").unwrap().tasks.len(), roles.get("agent").unwrap().tasks.len()), (2, 1));
        assert_eq!(
            (roles.get("manager").unwrap().origin, roles.get("agent").unwrap().origin),
            (Origin::Project, Origin::Bundled)
        );
        fs::write(project.path().join("playbooks/site.yaml"), "").unwrap();
        assert!(read_playbook(project.path(), None, &[]).unwrap_err().to_string().contains("site.yml are there"));
    }

    #[test]
    fn a_role_without_tasks_and_an_unreadable_extra_file_are_mistakes() {
        let project = project(&[("p.yaml", "- {hosts: all, roles: [x]}"), ("roles/x/defaults/main.yml", "a: 1")]);
        let shown = read_playbook(project.path(), Some(&project.path().join("p.yaml")), &[]).unwrap_err().to_string();
        assert!(shown.contains("roles/x has no tasks"), "{shown}");
        let extra = ["a=1".to_owned(), "@/nowhere/x.yaml".to_owned()];
        assert!(read_source(project.path()).unwrap_err().to_string().contains("it is a directory"));
        assert!(read_extra_arguments(&extra).unwrap_err().to_string().contains("can't read /nowhere/x.yaml"));
        assert_eq!(read_extra_arguments(&extra[..1]).unwrap().len(), 1);
    }
}
