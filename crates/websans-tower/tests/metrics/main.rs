//! The feature `metrics`: counters, a gauge and a histogram, as a recorder sees them.

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use http_body_util::BodyExt;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use websans_tower::{CloseCode, Options, Socket};

use support::{Server, answering, echo, request, soon, text};

/// All that has been counted since the last time, by name and labels.
fn counted(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let (_, key) = key.into_parts();
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(values) => {
                assert!(values.iter().all(|seconds| (0.0..60.0).contains(&seconds.into_inner())));
                values.len() as f64
            }
        };
        let name = key.name().strip_prefix("websans_").expect("ours alone").to_owned();
        all.insert(format!("{name}{{{}}}", labels.join(",")), value);
    }
    all.retain(|_, value| *value != 0.0);
    all
}

#[tokio::test]
async fn connections_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    let service = answering(|upgrade| match upgrade.protocol() {
        Some("withheld") => {
            drop(upgrade.accept(echo));
            text(404, "second thoughts")
        }
        Some("error") => upgrade.accept(async |_: Socket| Err::<(), _>("an error")).map(BodyExt::boxed),
        Some("panic") => {
            upgrade.accept(async |_: Socket| -> () { panic!("this one is meant") }).map(BodyExt::boxed)
        }
        _ => upgrade.accept(echo).map(BodyExt::boxed),
    });
    let server = Server::start(Options::new().protocols(["withheld", "error", "panic"]), service).await;
    let expect = |expected: &[(&str, f64)]| {
        let expected: BTreeMap<_, _> =
            expected.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        assert_eq!(counted(&snapshotter), expected);
    };

    let mut socket = server.open().await;
    let lost = server.open().await;
    socket.send("hello").await.unwrap();
    soon(socket.recv()).await.unwrap();
    expect(&[("connections_open{}", 2.0), ("connections_opened_total{}", 2.0)]);
    drop(lost);
    soon(socket.close(CloseCode::NORMAL, "")).await.unwrap();
    server.assert_empty().await;
    expect(&[
        // The recorder gives the difference.
        ("connections_open{}", -2.0),
        ("connections_closed_total{ending=clean}", 1.0),
        ("connections_closed_total{ending=unclean}", 1.0),
        ("connection_seconds{}", 2.0),
        ("messages_total{direction=received}", 1.0),
        ("messages_total{direction=sent}", 1.0),
        // "hello" and a Close with a code, masked by the client.
        ("bytes_total{direction=received}", 19.0),
        ("bytes_total{direction=sent}", 11.0),
    ]);

    for protocol in ["error", "panic"] {
        server.open_by(&server.client().protocol(protocol).unwrap()).await.unwrap();
    }
    server.assert_empty().await;
    server.events.wait("panicked").await;
    expect(&[
        ("connections_opened_total{}", 2.0),
        ("connections_closed_total{ending=dropped}", 2.0),
        ("connection_seconds{}", 2.0),
        ("handlers_failed_total{how=error}", 1.0),
        ("handlers_failed_total{how=panic}", 1.0),
    ]);

    server.ask(&request("Origin: null\r\n")).await;
    server.ask(&request("").replace("13", "8")).await;
    server.ask(&request("Sec-WebSocket-Protocol: withheld\r\n")).await;
    server.assert_empty().await;
    server.events.wait("not opened").await;
    server.sockets.close_all();
    server.ask(&request("")).await;
    expect(&[
        ("handshakes_refused_total{status=403}", 1.0),
        ("handshakes_refused_total{status=426}", 1.0),
        ("connections_not_opened_total{}", 1.0),
        ("handshakes_refused_total{status=503}", 1.0),
    ]);
}
