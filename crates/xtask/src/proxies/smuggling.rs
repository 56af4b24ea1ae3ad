//! Refused upgrades through a proxy: what comes behind them never gets to the app by a tunnel.

use core::time::Duration;
use std::io::Read as _;
use std::thread;
use std::time::Instant;

use super::app::App;
use super::attack::{ATTACKS, Attack, SECOND};
use super::http::Head;
use super::proxy::{Kind, Proxy};
use super::relay::{Exchange, Relay};
use super::socket::dial;
use super::stage::Stage;
use crate::failure::{Doing as _, Failure, Result, fail};

/// How long a second answer may take.
const QUIET: Duration = Duration::from_millis(300);

/// Longest wait for the app to end what it has refused.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends every attack.
pub(crate) fn check(stage: &Stage<'_>, kind: Kind) -> Result {
    let app = App::start(stage, &[])?;
    let relay = Relay::start(app.address)?;
    let proxy = Proxy::start(stage, kind, kind.recipe(stage, relay.address)?)?;
    for attack in ATTACKS {
        let answers = send(&proxy, attack)?;
        let deadline = Instant::now() + PATIENCE;
        while let Err(why) = relay.exchanges().iter().try_for_each(judge) {
            if Instant::now() > deadline {
                fail!("{}: {why}\nanswers:\n{}", attack.name, String::from_utf8_lossy(&answers));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
    if relay.exchanges().is_empty() {
        fail!("nothing reached the app");
    }
    Ok(())
}

/// All that comes back.
fn send(proxy: &Proxy, attack: &Attack) -> Result<Vec<u8>> {
    let mut stream = dial(proxy.plain, &attack.bytes(proxy.plain))?;
    let (mut answers, mut buffer) = (Vec::new(), [0; 4096]);
    // Until it ends, or nothing more comes behind the first answer.
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        answers.extend_from_slice(&buffer[..count]);
        if Head::parse(&answers).is_some() {
            stream.set_read_timeout(Some(QUIET)).doing(|| "cannot set up a socket".into())?;
        }
    }
    match Head::parse(&answers) {
        Some(_) => Ok(answers),
        None => fail!("{}: no answer", attack.name),
    }
}

/// Looks at a connection to the app, which may have served several requests.
fn judge(exchange: &Exchange) -> Result {
    let told = |why: &str| Failure::new(format!("{why}:\n{exchange}"));
    let (mut to_app, mut from_app) = (&exchange.to_app[..], &exchange.from_app[..]);
    while !to_app.is_empty() {
        let (request, rest) =
            Head::parse(to_app).ok_or_else(|| told("something else than a request reaches the app"))?;
        let (answer, behind) = Head::parse(from_app).ok_or_else(|| told("the app does not answer"))?;
        if request.values("x-forwarded-for").next().is_none() {
            return Err(told("a request reaches the app that is not from the proxy"));
        }
        if answer.status() == 101 {
            return Err(told("the proxy makes a good handshake of it"));
        }
        let length = answer.length()?;
        if request.first.contains(SECOND) {
            // A request of its own, which the proxy has judged like any other one.
            (to_app, from_app) = (rest, behind.get(length..).ok_or_else(|| told("the answer is cut"))?);
            continue;
        }
        // The one to be refused: it is answered once, and that is the end of the connection.
        if !answer.has("connection", "close") {
            return Err(told("the app refuses without Connection: close"));
        }
        if behind.len() != length {
            return Err(told("the app answers a second time"));
        }
        if !exchange.ended {
            return Err(told("the app does not end the connection"));
        }
        let body = ["content-length", "transfer-encoding"];
        let has_body = body.iter().any(|name| request.values(name).next().is_some());
        if !has_body && !rest.is_empty() {
            return Err(told("the proxy makes a tunnel of a refused upgrade"));
        }
        return Ok(());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "GET /ws HTTP/1.1\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n";
    const FORWARDED: &str = "GET /second HTTP/1.1\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n";
    const TUNNELLED: &str = "GET /second HTTP/1.1\r\n\r\n";
    const REFUSED: &str = "HTTP/1.1 426 No\r\nConnection: Upgrade, close\r\nContent-Length: 2\r\n\r\nno";
    const FOUND: &str = "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno";

    fn judged(to_app: &[&str], from_app: &[&str], ended: bool) -> String {
        let (to_app, from_app) = (to_app.concat().into_bytes(), from_app.concat().into_bytes());
        let judged = judge(&Exchange { to_app, from_app, ended });
        judged.map_or_else(|why| why.to_string().split(':').next().unwrap().to_owned(), |()| "good".into())
    }

    #[test]
    fn a_refusal_is_the_end() {
        assert_eq!(judged(&[FIRST], &[REFUSED], true), "good");
        assert_eq!(judged(&[FORWARDED, FORWARDED, FIRST], &[FOUND, FOUND, REFUSED], true), "good");
        assert_eq!(judged(&[FORWARDED], &[FOUND], false), "good");
        assert_eq!(judged(&[FIRST], &[REFUSED], false), "the app does not end the connection");
        assert_eq!(judged(&[FIRST], &[FOUND], true), "the app refuses without Connection");
        assert_eq!(judged(&[FIRST, FORWARDED], &[REFUSED, FOUND], true), "the app answers a second time");
        assert_eq!(judged(&[FIRST], &[], false), "the app does not answer");
    }

    #[test]
    fn a_tunnel_is_seen() {
        let tunnel = "the proxy makes a tunnel of a refused upgrade";
        assert_eq!(judged(&[FIRST, TUNNELLED], &[REFUSED], true), tunnel);
        let foreign = "a request reaches the app that is not from the proxy";
        assert_eq!(judged(&[TUNNELLED], &[FOUND], false), foreign);
        let opened = "HTTP/1.1 101 Yes\r\n\r\n";
        assert_eq!(judged(&[FIRST, TUNNELLED], &[opened], false), "the proxy makes a good handshake of it");
        assert_eq!(judged(&["\x16\x03"], &[], false), "something else than a request reaches the app");
    }
}
