//! Messages through a proxy, and what the app learns of the handshake.

use super::app::App;
use super::http::Head;
use super::proxy::{Kind, Proxy};
use super::relay::Relay;
use super::socket::Socket;
use super::stage::Stage;
use crate::failure::{Result, fail};

/// Messages come back; the app gets the handshake with the headers the recipe promises.
pub(crate) fn check(stage: &Stage<'_>, kind: Kind) -> Result {
    let app = App::start(stage, &[])?;
    let relay = Relay::start(app.address)?;
    let proxy = Proxy::start(stage, kind, kind.recipe(stage, relay.address)?)?;

    // A client may claim what it likes about itself.
    let claims = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Proto: https\r\n\
                  Forwarded: for=192.0.2.1;host=evil.test;proto=https\r\n";
    let origin = format!("Origin: http://{}\r\n", proxy.plain);
    let protocols = "Sec-WebSocket-Protocol: chat, superchat\r\n";
    let mut socket = Socket::open(proxy.plain, "/ws?a=1&b=%20", &format!("{origin}{protocols}{claims}"))?;
    socket.echo()?;
    socket.close()?;

    let exchanges = relay.exchanges();
    let [exchange] = &exchanges[..] else { fail!("{} connections reached the app", exchanges.len()) };
    let Some((head, _)) = Head::parse(&exchange.to_app) else { fail!("no request reached the app") };
    let host = proxy.plain.to_string();
    for (name, expected) in [
        ("host", host.as_str()),
        ("origin", &format!("http://{host}")),
        ("sec-websocket-protocol", "chat, superchat"),
        ("sec-websocket-version", "13"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", &host),
        ("x-forwarded-proto", "http"),
    ] {
        let value = head.value(name)?;
        if value != expected {
            fail!("the app gets {name}: {value}, not {expected}");
        }
    }
    if head.first != "GET /ws?a=1&b=%20 HTTP/1.1" {
        fail!("the app gets {:?}", head.first);
    }
    if head.values("forwarded").next().is_some() {
        fail!("the client's Forwarded reaches the app");
    }
    Ok(())
}

/// The app compares the Origin with the Host, which therefore has to be the client's.
pub(crate) fn origins(stage: &Stage<'_>, kind: Kind) -> Result {
    let app = App::start(stage, &[])?;
    let proxy = Proxy::start(stage, kind, kind.recipe(stage, app.address)?)?;
    let own = format!("Origin: http://{}\r\n", proxy.plain);
    let expected = [
        (own.as_str(), 101),
        ("Origin: http://evil.test\r\n", 403),
        // The app's own address is that of nobody's page.
        (&format!("Origin: http://{}\r\n", app.address), 403),
        ("Origin: null\r\n", 403),
        ("", 101),
    ];
    for (origin, status) in expected {
        let answered = Socket::status(proxy.plain, "/ws", origin)?;
        if answered != status {
            fail!("{answered} instead of {status} for {origin:?}");
        }
    }
    if kind == Kind::Nginx {
        // What the recipe warns of: without the port no page has the same origin any more.
        let wrong = kind.recipe(stage, app.address)?.replace("Host $http_host;", "Host $host;")?;
        let proxy = Proxy::start(stage, kind, wrong)?;
        let answered = Socket::status(proxy.plain, "/ws", &format!("Origin: http://{}\r\n", proxy.plain))?;
        if answered != 403 {
            fail!("{answered} instead of 403 with $host in place of $http_host");
        }
    }
    Ok(())
}

/// The host and the scheme that the proxy tells of are believed when the app is told to, and only the proxy's own.
pub(crate) fn trust(stage: &Stage<'_>, kind: Kind) -> Result {
    let trusting = App::start(stage, &["--trust-proxy", "x-forwarded"])?;
    let doubting = App::start(stage, &[])?;
    let through = |app: &App| Proxy::start(stage, kind, kind.recipe(stage, app.address)?);
    let (believed, unheard) = (through(&trusting)?, through(&doubting)?);

    let claim = "X-Forwarded-Host: evil.test\r\nX-Forwarded-Proto: http\r\nOrigin: http://evil.test\r\n";
    let origin = |scheme: &str, address| format!("Origin: {scheme}://{address}\r\n");
    for (who, address, headers, status) in [
        ("a page by http", believed.plain, origin("http", believed.plain), 101),
        (
            "a page by https where the client came by http",
            believed.plain,
            origin("https", believed.plain),
            403,
        ),
        ("the same, of which the app is told nothing", unheard.plain, origin("https", unheard.plain), 101),
        ("a client's word for its host", believed.plain, claim.to_owned(), 403),
        ("the same without trust and without a proxy", doubting.address, claim.to_owned(), 403),
        // Why an app that trusts must be reached through the proxy alone.
        ("the same with trust and without a proxy", trusting.address, claim.to_owned(), 101),
    ] {
        let answered = Socket::status(address, "/ws", &headers)?;
        if answered != status {
            fail!("{who}: {answered} instead of {status}");
        }
    }
    Ok(())
}
