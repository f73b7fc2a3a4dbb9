//! Contents before and after, as a unified diff headed as Ansible heads it.

use similar::TextDiff;

/// Lines around a change.
const CONTEXT: usize = 3;
/// A longer diff is for a file, not for a terminal.
const LONGEST_LINES: usize = 400;

/// `before` is `None` where nothing was there.
pub(super) fn unified(path: &str, before: Option<&[u8]>, after: Option<&[u8]>) -> String {
    let (old, new) = (before.unwrap_or_default(), after.unwrap_or_default());
    let (Some(old_text), Some(new_text)) = (as_text(old), as_text(new)) else {
        return format!("binary content of {path}: {} -> {} bytes\n", old.len(), new.len());
    };
    let diff = TextDiff::from_lines(old_text, new_text);
    let (from, to) = (format!("before: {path}"), format!("after: {path}"));
    let whole = diff.unified_diff().context_radius(CONTEXT).header(&from, &to).to_string();
    let lines = whole.lines().count();
    if lines <= LONGEST_LINES {
        return whole;
    }
    let cut: Vec<&str> = whole.lines().take(LONGEST_LINES).collect();
    format!("{}\n({} more lines of this diff)\n", cut.join("\n"), lines - LONGEST_LINES)
}

fn as_text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_line_by_line_and_binaries_are_named() {
        let shown = unified("/etc/x", Some(b"a\nb\n"), Some(b"a\nc\n"));
        assert_eq!(shown, "--- before: /etc/x\n+++ after: /etc/x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
        assert!(unified("/x", None, Some(b"a\n")).ends_with("@@ -0,0 +1 @@\n+a\n"));
        assert!(unified("/x", Some(b"a"), Some(b"a\n")).contains("No newline at end of file"));
        assert_eq!(unified("/x", Some(b"\0"), Some(b"ab")), "binary content of /x: 1 -> 2 bytes\n");
        let long: String = (0..2000).map(|n| format!("{n}\n")).collect();
        assert!(unified("/x", None, Some(long.as_bytes())).ends_with("(1603 more lines of this diff)\n"));
    }
}
