//! Results and causes as bytes, whose meanings never change.

use websans::{Cause, ProtocolError, SendError};

/// `Ok(())`, `Ok(false)`, `Ok(None)`, `None`, or nothing at all.
pub(crate) const NOTHING: u8 = 0;
/// `Ok(true)`, `Some`.
pub(crate) const SOMETHING: u8 = 1;
/// What `receive` found.
pub(crate) const PART: u8 = 2;
pub(crate) const PING: u8 = 3;
pub(crate) const PONG: u8 = 4;
pub(crate) const CLOSE: u8 = 5;
const SEND_ERROR: u8 = 0x10;
const PROTOCOL_ERROR: u8 = 0x40;
/// An error that had no number when this was written.
const OTHER: u8 = 0x3F;

const SEND_ERRORS: [SendError; 8] = [
    SendError::Closing,
    SendError::OutboxFull,
    SendError::MessageInProgress,
    SendError::KindChanged,
    SendError::InvalidUtf8,
    SendError::ControlTooLong,
    SendError::ReasonTooLong,
    SendError::CodeNotForServers,
];

const PROTOCOL_ERRORS: [ProtocolError; 19] = [
    ProtocolError::UnmaskedFrame,
    ProtocolError::MaskedFrame,
    ProtocolError::ReservedBits,
    ProtocolError::ReservedOpcode,
    ProtocolError::LengthNotMinimal,
    ProtocolError::LengthOutOfRange,
    ProtocolError::UnexpectedContinuation,
    ProtocolError::ExpectedContinuation,
    ProtocolError::FragmentedControl,
    ProtocolError::ControlTooLong,
    ProtocolError::TruncatedCloseCode,
    ProtocolError::InvalidCloseCode,
    ProtocolError::InvalidCloseReason,
    ProtocolError::InvalidUtf8,
    ProtocolError::MessageTooBig,
    ProtocolError::TooManyFragments,
    ProtocolError::InvalidDeflate,
    ProtocolError::UnproductiveDeflate,
    ProtocolError::InflateRatio,
];

fn place<T: PartialEq>(all: &[T], one: &T) -> Option<u8> {
    all.iter().position(|other| other == one).and_then(|place| u8::try_from(place).ok())
}

pub(crate) fn of_send(result: Result<(), SendError>) -> u8 {
    match result {
        Ok(()) => NOTHING,
        Err(error) => place(&SEND_ERRORS, &error).map_or(OTHER, |place| SEND_ERROR + place),
    }
}

pub(crate) fn of_error(error: ProtocolError) -> u8 {
    place(&PROTOCOL_ERRORS, &error).map_or(OTHER, |place| PROTOCOL_ERROR + place)
}

pub(crate) fn to_error(code: u8) -> Option<ProtocolError> {
    PROTOCOL_ERRORS.get(usize::from(code.checked_sub(PROTOCOL_ERROR)?)).copied()
}

pub(crate) fn to_send_error(code: u8) -> Option<SendError> {
    SEND_ERRORS.get(usize::from(code.checked_sub(SEND_ERROR)?)).copied()
}

pub(crate) fn of_next(result: Result<bool, ProtocolError>) -> u8 {
    match result {
        Ok(found) => u8::from(found),
        Err(error) => of_error(error),
    }
}

pub(crate) fn of_cause(cause: Cause) -> u8 {
    match cause {
        Cause::Clean => 0,
        Cause::KeepaliveTimeout => 1,
        Cause::CloseTimeout => 2,
        Cause::WriteStall => 3,
        Cause::Eof => 4,
        Cause::Aborted => 5,
        Cause::Protocol(error) => of_error(error),
        _ => OTHER,
    }
}

/// What a result means, in words.
pub(crate) fn describe(code: u8) -> String {
    match code {
        NOTHING => "nothing".into(),
        SOMETHING => "something".into(),
        PART => "a part".into(),
        PING => "a ping".into(),
        PONG => "a pong".into(),
        CLOSE => "a close".into(),
        _ => match (to_error(code), to_send_error(code)) {
            (Some(error), _) => error.to_string(),
            (_, Some(error)) => error.to_string(),
            _ => format!("result {code:#04x}"),
        },
    }
}
