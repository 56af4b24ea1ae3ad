//! The feature `tracing`: a span for each connection, events for what happens to it.

use ::tracing::{Span, info, info_span, warn};
use websans_tokio::Stats;

use crate::event::{Details, Event};

pub(crate) fn span(details: &Details) -> Span {
    info_span!("websocket", id = details.id(), path = details.path(), version = ?details.version())
}

/// Says it, within the span of the connection.
pub(crate) fn note(event: Event<'_>) {
    match event {
        Event::Refused(error) => info!(status = error.http_status(), reason = %error, "refused"),
        Event::NoPlace => {
            info!(status = 503, reason = "all places are taken, or the server goes down", "refused")
        }
        Event::Opened(protocol) => info!(protocol, "opened"),
        // Whoever goes away at the right moment can bring these about: no reason to be alarmed.
        Event::NotOpened(error) => info!(%error, "not opened"),
        Event::Closed(outcome, stats) => {
            let outcome =
                outcome.map_or_else(|| "dropped before it was closed".to_owned(), ToString::to_string);
            let Stats { messages_received, messages_sent, bytes_received, bytes_sent, .. } = *stats;
            info!(
                outcome = display(outcome),
                messages_received, messages_sent, bytes_received, bytes_sent, "closed"
            );
        }
        Event::HandlerFailed(error) => info!(%error, "the handler failed"),
        Event::HandlerPanicked => warn!("the handler panicked"),
    }
}
