//! Messages and texts as values.

use bytes::Bytes;
use websans_tokio::stream::{CloseFrame, Message, Utf8Bytes};
use websans_tokio::{CloseCode, Error, SendError};

#[test]
fn conversions_and_questions() {
    let text = Message::from("häuser");
    assert!(text.is_text() && !text.is_binary() && !text.is_empty());
    assert_eq!((text.len(), text.to_text().unwrap(), text.to_string()), (7, "häuser", "häuser".into()));
    assert_eq!(text, Message::text(String::from("häuser")));
    assert_eq!(text, Message::from(Utf8Bytes::from_static("häuser")));
    assert_eq!(text.clone().into_data(), "häuser".as_bytes());
    assert_eq!(text.into_text().unwrap(), "häuser");

    let binary = Message::from(vec![0xff, 0]);
    assert!(binary.is_binary() && !binary.is_text());
    assert_eq!(binary, Message::from(&[0xff, 0][..]));
    assert_eq!(binary, Message::binary(Bytes::from_static(&[0xff, 0])));
    assert_eq!((binary.len(), binary.to_string()), (2, "2 bytes".into()));
    assert!(matches!(binary.to_text(), Err(Error::Send(SendError::InvalidUtf8))));
    assert_eq!(Message::binary("text after all").into_text().unwrap(), "text after all");
    assert_eq!(Bytes::from(binary), &[0xff, 0][..]);

    let close = CloseFrame { code: CloseCode::GOING_AWAY, reason: "off for lunch".into() };
    assert_eq!(close.to_string(), "1001 (off for lunch)");
    let close = Message::Close(Some(close));
    assert!(close.is_close() && close.len() == 13);
    assert_eq!(close.to_text().unwrap(), "off for lunch");
    assert_eq!(close.into_data(), "off for lunch");
    assert!(Message::Close(None).is_empty() && Message::Close(None).into_text().unwrap().is_empty());
    assert!(Message::Ping(Bytes::new()).is_ping() && Message::Pong(Bytes::new()).is_pong());
}

#[test]
fn a_string_is_not_copied_on_its_way_to_bytes() {
    let text = "x".repeat(100);
    let at = text.as_ptr();
    let message = Message::text(text);
    assert_eq!(message.to_text().unwrap().as_ptr(), at);
    let shared = message.clone();
    assert_eq!(message.into_data().as_ptr(), at);
    assert_eq!(shared.into_data().as_ptr(), at);
    let copied = Utf8Bytes::from("y");
    let at = copied.as_ptr();
    assert_eq!(Bytes::from(copied).as_ptr(), at);
}

#[test]
fn text_is_text() {
    assert!(Utf8Bytes::try_from(Bytes::from_static(b"\xff")).is_err());
    assert!(Utf8Bytes::try_from(vec![0xff]).is_err());
    let text = Utf8Bytes::try_from(Bytes::from_static("é".as_bytes())).unwrap();
    assert_eq!(text, Utf8Bytes::try_from("é".as_bytes().to_vec()).unwrap());
    assert!(text == "é" && text.starts_with('é') && text > Utf8Bytes::default());
    assert_eq!((format!("{text}"), format!("{text:?}")), ("é".into(), "\"é\"".into()));
    let set = std::collections::HashSet::from([text]);
    assert!(set.contains("é"), "found as `str`");
}
