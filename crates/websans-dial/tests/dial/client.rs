//! What a client's request holds.

use websans::handshake::BuildError;
use websans_dial::{Client, Proxy, ProxyUrlError};

use crate::peer::{answer, base64, connect, dial, opened, switching};

fn asked(client: &Client) -> String {
    let mut dial = dial(client);
    connect(&mut dial);
    let asked = answer(&mut dial, &switching());
    opened(&mut dial);
    asked
}

#[test]
fn everything_is_in_the_request() {
    let client = Client::new("ws://example.com:8080/chat?room=3").unwrap();
    let client = client.header("X-Trace", "1").unwrap().header("X-Trace", "2").unwrap();
    let client = client.cookie("a", "b").unwrap().header("cookie", "c=d").unwrap().cookie("e", "f").unwrap();
    let client = client.protocol("one").unwrap().protocol("two").unwrap();
    let client = client.basic_auth("user", "pass:word").unwrap().origin("https://example.com").unwrap();
    let asked = asked(&client);
    assert!(asked.starts_with("GET /chat?room=3 HTTP/1.1\r\nHost: example.com:8080\r\n"), "{asked}");
    for line in [
        "X-Trace: 1",
        "X-Trace: 2",
        "Cookie: a=b; c=d; e=f",
        "Sec-WebSocket-Protocol: one, two",
        "Origin: https://example.com",
        &format!("Authorization: Basic {}", base64(b"user:pass:word")),
        &format!("Sec-WebSocket-Key: {}", base64(b"the sample nonce")),
    ] {
        assert!(asked.contains(&format!("\r\n{line}\r\n")), "{line} is not in {asked}");
    }
    assert_eq!(asked.to_ascii_lowercase().matches("\r\ncookie:").count(), 1);
}

#[test]
fn another_name_for_the_host() {
    let client = Client::new("ws://192.0.2.9/").unwrap().host("example.com").unwrap();
    assert!(asked(&client).contains("\r\nHost: example.com\r\n"));
}

#[test]
fn what_would_break_the_request_is_refused() {
    let client = || Client::new("ws://example.com").unwrap();
    for bad in ["a\r\nb", "a\nb", "a\0b", "\u{7f}", "é", " a"] {
        assert_eq!(client().header("X", bad).unwrap_err(), BuildError::HeaderValue, "{bad:?}");
        assert!(client().header(bad, "x").is_err(), "{bad:?}");
        assert!(client().secret_header("X", bad).is_err(), "{bad:?}");
        assert!(client().cookie("x", bad).is_err(), "{bad:?}");
        assert!(client().cookie(bad, "x").is_err(), "{bad:?}");
        assert!(client().protocol(bad).is_err(), "{bad:?}");
        assert!(client().host(bad).is_err(), "{bad:?}");
        assert!(client().origin(bad).is_err(), "{bad:?}");
    }
    for bad in ["a b", "a;b", "a,b", "a\"b", "a\\b"] {
        assert_eq!(client().cookie("x", bad).unwrap_err(), BuildError::HeaderValue, "{bad:?}");
    }
    assert!(client().bearer("a\r\nb").is_err());
    assert!(client().basic_auth("us:er", "x").is_err());
    assert!(client().basic_auth("user", "a\nb").is_err());
    assert_eq!(client().header("Host", "x").unwrap_err(), BuildError::ReservedHeader("host"));
    assert_eq!(client().protocol("a").unwrap().protocol("a").unwrap_err(), BuildError::ProtocolRepeated);
}

#[test]
fn clients_come_from_urls() {
    assert_eq!(Client::try_from("ws://example.com").unwrap().url().host(), "example.com");
    assert_eq!(Client::try_from(String::from("wss://example.com")).unwrap().url().port(), 443);
    assert_eq!(Client::try_from("http://example.com").unwrap_err(), BuildError::UrlScheme);
    let client = Client::new("ws://example.com").unwrap();
    assert_eq!(Client::from(&client).url(), client.url());
}

#[test]
fn no_credentials_are_shown() {
    let proxy = Proxy::parse("http://user:hidden1@proxy.example").unwrap();
    let client = Client::new("ws://example.com/path?token=hidden2").unwrap();
    let client = client.header("X-Key", "hidden3").unwrap().cookie("sid", "hidden4").unwrap();
    let client = client.bearer("hidden5").unwrap().proxy(proxy.clone());
    let mut dial = dial(&client);
    connect(&mut dial);
    for shown in [format!("{client:?}"), format!("{dial:?}"), format!("{proxy:?}"), proxy.to_string()] {
        assert!(!shown.contains("hidden"), "{shown}");
        assert!(!shown.contains(&base64(b"user:hidden1")), "{shown}");
    }
    assert!(!format!("{:?}", Proxy::parse("ftp://user:hidden@x").unwrap_err()).contains("hidden"));
}

#[test]
fn proxies_are_parsed() {
    for (url, shown) in [
        ("http://proxy.example", "http://proxy.example:80"),
        ("HTTP://PROXY.example:3128/", "http://proxy.example:3128"),
        ("socks5://127.0.0.1", "socks5://127.0.0.1:1080"),
        ("socks5h://[::1]", "socks5h://[::1]:1080"),
        ("socks5h://[::1]:9", "socks5h://[::1]:9"),
        ("socks5://a:b@h:1", "socks5://h:1"),
        ("http://a@h", "http://h:80"),
    ] {
        assert_eq!(Proxy::parse(url).unwrap().to_string(), shown, "{url}");
    }
    for (url, error) in [
        ("proxy.example", ProxyUrlError::Scheme),
        ("socks4://h", ProxyUrlError::Scheme),
        ("https://h", ProxyUrlError::Https),
        ("http://", ProxyUrlError::Address(BuildError::UrlHost)),
        ("http://h:99999", ProxyUrlError::Address(BuildError::UrlPort)),
        ("http://h/path", ProxyUrlError::Path),
        ("http://%zz:b@h", ProxyUrlError::Encoding),
        ("http://%ff:b@h", ProxyUrlError::Encoding),
        ("http://%4:b@h", ProxyUrlError::Encoding),
        ("http://a%3Ab:c@h", ProxyUrlError::Credentials),
        ("http://a:%0d%0a@h", ProxyUrlError::Credentials),
        ("socks5://a@h", ProxyUrlError::Credentials),
    ] {
        assert_eq!(Proxy::parse(url).unwrap_err(), error, "{url}");
    }
    assert_eq!(
        Proxy::parse("socks5://h").unwrap().credentials(&"u".repeat(256), "p").unwrap_err(),
        ProxyUrlError::Credentials
    );
}
