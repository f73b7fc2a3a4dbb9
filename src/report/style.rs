//! The few styles that texts use, as Ansible's users know them: green for well, yellow for changed, red
//! for failed.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// Well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Changed, or to be changed.
pub const CHANGED: Style = AnsiColor::Yellow.on_default();
/// Failed or refused.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Headings.
pub const HEAD: Style = Style::new().bold();

/// A value in a style.
pub struct Styled<T>(pub Style, pub T);

impl<T: fmt::Display> fmt::Display for Styled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.render())?;
        self.1.fmt(f)?;
        write!(f, "{}", self.0.render_reset())
    }
}
