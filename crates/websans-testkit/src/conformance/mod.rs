//! [`conformance!`](crate::conformance!): the same scenarios for every adapter.
//!
//! A scenario has two sides. The **peer** is a [`Script`] in bytes and frames of its own, played by [`Peer`], which does
//! no I/O: over TCP a [thread](tcp) plays it, over anything else a driver of the adapter's. The **subject** is a
//! connection of the adapter behind [`Subject`], a small blocking face, whether the adapter blocks or not. So the
//! scenarios know neither threads nor tasks nor clocks: where an adapter's time is [virtual](Times::VIRTUAL), they
//! run with the deadlines that applications get by default; where it is [real](Times::REAL), with short ones.
//!
//! Every scenario is a test of its own, and runs for either end, whole and split:
//!
//! ```text
//! struct Blocking { /* .. */ }
//! impl websans_testkit::conformance::Subject for Blocking { /* .. */ }
//! websans_testkit::conformance!(Blocking);
//! ```

pub mod calm;
pub mod closing;
pub mod compression;
pub mod control;
pub mod echo;
pub mod ending;
pub mod flow;
mod habits;
pub mod inflation;
mod peer;
mod script;
pub mod streaming;
mod subject;
pub mod tcp;
pub mod timers;
mod times;
pub mod violation;

use std::panic;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use websans::{CloseCode, Config, Kind, Negotiated, Outcome, Role, SendError};

pub use self::habits::{Habits, Write as WriteHabit};
pub use self::peer::{Peer, Report, Task};
pub use self::script::Script;
pub use self::subject::{Fault, Finish, Owned, Subject};
pub use self::times::Times;
use crate::listen::counted_keys;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The end that answered the opening handshake.
    Server,
    /// The end that opened it.
    Client,
}

impl End {
    /// The other one.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}

/// How the subject is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// In one piece.
    Whole,
    /// As two halves.
    Split,
}

/// Where the subject sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its end of the connection.
    pub end: End,
    /// How it is held.
    pub hold: Hold,
}

impl Seat {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self { end: End::Server, hold: Hold::Whole },
        Self { end: End::Server, hold: Hold::Split },
        Self { end: End::Client, hold: Hold::Whole },
        Self { end: End::Client, hold: Hold::Split },
    ];

    /// A peer that does nothing yet.
    #[must_use]
    pub const fn script(self) -> Script {
        Script::against(self.end)
    }

    /// A connection with a peer that plays `script`.
    #[must_use]
    pub fn start<S: Subject>(self, config: Config, script: Script) -> S {
        S::start(self.setup(config, script))
    }

    /// The same with little room between the two, and with the stream's habits to look at.
    fn start_with<S: Subject>(self, room: usize, config: Config, script: Script) -> (S, Arc<Habits>) {
        let setup = Setup { room, ..self.setup(config, script) };
        let habits = Arc::clone(&setup.habits);
        (S::start(setup), habits)
    }

    fn setup(self, config: Config, script: Script) -> Setup {
        let negotiated = Negotiated::default();
        let habits = Arc::new(Habits::none());
        Setup { seat: self, config, negotiated, room: AMPLE, habits, peer: script.peer() }
    }
}

/// Room for all that the scenarios say without waiting for an answer.
const AMPLE: usize = 64 << 10;

/// What an adapter makes a connection from.
#[derive(Debug)]
pub struct Setup {
    /// Which end, and how it is held.
    pub seat: Seat,
    /// Limits and deadlines.
    pub config: Config,
    /// What the opening handshake agreed on, which counts as done.
    pub negotiated: Negotiated,
    /// Bytes between the two ends each way, as far as the transport lets one choose.
    pub room: usize,
    /// What the subject's stream is to count and do.
    pub habits: Arc<Habits>,
    /// The other end.
    pub peer: Peer,
}

impl Setup {
    /// The subject's role.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.seat.end {
            End::Server => Role::Server,
            End::Client => Role::Client(counted_keys()),
        }
    }
}

/// How long a scenario may really take.
const WATCH: Duration = Duration::from_secs(60);

/// Runs a scenario in each of these [`Seat`]s at the same time; threads bear the seats' names. It must come to its end: one
/// that hangs fails.
///
/// # Panics
/// If the scenario does, or hangs.
pub fn run(seats: &[Seat], scenario: fn(Seat)) {
    let (done, wait) = mpsc::channel::<()>();
    let start = |&seat: &Seat| {
        let done = done.clone();
        let thread = thread::Builder::new().name(format!("{:?}, {:?}", seat.end, seat.hold));
        let thread = thread.spawn(move || {
            scenario(seat);
            drop(done);
        });
        (seat, thread.expect("a thread"))
    };
    let threads: Vec<_> = seats.iter().map(start).collect();
    drop(done);
    // Nothing is sent: the channel ends with the last of them, whether it panics or not.
    if wait.recv_timeout(WATCH) == Err(RecvTimeoutError::Timeout) {
        let hang: Vec<_> =
            threads.iter().filter(|(_, thread)| !thread.is_finished()).map(|(seat, _)| seat).collect();
        panic!("no end after {WATCH:?}: {hang:?}");
    }
    for (_, thread) in threads {
        thread.join().unwrap_or_else(|cause| panic::resume_unwind(cause));
    }
}

/// The default configuration, changed.
fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

/// A configuration that ends nothing by itself for a long time.
fn patient() -> Config {
    config(|config| config.keepalive = None)
}

/// Bytes that tell where they stand.
fn pattern(len: usize) -> Vec<u8> {
    (0u32..).flat_map(|n| n.wrapping_mul(0x9E37_79B1).to_le_bytes()).take(len).collect()
}

/// Echoes until the end.
fn echo<S: Subject>(subject: &mut S) -> Outcome {
    while let Some(message) = subject.recv().expect("no error") {
        subject.send(&message).expect("it can be sent");
    }
    assert_over(subject)
}

/// Asserts that the connection has ended, stays ended, and does nothing any more.
fn assert_over<S: Subject>(subject: &mut S) -> Outcome {
    let outcome = subject.outcome().expect("an end has an outcome");
    let received = subject.stats().messages_received;
    for _ in 0..3 {
        let turns = subject.turns();
        assert_eq!(subject.recv(), Ok(None), "an end is told once, and is the end");
        assert!(subject.turns() - turns <= 2, "{} turns for nothing", subject.turns() - turns);
        assert!(matches!(subject.read(|_, _| ()), Ok(None)), "nor is there anything to read");
        assert_eq!(subject.outcome().as_ref(), Some(&outcome), "the outcome stays");
    }
    let turns = subject.turns();
    let late = subject.send(&"too late".into()).expect_err("nothing can be sent after the end");
    assert_eq!(late, Fault::Send(SendError::Closing));
    let late = subject.ping(b"too late").expect_err("not even a Ping");
    assert_eq!(late, Fault::Send(SendError::Closing));
    let late = subject.write(Kind::Text, |writer| writer.write_all(b"x").map(|()| Finish::Yes));
    assert_eq!(late, Err(Fault::Send(SendError::Closing)));
    assert!(subject.turns() - turns <= 6, "{} turns for nothing", subject.turns() - turns);
    assert_eq!(subject.close(CloseCode::NORMAL, "again").as_ref(), Ok(&outcome), "the outcome stays");
    assert_eq!(subject.stats().messages_received, received);
    outcome
}

/// Asserts that `outcome` is an ending without Closes.
fn assert_bare(outcome: &Outcome) {
    assert_eq!((outcome.code(), &outcome.sent, &outcome.received), (1006, &None, &None));
}

/// Instantiates every scenario as a `#[test]` for the given [`Subject`](crate::conformance::Subject), a type in scope: for
/// server and client, whole and split, unless it [says otherwise](crate::conformance::Subject::SEATS).
#[macro_export]
macro_rules! conformance {
    ($subject:ident) => {
        $crate::conformance! { @tests $subject
            echo {
                messages_of_every_size
                many_small_messages
                fragments_with_pings_in_between
                a_split_at_every_byte
                a_peer_that_takes_a_byte_at_a_time
                answers_to_one_read_leave_in_one_write
                a_prepared_message
            }
            control {
                pings_are_answered_while_nobody_sends
                pings_are_answered_within_a_message
                our_ping_is_timed
                pongs_that_nobody_asked_for_mean_nothing
                an_application_that_answers_pings_itself
            }
            closing {
                our_close_is_answered
                their_close_is_echoed
                both_close_at_once
                answers_go_before_the_echo_of_a_close
                what_was_fed_goes_before_our_close
                messages_arrive_until_their_close
                a_close_within_a_message
                the_server_ends_the_transport_first
                the_application_answers_the_close
                an_answer_that_never_comes
                our_close_is_not_answered
                our_close_is_not_answered_while_we_receive
                endless_data_after_our_close
                endless_data_while_we_are_busy
                the_transport_is_not_ended
                a_reset_after_the_closes
                a_violation_after_our_close
                a_connection_that_nobody_receives_on
                a_dropped_connection_ends_the_transport
            }
            timers {
                a_silent_peer_is_given_up
                a_peer_that_answers_is_kept
                any_byte_is_a_sign_of_life
                an_idle_connection_is_closed
                messages_keep_it_from_being_idle
                a_peer_that_does_not_read_fails_the_sending
                a_peer_that_does_not_read_ends_the_receiving
                a_slow_reader_is_kept
            }
            violation {
                unmasked_or_masked_frame
                reserved_bits
                reserved_opcode
                length_not_minimal
                length_out_of_range
                unexpected_continuation
                expected_continuation
                fragmented_control
                control_too_long
                truncated_close_code
                invalid_close_code
                invalid_close_reason
                invalid_utf8
                message_too_big
                too_many_fragments
                invalid_deflate
            }
            ending {
                eof_between_frames
                eof_within_a_header
                eof_within_a_payload
                eof_within_a_message
                eof_at_once
                a_transport_that_is_cut_off
                a_peer_that_is_gone
                a_half_close_leaves_our_answers
                a_half_close_while_we_close
                a_reset_while_idle
                a_reset_within_a_message
                a_reset_within_our_write
                a_transport_that_takes_nothing
                a_transport_whose_writes_fail
                closing_a_broken_transport
            }
            streaming {
                a_long_message_is_read_in_pieces
                a_long_message_is_written_in_pieces
                a_reader_that_is_dropped
                a_writer_that_is_dropped
                an_end_within_what_is_read
                a_fault_within_what_is_read
                text_that_is_not_text_is_not_written
            }
            flow {
                feeding_waits_for_room
                what_was_fed_leaves_when_we_receive
                receiving_goes_on_while_writing_is_blocked
                bulk_both_ways
                a_transport_that_hoards
            }
            compression {
                messages_of_every_size
                messages_that_resemble_each_other
                fragments_with_pings_in_between
                plain_messages_between_compressed_ones
                the_application_says_what_to_compress
                a_split_at_every_byte
                a_prepared_message_for_many
                a_long_message_is_read_in_pieces
                a_reader_that_is_dropped
                a_long_message_is_written_in_pieces
                what_is_flushed_arrives_at_once
                feeding_waits_for_room
                bulk_both_ways
                messages_behind_our_close
            }
            inflation {
                a_bomb
                a_bomb_without_an_end
                input_without_output
                too_much_from_too_little
                no_deflate
                truncated_deflate
                a_match_from_before_the_beginning
                compressed_text_that_is_not_text
                a_marked_continuation
                a_marked_ping
                a_bomb_within_what_is_read
            }
            calm {
                an_idle_connection_sleeps
                keep_alive_costs_few_turns
                waiting_for_a_close_costs_few_turns
                an_end_costs_two_turns
                an_ended_connection_leaves_the_stream_alone
            }
        }
    };
    (@tests $subject:ident $($group:ident { $($scenario:ident)+ })+) => {
        $(mod $group {
            use super::$subject as Subject;

            $(#[test]
            fn $scenario() {
                let seats = <Subject as $crate::conformance::Subject>::SEATS;
                $crate::conformance::run(seats, $crate::conformance::$group::$scenario::<Subject>);
            })+
        })+
    };
}

#[cfg(test)]
mod tests {
    /// A scenario that the macro does not name would never run.
    #[test]
    fn every_scenario_is_instantiated() {
        let (_, named) = include_str!("mod.rs").split_once("@tests $subject").expect("the macro");
        let mut scenarios = 0;
        for (group, source) in [
            ("echo", include_str!("echo.rs")),
            ("control", include_str!("control.rs")),
            ("closing", include_str!("closing.rs")),
            ("timers", include_str!("timers.rs")),
            ("violation", include_str!("violation.rs")),
            ("ending", include_str!("ending.rs")),
            ("streaming", include_str!("streaming.rs")),
            ("flow", include_str!("flow.rs")),
            ("compression", include_str!("compression.rs")),
            ("inflation", include_str!("inflation.rs")),
            ("calm", include_str!("calm.rs")),
        ] {
            let (_, named) = named.split_once(&format!(" {group} {{")).expect(group);
            let (named, _) = named.split_once('}').expect(group);
            let functions = source.lines().filter_map(|line| {
                let name = line.strip_prefix("pub fn ")?.split_once("<S: Subject>(seat: Seat)")?.0;
                Some(name.to_owned())
            });
            // Those of a table: a name, a colon and the error.
            let rows = source.lines().filter_map(|line| {
                let (name, error) = line.strip_prefix("    ")?.split_once(": E::")?;
                error.contains(", 10").then(|| name.to_owned())
            });
            for name in functions.chain(rows) {
                assert!(named.split_whitespace().any(|known| known == name), "{group}::{name} does not run");
                scenarios += 1;
            }
        }
        assert!(scenarios >= 110, "{scenarios} scenarios");
    }
}
