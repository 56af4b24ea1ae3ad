//! [`App`]: what is answered to whom.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use websans_tower::{HandshakeError, Socket, Upgrade, WebSocketLayer};

use crate::background::Background;
use crate::echo::echo;
use crate::log::Log;

/// The page: one file, which needs nothing else.
const PAGE: &str = include_str!("../index.html");

/// What the page may do: its own style and script, connections to wherever its user says.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                           img-src data:; connect-src *; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Who sent a request: an extension of each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) peer: SocketAddr,
}

/// The page at `/`, the echo at `/ws`.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) log: Log,
    /// Where echoes run, if not in the handlers of their requests.
    pub(crate) background: Option<Background>,
}

impl App {
    pub(crate) fn router(self, layer: WebSocketLayer) -> Router {
        Router::new()
            .route(
                "/",
                get(page)
                    .fallback(async || text(StatusCode::METHOD_NOT_ALLOWED, "the page can be had by GET")),
            )
            .route("/ws", any(open))
            .fallback(async || text(StatusCode::NOT_FOUND, "there is a page at / and an echo at /ws"))
            .layer(layer)
            .layer(from_fn_with_state(self.clone(), log_refusals))
            .with_state(self)
    }
}

/// Opens the echo.
async fn open(State(app): State<App>, Extension(client): Extension<Client>, upgrade: Upgrade) -> Response {
    let App { log, background } = app;
    let Some(background) = background else {
        return upgrade.accept(async move |socket| serve(socket, client.peer, &log).await).into_response();
    };
    let (response, opening) = upgrade.accept_later();
    if background.take(client.peer, opening).await {
        response.into_response()
    } else {
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    }
}

/// Says whose handshake was refused.
async fn log_refusals(State(app): State<App>, request: Request, next: Next) -> Response {
    let client = request.extensions().get::<Client>().copied().filter(|_| request.uri().path() == "/ws");
    let response = next.run(request).await;
    if let (Some(client), true) =
        (client, response.status().is_client_error() || response.status().is_server_error())
    {
        let reason = response.extensions().get::<HandshakeError>();
        let reason = reason.map(|error| format!(": {error}")).unwrap_or_default();
        app.log.line(format_args!("{} refused: {}{reason}", client.peer, response.status()));
    }
    response
}

/// Echoes, and says how it ended.
pub(crate) async fn serve(socket: Socket, peer: SocketAddr, log: &Log) {
    let (mut receiver, sender) = socket.split();
    match echo(&mut receiver, &sender).await {
        Ok(ending) => log.line(format_args!("{peer} {ending}")),
        Err(error) => log.line(format_args!("{peer} {error}")),
    }
    // Not before: the end of the app waits for connections, and not for what is done after them.
    drop((receiver, sender));
}

async fn page() -> impl IntoResponse {
    let headers: [(HeaderName, &str); 6] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // An isolated page has the finer clock for round-trip times.
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, PAGE)
}

fn text(status: StatusCode, sentence: &'static str) -> impl IntoResponse {
    (status, format!("{sentence}\n"))
}
