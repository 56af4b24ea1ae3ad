//! [`dial_answers`]: a dialling whose proxies and servers answer whatever the bytes say.

mod peer;

use std::sync::OnceLock;

use websans::Timestamp;
use websans_dial::rustls::crypto::ring;
use websans_dial::rustls::{ClientConfig, RootCertStore};
use websans_dial::{Action, Client, Dial, Limits, Proxy, Redirects, Tls};

use super::input::Input;
use peer::Peer;

/// More steps than any dialling needs that ends.
const STEPS: usize = 20_000;

/// What is secret, each for somebody else.
const TOKEN: &str = "token-7f3a";
const COOKIE: &str = "cookie-91be";
const OWN: &str = "own-55d1";
const PASSWORD: &str = "password-c0de";
/// What `user:password-c0de` is in base64.
const BASIC: &str = "dXNlcjpwYXNzd29yZC1jMGRl";

/// Dials by settings of the first two bytes, with answers of the rest.
///
/// # Panics
/// If a request is not one, or has a line that nobody asked for; if anything secret goes to somebody else; if it goes on
/// without TLS where it had TLS and must not; or if it never ends.
pub fn dial_answers(data: &[u8]) {
    let mut input = Input::new(data);
    let (settings, habits) = (input.byte(), input.byte());
    let most = [0, 1, 3, 5][usize::from(settings >> 4 & 3)];
    let downgrade = settings & 0x40 != 0;
    let client = client(settings, habits, Redirects::most(most), downgrade);
    let mut peer = Peer::new(&client, downgrade, habits & 0x40 != 0);
    let mut now = Timestamp::from_nanos(0);
    let mut dial = Dial::new(&client, Box::new(|| Ok(*b"the sample nonce")), now);
    let mut steps = 0;
    let failure = loop {
        steps += 1;
        assert!(steps < STEPS, "it never ends");
        match dial.poll(now) {
            Ok(Action::Queue(_)) => dial.queued(now),
            Ok(Action::Resolve { host, port }) => dial.resolved(peer.resolve(&mut input, host, port), now),
            Ok(Action::Connect { address, .. }) => match peer.connect(&mut input, address) {
                Ok(()) => dial.connected(address, now),
                Err(error) => dial.not_connected(address, error, now),
            },
            Ok(Action::Wait) => now = dial.deadline(),
            Ok(Action::Write) => {
                peer.hear(dial.outgoing(), &mut input);
                dial.written();
            }
            Ok(Action::Read) => {
                let spare = dial.spare_mut();
                assert!(
                    !spare.is_empty() && spare.len() <= 1 << 17,
                    "it reads {} bytes at once",
                    spare.len()
                );
                match peer.say(spare, &mut input) {
                    Ok(0) => dial.eof(),
                    Ok(n) => dial.filled(n),
                    // Nothing comes any more.
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => now = dial.deadline(),
                    Err(error) => dial.failed(error),
                }
            }
            Ok(Action::Tls { .. }) => match peer.secure(&mut input) {
                Ok(()) => dial.secured(now),
                Err(error) => dial.failed(error),
            },
            Ok(Action::Hangup) => {
                peer.hang_up();
                assert!(peer.redirections <= u32::from(most), "{} redirections", peer.redirections);
            }
            Ok(Action::Open(opened)) => {
                assert!(peer.has_heard(opened.url.is_secure()), "it is open, and nothing was asked for");
                assert!(opened.early.len() <= 1 << 17);
                return;
            }
            Ok(other) => panic!("{other:?} is new"),
            Err(failure) => break failure,
        }
    };
    // Whoever shows it shows nothing secret.
    let shown = format!("{failure} {failure:?}");
    for secret in [TOKEN, COOKIE, OWN, PASSWORD, BASIC] {
        assert!(!shown.contains(secret) || peer.has_said(secret), "{shown}");
    }
    assert!(dial.poll(now).is_err(), "it has failed, and goes on");
}

fn client(settings: u8, habits: u8, redirects: Redirects, downgrade: bool) -> Client {
    let urls = ["ws://a.example/way?q=1", "wss://a.example/way", "ws://192.0.2.7:81", "wss://[2001:db8::7]/"];
    let client = || {
        let redirects = if downgrade { redirects.allow_downgrade() } else { redirects };
        let mut client = Client::new(urls[usize::from(settings & 3)])?.redirects(redirects).tls(nobody());
        if habits & 1 != 0 {
            client = client.bearer(TOKEN)?.cookie("session", COOKIE)?.secret_header("X-Own", OWN)?;
        }
        if habits & 2 != 0 {
            client = client.header("X-Trace", "7")?.origin("https://a.example")?.protocol("chat")?;
        }
        if habits & 4 != 0 {
            client = client.host("own.example")?;
        }
        let mut limits = Limits::default();
        limits.total *= 1 + u32::from(habits >> 7) * 100;
        client = client.limits(limits);
        Ok::<_, websans::handshake::BuildError>(client)
    };
    let client = client().expect("all of it is valid");
    let proxy = |url: &str| Proxy::parse(url).expect("the proxies are valid");
    match settings >> 2 & 3 {
        0 => client,
        1 => client.proxy(proxy(&format!("http://user:{PASSWORD}@proxy.example:3128"))),
        2 => client.proxy(proxy(&format!("socks5h://user:{PASSWORD}@192.0.2.9"))),
        _ if habits & 8 == 0 => client.proxy(proxy("socks5://proxy.example")),
        _ => client.proxy(proxy("http://192.0.2.9:3128")),
    }
}

/// TLS that trusts nobody: the handshakes are only said to be done.
fn nobody() -> Tls {
    static NOBODY: OnceLock<Tls> = OnceLock::new();
    let new = || {
        let builder = ClientConfig::builder_with_provider(ring::default_provider().into());
        let builder = builder.with_safe_default_protocol_versions().expect("the provider has them");
        Tls::with(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
    };
    NOBODY.get_or_init(new).clone()
}
