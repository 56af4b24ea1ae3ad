//! Where TLS begins, and that no redirection ends it.

use websans_dial::rustls::crypto::ring::default_provider;
use websans_dial::rustls::{ClientConfig, RootCertStore};
use websans_dial::{Action, Cause, RedirectError, Redirects, Step, Tls, TlsError};

use crate::peer::{START, answer, connect, dial, failure, redirection, request};
use crate::redirects::{again, client, with_secrets};

/// A configuration that trusts nobody.
fn config() -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
}

#[test]
fn tls_is_not_given_up() {
    for (redirects, follows) in [(Redirects::most(2), false), (Redirects::most(2).allow_downgrade(), true)] {
        for location in ["ws://one.example/", "http://one.example/"] {
            let tls = Tls::with(config());
            let mut dial = dial(&client("wss://one.example/").redirects(redirects).tls(tls));
            connect(&mut dial);
            assert!(matches!(dial.poll(START), Ok(Action::Tls { .. })));
            dial.secured(START);
            answer(&mut dial, &redirection(301, location));
            if follows {
                assert_eq!(again(&mut dial), ("one.example".into(), 80));
            } else {
                let error = failure(&mut dial);
                assert!(matches!(error.cause(), Cause::Redirect(RedirectError::Downgrade)), "{error}");
            }
        }
    }
}

#[test]
fn an_upgrade_to_tls_is_another_origin() {
    let mut dial = dial(&with_secrets("ws://one.example/").tls(Tls::with(config())));
    connect(&mut dial);
    answer(&mut dial, &redirection(308, "https://one.example/"));
    assert_eq!(again(&mut dial), ("one.example".into(), 443));
    dial.poll(START).unwrap();
    dial.secured(START);
    let asked = request(&mut dial);
    assert!(!asked.contains("hidden"), "{asked}");
}

#[test]
fn r027_tls_is_asked_for_by_the_name_in_the_url() {
    for (url, name) in [
        ("wss://one.example", "one.example"),
        ("wss://ONE.example.:444", "one.example"),
        ("wss://192.0.2.7", "192.0.2.7"),
        ("wss://[2001:db8::7]", "2001:db8::7"),
    ] {
        let mut dial = dial(&client(url).host("another.example").unwrap().tls(Tls::with(config())));
        connect(&mut dial);
        let Ok(Action::Tls { name: asked, config }) = dial.poll(START) else { panic!() };
        assert_eq!(asked.to_str(), name);
        assert_eq!(config.alpn_protocols, [b"http/1.1"]);
    }
}

#[test]
fn r027_a_failure_of_tls_is_known_as_1015() {
    let mut dial = dial(&client("wss://one.example").tls(Tls::with(config())));
    connect(&mut dial);
    dial.poll(START).unwrap();
    let inner = websans_dial::rustls::Error::DecryptError;
    dial.failed(std::io::Error::new(std::io::ErrorKind::InvalidData, inner.clone()));
    let error = failure(&mut dial);
    assert_eq!((error.step(), error.code()), (Step::Tls, 1015));
    assert!(matches!(error.cause(), Cause::Tls(TlsError::Handshake(own)) if *own == inner), "{error}");
    assert_eq!(
        error.to_string(),
        "TLS with 192.0.2.1:443 (one.example) failed: cannot decrypt peer's message"
    );
}

#[cfg(feature = "webpki-roots")]
#[test]
fn roots_may_be_compiled_in() {
    assert_eq!(Tls::webpki().unwrap().config().alpn_protocols, [b"http/1.1"]);
}
