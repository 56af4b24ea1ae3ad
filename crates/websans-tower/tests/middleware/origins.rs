//! Whose pages may connect, and whose word is taken for where they believe to be.

use websans_tower::{AllowedOrigins, Forwarded, Options, OriginPolicy};

use crate::support::{Http2, Server, connect_request, echoing, read_head, request};

use tokio::io::AsyncWriteExt as _;

/// The status of the answer to a handshake with these lines.
async fn status(server: &Server, lines: &[&str]) -> u16 {
    let mut further = lines.join("\r\n");
    if !further.is_empty() {
        further += "\r\n";
    }
    let mut stream = server.connect().await;
    stream.write_all(request(&further).as_bytes()).await.unwrap();
    read_head(&mut stream).await[9..12].parse().unwrap()
}

/// Holds a server with `options` to what is allowed and what is not.
async fn assert_origins(options: Options, allowed: &[&[&str]], refused: &[&[&str]]) {
    let server = Server::start(options, echoing).await;
    for lines in allowed {
        assert_eq!(status(&server, lines).await, 101, "{lines:?}");
    }
    for lines in refused {
        assert_eq!(status(&server, lines).await, 403, "{lines:?}");
    }
    server.assert_empty().await;
}

#[tokio::test]
async fn by_default_only_the_servers_own_pages_and_who_is_no_page() {
    assert_origins(
        Options::new(),
        &[
            &[],
            &["Origin: http://example.com"],
            &["Origin: https://example.com"],
            &["Origin: http://EXAMPLE.com:80"],
        ],
        &[
            &["Origin: http://evil.example"],
            &["Origin: http://sub.example.com"],
            &["Origin: http://example.com.evil.example"],
            &["Origin: http://example.com:8080"],
            &["Origin: http://example.com/"],
            &["Origin: null"],
            &["Origin:"],
            &["Origin: http://example.com", "Origin: http://example.com"],
            &["Origin: http://example.com, http://example.com"],
            // What anybody may say is not believed.
            &["Origin: http://evil.example", "X-Forwarded-Host: evil.example"],
            &["Origin: http://evil.example", "Forwarded: host=evil.example"],
        ],
    )
    .await;
}

#[tokio::test]
async fn a_server_that_knows_its_scheme_looks_at_that_of_the_page() {
    let (http, https) = (&["Origin: http://example.com"][..], &["Origin: https://example.com"][..]);
    assert_origins(Options::new().secure(true), &[https, &[]], &[http]).await;
    assert_origins(Options::new().secure(false), &[http, &[]], &[https]).await;
}

#[tokio::test]
async fn a_list_with_wildcards_and_null() {
    let list = ["https://app.example", "https://*.example.org:8443", "null"];
    assert_origins(
        Options::new().allowed_origins(list.map(|origin| origin.parse().unwrap()).to_vec()),
        &[
            &[],
            &["Origin: https://app.example"],
            &["Origin: https://app.example:443"],
            &["Origin: https://a.example.org:8443"],
            &["Origin: https://b.a.example.org:8443"],
            &["Origin: null"],
        ],
        &[
            &["Origin: http://example.com"],
            &["Origin: http://app.example"],
            &["Origin: https://example.org:8443"],
            &["Origin: https://evilexample.org:8443"],
            &["Origin: https://a.example.org"],
            &["Origin: null", "Origin: null"],
        ],
    )
    .await;
}

#[tokio::test]
async fn every_page() {
    let all: &[&[&str]] = &[&[], &["Origin: http://evil.example"], &["Origin: null"], &["Origin: what?"]];
    assert_origins(Options::new().allowed_origins(OriginPolicy::Any), all, &[]).await;
}

#[tokio::test]
async fn a_predicate_sees_the_origin_and_the_request() {
    let tenants = AllowedOrigins::predicate(|origin, request| {
        request.uri.path() == "/chat"
            && request.headers.contains_key("upgrade")
            && origin.is_none_or(|origin| origin.starts_with(b"x-tenant:\xff"))
    });
    // Not looked at any further: it may be anything but repeated.
    let server = Server::start(Options::new().allowed_origins(tenants), echoing).await;
    assert_eq!(status(&server, &[]).await, 101);
    assert_eq!(status(&server, &["Origin: http://example.com"]).await, 403);
    for (times, expected) in [(1, 101), (2, 403)] {
        let mut raw = request("").into_bytes();
        raw.truncate(raw.len() - 2);
        for _ in 0..times {
            raw.extend_from_slice(b"Origin: x-tenant:\xff\r\n");
        }
        raw.extend_from_slice(b"\r\n");
        let mut stream = server.connect().await;
        stream.write_all(&raw).await.unwrap();
        assert_eq!(read_head(&mut stream).await[9..12].parse(), Ok(expected));
    }
    let elsewhere = request("").replace("/chat", "/other");
    assert!(server.ask(&elsewhere).await.starts_with("HTTP/1.1 403 "));
}

#[tokio::test]
async fn a_trusted_proxy_tells_host_and_scheme() {
    assert_origins(
        Options::new().trust_forwarded(Forwarded::XForwarded),
        &[
            &["Origin: https://pages.example", "X-Forwarded-Host: pages.example", "X-Forwarded-Proto: https"],
            &["Origin: http://example.com"],
            &["Origin: https://example.com", "X-Forwarded-Proto: https"],
            &["X-Forwarded-Proto: gopher"],
        ],
        &[
            &["Origin: http://pages.example", "X-Forwarded-Host: pages.example", "X-Forwarded-Proto: https"],
            &["Origin: http://example.com", "X-Forwarded-Host: pages.example"],
            &["Origin: http://evil.example", "X-Forwarded-Host: evil.example, pages.example"],
            &["Origin: http://example.com", "X-Forwarded-Proto: gopher"],
            &["Origin: http://pages.example", "Forwarded: host=pages.example"],
        ],
    )
    .await;
    assert_origins(
        Options::new().trust_forwarded(Forwarded::Rfc7239),
        &[
            &[
                "Origin: https://pages.example:8443",
                "Forwarded: for=::1;host=\"pages.example:8443\";proto=https",
            ],
            &["Origin: http://example.com"],
        ],
        &[
            &["Origin: http://pages.example", "Forwarded: host=pages.example;proto=https"],
            &["Origin: http://pages.example", "X-Forwarded-Host: pages.example"],
            &["Origin: http://example.com", "Forwarded: host=\"example.com"],
        ],
    )
    .await;
}

#[tokio::test]
async fn an_absolute_target_is_where_the_client_believes_to_be() {
    let server = Server::start(Options::new(), echoing).await;
    for (origin, expected) in [("http://other.example", "101"), ("http://example.com", "403")] {
        let absolute =
            request(&format!("Origin: {origin}\r\n")).replace("/chat", "http://other.example/chat");
        let mut stream = server.connect().await;
        stream.write_all(absolute.as_bytes()).await.unwrap();
        assert_eq!(&read_head(&mut stream).await[9..12], expected, "{origin}");
    }
}

#[tokio::test]
async fn over_http_2_authority_and_scheme_tell() {
    let server = Server::start(Options::new(), echoing).await;
    let mut client = Http2::connect(server.address).await;
    for (uri, origin, expected) in [
        ("http://example.com/", "http://example.com", 200),
        ("https://example.com/", "https://example.com", 200),
        ("https://example.com:8443/", "https://example.com:8443", 200),
        ("https://example.com/", "http://example.com", 403),
        ("http://example.com/", "https://example.com", 403),
        ("http://example.com/", "http://evil.example", 403),
        ("http://example.com/", "null", 403),
    ] {
        let mut request = connect_request();
        *request.uri_mut() = uri.parse().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        let (response, _) = client.ask(request).await.unwrap();
        assert_eq!(response.status(), expected, "{origin} at {uri}");
    }
}
