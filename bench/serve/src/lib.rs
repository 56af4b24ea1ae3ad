//! What the measured servers have in common: one thread, a free port, a task for each connection.

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

/// Prints the port it listens on, and lets `echo` serve each connection for as long as the process lives.
///
/// # Errors
/// If it cannot listen, or not accept any more.
pub fn serve<F, E>(echo: impl Fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Display + Send,
{
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?.port());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let echo = echo(stream);
            tokio::spawn(async {
                if let Err(error) = echo.await {
                    // The client that does not get its reply notices, but cannot tell why.
                    eprintln!("connection failed: {error}");
                }
            });
        }
    })
}
