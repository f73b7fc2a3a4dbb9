//! Paths on hosts, as text.

/// The directory that the file at an absolute path is in: of `/a/b` it is `/a`, of `/a` it is `/`.
#[must_use]
pub fn directory_of(path: &str) -> &str {
    match path.rsplit_once('/') {
        None | Some(("", _)) => "/",
        Some((directory, _)) => directory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_a_directory_too() {
        let pairs = [("/a/b", "/a"), ("/a/b/", "/a/b"), ("/a", "/"), ("/", "/"), ("a", "/"), ("~/a", "~")];
        assert_eq!(pairs.map(|(path, _)| directory_of(path)), pairs.map(|(_, directory)| directory));
    }
}
