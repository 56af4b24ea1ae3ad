//! The feature `tracing`: a span for each connection, events for what happens to it.

use ::tracing::{Span, debug, info, info_span, warn};
use websans_tokio::Stats;

use crate::event::{Details, Event};

pub(crate) fn span(details: &Details) -> Span {
    info_span!("websocket", id = details.id(), path = details.path(), version = ?details.version())
}

/// Says it, within the span of the connection.
pub(crate) fn note(event: Event<'_>) {
    match event {
        Event::Refused(error) => info!(status = error.http_status(), reason = %error, "refused"),
        Event::NoPlace => info!(status = 503, reason = "all places are taken", "refused"),
        Event::Opened(protocol) => info!(protocol, "opened"),
        Event::NotOpened(error) => warn!(%error, "not opened"),
        Event::Closed(outcome, stats) => {
            let outcome = outcome.map(tracing_display);
            let Stats { messages_received, messages_sent, bytes_received, bytes_sent, .. } = *stats;
            info!(outcome, messages_received, messages_sent, bytes_received, bytes_sent, "closed");
        }
        Event::HandlerFailed(error) => debug!(%error, "the handler failed"),
        Event::HandlerPanicked => warn!("the handler panicked"),
    }
}

fn tracing_display<T: std::fmt::Display>(value: T) -> ::tracing::field::DisplayValue<T> {
    ::tracing::field::display(value)
}
