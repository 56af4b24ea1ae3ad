//! Who takes part.

use std::path::PathBuf;
use std::process::Command;

use crate::Result;
use crate::frame::Framing;

/// A server and how it is set up.
pub(crate) struct Entrant {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) level: u8,
    pub(crate) takeover: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// zlib and nothing else: the floor.
    Raw,
    Websans,
    /// Another Rust implementation, by what its server calls it.
    Rust(&'static str),
    Node,
}

/// The peers' level is their default, which is zlib's default, 6.
pub(crate) const ENTRANTS: &[Entrant] = &[
    Entrant { name: "raw zlib", kind: Kind::Raw, level: 6, takeover: false },
    Entrant { name: "websans", kind: Kind::Websans, level: 6, takeover: false },
    Entrant { name: "yawc", kind: Kind::Rust("yawc"), level: 6, takeover: false },
    Entrant { name: "sockudo-ws", kind: Kind::Rust("sockudo"), level: 6, takeover: false },
    Entrant { name: "Node ws", kind: Kind::Node, level: 6, takeover: false },
    Entrant { name: "raw zlib", kind: Kind::Raw, level: 6, takeover: true },
    Entrant { name: "websans", kind: Kind::Websans, level: 6, takeover: true },
    Entrant { name: "yawc", kind: Kind::Rust("yawc"), level: 6, takeover: true },
    Entrant { name: "sockudo-ws", kind: Kind::Rust("sockudo"), level: 6, takeover: true },
    Entrant { name: "Node ws", kind: Kind::Node, level: 6, takeover: true },
    Entrant { name: "raw zlib", kind: Kind::Raw, level: 3, takeover: false },
    Entrant { name: "websans", kind: Kind::Websans, level: 3, takeover: false },
    Entrant { name: "raw zlib", kind: Kind::Raw, level: 1, takeover: false },
    Entrant { name: "websans", kind: Kind::Websans, level: 1, takeover: false },
];

impl Entrant {
    /// `yawc, no takeover, level 6`.
    pub(crate) fn title(&self) -> String {
        let takeover = if self.takeover { "takeover" } else { "no takeover" };
        format!("{}, {takeover}, level {}", self.name, self.level)
    }

    pub(crate) fn framing(&self) -> Framing {
        if self.kind == Kind::Raw { Framing::Length } else { Framing::WebSocket }
    }

    pub(crate) fn is_peer(&self) -> bool {
        matches!(self.kind, Kind::Rust(_) | Kind::Node)
    }

    /// Whether both do the same work.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (self.level, self.takeover) == (other.level, other.takeover)
    }

    /// What starts the server.
    pub(crate) fn command(&self, node: &str) -> Result<Command> {
        let this = std::env::current_exe()?;
        let setup = if self.takeover { "default" } else { "no-takeover" };
        Ok(match self.kind {
            Kind::Raw | Kind::Websans => {
                let name = if self.kind == Kind::Raw { "raw" } else { "websans" };
                let mut command = Command::new(this);
                command.args(["serve", name, &self.level.to_string(), &self.takeover.to_string()]);
                command
            }
            Kind::Rust(name) => {
                // Built by itself, but into the same directory.
                let peers = this.with_file_name("websans-bench-peers");
                if !peers.exists() {
                    return Err(
                        format!("{} is missing: build the package of that name", peers.display()).into()
                    );
                }
                let mut command = Command::new(peers);
                command.args([name, setup]);
                command
            }
            Kind::Node => {
                let mut command = Command::new(node);
                command.arg(PathBuf::from_iter([env!("CARGO_MANIFEST_DIR"), "peers", "ws.cjs"])).arg(setup);
                command
            }
        })
    }
}
