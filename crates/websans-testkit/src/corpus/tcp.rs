//! Subjects over TCP: [`Server`], which the runner connects to, and [`Client`], which connects to the runner.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::scenario::{Role, Scenario};
use super::subject::{Read, Subject, Transport};

/// How long a write may be stuck before the subject counts as gone.
const STUCK: Duration = Duration::from_secs(5);

/// How late a subject may be on a busy machine.
const SLACK: Duration = Duration::from_secs(3);

/// A server at an address, with the settings of one profile.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What is asked for.
    pub path: String,
    /// The settings that it has.
    pub profile: String,
    /// Whether its application takes orders.
    pub orders: bool,
    /// How long an answer may take.
    pub patience: Duration,
}

/// A client that connects again and again, with the settings of one profile.
#[derive(Debug)]
pub struct Client {
    listener: Mutex<TcpListener>,
    address: SocketAddr,
    /// The settings that it has.
    pub profile: String,
    /// Whether its application takes orders.
    pub orders: bool,
    /// How long an answer, or a connection, may take.
    pub patience: Duration,
}

impl Client {
    /// Waits for connections on `listener`.
    ///
    /// # Errors
    /// If it has no address.
    pub fn new(
        listener: TcpListener,
        profile: String,
        orders: bool,
        patience: Duration,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener: Mutex::new(listener), address, profile, orders, patience })
    }
}

/// What keeps a scenario from being played with this profile and this role.
fn obstacle(scenario: &Scenario, role: Role, profile: &str, orders: bool) -> Result<(), String> {
    if scenario.role != role {
        return Err("it is for the other role".to_owned());
    }
    if scenario.profile != profile {
        return Err(format!("it needs the profile {}", scenario.profile));
    }
    if scenario.gives_orders() && !orders {
        return Err("its application takes no orders".to_owned());
    }
    Ok(())
}

impl Subject for Server {
    fn start(&self, scenario: &Scenario) -> Result<Box<dyn Transport>, String> {
        obstacle(scenario, Role::Server, &self.profile, self.orders)?;
        let io = TcpStream::connect(self.address).map_err(|error| format!("no connection: {error}"))?;
        Ok(Box::new(Socket::new(io)))
    }

    fn address(&self) -> (String, String) {
        (self.address.to_string(), self.path.clone())
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn slack(&self) -> Duration {
        SLACK
    }
}

impl Subject for Client {
    fn start(&self, scenario: &Scenario) -> Result<Box<dyn Transport>, String> {
        obstacle(scenario, Role::Client, &self.profile, self.orders)?;
        let until = Instant::now() + self.patience.max(STUCK);
        let listener = self.listener.lock().map_err(|_| "another scenario has panicked".to_owned())?;
        loop {
            match listener.accept() {
                Ok((io, _)) => {
                    io.set_nonblocking(false).map_err(|error| error.to_string())?;
                    return Ok(Box::new(Socket::new(io)));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < until => {
                    thread::sleep(Duration::from_millis(2));
                }
                Err(error) => return Err(format!("no connection came: {error}")),
            }
        }
    }

    fn address(&self) -> (String, String) {
        (self.address.to_string(), "/".to_owned())
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn slack(&self) -> Duration {
        SLACK
    }
}

/// A TCP connection to a subject.
#[derive(Debug)]
struct Socket {
    io: Option<TcpStream>,
    origin: Instant,
    buffer: Vec<u8>,
}

impl Socket {
    fn new(io: TcpStream) -> Self {
        // Without these two a connection is only slower, or a failure found later.
        let _ = io.set_nodelay(true);
        let _ = io.set_write_timeout(Some(STUCK));
        Self { io: Some(io), origin: Instant::now(), buffer: vec![0; 64 << 10] }
    }
}

impl Transport for Socket {
    fn write(&mut self, bytes: &[u8]) {
        // A subject that is gone, or does not read, has its reasons: what comes from it will tell.
        if let Some(io) = &mut self.io {
            let _ = io.write_all(bytes);
        }
    }

    fn read(&mut self, within: Duration) -> Read {
        let Some(io) = &mut self.io else { return Read::End };
        if io.set_read_timeout(Some(within.max(Duration::from_millis(1)))).is_err() {
            return Read::End;
        }
        match io.read(&mut self.buffer) {
            Ok(0) => Read::End,
            Ok(n) => Read::Bytes(self.buffer[..n].to_vec()),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Read::Nothing,
                _ => Read::End,
            },
        }
    }

    fn half_close(&mut self) {
        if let Some(io) = &self.io {
            let _ = io.shutdown(Shutdown::Write);
        }
    }

    fn reset(&mut self) {
        if let Some(io) = self.io.take() {
            let _ = SockRef::from(&io).set_linger(Some(Duration::ZERO));
        }
    }

    fn wait(&mut self, time: Duration) {
        thread::sleep(time);
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}
