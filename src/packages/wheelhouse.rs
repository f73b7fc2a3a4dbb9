//! A directory of wheels and source archives on the controller.

#![expect(clippy::disallowed_methods, reason = "reads directories of wheels")]

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use super::PackagesError;
use crate::release::{FileKind, IndexFile, release_of_file};

/// Metadata is a few KB, with the project's readme in it rarely 100; what is larger is no metadata.
const METADATA_SIZE: u64 = 4 * 1024 * 1024;

/// The files of `package` in a directory, not below it: what pip's `--find-links` sees there.
///
/// # Errors
/// When the directory or a wheel of the package can't be read.
pub fn read_wheelhouse(directory: &Path, package: &str) -> Result<Vec<IndexFile>, PackagesError> {
    let cant = |path: &Path, reason: String| PackagesError::File { path: path.to_path_buf(), reason };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| cant(directory, error.to_string()))? {
        let entry = entry.map_err(|error| cant(directory, error.to_string()))?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let Some((kind, _)) = release_of_file(package, &name) else { continue };
        let path = entry.path();
        let requires_python = match kind {
            FileKind::Wheel => requires_python(&path).map_err(|reason| cant(&path, reason))?,
            // pip learns it only by building the archive.
            FileKind::Sdist => None,
        };
        let bytes = fs::metadata(&path).map_err(|error| cant(&path, error.to_string()))?.len();
        let link = name.clone();
        files.push(IndexFile { name, yanked: None, requires_python, bytes: Some(bytes), link, sha256: None });
    }
    Ok(files)
}

/// The Requires-Python of a wheel's own metadata.
fn requires_python(wheel: &Path) -> Result<Option<String>, String> {
    let broken = |error: zip::result::ZipError| format!("it is no whole wheel: {error}");
    let file = File::open(wheel).map_err(|error| error.to_string())?;
    let mut archive = zip::ZipArchive::new(file).map_err(broken)?;
    let mut names = archive.file_names().filter_map(Result::ok);
    let name = names.find(|name| is_metadata(name)).map(|name| name.into_owned());
    drop(names);
    let name = name.ok_or("it is no whole wheel: it has no METADATA")?;
    let mut text = Vec::new();
    let metadata = archive.by_name(&name).map_err(broken)?;
    metadata.take(METADATA_SIZE).read_to_end(&mut text).map_err(|error| error.to_string())?;
    Ok(field(&String::from_utf8_lossy(&text), "Requires-Python"))
}

/// `NAME.dist-info/METADATA` at the top of the archive.
fn is_metadata(name: &str) -> bool {
    name.strip_suffix(".dist-info/METADATA").is_some_and(|directory| !directory.contains('/'))
}

/// A field of the head, which ends at the first empty line.
fn field(metadata: &str, wanted: &str) -> Option<String> {
    let head = metadata.lines().take_while(|line| !line.trim().is_empty());
    let mut fields = head.filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::release::join_files;

    fn wheel(directory: &Path, name: &str, metadata: Option<&str>) {
        let mut archive = zip::ZipWriter::new(File::create(directory.join(name)).unwrap());
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file("x/__init__.py", options).unwrap();
        if let Some(metadata) = metadata {
            archive.start_file("x-1.dist-info/METADATA", options).unwrap();
            archive.write_all(metadata.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
    }

    #[test]
    fn files_of_the_package_are_seen_with_their_python() {
        let scratch = tempfile::tempdir().unwrap();
        wheel(
            scratch.path(),
            "x-1.0-py3-none-any.whl",
            Some("Name: x\nRequires-Python: >=3.12\n\nRequires-Python: no"),
        );
        wheel(scratch.path(), "x-1.1-py3-none-any.whl", Some("Name: x\n"));
        wheel(scratch.path(), "y-1.0-py3-none-any.whl", None);
        fs::write(scratch.path().join("x-0.9.tar.gz"), "12345").unwrap();
        fs::create_dir(scratch.path().join("below")).unwrap();
        let releases = join_files("x", read_wheelhouse(scratch.path(), "x").unwrap());
        let seen: Vec<_> =
            releases.iter().map(|one| (one.release.to_string(), one.requires_python.as_deref())).collect();
        assert_eq!(seen, [("0.9".into(), None), ("1.0".into(), Some(">=3.12")), ("1.1".into(), None)]);
        assert_eq!(releases[0].bytes, Some(5));
    }

    #[test]
    fn what_can_t_be_read_is_an_error_not_an_empty_list() {
        let scratch = tempfile::tempdir().unwrap();
        assert!(read_wheelhouse(&scratch.path().join("none"), "x").is_err());
        wheel(scratch.path(), "x-1.0-py3-none-any.whl", None);
        assert!(read_wheelhouse(scratch.path(), "x").unwrap_err().to_string().contains("no METADATA"));
        fs::write(scratch.path().join("x-1.0-py3-none-any.whl"), "half a wheel").unwrap();
        let error = read_wheelhouse(scratch.path(), "x").unwrap_err().to_string();
        assert!(error.contains("x-1.0-py3-none-any.whl: it is no whole wheel"), "{error}");
    }
}
