//! A client that sends what is typed and prints what arrives: a usage pattern of tokio-tungstenite, moved over by its
//! imports. What touches the WebSocket is as it would be there.
//!
//! `cargo run -p websans-examples --bin stdio-client -- ws://127.0.0.1:9001/`

use std::env;

use futures_channel::mpsc::{UnboundedSender, unbounded};
use futures_util::{StreamExt, future, pin_mut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use websans_tokio::stream::{Message, connect_async};

#[tokio::main]
async fn main() {
    let url = env::args().nth(1).expect("a URL to connect to");

    let (typed, to_send) = unbounded();
    tokio::spawn(read_input(typed));

    let (socket, _response) = connect_async(&url).await.expect("a connection");
    eprintln!("connected to {url}");

    // Two halves: what is typed is forwarded to one of them, what the other yields is printed.
    let (write, read) = socket.split();
    let sending = to_send.map(Ok).forward(write);
    let printing = read.for_each(|message| async {
        let data = message.expect("a message").into_data();
        let mut output = tokio::io::stdout();
        output.write_all(&data).await.expect("an output to write to");
        output.flush().await.expect("an output to write to");
    });

    // The first of the two to end ends the program.
    pin_mut!(sending, printing);
    future::select(sending, printing).await;
    std::process::exit(0); // a read of standard input cannot be called off
}

/// Passes standard input on, as much as there is at a time.
async fn read_input(typed: UnboundedSender<Message>) {
    let mut input = tokio::io::stdin();
    let mut buffer = vec![0; 1024];
    while let Ok(n @ 1..) = input.read(&mut buffer).await {
        if typed.unbounded_send(Message::binary(buffer[..n].to_vec())).is_err() {
            return;
        }
    }
}
