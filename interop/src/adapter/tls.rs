//! TLS over a blocking socket, as a `Stream` of websans-std.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::DerefMut;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, ServerConfig, ServerConnection, SideData, StreamOwned,
};
use websans_std::Stream;

/// A TLS stream, of client or server.
///
/// In a cell, since a `Stream` is shut down by reference and TLS says goodbye when that happens.
pub(super) struct Tls<C>(RefCell<StreamOwned<C, TcpStream>>);

/// Does the client's part of the TLS handshake.
pub(super) fn connect(
    config: &Arc<ClientConfig>,
    host: &str,
    mut stream: TcpStream,
) -> io::Result<Tls<ClientConnection>> {
    let host = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let mut connection = ClientConnection::new(Arc::clone(config), host).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(Tls(RefCell::new(StreamOwned::new(connection, stream))))
}

/// Does the server's part.
pub(super) fn accept(config: &Arc<ServerConfig>, mut stream: TcpStream) -> io::Result<Tls<ServerConnection>> {
    let mut connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(Tls(RefCell::new(StreamOwned::new(connection, stream))))
}

impl<C, D> Read for Tls<C>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    D: SideData,
{
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.get_mut().read(buffer) {
            // The peer has ended its transport without saying so in TLS; the closing handshake is what counts.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            result => result,
        }
    }
}

impl<C, D> Write for Tls<C>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    D: SideData,
{
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.get_mut().write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.get_mut().write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.get_mut().flush()
    }
}

impl<C, D> Stream for Tls<C>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    D: SideData,
{
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.borrow().sock.set_read_timeout(timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.borrow().sock.set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let mut stream = self.0.borrow_mut();
        if how != Shutdown::Read {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        stream.sock.shutdown(how)
    }
}
