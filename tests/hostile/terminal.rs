//! Terminal escapes, bidi overrides and names with `../` in every field that a host reports.

use crate::scene::{EVIL, HONEST, Scene};

#[test]
fn whatever_a_host_says_steers_no_terminal_and_nothing_of_it_is_kept_that_could() {
    let scene = Scene::new();
    scene.mode("escapes");
    scene.converge(&["drift", "-vvv"]).says(&["web1/webserver: package: 25.6.1 is installed"]);
    scene.converge(&["--yes"]).exits(3).says(&["nothing was changed", "[unknown-fact]"]);
    scene.json(&["facts"]);
    scene.json(&["preflight"]);
    scene.mode("instead");
    scene.converge(&["facts"]).says(&["evil"]);
    scene.converge(&["lock", "show"]);
    scene.json(&["drift"]);
    // The same with the programs that make another user.
    scene.mode("sudo");
    scene.converge(&["drift", "--limit", EVIL, "--become"]).exits(4).says(&["can't become root by sudo", "evil"]);

    // The cluster's lock would lie on the host that makes no sense: the honest one is served all the same.
    scene.mode("escapes");
    scene.converge(&["--limit", HONEST]).exits(0).says(&["Converged", "the cluster's lock should lie here"]);

    // A host whose answers make sense, and whose jobs say whatever they like.
    scene.mode("output");
    scene.converge(&["--yes", "-vv"]).exits(0).says(&["Converged"]);
    scene.converge(&["history"]).says(&["converged"]);
    scene.converge(&["show", "last"]).exits(0).says(&["mgr1: done: migrate"]);
    scene.json(&["show", "last"]);
    scene.mode("honest");
    scene.bench.is_converged();
    assert!(scene.what_is_kept_is_harmless() >= 3);
}
