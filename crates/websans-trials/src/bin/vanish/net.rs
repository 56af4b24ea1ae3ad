//! [`Net`]: two machines with a cable between them, as far as sockets can tell.
//!
//! A network namespace is a network stack of its own, and a socket stays in the one it was made in. This process moves into
//! one and makes another for the clients; both are gone when the last process in them is, however that ends.

use std::fs::{self, File};
use std::io;
use std::process::{Child, Command};
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{getgid, getuid};

use crate::Failure;

/// The server's address.
pub(crate) const NEAR: &str = "10.45.0.1";
/// The clients'.
const FAR: &str = "10.45.0.2";
/// The two ends of the cable.
const NEAR_DEVICE: &str = "near";
const FAR_DEVICE: &str = "far";
/// A network card that nobody has.
const NOBODY: &str = "02:00:00:00:00:99";

/// The two ends.
pub(crate) struct Net {
    /// The clients' namespace.
    far: File,
}

impl Net {
    /// Moves this process into a namespace of its own and makes another. There must be no other thread yet.
    pub(crate) fn build() -> Result<Self, Failure> {
        leave()?;
        let far = thread::spawn(|| -> io::Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        });
        let net = Self { far: far.join().map_err(|_| "a thread has panicked")?? };
        let here = std::process::id().to_string();
        net.far(|| {
            ip(&["link", "add", FAR_DEVICE, "type", "veth", "peer", "name", NEAR_DEVICE, "netns", &here])?;
            up(FAR_DEVICE, FAR)
        })?;
        up(NEAR_DEVICE, NEAR)?;
        Ok(net)
    }

    /// Starts a process at the far end.
    pub(crate) fn start(&self, command: &mut Command) -> Result<Child, Failure> {
        self.far(|| Ok(command.spawn()?))
    }

    /// From now on each end sends to a network card that nobody has, as if the other had gone without a word: nothing
    /// arrives, and nobody is told so.
    pub(crate) fn cut(&self) -> Result<(), Failure> {
        let misdirect = |device, address| {
            ip(&["neighbour", "replace", address, "lladdr", NOBODY, "dev", device, "nud", "permanent"])
        };
        misdirect(NEAR_DEVICE, FAR)?;
        self.far(|| misdirect(FAR_DEVICE, NEAR))
    }

    /// Undoes [`cut`](Self::cut).
    pub(crate) fn mend(&self) -> Result<(), Failure> {
        ip(&["neighbour", "del", FAR, "dev", NEAR_DEVICE])?;
        self.far(|| ip(&["neighbour", "del", NEAR, "dev", FAR_DEVICE]))
    }

    /// Runs `work` in the clients' namespace: on a thread, since each thread may be in another one.
    fn far<T: Send>(&self, work: impl FnOnce() -> Result<T, Failure> + Send) -> Result<T, Failure> {
        thread::scope(|scope| {
            let there = scope.spawn(|| {
                setns(&self.far, CloneFlags::CLONE_NEWNET)?;
                work()
            });
            there.join().map_err(|_| "a thread has panicked")?
        })
    }
}

/// Leaves the namespace we were started in. Who may not do that may as root of a namespace of users.
fn leave() -> Result<(), Failure> {
    match unshare(CloneFlags::CLONE_NEWNET) {
        Err(Errno::EPERM) => {}
        result => return Ok(result?),
    }
    let (user, group) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
        .map_err(|error| format!("a network namespace needs root, or namespaces of users: {error}"))?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    Ok(())
}

fn up(device: &str, address: &str) -> Result<(), Failure> {
    ip(&["address", "add", &format!("{address}/24"), "dev", device])?;
    ip(&["link", "set", device, "up"])
}

fn ip(arguments: &[&str]) -> Result<(), Failure> {
    let output = Command::new("ip").args(arguments).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("ip {} failed: {}", arguments.join(" "), said.trim()).into());
    }
    Ok(())
}
