//! The feature `tracing`: spans and events, as a subscriber sees them.

#[path = "../support/mod.rs"]
mod support;

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use ::tracing::field::{Field, Visit};
use ::tracing::{Event, Subscriber, span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use websans_tower::{CloseCode, Options, Socket};

use support::{Server, echo, request, serving, soon};

/// What a subscriber has seen of this crate, one line each.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

/// The fields of a span, for its events.
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Numbers of connections depend on what else the process does.
        if field.name() != "id" {
            self.0 += &format!(" {}={value:?}", field.name());
        }
    }
}

impl<S: Subscriber + for<'l> LookupSpan<'l>> Layer<S> for Seen {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut fields = Fields(String::new());
        attributes.record(&mut fields);
        context.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let own = metadata.target().starts_with("websans_tower") || metadata.target().starts_with("tracing");
        if !own {
            return;
        }
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let mut line = format!("{}{}", metadata.level(), fields.0);
        if let Some(span) = context.lookup_current() {
            let extensions = span.extensions();
            line += &format!(" in {}{}", span.name(), extensions.get::<Fields>().unwrap().0);
        }
        self.0.lock().unwrap().push(line);
    }
}

#[tokio::test]
async fn each_connection_has_a_span_with_what_happens_to_it() {
    let seen = Seen::default();
    let _guard = ::tracing::subscriber::set_default(tracing_subscriber::registry().with(seen.clone()));
    let handler = async |socket: Socket| {
        ::tracing::info!("the handler's own");
        echo(socket).await?;
        Err(std::io::Error::other("out of luck").into())
    };
    let server = Server::start(Options::new().protocols(["v1"]), serving(handler)).await;
    let client = server.client().protocol("v1").unwrap();
    let mut socket = server.open_by(&client).await.unwrap();
    socket.send("hello").await.unwrap();
    soon(socket.recv()).await.unwrap();
    soon(socket.close(CloseCode::NORMAL, "done")).await.unwrap();
    server.assert_empty().await;
    server.events.wait("failed").await;
    server.ask(&request("Origin: null\r\n")).await;
    server.sockets.close_all();
    server.ask(&request("")).await;

    let span = "in websocket path=\"/chat\" version=HTTP/1.1";
    assert_eq!(
        *seen.0.lock().unwrap(),
        [
            format!("INFO message=opened protocol=\"v1\" {span}"),
            format!("INFO message=the handler's own {span}"),
            // The Close has two bytes and "done"; the message five; two of header each, and a client's four of key.
            format!(
                "INFO message=closed outcome=closed cleanly (1000): done messages_received=1 messages_sent=1 \
                 bytes_received=23 bytes_sent=15 {span}"
            ),
            format!("INFO message=the handler failed error=the transport failed: out of luck {span}"),
            format!(
                "INFO message=refused status=403 reason=pages of this origin may not connect \
                 (RFC 6455 section 10.2) {span}"
            ),
            format!(
                "INFO message=refused status=503 reason=\"all places are taken, or the server goes down\" {span}"
            ),
        ]
    );
}
