//! Attacks and defects that have happened elsewhere, as far as they concern TLS.

use websans_dial::{Cause, Step, TlsError};
use websans_tokio::{Client, connect};

use crate::servers::{converse, failure};
use crate::tls::{authority, echo, trusting};

/// A certificate that is good, and for another host: by name, by a name that begins or ends alike, and by address.
#[tokio::test]
async fn cve_2020_15133_certificate_of_another_host() {
    let server = echo(authority(), "example.com").await;
    let client = |host: &str| {
        Client::new(&format!("wss://{host}/")).unwrap().addresses([server]).tls(trusting(authority()))
    };
    converse(&mut connect(client("example.com")).await.unwrap()).await;
    for host in [
        "other.example",
        "www.example.com",
        "example.com.evil.example",
        "evilexample.com",
        "example.co",
        "127.0.0.1",
    ] {
        let error = failure(&client(host)).await;
        assert_eq!((error.step(), error.code()), (Step::Tls, 1015), "{host}");
        assert!(matches!(error.cause(), Cause::Tls(TlsError::Handshake(_))), "{host}: {error}");
    }
}
