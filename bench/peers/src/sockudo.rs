//! The crate [sockudo-ws](https://docs.rs/sockudo-ws).

use std::io;

use bytes::BytesMut;
use sockudo_ws::deflate::negotiate_server_deflate;
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::{CompressedWebSocketStream, Compression, Config, DeflateConfig, Message};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::echo::echo;
use crate::{Failure, Setup};

pub(crate) fn serve(setup: Setup) -> io::Result<()> {
    let deflate = match setup {
        Setup::Default => DeflateConfig::default(),
        Setup::NoTakeover => DeflateConfig {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            ..DeflateConfig::default()
        },
    };
    websans_bench_serve::serve(move |stream| connection(stream, deflate.clone()))
}

async fn connection(mut stream: TcpStream, deflate: DeflateConfig) -> Result<(), Failure> {
    // Its own accept function answers without extensions, so the handshake is put together from its parts.
    let mut head = BytesMut::with_capacity(4096);
    let (response, deflate) = loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
        if let Some((request, _)) = parse_request(&head)? {
            let offers = request.extensions.ok_or("no extension offered")?;
            let agreed = negotiate_server_deflate(offers, &deflate).ok_or("no offer accepted")?;
            let accept = generate_accept_key(request.key);
            break (build_response(&accept, None, Some(&agreed.to_response_header())), agreed.config);
        }
    };
    stream.write_all(&response).await?;
    drop(head);
    let config = Config::builder().compression(Compression::Dedicated).build();
    let socket = CompressedWebSocketStream::server(stream, config, deflate);
    echo(socket, |message| matches!(message, Message::Text(_) | Message::Binary(_)).then_some(message))
        .await?;
    Ok(())
}
