//! A chat in an app of axum: the first text is a guest's name, everything after it goes to all. Names are unique.
//!
//! `cargo run -p websans-examples --bin axum-chat -- 127.0.0.1:9001`, and open that address in two windows of a browser.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::{Router, extract::State, response::Html, response::IntoResponse, routing};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use websans_tower::{
    CloseCode, Error, Message, Options, Prepared, Receiver, Sender, Socket, Upgrade, WebSocketLayer,
};

const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>Chat</title>
<form><input placeholder="your name, then what you have to say" size="50" autofocus></form><ul></ul>
<script>
    const [form, list, socket] = [document.forms[0], document.querySelector("ul"), new WebSocket("/ws")];
    const say = (text) => list.append(Object.assign(document.createElement("li"), { textContent: text }));
    socket.onmessage = (event) => say(event.data);
    socket.onclose = (event) => say("closed: " + event.code + " " + event.reason);
    form.onsubmit = (event) => { event.preventDefault(); socket.send(form[0].value); form.reset(); };
</script>"#;

/// Who is there, and what is said.
struct Room {
    names: Mutex<HashSet<String>>,
    /// Encoded once, whoever hears it.
    said: broadcast::Sender<Prepared>,
}

impl Room {
    fn say(&self, text: &str) {
        // It is text, and nobody may be there to hear it.
        let _ = Prepared::new(text).map(|text| self.said.send(text));
    }

    fn names(&self) -> MutexGuard<'_, HashSet<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("where to listen?")?;
    let room = Arc::new(Room { names: Mutex::default(), said: broadcast::Sender::new(64) });
    let websockets = WebSocketLayer::new(Options::new().max_message(4 << 10));
    let sockets = websockets.sockets();
    let app = Router::new()
        .route("/", routing::get(async || Html(PAGE)))
        .route("/ws", routing::any(join))
        .layer(websockets)
        .with_state(room);

    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let closing = sockets.clone();
    let served = axum::serve(listener, app).with_graceful_shutdown(async move { closing.closing().await });
    let served = tokio::spawn(served.into_future());
    tokio::signal::ctrl_c().await?;
    println!("{}", sockets.shutdown(Duration::from_secs(5)).await); // 1001 to all, and waits for them
    let _ = tokio::time::timeout(Duration::from_secs(5), served).await; // requests under way
    Ok(())
}

async fn join(State(room): State<Arc<Room>>, upgrade: Upgrade) -> impl IntoResponse {
    upgrade.accept(async move |socket: Socket| guest(socket, &room).await)
}

async fn guest(mut socket: Socket, room: &Room) -> Result<(), Error> {
    let name = match socket.recv().await? {
        Some(Message::Text(name)) if !name.is_empty() => name.to_owned(),
        Some(_) => return socket.close(CloseCode::POLICY_VIOLATION, "say your name first").await.map(drop),
        None => return Ok(()),
    };
    if !room.names().insert(name.clone()) {
        return socket.close(CloseCode::POLICY_VIOLATION, "this name is taken").await.map(drop);
    }
    // Whatever becomes of this task, the name is free again and the others hear that the guest has left.
    let _leaving = Leaving(room, &name);
    let said = room.said.subscribe();
    room.say(&format!("{name} has joined"));
    let (mut receiver, sender) = socket.split();
    let mut hearing = pin!(hear(&mut receiver, room, &name));
    tokio::select! {
        heard = &mut hearing => heard,
        // A Close is on its way; the guest's own ends it in order.
        told = tell(said, &sender) => hearing.await.and(told),
    }
}

/// What a guest says.
async fn hear(receiver: &mut Receiver, room: &Room, name: &str) -> Result<(), Error> {
    while let Some(message) = receiver.recv().await? {
        if let Message::Text(text) = message {
            room.say(&format!("{name}: {text}"));
        }
    }
    Ok(())
}

/// What a guest is told. One who is too slow has missed something, and has to leave.
async fn tell(mut said: broadcast::Receiver<Prepared>, sender: &Sender) -> Result<(), Error> {
    while let Ok(text) = said.recv().await {
        sender.send_prepared(&text).await?;
    }
    sender.start_close(CloseCode::TRY_AGAIN_LATER, "too slow").await
}

struct Leaving<'r>(&'r Room, &'r str);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.names().remove(self.1);
        self.0.say(&format!("{} has left", self.1));
    }
}
