//! The feature `metrics`: what happens to connections, in numbers. Their names are in the documentation of the crate.

use std::time::Instant;

use ::metrics::{counter, gauge, histogram};

use crate::event::Event;

/// Counts it; the connection's handshake came at `since`.
pub(crate) fn note(event: Event<'_>, since: Instant) {
    match event {
        Event::Refused(error) => refused(error.http_status()),
        Event::NoPlace => refused(503),
        Event::Opened(_) => {
            counter!("websans_connections_opened_total").increment(1);
            gauge!("websans_connections_open").increment(1);
        }
        Event::NotOpened(_) => counter!("websans_connections_not_opened_total").increment(1),
        Event::Closed(outcome, stats) => {
            gauge!("websans_connections_open").decrement(1);
            let ending = match outcome {
                Some(outcome) if outcome.is_clean() => "clean",
                Some(_) => "unclean",
                None => "dropped",
            };
            counter!("websans_connections_closed_total", "ending" => ending).increment(1);
            counter!("websans_messages_total", "direction" => "received").increment(stats.messages_received);
            counter!("websans_messages_total", "direction" => "sent").increment(stats.messages_sent);
            counter!("websans_bytes_total", "direction" => "received").increment(stats.bytes_received);
            counter!("websans_bytes_total", "direction" => "sent").increment(stats.bytes_sent);
            histogram!("websans_connection_seconds").record(since.elapsed());
        }
        Event::HandlerFailed(_) => counter!("websans_handlers_failed_total", "how" => "error").increment(1),
        Event::HandlerPanicked => counter!("websans_handlers_failed_total", "how" => "panic").increment(1),
    }
}

fn refused(status: u16) {
    counter!("websans_handshakes_refused_total", "status" => status.to_string()).increment(1);
}
