//! Real managers of Backend.AI, from where this machine's pip gets packages: PyPI, as a rule. What was read of them is kept
//! in the build directory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use converge::packages::{PackageIndex, Reach, Settings, WheelCache, WheelStore};
use converge::release::{Release, Wheel};

/// Every manager that a test looks at.
pub(crate) const RELEASES: [&str; 35] = [
    "23.3.12", "23.9.0", "23.9.8", "23.9.10", "24.3.0", "24.3.11", "24.9.0", "24.9.5", "24.9.6", "24.9.7", "24.9.14",
    "24.12.1", "25.1.1", "25.2.0", "25.5.2", "25.6.0", "25.6.1", "25.6.17", "25.15.12", "25.19.2", "26.1.0", "26.2.5",
    "26.3.3", "26.4.0", "26.4.7", "26.4.8", "26.4.10", "26.4.11", "26.4.16", "26.7.0", "26.8.1", "26.8.2", "26.8.3",
    "26.9.0", "26.9.6",
];

/// The store that both tests share.
pub(crate) fn store() -> WheelStore {
    let index = PackageIndex::new(Settings::read(&std::env::vars().collect()).expect("pip's settings"));
    let caches = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    WheelStore::new(index, Some(WheelCache::below(&caches)), Reach::Everywhere)
}

/// Reads wheels of one package.
///
/// # Panics
/// With the reason, where one can't be had.
pub(crate) fn fetch(package: &str, releases: &[Release]) -> BTreeMap<Release, Wheel> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let read = runtime.block_on(store().wheels_for(package, releases, None));
    read.into_iter().map(|(release, wheel)| (release, wheel.unwrap_or_else(|reason| panic!("{reason}")))).collect()
}

/// All of [`RELEASES`].
pub(crate) static MANAGERS: LazyLock<BTreeMap<Release, Wheel>> =
    LazyLock::new(|| fetch("backend.ai-manager", &RELEASES.map(|text| Release::parse(text).expect("a release"))));

/// One manager.
pub(crate) fn manager(text: &str) -> &'static Wheel {
    &MANAGERS[&Release::parse(text).expect("a release")]
}
