//! Plays the scenario files against a WebSocket implementation over TCP: see `--help`.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::Duration;

use lexopt::ValueExt as _;
use websans_testkit::corpus::scenario::{Role, Scenario};
use websans_testkit::corpus::tcp::{Client, Servers};
use websans_testkit::corpus::{Played, Verdict, corpus, failures, json, play_all, table};

const HELP: &str = "\
Plays the scenarios of crates/websans-testkit/conformance against a WebSocket implementation over TCP.

Usage: cargo xtask conformance [OPTION...]

  --server [PROFILE=]HOST:PORT  play a client against the server there, which has the settings of PROFILE (default
                                plain); may come once for each profile
  --path PATH                   what to ask servers for (default /)
  --client[=PROFILE]            play a server and print its URL: the client under test connects there, again and
                                again, once for each scenario
  --listen HOST:PORT            where to wait for it (default a free port of 127.0.0.1)
  --orders                      the application under test takes orders (app:close, app:ping, app:send)
  --patience MILLISECONDS       how long an answer may take (default 3000)
  --only PATTERN                only scenarios whose id contains PATTERN
  --json                        print verdicts as JSON and nothing else
  --least PERCENT               fail if more than the rest of what can be expressed fails

The application under test echoes every message. What it is told to be is in conformance/README.md.
";

/// Conversations with servers at the same time.
const AT_ONCE: usize = 24;

struct Options {
    servers: BTreeMap<String, SocketAddr>,
    path: String,
    client: Option<String>,
    listen: String,
    orders: bool,
    patience: Duration,
    only: String,
    json: bool,
    least: Option<usize>,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, Box<dyn Error>> {
    let Some(options) = options()? else {
        print!("{HELP}");
        return Ok(true);
    };
    let wanted = |role: Role| -> Vec<&'static Scenario> {
        let fits = |one: &&Scenario| one.role == role && one.id.contains(&options.only);
        corpus().scenarios.iter().filter(fits).collect()
    };
    let mut played = Vec::new();
    if !options.servers.is_empty() {
        let servers = Servers {
            addresses: options.servers.clone(),
            path: options.path.clone(),
            orders: options.orders,
            patience: options.patience,
            reports: None,
        };
        played.extend(play_all(&servers, &wanted(Role::Server), AT_ONCE));
    }
    if let Some(profile) = &options.client {
        let listener = TcpListener::bind(&options.listen)?;
        let client = Client::new(listener, profile.clone(), options.orders, options.patience)?;
        eprintln!("waiting for a client with the profile {profile} at {}", client.url());
        played.extend(play_all(&client, &wanted(Role::Client), 1));
    }
    report(&options, &played)
}

/// Prints what became of them, and says whether enough did well.
fn report(options: &Options, played: &[Played<'_>]) -> Result<bool, Box<dyn Error>> {
    if options.json {
        println!("{:#}", json(played));
    } else {
        println!("{}\n{}", failures(played), table(played));
    }
    let expressible = played.iter().filter(|one| !matches!(one.verdict, Verdict::NotExpressible(_))).count();
    let failed = played.iter().filter(|one| matches!(one.verdict, Verdict::Failed(_))).count();
    if expressible == 0 {
        return Err("no scenario could be played".into());
    }
    Ok(options.least.is_none_or(|least| (expressible - failed) * 100 >= least * expressible))
}

fn options() -> Result<Option<Options>, Box<dyn Error>> {
    let mut options = Options {
        servers: BTreeMap::new(),
        path: "/".to_owned(),
        client: None,
        listen: "127.0.0.1:0".to_owned(),
        orders: false,
        patience: Duration::from_secs(3),
        only: String::new(),
        json: false,
        least: None,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("server") => {
                let value = parser.value()?.string()?;
                let (profile, address) = value.split_once('=').unwrap_or(("plain", &value));
                let profile = known(profile)?;
                let address = address.to_socket_addrs()?.next().ok_or("the server has no address")?;
                options.servers.insert(profile, address);
            }
            lexopt::Arg::Long("path") => options.path = parser.value()?.string()?,
            lexopt::Arg::Long("client") => {
                let profile =
                    parser.optional_value().map_or(Ok("plain".to_owned()), |value| value.string())?;
                options.client = Some(known(&profile)?);
            }
            lexopt::Arg::Long("listen") => options.listen = parser.value()?.string()?,
            lexopt::Arg::Long("orders") => options.orders = true,
            lexopt::Arg::Long("patience") => {
                options.patience = Duration::from_millis(parser.value()?.parse()?);
            }
            lexopt::Arg::Long("only") => options.only = parser.value()?.string()?,
            lexopt::Arg::Long("json") => options.json = true,
            lexopt::Arg::Long("least") => options.least = Some(parser.value()?.parse()?),
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    let chosen = !options.servers.is_empty() || options.client.is_some();
    Ok(chosen.then_some(options))
}

fn known(profile: &str) -> Result<String, String> {
    let profiles = &corpus().profiles;
    if profiles.contains_key(profile) {
        return Ok(profile.to_owned());
    }
    let names: Vec<&str> = profiles.keys().map(String::as_str).collect();
    Err(format!("there is no profile {profile}; there are {}", names.join(", ")))
}
