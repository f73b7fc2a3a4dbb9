//! Upstream's own command for what alembic would leave out, where a component declares it.

use super::spec::{Component, LeftOut};
use crate::facts::{HostFacts, Observed};
use crate::release::Release;

/// The word for the release that is left, as the command of `to` takes it: the name of a history in its package.
///
/// `None` where the component doesn't declare that command.
///
/// # Errors
/// Why it can't be used on this hop, in words.
pub fn upstream_version(
    component: &Component,
    from: Option<&Release>,
    to: &Release,
    facts: &HostFacts,
) -> Option<Result<String, String>> {
    match component.schema.as_ref()?.left_out {
        LeftOut::Converge => None,
        LeftOut::Upstream => Some(version(component, from, to, facts)),
    }
}

fn version(component: &Component, from: Option<&Release>, to: &Release, facts: &HostFacts) -> Result<String, String> {
    let Some(from) = from.filter(|from| *from != to) else {
        return Err("which release is left isn't known any more".into());
    };
    let query = component.wheel_query(to).ok_or("it has no database")?;
    let wheel = match facts.wheel(&query) {
        Observed::Known(wheel) => wheel,
        Observed::Absent => return Err(format!("the package of {to} was not found")),
        Observed::Unknown(reason) => return Err(reason),
    };
    if !wheel.catch_up.command {
        return Err(format!("{} {to} has no command apply-missing-revisions", component.package));
    }
    wheel.catch_up.history_of(from).map(str::to_owned).ok_or_else(|| {
        let held: Vec<&str> = wheel.catch_up.histories.iter().map(String::as_str).collect();
        let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
        format!("{} {to} holds no history of {from} (it holds {held})", component.package)
    })
}
