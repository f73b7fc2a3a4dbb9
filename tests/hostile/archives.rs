//! Wheels and index pages that swell, climb, lie or never end, from directories and over HTTP: read by the controller.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Cursor, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use zip::write::SimpleFileOptions;

use crate::measured::{Measured, measured, python};
use crate::scene::is_harmless;

const SOON: Duration = Duration::from_secs(30);
/// Limits of what is unpacked, twice while a buffer grows, and the binary itself.
const MEBIBYTES: u64 = 400;

/// A home, and what is in it beside what converge keeps.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn files(&self) -> BTreeMap<PathBuf, u64> {
        let mut files = BTreeMap::new();
        let mut open = vec![self.0.path().to_owned()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).unwrap().flatten() {
                let metadata = entry.metadata().unwrap();
                if !metadata.is_dir() {
                    files.insert(entry.path(), metadata.len());
                } else if !entry.path().ends_with(".cache/converge") {
                    open.push(entry.path());
                }
            }
        }
        files
    }

    /// Runs converge in a directory deep enough for `../` to stay within the home; nothing but its own cache is written.
    #[track_caller]
    fn converge(&self, arguments: &[&str]) -> Measured {
        let inside = self.0.path().join("a/b/c");
        fs::create_dir_all(&inside).unwrap();
        let before = self.files();
        let mut shell = Command::new(python());
        shell.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.0.path()).env("USER", "me");
        shell.env("PIP_CONFIG_FILE", "/dev/null").env("TMPDIR", self.0.path()).current_dir(inside);
        let ran = measured(shell, arguments);
        assert_eq!(self.files(), before, "{}", ran.shown());
        is_harmless(&ran.out, "stdout");
        is_harmless(&ran.err, "stderr");
        assert!(!ran.shown().contains("panicked"), "{}", ran.shown());
        ran.stays_below(MEBIBYTES, SOON)
    }
}

const METADATA: &str = "demo-1.1.dist-info/METADATA";
const HEAD: &[u8] = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.1\n";

/// An archive of these files, in this order. Names are taken as they are.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(text).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Writes `value` at an offset behind each of these marks.
fn patched(mut bytes: Vec<u8>, mark: &[u8], offset: usize, value: &[u8]) -> Vec<u8> {
    let places: Vec<usize> = bytes.windows(4).enumerate().filter(|(_, w)| *w == mark).map(|(at, _)| at).collect();
    for at in places {
        bytes[at + offset..at + offset + value.len()].copy_from_slice(value);
    }
    bytes
}

const CENTRAL: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";

/// Each hostile wheel, with what is said of it; `None` where what is hostile about it is passed over.
fn wheels() -> Vec<(&'static str, Vec<u8>, Option<&'static str>)> {
    let zeros = vec![0; 200 << 20];
    let honest: (&str, &[u8]) = (METADATA, HEAD);
    let revision = b"revision = 'a'\ndown_revision = None\n";
    let mut symlink = zip::ZipWriter::new(Cursor::new(archive(&[])));
    symlink.start_file(METADATA, SimpleFileOptions::default()).unwrap();
    symlink.write_all(HEAD).unwrap();
    symlink.add_symlink("demo/alembic/versions/a.py", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    symlink.start_file("demo/alembic/env.py", SimpleFileOptions::default()).unwrap();
    let symlink = symlink.finish().unwrap().into_inner();
    let several = |name: &'static str| archive(&[honest, (name, b"x")]);
    let many: Vec<(String, &[u8])> = (0..60_000).map(|n| (format!("d/{n}"), &b""[..])).collect();
    let many = many.iter().map(|(name, text)| (name.as_str(), *text));
    let many: Vec<(&str, &[u8])> = [honest].into_iter().chain(many).collect();
    let two = archive(&[honest, ("demo/alembic/env.py", b""), ("demo/alembic/versions/a.py", revision)]);
    vec![
        ("a source that swells", archive(&[honest, ("demo/big.py", &zeros)]), Some("unpacked bytes")),
        ("metadata that swells", archive(&[(METADATA, &zeros)]), Some("unpacked bytes")),
        ("data that swells", archive(&[honest, ("demo/big.bin", &zeros)]), None),
        // It says 10 bytes of each file, in both places that say so.
        (
            "sizes that lie",
            patched(
                patched(archive(&[honest, ("demo/big.py", &zeros)]), CENTRAL, 24, &[10, 0, 0, 0]),
                LOCAL,
                22,
                &[10, 0, 0, 0],
            ),
            Some("demo-1.1-py3-none-any.whl"),
        ),
        ("sizes that are huge", patched(several("demo/x.py"), CENTRAL, 24, &[0xfe, 0xff, 0xff, 0xff]), None),
        // All entries lead to the first one's bytes.
        ("entries that overlap", patched(two.clone(), CENTRAL, 42, &[0, 0, 0, 0]), Some("demo-1.1-py3-none-any.whl")),
        ("too many files", archive(&many), Some("60001")),
        ("a way up", several("../../../pwned"), Some("../../../pwned")),
        ("a way down from the root", several("/tmp/converge-pwned"), Some("/tmp/converge-pwned")),
        ("a way of Windows", several("..\\..\\pwned"), Some("pwned")),
        ("a name with a NUL", several("demo/x\0.py"), Some("demo/x")),
        ("a name that steers terminals", several("demo/\x1b]0;evil\x07\u{202e}.py"), Some("evil")),
        // What it leads to isn't looked for: its text is no revision.
        ("a symbolic link", symlink, None),
        ("a torn end", two[..two.len() - 30].to_vec(), Some("it is no whole wheel")),
    ]
}

#[test]
fn no_wheel_is_unpacked_beyond_its_limits_or_outside_its_place() {
    let schema = ["path", "1.0", "1.1", "--package", "demo", "--schema", "--wheelhouse", "wheels"];
    let base = archive(&[
        ("demo-1.0.dist-info/METADATA", b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"),
        ("demo/alembic/env.py", b""),
        ("demo/alembic/versions/a.py", b"revision = 'a'\ndown_revision = None\n"),
    ]);
    for (what, wheel, expected) in wheels() {
        let home = Home::new();
        let directory = home.0.path().join("a/b/c/wheels");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("demo-1.0-py3-none-any.whl"), &base).unwrap();
        fs::write(directory.join("demo-1.1-py3-none-any.whl"), wheel).unwrap();
        let ran = home.converge(&schema);
        println!("{what}: {}", ran.shown());
        match expected {
            Some(said) => drop(ran.exits(1).says(&[said])),
            None => assert!(!ran.shown().contains("schema: ERROR"), "{what}: {}", ran.shown()),
        }
    }
    assert!(!Path::new("/tmp/converge-pwned").exists());
}

/// An index on loopback that answers every request in the same way; it ends with the process.
fn index(answer: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            // Who has heard enough hangs up.
            let _ = answer(&mut stream);
        }
    });
    format!("http://127.0.0.1:{port}/simple")
}

/// A page that is `piece` over and over, compressed.
fn bomb(head: &[u8], piece: &[u8], times: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(head).unwrap();
    let many = piece.repeat(1000);
    (0..times / 1000).for_each(|_| encoder.write_all(&many).unwrap());
    encoder.finish().unwrap()
}

#[test]
fn no_page_of_an_index_is_read_beyond_its_limits() {
    const JSON: &str = "application/vnd.pypi.simple.v1+json";
    const HEAD: &[u8] = b"{\"meta\":{\"api-version\":\"1.0\"},\"files\":[";
    let zipped = |kind: &'static str, body: Vec<u8>| {
        index(move |stream| {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                body.len()
            )?;
            stream.write_all(&body)
        })
    };
    let endless = |head: &'static str| {
        index(move |stream| {
            stream.write_all(head.as_bytes())?;
            loop {
                stream.write_all(&[b'x'; 65536])?;
            }
        })
    };
    let cases = [
        (
            "blanks that swell",
            zipped("text/html", bomb(b"", &b" ".repeat(1000), 300_000)),
            "has more than 67108864 bytes",
        ),
        (
            "links that swell",
            zipped("text/html", bomb(b"", b"<a href=demo-1.0.zip>", 300_000)),
            "names more than 200000 files",
        ),
        (
            "files that swell",
            zipped(JSON, bomb(HEAD, b"{\"filename\":\"x\"},", 300_000)),
            "there are more than 200000 entries",
        ),
        ("nests", zipped(JSON, bomb(b"", b"[", 3_000_000)), "expected a page as PEP 691 has it"),
        (
            "a body without an end",
            endless("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"),
            "has more than 67108864 bytes",
        ),
        ("a head without an end", endless("HTTP/1.1 200 OK\r\nX-Long: "), "can't be reached"),
        ("another kind", endless("HTTP/1.1 200 OK\r\nContent-Type: text/\x1b]0;evil\x07\r\n\r\n"), "127.0.0.1"),
    ];
    for (what, url, expected) in cases {
        let ran = Home::new().converge(&["releases", "demo", "--index", &url]);
        println!("{what}: {}", ran.shown());
        ran.exits(1).says(&[expected]);
    }
    // What is withdrawn is withdrawn for a reason, which is somebody else's text; so is a name.
    let page = "<a href=\"demo-1.0.zip\" data-yanked=\"\x1b]0;evil\x07\u{202e}x\">x</a><a href=\"..%2f..%2fdemo-2.0.zip%0a\">x</a>";
    let url = index(move |stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}", page.len())
    });
    Home::new().converge(&["releases", "demo", "--index", &url]).exits(0).says(&["withdrawn: 1.0", "evil"]);
}
