//! The scenario files of websans-testkit, over TCP: what the wire shows of a server and of a client.

use std::net::SocketAddr;
use std::sync::LazyLock;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use websans_testkit::corpus::scenario::{Role, Told};
use websans_testkit::corpus::tcp::{Dialled, Reports, Servers};
use websans_testkit::corpus::{Profile, hold};
use websans_tokio::handshake::server::Choice;
use websans_tokio::{Client, Error, Incoming, WebSocket, connect};

use crate::converse::converse;

mod converse;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

#[test]
fn a_server_does_as_they_say() {
    hold("websans-tokio, server", &Servers::of_every_profile(serve), Role::Server, &[]);
}

#[test]
fn a_client_does_as_they_say() {
    hold("websans-tokio, client", &Dialled(dial), Role::Client, &[]);
}

fn serve(profile: &'static Profile, reports: Reports) -> SocketAddr {
    let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    RUNTIME.spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let reports = reports.clone();
            tokio::spawn(async move {
                let told = match accept(stream, profile).await {
                    Ok(socket) => converse(socket).await,
                    Err(_) => Told::default(),
                };
                reports.enter(peer, told);
            });
        }
    });
    address
}

async fn accept(stream: TcpStream, profile: &Profile) -> Result<WebSocket<TcpStream>, Error> {
    stream.set_nodelay(true)?;
    let incoming = Incoming::read(stream, profile.config()).await?;
    let offered = incoming.request()?.check().map(|offer| {
        let chosen = profile.choose(offer.protocols());
        chosen.map(str::to_owned)
    });
    // A request that is no handshake is refused by accepting it.
    let chosen = offered.unwrap_or_default();
    let deflate = profile.deflate();
    let choice = Choice::new().protocol(chosen.as_deref()).deflate(deflate.as_ref().map(Into::into));
    incoming.accept(&choice).await
}

fn dial(profile: &'static Profile, url: String) -> Told {
    let client = || -> Result<Client, Error> {
        let mut client = Client::new(&url)?.config(profile.config());
        for protocol in &profile.protocols {
            client = client.protocol(protocol)?;
        }
        Ok(client.deflate(profile.deflate().as_ref().map(Into::into))?)
    };
    let client = client().unwrap();
    RUNTIME.block_on(async {
        match connect(client).await {
            Ok(socket) => converse(socket).await,
            Err(_) => Told::default(),
        }
    })
}
