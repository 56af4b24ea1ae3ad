//! A client of a proxy that ends TLS and HTTP/2: part of `cargo xtask proxies`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, process};

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Method, Request, Response, StatusCode, Version};
use lexopt::ValueExt as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use websans_std::{Client, CloseCode, Message, Tls};

const HELP: &str = "\
Talk to a proxy on this machine that ends TLS and HTTP/2, with the sample app behind it.

Usage: edge COMMAND DIR [PORT] [--not-offered]

  certificate  make a certificate for localhost in DIR
  page         get the page, by HTTP/2
  upgrade      echo messages by WebSocket over HTTP/1.1 and TLS
  connect      echo messages by WebSocket over HTTP/2 (RFC 8441)

  --not-offered  the proxy must not offer WebSockets over HTTP/2
";

/// Longest any command may take.
const LIMIT: Duration = Duration::from_secs(20);

type Result<T = ()> = core::result::Result<T, Box<dyn Error>>;

struct Options {
    command: String,
    directory: PathBuf,
    port: u16,
    offered: bool,
}

fn main() {
    if let Err(error) = run() {
        eprintln!("error: {error}");
        process::exit(1);
    }
}

fn run() -> Result {
    let Some(options) = parse()? else {
        print!("{HELP}");
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match options.command.as_str() {
            "certificate" => certificate(&options.directory),
            "upgrade" => upgrade(&options),
            "page" => tokio::time::timeout(LIMIT, page(&options)).await?,
            "connect" => tokio::time::timeout(LIMIT, connect(&options)).await?,
            other => Err(format!("there is no command {other}").into()),
        }
    })
}

fn parse() -> Result<Option<Options>> {
    let mut arguments = lexopt::Parser::from_env();
    let (mut values, mut offered) = (Vec::new(), true);
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(None),
            lexopt::Arg::Long("not-offered") => offered = false,
            lexopt::Arg::Value(value) => values.push(value.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let mut values = values.into_iter();
    let (Some(command), Some(directory)) = (values.next(), values.next()) else { return Ok(None) };
    let port = values.next().map(|port| port.parse()).transpose()?.unwrap_or(443);
    Ok(Some(Options { command, directory: directory.into(), port, offered }))
}

/// Writes `edge.pem`, a certificate and its key in one file, as HAProxy wants them.
fn certificate(directory: &Path) -> Result {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let pem = certified.cert.pem() + &certified.signing_key.serialize_pem();
    Ok(fs::write(directory.join("edge.pem"), pem)?)
}

/// Trusts the certificate in `edge.pem` and no other; asks for `protocols`.
fn tls(directory: &Path, protocols: &[&str]) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(directory.join("edge.pem"))?)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(Arc::new(config))
}

/// As a browser does where it cannot use HTTP/2: the page's origin has another scheme than the app sees.
fn upgrade(options: &Options) -> Result {
    let origin = format!("https://localhost:{}", options.port);
    let client = |origin: &str| -> Result<Client> {
        let client = Client::new(&format!("wss://localhost:{}/ws", options.port))?;
        Ok(client.tls(Tls::with(tls(&options.directory, &["http/1.1"])?)).origin(origin)?)
    };
    let mut socket = websans_std::connect(client(&origin)?)?;
    for payload in payloads() {
        socket.send(payload.as_slice())?;
        match socket.recv()? {
            Some(Message::Binary(back)) if *back == *payload => {}
            other => return Err(format!("{other:?} instead of an echo").into()),
        }
    }
    let outcome = socket.close(CloseCode::NORMAL, "")?;
    println!("WebSocket by HTTP/1.1 through TLS: {outcome}");
    if websans_std::connect(client("https://evil.test")?).is_ok() {
        return Err("a foreign page may connect".into());
    }
    Ok(())
}

async fn page(options: &Options) -> Result {
    let requests = http2(options).await?;
    let uri = format!("https://localhost:{}/", options.port);
    let (answer, _) = requests.ready().await?.send_request(Request::get(uri).body(())?, true)?;
    let answer = answer.await?;
    let status = answer.status();
    let body = everything(answer.into_body()).await?;
    println!("page by HTTP/2: {status}, {} bytes", body.len());
    let is_page = status == StatusCode::OK && body.windows(9).any(|nine| nine == b"WebSocket");
    is_page.then_some(()).ok_or_else(|| "it is not the page".into())
}

async fn connect(options: &Options) -> Result {
    let requests = http2(options).await?;
    let mut requests = requests.ready().await?;
    // It comes with the server's settings, which are read by the first answer to anything.
    let uri = format!("https://localhost:{}/", options.port);
    let (answer, _) = requests.send_request(Request::head(&uri).body(())?, true)?;
    answer.await?;
    let offered = requests.is_extended_connect_protocol_enabled();
    if offered != options.offered {
        return Err(format!("WebSockets by HTTP/2 are offered: {offered}").into());
    }
    if !offered {
        println!("WebSocket by HTTP/2: not offered");
        return Ok(());
    }

    let origin = format!("https://localhost:{}", options.port);
    let (answer, mut to) = handshake(&mut requests, &uri, &origin).await?;
    if answer.status() != StatusCode::OK {
        return Err(format!("extended CONNECT is answered with {}", answer.status()).into());
    }
    let mut from = answer.into_body();
    for payload in payloads() {
        send(&mut to, frame(0x82, &payload, true)).await?;
        expect(&mut from, &frame(0x82, &payload, false)).await?;
    }
    let close = 1000u16.to_be_bytes();
    send(&mut to, frame(0x88, &close, true)).await?;
    to.send_data(Bytes::new(), true)?;
    expect(&mut from, &frame(0x88, &close, false)).await?;
    let rest = everything(from).await?;
    if !rest.is_empty() {
        return Err(format!("{} bytes behind the Close", rest.len()).into());
    }

    let (answer, _) = handshake(&mut requests, &uri, "https://evil.test").await?;
    println!("WebSocket by HTTP/2: {}, a foreign page: {}", StatusCode::OK, answer.status());
    match answer.status() {
        StatusCode::FORBIDDEN => Ok(()),
        other => Err(format!("{other} for a foreign page").into()),
    }
}

/// RFC 8441: a CONNECT with a protocol.
async fn handshake(
    requests: &mut SendRequest<Bytes>,
    uri: &str,
    origin: &str,
) -> Result<(Response<RecvStream>, SendStream<Bytes>)> {
    let request = Request::builder()
        .method(Method::CONNECT)
        .version(Version::HTTP_2)
        .uri(format!("{uri}ws"))
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .header("origin", origin)
        .body(())?;
    let mut ready = requests.clone().ready().await?;
    let (answer, to) = ready.send_request(request, false)?;
    Ok((answer.await?, to))
}

/// A connection with HTTP/2 agreed on.
async fn http2(options: &Options) -> Result<SendRequest<Bytes>> {
    let stream = TcpStream::connect(("127.0.0.1", options.port)).await?;
    let connector = TlsConnector::from(tls(&options.directory, &["h2"])?);
    let stream = connector.connect(ServerName::try_from("localhost")?, stream).await?;
    if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err("HTTP/2 is not agreed on".into());
    }
    let (requests, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(async {
        if let Err(error) = connection.await {
            eprintln!("HTTP/2: {error}");
        }
    });
    Ok(requests)
}

/// What is sent to be echoed.
fn payloads() -> [Vec<u8>; 3] {
    [b"hello".to_vec(), vec![0; 1000], (0..1 << 20).map(|index: u32| index.to_le_bytes()[1]).collect()]
}

/// A frame that is a message or a Close, as a client or a server writes it.
fn frame(first: u8, payload: &[u8], client: bool) -> Bytes {
    let mut bytes = vec![first];
    let masked = if client { 0x80 } else { 0 };
    match u8::try_from(payload.len()) {
        Ok(length @ 0..=125) => bytes.push(masked | length),
        _ => match u16::try_from(payload.len()) {
            Ok(length) => {
                bytes.push(masked | 126);
                bytes.extend(length.to_be_bytes());
            }
            Err(_) => {
                bytes.push(masked | 127);
                bytes.extend((payload.len() as u64).to_be_bytes());
            }
        },
    }
    if client {
        // With a mask of noughts the payload is its own.
        bytes.extend([0; 4]);
    }
    bytes.extend(payload);
    bytes.into()
}

async fn send(to: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result {
    while !bytes.is_empty() {
        to.reserve_capacity(bytes.len());
        let capacity = core::future::poll_fn(|context| to.poll_capacity(context)).await;
        let capacity = capacity.ok_or("the stream has ended")??;
        to.send_data(bytes.split_to(capacity.min(bytes.len())), false)?;
    }
    Ok(())
}

/// Reads exactly these bytes.
async fn expect(from: &mut RecvStream, mut bytes: &[u8]) -> Result {
    while !bytes.is_empty() {
        let data = from.data().await.ok_or("the stream has ended")??;
        from.flow_control().release_capacity(data.len())?;
        bytes =
            bytes.strip_prefix(&data[..]).ok_or_else(|| format!("{} other bytes came back", data.len()))?;
    }
    Ok(())
}

async fn everything(mut from: RecvStream) -> Result<BytesMut> {
    let mut body = BytesMut::new();
    while let Some(data) = from.data().await {
        let data = data?;
        from.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    Ok(body)
}
