//! The feature `axum`: [`Upgrade`] as an extractor.

use std::fmt;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use http::{StatusCode, Version};
use websans_tokio::handshake::HandshakeError;

use crate::handshake::Kind;
use crate::response::{refusal, sentence};
use crate::upgrade::Upgrade;

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = NotUpgradable;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotUpgradable> {
        // Left where it is: this may be a middleware that only looks.
        parts.extensions.get().cloned().ok_or_else(|| NotUpgradable::of(parts))
    }
}

/// `None` for a request that does not ask for WebSocket.
impl<S: Sync> OptionalFromRequestParts<S> for Upgrade {
    type Rejection = NotUpgradable;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, NotUpgradable> {
        match parts.extensions.get().cloned() {
            None if asked(parts) => Err(NotUpgradable::of(parts)),
            found => Ok(found),
        }
    }
}

fn asked(parts: &Parts) -> bool {
    Kind::asked(parts.version, &parts.method, &parts.headers, &parts.extensions).is_some()
}

/// There is no [`Upgrade`] to extract: the request does not ask for WebSocket (426 with `Upgrade: websocket`, 400 over HTTP/2), or it
/// has not come through a [`WebSocketLayer`](crate::WebSocketLayer) that serves its path (500).
#[derive(Clone, Copy, Debug)]
pub struct NotUpgradable {
    version: Version,
    asked: bool,
}

impl NotUpgradable {
    fn of(parts: &Parts) -> Self {
        Self { version: parts.version, asked: asked(parts) }
    }
}

const NO_LAYER: &str = "this handshake has not come through a WebSocketLayer that serves its path";

const NO_CONNECT: &str =
    "this is a WebSocket endpoint: send CONNECT with :protocol websocket (RFC 8441 section 4)";

impl fmt::Display for NotUpgradable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { asked: true, .. } => f.write_str(NO_LAYER),
            Self { version, .. } if *version >= Version::HTTP_2 => f.write_str(NO_CONNECT),
            _ => HandshakeError::NotUpgrade.fmt(f),
        }
    }
}

impl std::error::Error for NotUpgradable {}

impl IntoResponse for NotUpgradable {
    fn into_response(self) -> Response {
        if self.asked {
            return sentence(StatusCode::INTERNAL_SERVER_ERROR, self.version, &NO_LAYER).map(Body::from);
        }
        if self.version >= Version::HTTP_2 {
            // HTTP/2 has no Upgrade, without which 426 says nothing.
            return sentence(StatusCode::BAD_REQUEST, self.version, &self).map(Body::from);
        }
        refusal::<Body>(&HandshakeError::NotUpgrade.response(), self.version).map(Body::new)
    }
}
