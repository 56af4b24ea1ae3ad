//! Opening handshakes: subprotocols, refusals, TLS that is not as it should be.

use rustls::CertificateError;
use serde_json::json;
use websans_std::{CloseCode, Payload};

use super::{Scenario, ensure};
use crate::adapter::Failure;
use crate::bench::{Attempt, Bench, Security};
use crate::certificates::Identity;
use crate::peer::{Implementation, Role};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new("subprotocol", subprotocol),
        Scenario::new("refused with 403", refused),
        Scenario::new("certificate of other host", |bench| certificate(bench, Identity::Wrong)).only(tls),
        Scenario::new("certificate of unknown CA", |bench| certificate(bench, Identity::Unknown)).only(tls),
        Scenario::new("wss to a server without TLS", no_tls).only(tls),
    ]
}

fn tls(bench: &Bench) -> bool {
    bench.tls
}

/// Both sides know which of the offered subprotocols was chosen.
fn subprotocol(bench: &Bench) -> Result<(), String> {
    let protocols = &["chat.v1", "chat.v2", "chat.v3"];
    let attempt = Attempt { task: json!({}), protocols, choose: Some("chat.v2"), ..Attempt::default() };
    let mut open = bench.open_with(attempt)?;
    let protocol = open.socket.protocol();
    ensure(protocol.as_deref() == Some("chat.v2"), || format!("we got the subprotocol {protocol:?}"))?;
    open.socket.send(Payload::from("hello"))?;
    open.socket.recv()?;
    open.socket.close(CloseCode::NORMAL, "")?;
    bench.report(&open.id)?.expect("protocol", "chat.v2", false)
}

/// The client learns the status and the text of the answer.
fn refused(bench: &Bench) -> Result<(), String> {
    let server = bench.tls.then_some(Identity::Localhost);
    let attempt = Attempt { refuse: Some(403), ..Attempt::default() };
    let (id, result) = bench.attempt(attempt, Security { client: bench.tls, server })?;
    let report = bench.report(&id)?;
    report.expect("opened", false, false)?;
    match (bench.peer.role, result) {
        (Role::Server, Err(Failure::Refused { status: 403, body })) if body == b"go away\n" => {}
        (Role::Client, Ok(None)) if bench.is_limited() => {
            report.expect_failed()?;
            return report.expect_close(1006, "");
        }
        (Role::Client, Ok(None)) => report.expect("body", "go away\n", false)?,
        (_, Ok(Some(_))) => return Err("the handshake succeeded".into()),
        (_, Ok(None)) => return Err("no refusal".into()),
        (_, Err(failure)) => return Err(format!("our side failed otherwise: {failure}")),
    }
    report.expect("status", 403, false)
}

/// The client refuses the certificate, for the right reason.
fn certificate(bench: &Bench, shown: Identity) -> Result<(), String> {
    let security = Security { client: true, server: Some(shown) };
    let (id, result) = bench.attempt(Attempt::default(), security)?;
    match (bench.peer.role, result) {
        (_, Ok(_)) => Err("the handshake succeeded".into()),
        (Role::Server, Err(Failure::Certificate(error))) => {
            let right = match shown {
                Identity::Wrong => matches!(
                    error,
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
                ),
                _ => error == CertificateError::UnknownIssuer,
            };
            ensure(right, || format!("we refused the certificate for another reason: {error:?}"))
        }
        (Role::Server, Err(failure)) => Err(format!("our side failed otherwise: {failure}")),
        (Role::Client, Err(_)) => {
            let report = bench.report(&id)?;
            let said = report.expect_failed()?;
            let reason = reason(bench.implementation(), shown);
            ensure(said.contains(reason), || format!("the peer refused for another reason: {said}"))
        }
    }
}

/// What a client says when it refuses a certificate.
fn reason(implementation: Implementation, shown: Identity) -> &'static str {
    match (implementation, shown) {
        (Implementation::Ws | Implementation::BuiltIn, Identity::Wrong) => "ERR_TLS_CERT_ALTNAME_INVALID",
        (Implementation::Ws | Implementation::BuiltIn, _) => "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        (Implementation::Websockets, Identity::Wrong) => "Hostname mismatch",
        (Implementation::Websockets, _) => "unable to get local issuer certificate",
    }
}

/// A client that expects TLS does not go on without.
fn no_tls(bench: &Bench) -> Result<(), String> {
    let (id, result) = bench.attempt(Attempt::default(), Security { client: true, server: None })?;
    match (bench.peer.role, result) {
        (_, Ok(_)) => Err("the handshake succeeded".into()),
        (Role::Server, Err(Failure::Other(_))) | (Role::Client, Err(Failure::Handshake(_))) => {
            if bench.peer.role == Role::Client {
                bench.report(&id)?.expect_failed()?;
            }
            Ok(())
        }
        (_, Err(failure)) => Err(format!("our side failed otherwise: {failure}")),
    }
}
