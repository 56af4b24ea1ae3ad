//! Refused upgrades without a proxy: the app's own part of what keeps requests from being smuggled.

use std::io::Read as _;

use super::app::App;
use super::attack::{ATTACKS, Attack};
use super::http::Head;
use super::socket::dial;
use super::stage::Stage;
use crate::failure::{Doing as _, Result, fail};

/// Each attack gets one answer, with `Connection: close`, and the end.
pub(crate) fn check(stage: &Stage<'_>) -> Result {
    let app = App::start(stage, &[])?;
    let mut failures = String::new();
    for attack in ATTACKS {
        if let Err(failure) = alone(&app, attack) {
            failures += &format!("\n{}: {failure}", attack.name);
        }
    }
    if !failures.is_empty() {
        fail!("{failures}");
    }
    Ok(())
}

fn alone(app: &App, attack: &Attack) -> Result {
    let mut stream = dial(app.address, &attack.bytes(app.address))?;
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let Some((answer, behind)) = Head::parse(&bytes) else { fail!("no answer") };
    if answer.status() != attack.status {
        fail!("{} instead of {}", answer.status(), attack.status);
    }
    if attack.status == 101 {
        // A request is no frame of a client: it is not masked, for one.
        if !(behind.len() > 4 && behind[0] == 0x88 && behind[2..4] == 1002u16.to_be_bytes()) {
            fail!("no Close with 1002 for a request in place of a frame:\n{text}");
        }
        return Ok(());
    }
    if !answer.has("connection", "close") {
        fail!("no Connection: close in\n{text}");
    }
    if behind.len() != answer.length()? {
        fail!("more than one answer:\n{text}");
    }
    ended.map(drop).doing(|| "the connection does not end".into())
}
