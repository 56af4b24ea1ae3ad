//! [`listeners`]: what clients connect to.

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;

/// The sockets that a supervisor has opened and handed over, or else one at `address`.
///
/// It takes what describes the former out of the environment: to be called before there is a second thread.
pub(crate) fn listeners(address: &str) -> Result<Vec<TcpListener>, String> {
    let listeners = handed_over().map_err(|error| format!("cannot take a socket of LISTEN_FDS: {error}"))?;
    if !listeners.is_empty() {
        return Ok(listeners);
    }
    let listener = TcpListener::bind(address).and_then(prepared);
    Ok(vec![listener.map_err(|error| format!("cannot listen on {address}: {error}"))?])
}

fn handed_over() -> io::Result<Vec<TcpListener>> {
    let mut sockets = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..sockets.len() {
        let listener = sockets.take_tcp_listener(index)?.map(prepared).transpose()?;
        listeners.extend(listener);
    }
    Ok(listeners)
}

/// As the runtime must have it.
fn prepared(listener: TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    Ok(listener)
}
