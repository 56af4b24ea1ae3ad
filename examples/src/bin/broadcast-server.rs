//! A server that passes each message on to all other clients: a usage pattern of tokio-tungstenite, moved over by its
//! imports. What touches the WebSocket is as it would be there. (`chat` does the same without queues that have no end.)
//!
//! `cargo run -p websans-examples --bin broadcast-server -- 127.0.0.1:9001`

use std::collections::HashMap;
use std::env;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_channel::mpsc::{UnboundedSender, unbounded};
use futures_util::{StreamExt, TryStreamExt, future, pin_mut};
use tokio::net::{TcpListener, TcpStream};
use websans_tokio::stream::{Message, accept_async};

/// The way to each client.
type Clients = Arc<Mutex<HashMap<SocketAddr, UnboundedSender<Message>>>>;

#[tokio::main]
async fn main() {
    let address = env::args().nth(1).expect("an address to listen on");
    let listener = TcpListener::bind(address).await.expect("a free address");
    println!("listening on {}", listener.local_addr().expect("an address of one's own"));
    let clients = Clients::default();
    while let Ok((stream, address)) = listener.accept().await {
        tokio::spawn(serve(Arc::clone(&clients), stream, address));
    }
}

async fn serve(clients: Clients, stream: TcpStream, address: SocketAddr) {
    let socket = match accept_async(stream).await {
        Ok(socket) => socket,
        Err(error) => return eprintln!("{address}: {error}"),
    };
    println!("{address} has come");

    // What the others say comes through a channel.
    let (others, from_others) = unbounded();
    clients.lock().unwrap().insert(address, others);

    let (write, read) = socket.split();
    let receiving = read.try_for_each(|message| {
        if message.is_text() || message.is_binary() {
            println!("{address}: {message}");
            let clients = clients.lock().unwrap();
            let others = clients.iter().filter(|(client, _)| **client != address);
            for (_, other) in others {
                let _ = other.unbounded_send(message.clone()); // it may be about to leave
            }
        }
        future::ok(())
    });
    let sending = from_others.map(Ok).forward(write);

    // The first of the two to end ends the connection.
    pin_mut!(receiving, sending);
    future::select(receiving, sending).await;
    println!("{address} has left");
    clients.lock().unwrap().remove(&address);
}
