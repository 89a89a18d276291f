//! The marks for behaviour that only one platform shows, and tests in a process of their own.

use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a body that deviates under Wine may take to show it.
const DEVIATION_LIMIT: Duration = Duration::from_secs(4);

/// Whether the judge of this run is Wine (which knows itself by its environment), not Windows.
pub fn under_wine() -> bool {
    cfg!(windows) && env::var_os("WINECONFIGDIR").is_some()
}

/// Runs `body`, which passes on Windows and here, and must fail under Wine for the given reason.
///
/// When it passes under Wine the test fails: the deviation is gone and so should be the mark. A body that
/// hangs under Wine is given up after a few seconds and counts as failing.
pub fn differs_under_wine(reason: &str, body: impl FnOnce() + Send + 'static) {
    if !under_wine() {
        return body();
    }
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || {
        let passed = panic::catch_unwind(AssertUnwindSafe(body)).is_ok();
        // The receiver is gone when this took too long; nobody is interested then.
        let _ = done.send(passed);
    });
    let passed = outcome.recv_timeout(DEVIATION_LIMIT).unwrap_or(false);
    assert!(!passed, "deviation vanished, remove the mark: {reason}");
}

/// Runs `body` except under Wine, which deviates only sometimes: neither outcome can be asserted there.
pub fn not_under_wine(reason: &str, body: impl FnOnce()) {
    if under_wine() {
        println!("not under Wine: {reason}");
    } else {
        body();
    }
}

/// Runs `body` on Linux only: Windows shows the behaviour in a way that no test survives.
pub fn linux_only(reason: &str, body: impl FnOnce()) {
    if cfg!(target_os = "linux") {
        body();
    } else {
        println!("not on Windows: {reason}");
    }
}

/// Runs `body`, and with it the test that calls this, alone in a process of its own.
///
/// For what parallel tests disturb: handle values that Windows uses again at once, counts of everything
/// alive, state of the whole process. The body must be a closure written in the test function itself,
/// whose name is its first part.
pub fn in_own_process<F: FnOnce()>(body: F) {
    const ALONE: &str = "WHARF_CONFORMANCE_ALONE";
    if env::var_os(ALONE).is_some() {
        return body();
    }
    let test = test_of_closure::<F>();
    let mut command = Command::new(env::current_exe().expect("the test binary has a path"));
    command
        .args([test, "--exact", "--test-threads=1", "--include-ignored"])
        .env(ALONE, "1");
    let output = command.output().expect("the test binary starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let ran = output.status.success() && text.contains("1 passed");
    assert!(
        ran,
        "{test} in its own process: {}\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// `conformance::handles::stale::{{closure}}` is a closure of the test `handles::stale`.
fn test_of_closure<F>() -> &'static str {
    let path = std::any::type_name::<F>();
    let (_, path) = path.split_once("::").expect("a closure has a path");
    path.split_once("::{{")
        .expect("a closure of the test function")
        .0
}
