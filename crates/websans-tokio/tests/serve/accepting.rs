//! What becomes of a server that cannot accept for a while.

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use tokio::time::timeout;
use websans_tokio::{CloseCode, Message, Server};

use crate::support::{SOON, echo, open, start};

const CHILD: &str = "WEBSANS_TEST_WITHOUT_DESCRIPTORS";

/// In a process of its own, since descriptors are counted by process.
#[test]
fn a_lack_of_descriptors_is_waited_out() {
    let name = "accepting::without_descriptors";
    let test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--ignored"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&test.stdout);
    assert!(test.status.success(), "{said}{}", String::from_utf8_lossy(&test.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "run by `a_lack_of_descriptors_is_waited_out`"]
async fn without_descriptors() {
    assert!(std::env::var_os(CHILD).is_some(), "it would take the descriptors of other tests");
    let limit = 64;
    rlimit::setrlimit(rlimit::Resource::NOFILE, limit, limit).unwrap();
    let running = start(Server::default(), echo).await;
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    drop(hoard.pop()); // for the client; none for the server
    let client = running.connect().await;
    running.event("no connection could be accepted").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let failures = running.events().len();
    assert!((2..=12).contains(&failures), "it neither gives up nor spins: {:?}", running.events());
    drop(hoard);
    let mut socket = timeout(SOON, open(client)).await.unwrap().unwrap();
    socket.send("at last").await.unwrap();
    assert_eq!(socket.recv().await.unwrap(), Some(Message::Text("at last")));
    socket.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(running.report().await.accepted, 1);
}
