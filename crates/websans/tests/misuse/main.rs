//! Whatever is called whenever, with whatever arguments: an `Err` at worst, never a panic, and never a word on the wire
//! that the peer could not understand.

mod calls;
mod sequences;
mod soundness;
#[path = "../rfc6455/support.rs"]
mod support;

use websans::{Kind, Message, Payload};

fn as_kind(kind: Kind, bytes: &[u8]) -> Payload<'_> {
    Payload::new(kind, bytes)
}

/// Whether or not it was meant to be used so, what is lent as text is UTF-8.
fn assert_text(message: Option<Message<'_>>) {
    if let Some(Message::Text(text)) = message {
        assert!(core::str::from_utf8(text.as_bytes()).is_ok(), "{:02x?} as text", text.as_bytes());
    }
}
