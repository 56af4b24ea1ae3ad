//! No thread of a dialling outlives its time. A test of its own, since it counts the threads of the process.
#![cfg(target_os = "linux")]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use websans_std::{Client, Limits, accept, connect};

/// The threads that dial.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("websans")).count()
}

#[test]
fn no_thread_outlives_its_time() {
    // A listener whose queue is full neither takes nor refuses.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(1).unwrap();
    let dead = socket.local_addr().unwrap().as_socket().unwrap();
    let waiting: Vec<_> =
        std::iter::from_fn(|| TcpStream::connect_timeout(&dead, Duration::from_millis(300)).ok()).collect();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = accept(stream.unwrap()).unwrap().recv();
        }
    });
    let mut limits = Limits::default();
    limits.attempt = Duration::from_secs(1);
    let client = Client::new("ws://example.com").unwrap().addresses([dead, server]).limits(limits);
    let socket = connect(&client).unwrap();
    assert!(threads() > 0, "one connects in vain");
    let begun = Instant::now();
    while threads() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it goes on");
        thread::sleep(Duration::from_millis(20));
    }
    drop((socket, waiting));
}
