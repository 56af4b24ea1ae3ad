//! What an idle connection costs: resident memory of this process. The clients are in another, which is this program too.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::net::TcpListener;
use websans_deflate::{Deflate, RECEIVE_MEMORY, Settings};
use websans_testkit::zlib::{self, Habits};
use websans_tokio::{Config, Incoming, Keepalive, WebSocket, handshake::server::Choice};

/// Connections to open, if the process may have as many file descriptors.
const CONNECTIONS: usize = 10_000;
/// At most so many bytes each, with the task: a bare task that echoes on a socket takes 1,165 of them.
const LIMIT: usize = 1_500;
/// What compression without context takeover may add to that: the two halves of the codec and the counters. Contexts are
/// borrowed, one message at a time.
const COMPRESSION: usize = 2 << 10;
/// Connections with context takeover, each of which keeps two contexts.
const WINDOWS: usize = 200;
/// Connections that echo 1 MiB each, and what they may cost when they are idle again.
const BUSY: usize = 500;
const BUSY_LIMIT: usize = 4 << 10;

const KIND: &str = "WEBSANS_TEST_KIND";
const ADDRESS: &str = "WEBSANS_TEST_ADDRESS";
const DONE: &str = "the clients have done so";

const REQUEST: &str = "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

#[test]
fn an_idle_connection_is_small() {
    let [each, busy] = measured("plain");
    let [compressing, busy_compressing] = measured("compressed");
    let [with_windows, _] = measured("windows");
    assert!(each <= LIMIT, "{each} bytes each, of {LIMIT}");
    assert!(busy <= BUSY_LIMIT, "{busy} bytes each, of {BUSY_LIMIT}");
    assert!(compressing <= each + COMPRESSION, "{compressing} bytes each, {each} without compression");
    assert!(busy_compressing <= BUSY_LIMIT + COMPRESSION, "{busy_compressing} bytes each");
    println!("measure idle connection over tokio: {each} bytes");
    let kept = Settings::default().send_memory(15) + RECEIVE_MEMORY;
    assert!(with_windows <= kept + each + COMPRESSION, "{with_windows} bytes each, of {kept} in contexts");
}

/// What a connection of this kind takes when it is idle after a short echo, and after a long one; in a process of its own,
/// since memory that is given back would hide what comes after it.
fn measured(kind: &str) -> [usize; 2] {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "server", "--ignored", "--nocapture"])
        .env(KIND, kind)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(child.wait().unwrap().success(), "{kind} has failed: {output}");
    let result = output.lines().find_map(|line| line.split_once(KIND)).expect("a result").1;
    let numbers: Vec<usize> = result.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [count, each, busy_count, busy] = numbers[..] else { panic!("{result}") };
    println!("{kind}: {count} connections after a 1 KiB echo: {each} bytes each");
    println!("{kind}: {busy_count} of them after a 1 MiB echo: {busy} bytes each");
    [each, busy]
}

#[test]
#[ignore = "a process of the test above, which starts it"]
fn server() {
    let kind = std::env::var(KIND).expect("it is started by the test");
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let most = if kind == "windows" { WINDOWS } else { CONNECTIONS };
    let connections = most.min(usize::try_from(descriptors).unwrap_or(usize::MAX) - 300);
    if connections < most {
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
    clients.order(&format!("{kind} {}", 100.min(connections / 10)));

    let before = resident();
    clients.order(&format!("{kind} {connections}"));
    let each = resident().saturating_sub(before) / connections;
    let busy = BUSY.min(connections);
    clients.order(&format!("echo {busy}"));
    // Of the same connections: what they take now beyond what they took before.
    let more = resident().saturating_sub(before + each * connections) / busy;
    println!("{KIND} {connections} {each} {busy} {}", each + more);
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
#[ignore = "the other end of the process above, which starts it"]
fn clients() {
    let address = std::env::var(ADDRESS).expect("it is started by the test").parse().unwrap();
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let mut clients: Vec<TcpStream> = Vec::new();
    for order in std::io::stdin().lines() {
        let order = order.unwrap();
        let (what, count) = order.split_once(' ').unwrap();
        let count: usize = count.parse().unwrap();
        match what {
            "echo" => clients[..count].iter_mut().for_each(|client| echo(client, 1 << 20)),
            _ => clients.extend((0..count).map(|_| {
                let mut client = open(address, what);
                if what == "plain" {
                    echo(&mut client, 1 << 10)
                } else {
                    compressed_echo(&mut client)
                }
                client
            })),
        }
        println!("{DONE}");
    }
}

async fn serve(listener: TcpListener) {
    let mut config = Config::default();
    config.max_message = 2 << 20;
    // A timer, but no Ping between what the clients read.
    let hour = Duration::from_secs(3600);
    config.keepalive = Some(Keepalive { every: hour, within: hour });
    let config = Arc::new(config);
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let config = config.clone();
        tokio::spawn(async move {
            // In a box: the task is as large as the largest of its futures.
            let mut socket = Box::pin(accepted(stream, config)).await;
            while let Some(message) = socket.recv_owned().await.unwrap() {
                socket.send(message).await.unwrap();
            }
        });
    }
}

async fn accepted(stream: tokio::net::TcpStream, config: Arc<Config>) -> WebSocket<tokio::net::TcpStream> {
    let incoming = Incoming::read(stream, config).await.unwrap();
    let choice = choice(&incoming);
    incoming.accept(&choice).await.unwrap()
}

/// Whether to compress, by what the request asks for.
fn choice(incoming: &Incoming<tokio::net::TcpStream>) -> Choice<'static> {
    static ALONE: LazyLock<Deflate> = LazyLock::new(Deflate::default);
    static WINDOWS: LazyLock<Deflate> = LazyLock::new(|| {
        let mut settings = Settings::default();
        settings.negotiation.server_no_context_takeover = false;
        settings.negotiation.client_no_context_takeover = false;
        Deflate::new(settings)
    });
    let deflate = match incoming.request().unwrap().path() {
        "/plain" => None,
        "/compressed" => Some(&*ALONE),
        _ => Some(&*WINDOWS),
    };
    Choice::new().deflate(deflate.map(Into::into))
}

/// A connection to the server's `kind`.
fn open(address: SocketAddr, kind: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_nodelay(true).unwrap();
    client.write_all(format!("GET /{kind} HTTP/1.1\r\n{REQUEST}").as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    let head = String::from_utf8(head).unwrap();
    assert_eq!(head.contains("permessage-deflate"), kind != "plain", "{head}");
    client
}

/// Sends a message whose mask changes nothing, and gets it back, compressed if so it was agreed.
fn echo(client: &mut TcpStream, len: usize) {
    let mut header = vec![0x82, 0x80 | 127];
    header.extend((len as u64).to_be_bytes());
    if len < 1 << 16 {
        header.truncate(1);
        header.push(0x80 | 126);
        header.extend(u16::try_from(len).unwrap().to_be_bytes());
    }
    header.extend([0; 4]);
    let payload = vec![b'x'; len];
    let mut reading = client.try_clone().unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || read_frame(&mut reading));
        client.write_all(&header).unwrap();
        client.write_all(&payload).unwrap();
        let (first, answer) = reader.join().unwrap();
        let compressed = first == 0xc2 && answer.len() < len / 50;
        assert!(compressed || (first == 0x82 && answer == payload), "{first:#x}, {} bytes", answer.len());
    });
}

/// The first byte and the payload of a server's frame.
fn read_frame(client: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    client.read_exact(&mut head).unwrap();
    let mut len = [0; 8];
    match head[1] {
        127 => client.read_exact(&mut len).unwrap(),
        126 => client.read_exact(&mut len[6..]).unwrap(),
        short => len[7] = short,
    }
    let mut payload = vec![0; usize::try_from(u64::from_be_bytes(len)).unwrap()];
    client.read_exact(&mut payload).unwrap();
    (head[0], payload)
}

/// Sends a text of 1 KiB compressed, and gets one that is.
fn compressed_echo(client: &mut TcpStream) {
    let mut text = String::new();
    for n in 0.. {
        if text.len() >= 1 << 10 {
            break;
        }
        text.push_str(&format!("{{\"number\": {}}}, ", n * 7919 % 1009));
    }
    let payload = zlib::deflate(&text.as_bytes()[..1 << 10], Habits::default());
    let mut frame = vec![0xc1, 0x80 | 126];
    frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(&payload);
    client.write_all(&frame).unwrap();
    let (first, answer) = read_frame(client);
    assert!(first == 0xc1 && answer.len() < 512, "{first:#x}, {} bytes", answer.len());
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}
