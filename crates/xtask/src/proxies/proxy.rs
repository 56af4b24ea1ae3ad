//! [`Proxy`]: nginx or HAProxy, running a recipe.

use core::fmt;
use core::time::Duration;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;
use std::{fs, thread};

use super::recipe::Recipe;
use super::stage::{Stage, free_address};
use crate::child::Child;
use crate::failure::{Doing, Result, fail};

const START: Duration = Duration::from_secs(10);

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    HaProxy,
}

/// A proxy, stopped when dropped.
pub(crate) struct Proxy {
    _child: Child,
    /// Where it takes HTTP.
    pub(crate) plain: SocketAddr,
    /// Where it takes HTTP through TLS, if the recipe has it do that.
    pub(crate) tls: SocketAddr,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Nginx, Self::HaProxy];

    /// The recipe for one app, which is at `app`.
    pub(crate) fn recipe(self, stage: &Stage<'_>, app: SocketAddr) -> Result<Recipe> {
        let name = match self {
            Self::Nginx => "nginx.conf",
            Self::HaProxy => "haproxy.cfg",
        };
        Recipe::read(stage.workspace, name)?.replace("127.0.0.1:5000", app.to_string())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nginx => "nginx",
            Self::HaProxy => "HAProxy",
        })
    }
}

impl Proxy {
    /// Starts the proxy with the recipe as it is but for the ports and certificates.
    pub(crate) fn start(stage: &Stage<'_>, kind: Kind, recipe: Recipe) -> Result<Self> {
        let (plain, tls) = (free_address()?, free_address()?);
        let directory = stage.directory().join(format!("{kind}-{}", plain.port()));
        fs::create_dir_all(&directory).doing(|| format!("cannot make {}", directory.display()))?;
        let (word, end) = match kind {
            Kind::Nginx => ("listen ", ";"),
            Kind::HaProxy => ("bind ", "\n"),
        };
        let (from_plain, from_tls) = match kind {
            Kind::Nginx => ("80", "443 ssl"),
            Kind::HaProxy => (":80", ":443 ssl"),
        };
        let mut recipe =
            recipe.replace(&format!("{word}{from_plain}{end}"), format!("{word}{plain}{end}"))?;
        if recipe.contains(from_tls) {
            let certificate = stage.directory().join("edge.pem");
            recipe = recipe
                .replace(&format!("{word}{from_tls}"), format!("{word}{tls} ssl"))?
                .replace("/etc/ssl/private/edge.pem", certificate.to_string_lossy())?;
        }
        let file = directory.join("recipe");
        recipe.write(&file)?;

        let log = directory.join("log");
        let output = || fs::File::create(&log).doing(|| format!("cannot write {}", log.display()));
        let mut command = match kind {
            Kind::Nginx => {
                let main = nginx_main(&directory)?;
                let mut command = stage.programs.nginx();
                command.arg("-p").arg(&directory).arg("-e").arg("stderr").arg("-c").arg(main);
                command
            }
            Kind::HaProxy => {
                let mut command = stage.programs.haproxy();
                command.arg("-db").arg("-f").arg(file);
                command
            }
        };
        command.stdout(Stdio::null()).stderr(output()?);
        let mut child = Child::spawn(kind.to_string(), &mut command)?;
        let deadline = Instant::now() + START;
        while TcpStream::connect(plain).is_err() {
            if child.status()?.is_some() || Instant::now() > deadline {
                fail!("{kind} did not start:\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { _child: child, plain, tls })
    }
}

/// The file around a recipe for nginx, which Debian has in `/etc/nginx/nginx.conf`: one process, as whoever we are, which
/// writes nowhere but here.
fn nginx_main(directory: &std::path::Path) -> Result<PathBuf> {
    let mut text = String::from(
        "daemon off;\nmaster_process off;\npid pid;\nerror_log stderr;\nevents {}\nhttp {\n    access_log off;\n",
    );
    for temporary in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        text += &format!("    {temporary}_temp_path {temporary};\n");
    }
    text += "    include recipe;\n}\n";
    let main = directory.join("main");
    fs::write(&main, text).doing(|| format!("cannot write {}", main.display()))?;
    Ok(main)
}
