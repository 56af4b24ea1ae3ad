//! [`Stage`]: what all checks share.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::programs::Programs;
use crate::child;
use crate::failure::{Doing, Result};
use crate::workspace::{Target, Workspace};

/// The programs, built and fetched, and a directory for what they write.
pub(crate) struct Stage<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) programs: Programs,
    app: PathBuf,
    edge: PathBuf,
    directory: PathBuf,
}

impl<'a> Stage<'a> {
    pub(crate) fn set(workspace: &'a Workspace) -> Result<Self> {
        let programs = Programs::find(workspace)?;
        let app = workspace.build("websans-echo", Target::Bin, "websans-echo")?;
        let edge = workspace.build("websans-interop", Target::Bin, "edge")?;
        let directory = std::env::temp_dir().join(format!("websans-proxies-{}", std::process::id()));
        std::fs::create_dir_all(&directory).doing(|| format!("cannot make {}", directory.display()))?;
        let stage = Self { workspace, programs, app, edge, directory };
        child::run("edge", stage.edge().arg("certificate").arg(&stage.directory))?;
        Ok(stage)
    }

    /// Where the sample app is.
    pub(crate) fn program(&self) -> &Path {
        &self.app
    }

    /// The client with TLS and HTTP/2.
    pub(crate) fn edge(&self) -> Command {
        self.workspace.command(&self.edge)
    }

    /// Certificates, configurations and logs, for as long as the stage is there.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// An address that nobody listens on. Somebody may be quicker, so what is started there has to be seen to start.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing(|| "cannot listen".into())?;
    listener.local_addr().doing(|| "cannot listen".into())
}
