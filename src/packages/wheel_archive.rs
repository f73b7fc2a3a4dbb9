//! A wheel's archive → the parts of it that are read. Every part is bounded, whatever the archive claims of itself.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use crate::model::{Digest, printable};
use crate::release::{FILE_BYTES, UNPACKED_BYTES, WHEEL_BYTES, WHEEL_FILES, WheelContents, WheelError, WheelParts};

/// Why an archive can't be read.
#[derive(Debug, thiserror::Error)]
pub enum WheelhouseError {
    /// It is no zip file, or a damaged one.
    #[error("{file} is no readable zip archive: {source}")]
    Zip {
        /// The file.
        file: String,
        /// What zip says.
        source: zip::result::ZipError,
    },
    /// A file in it can't be unpacked.
    #[error("{file}: {name} can't be unpacked: {source}")]
    Unpack {
        /// The wheel.
        file: String,
        /// The file in it.
        name: String,
        /// What hinders.
        source: std::io::Error,
    },
    /// It isn't made as wheels are.
    #[error("{file}: {source}")]
    Wheel {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: WheelError,
    },
}

type Archive<'a> = zip::ZipArchive<Cursor<&'a [u8]>>;

/// Reads the parts of the wheel `file` that matter. `migrations` names the directory with its migrations, if it is
/// known.
///
/// # Errors
/// When it is no wheel, or holds more than an honest one.
pub fn read_archive(file: &str, bytes: &[u8], migrations: Option<&str>) -> Result<WheelContents, WheelhouseError> {
    let wheel = |source| WheelhouseError::Wheel { file: printable(file), source };
    let size = bytes.len() as u64;
    if size > WHEEL_BYTES {
        return Err(wheel(WheelError::TooMuch { what: "bytes", found: size, limit: WHEEL_BYTES }));
    }
    let entries = most_entries(bytes);
    if entries > WHEEL_FILES {
        let (found, limit) = (entries as u64, WHEEL_FILES as u64);
        return Err(wheel(WheelError::TooMuch { what: "entries", found, limit }));
    }
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))
        .map_err(|source| WheelhouseError::Zip { file: printable(file), source })?;
    let names = archive.file_names().map(|name| name.map(std::borrow::Cow::into_owned)).collect::<Result<Vec<_>, _>>();
    let names = names.map_err(|source| WheelhouseError::Zip { file: printable(file), source })?;
    let parts = WheelParts::of(&names, migrations).map_err(wheel)?;
    let mut files = BTreeMap::new();
    let mut left = UNPACKED_BYTES;
    for name in parts.revisions.iter().chain([&parts.metadata]) {
        let text = unpack(file, &mut archive, name, &mut left)?;
        files.insert(name.clone(), text);
    }
    for name in &parts.sources {
        let text = unpack(file, &mut archive, name, &mut left)?;
        if parts.is_suspect(name, &text) {
            files.insert(name.clone(), text);
        }
    }
    Ok(WheelContents { file: file.to_owned(), bytes: size, sha256: Digest::of(bytes), names, files })
}

/// Up to here an archive has no room for so many entries that they would fill the memory: each takes 46 bytes at least,
/// and some hundreds once it is read.
const SMALL: usize = 16 * 1024 * 1024;

/// How many entries an archive can have at most; the library would read all that it names before anybody counts. Of a small
/// one that isn't asked.
fn most_entries(bytes: &[u8]) -> usize {
    if bytes.len() <= SMALL { 0 } else { bytes.windows(4).filter(|window| *window == b"PK\x01\x02").count() }
}

/// Unpacks one file, of which no more than the limits is ever held, whatever size it is said to have.
fn unpack(file: &str, archive: &mut Archive<'_>, name: &str, left: &mut u64) -> Result<Vec<u8>, WheelhouseError> {
    let entry = archive.by_name(name).map_err(|source| WheelhouseError::Zip { file: printable(file), source })?;
    let limit = FILE_BYTES.min(*left);
    let mut text = Vec::new();
    entry.take(limit + 1).read_to_end(&mut text).map_err(|source| WheelhouseError::Unpack {
        file: printable(file),
        name: printable(name),
        source,
    })?;
    let found = text.len() as u64;
    if found > limit {
        let source = WheelError::TooMuch { what: "unpacked bytes", found, limit };
        return Err(WheelhouseError::Wheel { file: format!("{}: {}", printable(file), printable(name)), source });
    }
    *left -= found;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn archive(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in files {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(text).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    const METADATA: &str = "p-1.dist-info/METADATA";

    #[test]
    fn only_what_matters_is_kept() {
        let bytes = archive(&[
            (METADATA, b"Name: p\nVersion: 1\n".to_vec()),
            ("p/__init__.py", b"import os\n".to_vec()),
            ("p/a.py", b"import p.gone\n".to_vec()),
            ("p/m/env.py", b"import os\n".to_vec()),
            ("p/m/versions/a.py", b"revision = 'a'\n".to_vec()),
            ("p/static/big.js", vec![b'x'; 100]),
        ]);
        let contents = read_archive("p-1-py3-none-any.whl", &bytes, None).unwrap();
        assert_eq!(contents.names.len(), 6);
        assert_eq!(
            contents.files.keys().map(String::as_str).collect::<Vec<_>>(),
            [METADATA, "p/a.py", "p/m/versions/a.py"]
        );
        assert_eq!(contents.sha256, Digest::of(&bytes));
    }

    #[test]
    fn an_archive_that_swells_is_refused() {
        let zeros = vec![0u8; usize::try_from(FILE_BYTES).unwrap() + 1];
        let bytes = archive(&[(METADATA, b"Name: p\nVersion: 1\n".to_vec()), ("p/big.py", zeros)]);
        assert!(bytes.len() < 100_000);
        let error = read_archive("p.whl", &bytes, None).unwrap_err().to_string();
        assert_eq!(
            error,
            "p.whl: p/big.py: the wheel holds 8388609 unpacked bytes (expected at most 8388608): it is not read"
        );
    }

    #[test]
    fn an_archive_of_too_many_entries_is_refused_before_they_are_read() {
        let error = read_archive("p.whl", &b"PK\x01\x02".repeat(SMALL / 4 + 1), None).unwrap_err().to_string();
        assert_eq!(error, "p.whl: the wheel holds 4194305 entries (expected at most 50000): it is not read");
    }

    #[test]
    fn what_is_no_wheel_is_refused() {
        assert!(matches!(read_archive("p.whl", b"<html>", None), Err(WheelhouseError::Zip { .. })));
        let error = read_archive("p.whl", &archive(&[("p/__init__.py", Vec::new())]), None).unwrap_err();
        assert_eq!(error.to_string(), "p.whl: the wheel holds 0 files *.dist-info/METADATA (expected one)");
        let error =
            read_archive("p.whl", &archive(&[(METADATA, Vec::new()), ("../../x", Vec::new())]), None).unwrap_err();
        assert!(error.to_string().contains("\"../../x\""), "{error}");
    }
}
