//! The configuration files that `ssh` would read, found and read here too: only to know for whom its answers hold.

#![expect(clippy::disallowed_methods, reason = "reads configuration files")]

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::super::known_hosts::matches_pattern;
use super::text::ConfigText;

/// As in OpenSSH: files that take each other in end somewhere.
const DEEPEST: usize = 16;

/// Files beyond these are not a configuration that somebody keeps.
const MOST_FILES: usize = 1000;

/// What all files together say.
#[derive(Debug, Clone, Default)]
pub(super) struct ConfigFiles {
    pub(super) text: ConfigText,
    /// Of all names and contents, in order.
    pub(super) digest: String,
}

/// Reads files and all that they take in. Relative names lie where configuration belongs, in the user's `.ssh` or in
/// `/etc/ssh`; without such a place only full ones are followed.
pub(super) fn read(roots: &[(PathBuf, Option<PathBuf>)], home: &Path) -> ConfigFiles {
    let mut reading = Reading { home, text: ConfigText::default(), hash: Sha256::new(), count: 0 };
    for (file, beside) in roots {
        reading.file(file, beside.as_deref(), 0);
    }
    let digest = reading.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    ConfigFiles { text: reading.text, digest }
}

/// Whether there is such a file.
pub(super) fn is_there(file: &Path) -> bool {
    file.exists()
}

/// What tells one state of a program from another: its place, size and time of change.
pub(super) fn identity(program: &Path) -> String {
    let metadata = fs::metadata(program).ok();
    let changed = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
    format!("{} {:?} {changed:?}", program.display(), metadata.map(|metadata| metadata.len()))
}

struct Reading<'a> {
    home: &'a Path,
    text: ConfigText,
    hash: Sha256,
    count: usize,
}

impl Reading<'_> {
    fn file(&mut self, file: &Path, beside: Option<&Path>, depth: usize) {
        self.count += 1;
        self.hash.update(file.as_os_str().as_encoded_bytes());
        if depth > DEEPEST || self.count > MOST_FILES {
            self.text.single = Some("too many files take each other in");
            self.text.fleeting = self.text.single;
            return;
        }
        let content = match fs::read(file) {
            Ok(content) => content,
            Err(error) => {
                self.hash.update(format!("\0{:?}\0", error.kind()).as_bytes());
                return;
            }
        };
        self.hash.update(format!("\0{}\0", content.len()).as_bytes());
        self.hash.update(&content);
        let parsed = ConfigText::parse(&String::from_utf8_lossy(&content));
        self.text.merge(&parsed);
        for pattern in parsed.includes {
            self.include(&pattern, beside, depth);
        }
    }

    fn include(&mut self, pattern: &str, beside: Option<&Path>, depth: usize) {
        // Tokens and variables came to Include late, and classes and braces are rare: not followed, and so not relied on.
        let is_lost = beside.is_none() && !pattern.starts_with('/');
        let is_rare = pattern.contains(['%', '$', '[', '{', '\\']);
        if is_lost || is_rare || pattern.starts_with('~') && !pattern.starts_with("~/") {
            self.text.single = Some("an Include has a pattern that isn't followed here");
            self.text.fleeting = self.text.single;
            return;
        }
        let pattern = match pattern.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None => beside.unwrap_or(Path::new("/")).join(pattern),
        };
        for file in glob(&pattern) {
            self.file(&file, beside, depth + 1);
        }
    }
}

/// The files that a pattern with `*` and `?` stands for, in the order of their names.
fn glob(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let part = component.as_os_str().to_string_lossy();
        if !part.contains(['*', '?']) {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        }
        let mut next = Vec::new();
        for directory in &found {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
            names.sort();
            // As in a shell, a wildcard doesn't stand for the dot of a hidden file.
            let wanted = names.into_iter().filter(|name| {
                let name = name.to_string_lossy();
                (!name.starts_with('.') || part.starts_with('.')) && matches_pattern(part.as_bytes(), name.as_bytes())
            });
            next.extend(wanted.map(|name| directory.join(name)));
        }
        found = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_in_is_read_too_and_changes_the_digest() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        let root = file("config", "Include conf.d/*.conf ~/more\nHost a\n");
        file("conf.d/1.conf", "Host b\nInclude deeper\n");
        file("conf.d/.hidden.conf", "Host no\n");
        let deeper = file("deeper", "Host c\n");
        file("more", "Host d\nInclude config\n");
        let roots = [(root.clone(), Some(dir.path().to_owned()))];
        let files = read(&roots, dir.path());
        assert_eq!(files.text.patterns.iter().map(String::as_str).collect::<String>(), "abcd");
        // These take each other in for ever; ssh would refuse them.
        assert!(files.text.single.is_some());
        file("more", "Host d\n");
        let files = read(&roots, dir.path());
        assert_eq!((files.text.single, files.digest.len()), (None, 64));
        assert_eq!(read(&roots, dir.path()).digest, files.digest);
        fs::write(deeper, "Host e\n").unwrap();
        assert_ne!(read(&roots, dir.path()).digest, files.digest);
        assert!(read(&[(root, None)], dir.path()).text.single.is_some());
    }
}
