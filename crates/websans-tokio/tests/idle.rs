//! What an idle connection costs: resident memory of this process. The clients are in another, which is this program too.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpListener;
use websans_tokio::{Config, Incoming, handshake::server::Choice};

/// Connections to open, if the process may have as many file descriptors.
const CONNECTIONS: usize = 10_000;
/// At most so many bytes each, with the task: a bare task that echoes on a socket takes 1,165 of them.
const LIMIT: usize = 1_500;
/// Connections that echo 1 MiB each, and what they may cost when they are idle again.
const BUSY: usize = 500;
const BUSY_LIMIT: usize = 4 << 10;

const ADDRESS: &str = "WEBSANS_TEST_ADDRESS";
const DONE: &str = "the clients have done so";

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn an_idle_connection_is_small() {
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let connections = CONNECTIONS.min(usize::try_from(descriptors).unwrap_or(usize::MAX) - 300);
    if connections < CONNECTIONS {
        println!("only {descriptors} file descriptors are allowed");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let address = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener));
        address
    });
    let mut clients = Clients::start(address);
    // What the first connections bring about once for all is not the others' cost.
    clients.order("open 100");

    let before = resident();
    clients.order(&format!("open {connections}"));
    let each = resident().saturating_sub(before) / connections;
    println!("{connections} connections after a 1 KiB echo: {each} bytes each");

    let busy = BUSY.min(connections);
    clients.order(&format!("echo {busy}"));
    // Of the same connections: what they take now beyond what they took before.
    let more = resident().saturating_sub(before + each * connections) / busy;
    println!("{busy} of them after a 1 MiB echo: {} bytes each", each + more);
    assert!(each <= LIMIT, "{each} bytes each, of {LIMIT}");
    assert!(each + more <= BUSY_LIMIT, "{} bytes each, of {BUSY_LIMIT}", each + more);
}

/// The process with the clients, which does as it is told, line by line, and says when it has done so.
struct Clients {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Clients {
    fn start(address: SocketAddr) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "clients", "--ignored", "--nocapture"])
            .env(ADDRESS, address.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    /// Gives an order, waits until it has been done, and then until the connections have fallen idle.
    fn order(&mut self, order: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
        let mut line = String::new();
        while !line.contains(DONE) {
            line.clear();
            assert_ne!(self.answers.read_line(&mut line).unwrap(), 0, "the clients have failed");
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "the other process of the test above, which starts it"]
fn clients() {
    let address = std::env::var(ADDRESS).expect("it is started by the test").parse().unwrap();
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let mut clients: Vec<TcpStream> = Vec::new();
    for order in std::io::stdin().lines() {
        let order = order.unwrap();
        let (what, count) = order.split_once(' ').unwrap();
        let count: usize = count.parse().unwrap();
        match what {
            "open" => clients.extend((0..count).map(|_| echoed(address, 1 << 10))),
            _ => clients[..count].iter_mut().for_each(|client| echo(client, 1 << 20)),
        }
        println!("{DONE}");
    }
}

async fn serve(listener: TcpListener) {
    let mut config = Config::default();
    config.max_message = 2 << 20;
    let config = std::sync::Arc::new(config);
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let config = config.clone();
        tokio::spawn(async move {
            let mut socket =
                Incoming::read(stream, config).await.unwrap().accept(&Choice::new()).await.unwrap();
            while let Some(message) = socket.recv_owned().await.unwrap() {
                socket.send(message).await.unwrap();
            }
        });
    }
}

/// A connection that has echoed a message of `len` bytes.
fn echoed(address: SocketAddr, len: usize) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_nodelay(true).unwrap();
    client.write_all(REQUEST).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    echo(&mut client, len);
    client
}

/// Sends a message whose mask changes nothing, and gets it back.
fn echo(client: &mut TcpStream, len: usize) {
    let mut header = vec![0x82, 0x80 | 127];
    header.extend((len as u64).to_be_bytes());
    if len < 1 << 16 {
        header.truncate(1);
        header.push(0x80 | 126);
        header.extend(u16::try_from(len).unwrap().to_be_bytes());
    }
    let answered = header.len();
    header.extend([0; 4]);
    let payload = vec![b'x'; len];
    let mut reading = client.try_clone().unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut answer = vec![0; answered + len];
            reading.read_exact(&mut answer).unwrap();
            answer
        });
        client.write_all(&header).unwrap();
        client.write_all(&payload).unwrap();
        let answer = reader.join().unwrap();
        assert!(answer[answered..] == payload);
    });
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}
