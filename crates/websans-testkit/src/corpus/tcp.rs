//! Subjects over TCP: [`Servers`], which the runner connects to, [`Client`], which connects to the runner again and again, and
//! [`Dialled`], which connects when it is told to.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::corpus;
use super::profile::Profile;
use super::scenario::{Role, Scenario, Told};
use super::subject::{Read, Subject, Transport};

/// How long a write may be stuck before the subject counts as gone, and an application's report may take.
const STUCK: Duration = Duration::from_secs(8);

/// How late a subject may be on a busy machine.
const SLACK: Duration = Duration::from_secs(3);

/// What applications of servers have been told, by the port of the runner's end: an application enters it at its end.
#[derive(Clone, Debug, Default)]
pub struct Reports(Arc<Mutex<HashMap<u16, Told>>>);

impl Reports {
    /// Enters what the application was told on the connection from `peer`.
    pub fn enter(&self, peer: SocketAddr, told: Told) {
        self.lock().insert(peer.port(), told);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u16, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, port: u16) -> Option<Told> {
        let until = Instant::now() + STUCK;
        while Instant::now() < until {
            if let Some(told) = self.lock().remove(&port) {
                return Some(told);
            }
            thread::sleep(Duration::from_millis(2));
        }
        // Nothing was told, which is not what any scenario wants.
        Some(Told::default())
    }
}

/// Servers, one for each profile that there is a server for.
#[derive(Clone, Debug)]
pub struct Servers {
    /// Where they listen, by profile.
    pub addresses: BTreeMap<String, SocketAddr>,
    /// What is asked for.
    pub path: String,
    /// Whether their application takes orders.
    pub orders: bool,
    /// How long an answer may take.
    pub patience: Duration,
    /// What their applications were told, if they tell.
    pub reports: Option<Reports>,
}

impl Servers {
    /// A server for every profile, started by `start`, whose application takes orders and reports.
    ///
    /// # Panics
    /// If `start` does.
    pub fn of_every_profile(mut start: impl FnMut(&'static Profile, Reports) -> SocketAddr) -> Self {
        let reports = Reports::default();
        let addresses = corpus()
            .profiles
            .iter()
            .map(|(name, profile)| (name.clone(), start(profile, reports.clone())))
            .collect();
        Self { addresses, path: "/".to_owned(), orders: true, patience: STUCK, reports: Some(reports) }
    }
}

/// What keeps a scenario from being played with this role and these orders.
fn obstacle(scenario: &Scenario, role: Role, orders: bool) -> Result<(), String> {
    if scenario.role != role {
        return Err("it is for the other role".to_owned());
    }
    if scenario.gives_orders() && !orders {
        return Err("the application takes no orders".to_owned());
    }
    Ok(())
}

impl Subject for Servers {
    fn start(&self, scenario: &Scenario) -> Result<Box<dyn Transport>, String> {
        obstacle(scenario, Role::Server, self.orders)?;
        let profile = &scenario.profile;
        let address = self.addresses.get(profile).ok_or_else(|| format!("there is no profile {profile}"))?;
        let io = TcpStream::connect(address).map_err(|error| format!("no connection: {error}"))?;
        let port = io.local_addr().map_err(|error| error.to_string())?.port();
        let teller = self.reports.clone().map_or(Teller::Nobody, |reports| {
            // An earlier scenario that did not ask may have had the same port.
            reports.lock().remove(&port);
            Teller::Server(reports, port)
        });
        Ok(Box::new(Socket::new(io, address.to_string(), self.path.clone(), teller)))
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn slack(&self) -> Duration {
        SLACK
    }
}

/// A client that connects again and again, with the settings of one profile.
#[derive(Debug)]
pub struct Client {
    listener: Mutex<TcpListener>,
    address: SocketAddr,
    profile: String,
    orders: bool,
    patience: Duration,
}

impl Client {
    /// Waits for connections on `listener`.
    ///
    /// # Errors
    /// If that has no address.
    pub fn new(listener: TcpListener, profile: String, orders: bool, patience: Duration) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener: Mutex::new(listener), address, profile, orders, patience })
    }

    /// What the client is to connect to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }
}

impl Subject for Client {
    fn start(&self, scenario: &Scenario) -> Result<Box<dyn Transport>, String> {
        obstacle(scenario, Role::Client, self.orders)?;
        if scenario.profile != self.profile {
            return Err(format!("it needs the profile {}", scenario.profile));
        }
        let until = Instant::now() + self.patience.max(STUCK);
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        let io = accept_until(&listener, until)?;
        Ok(Box::new(Socket::new(io, self.address.to_string(), "/".to_owned(), Teller::Nobody)))
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn slack(&self) -> Duration {
        SLACK
    }
}

/// The connection that comes before `until`; the listener does not block.
fn accept_until(listener: &TcpListener, until: Instant) -> Result<TcpStream, String> {
    loop {
        match listener.accept() {
            Ok((io, _)) => {
                io.set_nonblocking(false).map_err(|error| error.to_string())?;
                return Ok(io);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < until => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(format!("no connection came: {error}")),
        }
    }
}

/// A client in this process: a function that connects to a URL with the settings of a profile, and converses there.
#[derive(Clone, Copy, Debug)]
pub struct Dialled<F>(pub F);

impl<F> Subject for Dialled<F>
where
    F: Fn(&'static Profile, String) -> Told + Clone + Send + Sync + 'static,
{
    fn start(&self, scenario: &Scenario) -> Result<Box<dyn Transport>, String> {
        obstacle(scenario, Role::Client, true)?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        listener.set_nonblocking(true).map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let (tell, told) = mpsc::channel();
        let (connect, profile) = (self.0.clone(), corpus().profile(scenario));
        thread::spawn(move || {
            // Nobody may be left who wants to know.
            let _ = tell.send(connect(profile, format!("ws://{address}/")));
        });
        let io = accept_until(&listener, Instant::now() + STUCK)?;
        Ok(Box::new(Socket::new(io, address.to_string(), "/".to_owned(), Teller::Client(told))))
    }

    fn patience(&self) -> Duration {
        STUCK
    }

    fn slack(&self) -> Duration {
        SLACK
    }
}

/// Who tells what the application was told.
#[derive(Debug)]
enum Teller {
    Nobody,
    Server(Reports, u16),
    Client(Receiver<Told>),
}

/// A TCP connection to a subject.
#[derive(Debug)]
struct Socket {
    io: Option<TcpStream>,
    origin: Instant,
    buffer: Vec<u8>,
    host: String,
    path: String,
    teller: Teller,
}

impl Socket {
    fn new(io: TcpStream, host: String, path: String, teller: Teller) -> Self {
        // Without these two a connection is only slower, or a failure found later.
        let _ = io.set_nodelay(true);
        let _ = io.set_write_timeout(Some(STUCK));
        Self { io: Some(io), origin: Instant::now(), buffer: vec![0; 64 << 10], host, path, teller }
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

    fn address(&self) -> (String, String) {
        (self.host.clone(), self.path.clone())
    }

    fn told(&mut self) -> Option<Told> {
        // An application whose connection is still open comes to its end by this one.
        self.io = None;
        match &self.teller {
            Teller::Nobody => None,
            Teller::Server(reports, port) => reports.wait(*port),
            Teller::Client(told) => Some(told.recv_timeout(STUCK).unwrap_or_default()),
        }
    }
}
