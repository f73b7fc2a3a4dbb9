//! An index on loopback that answers as its paths say, or with files that it is given, and counts.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a page of the package says, wherever it is asked: a file, one for another Python, one that was withdrawn.
pub(crate) const PAGE: &str = r#"<!DOCTYPE html><html><body>
<a href="/files/demo-1.0-py3-none-any.whl" data-requires-python="&gt;=3.8">demo-1.0-py3-none-any.whl</a>
<a href="/files/demo-1.1-py3-none-any.whl" data-requires-python="&gt;=4">demo-1.1-py3-none-any.whl</a>
<a href="/files/demo-1.2-py3-none-any.whl" data-yanked="bad build">demo-1.2-py3-none-any.whl</a>
</body></html>"#;

/// The server; it ends with the process.
pub(crate) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with_files(BTreeMap::new())
    }

    /// One that has files as well, by path. Those below `/login` need credentials; what ends with `/` is a page.
    pub(crate) fn with_files(files: BTreeMap<String, Vec<u8>>) -> Self {
        let files = Arc::new(files);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, files) = (Arc::clone(&seen), Arc::clone(&files));
                thread::spawn(move || answer(stream, &seen, &files));
            }
        });
        Self { port, requests }
    }

    /// A URL of it: what the index is called decides how it answers.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// The same with credentials.
    pub(crate) fn url_with_password(&self, path: &str) -> String {
        format!("http://bai:hunter2@127.0.0.1:{}/{path}", self.port)
    }

    /// The heads of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, seen: &Mutex<Vec<String>>, files: &BTreeMap<String, Vec<u8>>) {
    let mut head = String::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.lock().unwrap().push(head.clone());
    let knows = head.to_lowercase().contains("authorization: basic ymfpomh1bnrlcji=");
    if let Some(file) = files.get(&path).filter(|_| knows || !path.starts_with("/login")) {
        let kind = if path.ends_with('/') { "text/html" } else { "application/octet-stream" };
        let length = file.len();
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        let _ = stream.write_all(file);
        return;
    }
    let json = r#"{"meta":{"api-version":"1.0"},"name":"demo","files":[{"filename":"demo-2.0.tar.gz","url":"x","hashes":{},"yanked":false,"size":7}]}"#;
    let (status, extra, body) = match path.trim_start_matches('/').split('/').next().unwrap_or_default() {
        "html" => ("200 OK", "Content-Type: text/html\r\n", PAGE),
        "json" => ("200 OK", "Content-Type: application/vnd.pypi.simple.v1+json\r\n", json),
        "login" if knows => ("200 OK", "Content-Type: text/html\r\n", PAGE),
        "login" | "401" => ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "no"),
        "moved" => ("302 Found", "Location: /html/demo/\r\n", ""),
        "circle" => ("302 Found", "Location: /circle/demo/\r\n", ""),
        "portal" => ("200 OK", "Content-Type: application/octet-stream\r\n", "who are you?"),
        "broken" => ("200 OK", "Content-Type: application/vnd.pypi.simple.v1+json\r\n", "{\"meta\": {}}"),
        "500" => ("500 Internal Server Error", "", "on fire"),
        "hang" => {
            thread::sleep(Duration::from_secs(60));
            return;
        }
        _ => ("404 Not Found", "", "nothing here"),
    };
    let length = body.len();
    let _ = write!(stream, "HTTP/1.1 {status}\r\n{extra}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
}

/// A port that nothing listens on.
pub(crate) fn refused() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    format!("http://bai:hunter2@127.0.0.1:{port}/simple")
}
