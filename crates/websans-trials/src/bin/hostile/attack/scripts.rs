//! What attackers do with a connection.

use std::sync::LazyLock;

use tokio::time::sleep;
use websans_testkit::bombs;
use websans_testkit::dice::Dice;
use websans_testkit::wire::{Frame, opcode, stream};

use super::catalogue::Script;
use super::ending::Ending;
use super::line::Line;
use super::{pace, requests};
use crate::server::MAX_MESSAGE as LONGEST;

/// How many of its bytes come one by one.
const FRAGMENTS: usize = 8 << 10;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Ten megabytes of zeros in ten kilobytes.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| bombs::zeros(10 << 20));
/// 64 KiB on the wire, and nothing in them.
static EMPTY_BLOCKS: LazyLock<Vec<u8>> = LazyLock::new(|| bombs::empty_stored(LONGEST / 5));
/// What is nearly as long as a message may be, when it is inflated.
static NEARLY: LazyLock<Vec<u8>> = LazyLock::new(|| bombs::zeros(LONGEST - 1));

/// Does as the script says. `Ok`: the attacker has left of itself.
pub(super) async fn follow(script: Script, line: &mut Line, dice: &mut Dice) -> Result<(), Ending> {
    match script {
        Script::Slowloris => {
            line.dribble(&requests::good(false), pace::TRICKLE).await?;
            Err(line.end().await)
        }
        Script::HalfRequest => {
            line.say(&requests::start()).await?;
            Err(line.end().await)
        }
        Script::Silence => Err(line.end().await),
        Script::ManyHeaders => whole(line, &requests::many_lines()).await,
        Script::LongHeader => whole(line, &requests::long_line()).await,
        Script::LongHead => whole(line, &requests::long_head()).await,
        Script::EndlessHeaders => {
            line.say(&requests::start()).await?;
            line.flood(&requests::lines(pace::CHUNK), dice).await
        }
        Script::Connections => hold(line).await,
        Script::Resets => reset(line, dice).await,
        other => {
            line.open(other.compresses()).await?;
            frames(other, line, dice).await
        }
    }
}

/// What comes behind a handshake.
async fn frames(script: Script, line: &mut Line, dice: &mut Dice) -> Result<(), Ending> {
    match script {
        Script::OneByteFragments => {
            let start = Frame::text("x".repeat(LONGEST - FRAGMENTS)).unfinished();
            line.say(&start.masked(KEY).to_bytes()).await?;
            line.flood(&chunk(&Frame::continuation("x").unfinished()), dice).await
        }
        Script::EmptyFragments => {
            line.say(&Frame::text("").unfinished().masked(KEY).to_bytes()).await?;
            line.flood(&chunk(&Frame::continuation("").unfinished()), dice).await
        }
        Script::Pings => line.flood(&chunk(&Frame::ping("")), dice).await,
        Script::PingsUnread => {
            let pings = chunk(&Frame::ping(vec![b'?'; 125]));
            loop {
                line.say(&pings).await?;
                sleep(pace::pause(dice)).await;
            }
        }
        Script::Pongs => line.flood(&chunk(&Frame::pong("")), dice).await,
        Script::HugeLength => {
            let declared = dice.pick(&[LONGEST as u64 + 1, 1 << 40, u64::MAX >> 1, u64::MAX]);
            whole(line, &Frame::binary("").declaring(declared).masked(KEY).to_bytes()).await
        }
        Script::DribbledLength => {
            let header = Frame::binary("").declaring(u64::MAX >> 1).masked(KEY).to_bytes();
            line.dribble(&header, pace::DRIBBLE).await?;
            Err(line.end().await)
        }
        Script::DeclaredLength => {
            line.say(&Frame::binary("").declaring(LONGEST as u64).masked(KEY).to_bytes()).await?;
            Err(line.hold().await)
        }
        Script::Bomb => whole(line, &compressed(&BOMB, usize::MAX)).await,
        Script::FragmentedBomb => whole(line, &compressed(&BOMB, 64)).await,
        Script::EmptyBlocks => whole(line, &compressed(&EMPTY_BLOCKS, usize::MAX)).await,
        Script::HalfCompressed => {
            line.say(&stream(&bombs::frames(&NEARLY, usize::MAX, false), true)).await?;
            Err(line.hold().await)
        }
        Script::HalfMessage => {
            // In a frame that is whole, so that Pings can be answered behind it.
            let half = Frame::binary(vec![7; LONGEST - 1]).unfinished();
            line.say(&half.masked(KEY).to_bytes()).await?;
            Err(line.hold().await)
        }
        Script::EchoesUnread => {
            let message = Frame::binary(vec![7; LONGEST]).masked(KEY).to_bytes();
            loop {
                line.push(&message).await?;
            }
        }
        Script::CloseUnanswered => {
            close(line).await?;
            Err(line.disconnection().await)
        }
        Script::DataAfterClose => {
            close(line).await?;
            let chunk = chunk(&Frame::text("x".repeat(1000)));
            loop {
                line.say(&chunk).await?;
                sleep(pace::pause(dice)).await;
            }
        }
        Script::Unmasked => whole(line, &Frame::text("hello").to_bytes()).await,
        Script::ProtocolErrors => whole(line, &faulty(dice)).await,
        Script::Slowloris
        | Script::HalfRequest
        | Script::Silence
        | Script::ManyHeaders
        | Script::LongHeader
        | Script::LongHead
        | Script::EndlessHeaders
        | Script::Connections
        | Script::Resets => Ok(()),
    }
}

/// Sends this and waits for the end.
async fn whole(line: &mut Line, bytes: &[u8]) -> Result<(), Ending> {
    line.say_and_hear(bytes).await?;
    Err(line.end().await)
}

/// Opens a WebSocket and keeps it.
async fn hold(line: &mut Line) -> Result<(), Ending> {
    line.open(false).await?;
    Err(line.hold().await)
}

/// Has the server close the connection, and counts from then on.
async fn close(line: &mut Line) -> Result<(), Ending> {
    line.say(&Frame::text("ServerClose").masked(KEY).to_bytes()).await?;
    match line.end().await {
        Ending::Close(1000) => {
            line.mark();
            Ok(())
        }
        other => Err(other),
    }
}

/// Resets a connection that is just there, in the middle of its request, or of a message.
async fn reset(line: &mut Line, dice: &mut Dice) -> Result<(), Ending> {
    match dice.below(3) {
        0 => {}
        1 => line.say(&requests::start()).await?,
        _ => {
            line.open(false).await?;
            line.say(&Frame::text("half a").declaring(1000).masked(KEY).to_bytes()).await?;
        }
    }
    line.reset();
    Ok(())
}

/// As many of these frames as there is room for.
fn chunk(frame: &Frame) -> Vec<u8> {
    let one = frame.clone().masked(KEY).to_bytes();
    one.repeat(pace::CHUNK / one.len())
}

fn compressed(payload: &[u8], most: usize) -> Vec<u8> {
    stream(&bombs::frames(payload, most, true), true)
}

/// Something that the RFC forbids.
fn faulty(dice: &mut Dice) -> Vec<u8> {
    let frame = dice.pick(&[
        Frame::new(3, "a reserved opcode"),
        Frame::new(11, "a reserved control opcode"),
        Frame::text("a reserved bit").reserved(1),
        Frame::text("compressed without agreement").reserved(4),
        Frame::continuation("of nothing"),
        Frame::ping("in fragments").unfinished(),
        Frame::ping(vec![0; 126]),
        Frame::new(opcode::CLOSE, [3]),
        Frame::close(1005, "never sent"),
        Frame::text([0xff]),
    ]);
    frame.masked(KEY).to_bytes()
}
