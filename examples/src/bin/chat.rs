//! A chat on tokio: each text goes to everybody, encoded once. Whoever does not keep up has to leave.
//!
//! `cargo run -p websans-examples --bin chat -- 127.0.0.1:9001`

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use websans_tokio::{CloseCode, Error, Message, Prepared, Receiver, Sender, accept};

/// News that may wait for one member.
const QUEUE: usize = 64;

/// Where each member's news go.
#[derive(Clone, Default)]
struct Room(Arc<Mutex<HashMap<u64, mpsc::Sender<Prepared>>>>);

impl Room {
    /// For everybody, at once: nobody waits for anybody. It is one frame, which all of them share.
    fn tell(&self, news: &Prepared) {
        // Whose queue is full is no member any more, and learns so from its queue.
        self.lock().retain(|_, queue| queue.try_send(news.clone()).is_ok());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, mpsc::Sender<Prepared>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("where to listen?")?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let room = Room::default();
    for id in 1.. {
        let Ok((stream, _)) = listener.accept().await else {
            // Too many files are open, most likely.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let room = room.clone();
        tokio::spawn(async move {
            if let Err(error) = member(id, stream, &room).await {
                eprintln!("guest {id}: {error}");
            }
        });
    }
    Ok(())
}

async fn member(id: u64, stream: TcpStream, room: &Room) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let (mut receiver, sender) = accept(stream).await?.split();
    let (queue, news) = mpsc::channel(QUEUE);
    room.lock().insert(id, queue);
    let writing = tokio::spawn(write(news, sender));
    let read = read(id, &mut receiver, room).await;
    room.lock().remove(&id);
    // What is left in its queue goes out, or fails; nobody waits for that.
    let _ = writing.await;
    read
}

/// What a member says.
async fn read(id: u64, receiver: &mut Receiver<TcpStream>, room: &Room) -> Result<(), Error> {
    while let Some(message) = receiver.recv().await? {
        if let Message::Text(text) = message {
            room.tell(&Prepared::new(format!("guest {id}: {text}"))?);
        }
    }
    Ok(())
}

/// What a member is told, as fast as it listens.
async fn write(mut news: mpsc::Receiver<Prepared>, sender: Sender<TcpStream>) -> Result<(), Error> {
    while let Some(news) = news.recv().await {
        sender.send_prepared(&news).await?;
    }
    // It has been too slow. Or it has left, and there is nothing to close any more.
    sender.start_close(CloseCode::TRY_AGAIN_LATER, "too slow").await
}
