//! Answers of who has not heard the question, and claims that nothing bears out.

use crate::scene::{EVIL, HONEST, Scene};

#[test]
fn what_was_not_asked_counts_for_nothing_and_a_claim_is_looked_into() {
    let scene = Scene::new();
    scene.mode("forged");
    let ran = scene.converge(&["drift"]).exits(4);
    ran.says(&["mgr1: unreachable: the probe's answer broke off", "web1/webserver: package: 25.6.1 is installed"]);

    // It says that its jobs have ended well, and they never began.
    scene.mode("claims");
    let ran = scene.converge(&["--yes", "--limit", EVIL]).exits(5);
    ran.says(&["FAILED", "left as:  mgr1/manager: 25.6.1 installed"]);
    assert_eq!(scene.bench.on(EVIL).installed().as_deref(), Some("25.6.1"));
    scene.converge(&["--limit", HONEST]).exits(0).says(&["Converged"]);
    scene.mode("honest");
    scene.converge(&["--yes"]).exits(0).says(&["Converged"]);
    scene.bench.is_converged();
    scene.what_is_kept_is_harmless();
}
