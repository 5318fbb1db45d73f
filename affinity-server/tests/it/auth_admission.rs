//! Whether the server may start where others can reach it, and the command that makes it so.

use std::io::Write;
use std::process::Stdio;

use crate::server_process::{Server, command, command_at, command_with_demo};

#[test]
fn address_that_others_reach_needs_secret_and_administrator() {
    let folder = tempfile::tempdir().unwrap();
    let reachable = || {
        let mut command = command_at(folder.path(), "0.0.0.0:0");
        command.args(["--demo-members", "0"]);
        command
    };
    let refused = Server::try_start(reachable(), folder.path()).unwrap_err();
    let hint = format!(
        "affinity-server init-admin PLATFORM --email YOU@EXAMPLE.ORG --data-dir '{}'",
        folder.path().display()
    );
    assert!(refused.contains("no secret and no administrator") && refused.contains(&hint), "{refused}");
    assert!(!folder.path().join("secret").exists(), "made only when asked");

    let mut init = command(folder.path());
    init.args(["init-admin", "teraffi", "--email", "boss@example.org", "--password-stdin"]);
    let mut child = init.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"correct horse\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "boss@example.org administers teraffi\n");

    let server = Server::try_start(reachable(), folder.path()).unwrap();
    assert!(server.log.contains("listening on http://0.0.0.0:"), "{}", server.log);
}

#[test]
fn demo_on_this_machine_starts_as_it_is_and_says_that_it_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::try_start(command_with_demo(folder.path(), 50), folder.path()).unwrap();
    let page = server.get("/openapi.json");
    for header in ["x-content-type-options: nosniff", "x-frame-options: DENY", "referrer-policy: "] {
        assert!(page.contains(header), "{header} in {}", &page[..page.len().min(600)]);
    }
    assert!(!page.contains("access-control-allow-origin"));
    let (_, log) = server.end(nix::sys::signal::Signal::SIGTERM);
    assert!(log.contains("teraffi holds demo data: whoever is on this machine may read and match"), "{log}");
}
