//! Which proxy the environment names for a URL.

use proptest::prelude::*;
use websans::handshake::Url;
use websans_dial::proxy::Environment;
use websans_dial::{Proxy, ProxyUrlError};

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::read(|name| {
        variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
    })
}

fn proxy(variables: &[(&str, &str)], url: &str) -> Option<String> {
    let environment = environment(variables);
    let proxy = environment.for_url(&url.parse::<Url>().unwrap()).unwrap();
    proxy.map(|proxy| proxy.host().to_owned())
}

#[test]
fn each_scheme_has_its_variables() {
    let all = [("https_proxy", "http://s"), ("http_proxy", "http://p"), ("all_proxy", "socks5h://a")];
    assert_eq!(proxy(&all, "wss://x").as_deref(), Some("s"));
    assert_eq!(proxy(&all, "ws://x").as_deref(), Some("p"));
    assert_eq!(proxy(&all[2..], "wss://x").as_deref(), Some("a"));
    assert_eq!(proxy(&all[2..], "ws://x").as_deref(), Some("a"));
    assert_eq!(proxy(&all[..1], "ws://x"), None);
    assert_eq!(proxy(&[("HTTPS_PROXY", "http://s")], "wss://x").as_deref(), Some("s"));
    assert_eq!(
        proxy(&[("HTTPS_PROXY", "http://S"), ("https_proxy", "http://s2")], "wss://x").as_deref(),
        Some("s2")
    );
    assert_eq!(proxy(&[("ALL_PROXY", "http://a")], "ws://x").as_deref(), Some("a"));
    assert_eq!(proxy(&[("all_proxy", " "), ("ALL_PROXY", "bare:3128")], "ws://x").as_deref(), Some("bare"));
    assert_eq!(proxy(&[], "ws://x"), None);
}

#[test]
fn a_request_cannot_choose_the_proxy_of_a_cgi_program() {
    assert_eq!(proxy(&[("HTTP_PROXY", "http://evil")], "ws://x"), None);
    assert_eq!(proxy(&[("http_proxy", "http://evil"), ("REQUEST_METHOD", "GET")], "ws://x"), None);
}

#[test]
fn a_proxy_that_cannot_be_parsed_is_not_passed_by() {
    let environment = environment(&[("https_proxy", "ftp://user:pw@x"), ("no_proxy", "direct.example")]);
    let at = |url: &str| environment.for_url(&url.parse::<Url>().unwrap()).map(|proxy| proxy.is_some());
    assert_eq!(at("wss://x"), Err(ProxyUrlError::Variable("https_proxy")));
    assert_eq!(at("wss://direct.example"), Ok(false));
    assert_eq!(at("ws://x"), Ok(false));
}

#[test]
fn some_hosts_are_connected_to_directly() {
    for (list, host, direct) in [
        ("*", "example.com", true),
        ("example.com", "example.com", true),
        ("example.com", "EXAMPLE.com.", true),
        ("example.com", "www.example.com", true),
        ("example.com", "notexample.com", false),
        ("example.com", "example.com.evil", false),
        (".example.com", "www.example.com", true),
        (".example.com", "example.com", true),
        ("*.example.com", "a.b.example.com", true),
        ("a, b,c", "b", true),
        ("a b\tc", "c", true),
        ("example.com:8080", "example.com", false),
        ("example.com:443", "example.com", true),
        ("*:443", "example.com", true),
        ("*:80", "example.com", false),
        ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.7", "192.0.2.77", false),
        ("192.0.2.7:443", "192.0.2.7", true),
        ("192.0.2.7:80", "192.0.2.7", false),
        ("192.0.2.0/24", "192.0.2.255", true),
        ("192.0.2.0/24", "192.0.3.0", false),
        ("192.0.2.0/33", "192.0.2.0", false),
        ("0.0.0.0/0", "198.51.100.1", true),
        ("0.0.0.0/0", "[2001:db8::1]", false),
        ("0.0.0.0/0", "example.com", false),
        ("2001:db8::7", "[2001:db8:0::7]", true),
        ("[2001:db8::7]:443", "[2001:db8::7]", true),
        ("[2001:db8::7]:80", "[2001:db8::7]", false),
        ("2001:db8::/32", "[2001:db8:ffff::1]", true),
        ("2001:db8::/32", "[2001:db9::1]", false),
        ("192.0.2.7", "[::ffff:192.0.2.7]", true),
        ("2.7", "192.0.2.7", false),
        ("", "example.com", false),
        (",,:,/,[", "example.com", false),
    ] {
        let variables = [("https_proxy", "http://p"), ("no_proxy", list)];
        assert_eq!(proxy(&variables, &format!("wss://{host}")).is_none(), direct, "{list} {host}");
    }
    assert_eq!(proxy(&[("https_proxy", "http://p"), ("NO_PROXY", "x")], "wss://x"), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn no_variable_panics(value in "[a-z0-9.:/%@*, \\[\\]é]{0,40}", list in "[a-z0-9.:/%*, \\[\\]é]{0,40}") {
        let variables = [("all_proxy", &*value), ("no_proxy", &*list)];
        for url in ["ws://example.com", "wss://192.0.2.7:9", "ws://[2001:db8::7]"] {
            let _ = environment(&variables).for_url(&url.parse::<Url>().unwrap());
        }
    }

    /// What a proxy is shown as can be parsed again, and means the same.
    #[test]
    fn proxies_are_shown_as_they_are(url in "(http|socks5h?)://[a-z0-9.]{1,12}(:[0-9]{1,6})?") {
        if let Ok(proxy) = Proxy::parse(&url) {
            prop_assert_eq!(Proxy::parse(&proxy.to_string()).unwrap(), proxy);
        }
    }
}
