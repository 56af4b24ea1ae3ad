//! [`Programs`]: the proxies and Node, found or fetched.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Result, fail};
use crate::workspace::Workspace;
use crate::{child, debian};

/// Where to find what is started.
pub(crate) struct Programs {
    nginx: PathBuf,
    haproxy: PathBuf,
    /// For those that were unpacked, not installed.
    libraries: PathBuf,
    node: PathBuf,
}

impl Programs {
    /// Fetches what is missing.
    ///
    /// Nginx and HAProxy are not installed but unpacked: Debian's packages, installed, would start services on the
    /// machine and have them start with it ever after.
    pub(crate) fn find(workspace: &Workspace) -> Result<Self> {
        let unpacked = workspace.path("deploy/.programs");
        let mut missing = Vec::new();
        for name in ["nginx", "haproxy"] {
            if on_path(name).is_none() && !unpacked.join("usr/sbin").join(name).is_file() {
                missing.push(name);
            }
        }
        if !missing.is_empty() {
            unpack(workspace, &missing, &unpacked)?;
        }
        let program = |name: &str| on_path(name).unwrap_or_else(|| unpacked.join("usr/sbin").join(name));
        let (nginx, haproxy) = (program("nginx"), program("haproxy"));
        for program in [&nginx, &haproxy] {
            if !program.is_file() {
                fail!("{} is missing from its Debian package", program.display());
            }
        }
        debian::ensure("systemd-socket-activate", &["systemd"])?;
        let libraries = unpacked.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
        Ok(Self { nginx, haproxy, libraries, node: node(workspace, &unpacked)? })
    }

    pub(crate) fn nginx(&self) -> Command {
        self.with_libraries(&self.nginx)
    }

    pub(crate) fn haproxy(&self) -> Command {
        self.with_libraries(&self.haproxy)
    }

    /// Node, which finds the pinned socket.io.
    pub(crate) fn node(&self) -> Command {
        Command::new(&self.node)
    }

    fn with_libraries(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("LD_LIBRARY_PATH", &self.libraries);
        command
    }
}

/// Where a program is installed; what serves is often not in the path of people.
fn on_path(name: &str) -> Option<PathBuf> {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin");
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file())
}

/// Has apt fetch packages, with what they need and this system lacks, and unpacks them all.
fn unpack(workspace: &Workspace, packages: &[&str], into: &Path) -> Result {
    if on_path("apt-get").is_none() {
        fail!("{0} missing: install {0} (the names of the Debian packages)", packages.join(" "));
    }
    eprintln!("{} missing, unpacking the Debian packages", packages.join(" and "));
    child::run("apt-get update", &mut debian::as_root(workspace, &["apt-get", "-qq", "update"]))?;
    let archives = into.join("archives");
    std::fs::create_dir_all(archives.join("partial"))
        .doing(|| format!("cannot make {}", archives.display()))?;
    let mut cache = OsString::from("Dir::Cache::archives=");
    cache.push(&archives);
    let mut fetch = workspace.command("apt-get");
    // Nothing is installed, so it needs neither root nor dpkg's lock.
    fetch.args([
        "-qq",
        "--yes",
        "--no-install-recommends",
        "--download-only",
        "-o",
        "Debug::NoLocking=1",
        "-o",
    ]);
    child::run("apt-get", fetch.arg(cache).arg("install").args(packages))?;
    let entries = std::fs::read_dir(&archives).doing(|| format!("cannot read {}", archives.display()))?;
    for entry in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if entry.extension().is_some_and(|extension| extension == "deb") {
            child::run("dpkg-deb", workspace.command("dpkg-deb").arg("--extract").arg(&entry).arg(into))?;
        }
    }
    Ok(())
}

/// A Node of the version the exchanges with other implementations use too, with socket.io beside it.
fn node(workspace: &Workspace, unpacked: &Path) -> Result<PathBuf> {
    debian::ensure_python()?;
    child::run("interop/setup.sh", workspace.command("sh").arg("interop/setup.sh"))?;
    let mut setup = workspace.command("sh");
    child::run("deploy/socket-io/setup.sh", setup.arg("deploy/socket-io/setup.sh").arg(unpacked))?;
    Ok(unpacked.join("node"))
}
