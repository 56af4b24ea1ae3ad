//! Long messages in bounded memory: what a gigabyte that passes through costs at most at any moment.
//!
//! The counts are kept per thread, so each end lives in a thread of its own and nobody else touches its buffers.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use allocation_counter::AllocationInfo;
use websans::{Negotiated, Role, entropy};
use websans_std::{Config, Kind, WebSocket};

/// Bytes of the message.
const LEN: u64 = 1 << 30;

/// Most bytes of heap at any moment, at either end.
const MOST: u64 = 256 << 10;

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    (ours, theirs)
}

fn open(io: TcpStream, role: Role) -> WebSocket<TcpStream> {
    WebSocket::from_handshake(io, role, Config::default(), Negotiated::default(), &[]).unwrap()
}

/// Writes a message of `LEN` bytes; each holds the lowest byte of its place's number, in words of eight.
fn write(mut writer: impl Write) {
    let mut block = vec![0; 4096];
    for start in (0..LEN).step_by(block.len()) {
        for (n, word) in (start / 8..).zip(block.chunks_exact_mut(8)) {
            word.copy_from_slice(&n.to_le_bytes());
        }
        writer.write_all(&block).unwrap();
    }
    writer.flush().unwrap();
}

fn read(mut reader: impl Read) {
    let mut block = vec![0; 4096];
    for start in (0..LEN).step_by(block.len()) {
        reader.read_exact(&mut block).unwrap();
        for (n, word) in (start / 8..).zip(block.chunks_exact(8)) {
            assert_eq!(word, n.to_le_bytes());
        }
    }
    assert_eq!(reader.read(&mut block).unwrap(), 0);
}

fn check(what: &str, info: &AllocationInfo) {
    println!("{what}: at most {} bytes in {} allocations", info.bytes_max, info.count_total);
    assert!(info.bytes_max < MOST, "{what}: {} bytes at once", info.bytes_max);
}

/// From a server to a client, both held whole.
#[test]
fn a_gigabyte_passes_through_whole_connections() {
    let (ours, theirs) = tcp();
    let writes = thread::spawn(move || {
        let mut server = open(ours, Role::Server);
        check(
            "writing, whole",
            &allocation_counter::measure(|| {
                let mut writer = server.writer(Kind::Binary).unwrap();
                write(&mut writer);
                writer.finish().unwrap();
            }),
        );
    });
    let mut client = open(theirs, Role::Client(entropy::os_mask_keys().unwrap()));
    check(
        "reading, whole",
        &allocation_counter::measure(|| read(client.reader().unwrap().expect("the message"))),
    );
    writes.join().unwrap();
}

/// From a client, whose frames are masked, to a server, both split.
#[test]
fn a_gigabyte_passes_through_split_connections() {
    let (ours, theirs) = tcp();
    let writes = thread::spawn(move || {
        let client = open(theirs, Role::Client(entropy::os_mask_keys().unwrap()));
        let (_receiver, mut sender) = client.split().unwrap();
        check(
            "writing, split",
            &allocation_counter::measure(|| {
                let mut writer = sender.writer(Kind::Binary).unwrap();
                write(&mut writer);
                writer.finish().unwrap();
            }),
        );
    });
    let (mut receiver, _sender) = open(ours, Role::Server).split().unwrap();
    check(
        "reading, split",
        &allocation_counter::measure(|| read(receiver.reader().unwrap().expect("the message"))),
    );
    writes.join().unwrap();
}
