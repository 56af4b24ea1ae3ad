//! Measures permessage-deflate: this project's, its peers', and zlib alone. See README.md.

use std::process::ExitCode;

mod contest;
mod entrant;
mod frame;
mod input;
mod load;
mod micro;
mod process;
mod records;
mod server;
mod table;
mod zlib;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const HELP: &str = "\
Measure permessage-deflate: this project's, its peers', and zlib alone.

Usage: websans-bench deflate [--quick] [--only TEXT] --node PROGRAM
       websans-bench serve NAME LEVEL TAKEOVER
       websans-bench work NAME LENGTH LEVEL TAKEOVER COUNT

  --quick      shorter measurements, of fewer connections: figures to check the program with, not to quote
  --only TEXT  only servers whose title, such as yawc, no takeover, level 6, contains this, and nothing else
  --node       an interpreter of Node that finds the package ws
  serve        be one of the servers: raw or websans; TAKEOVER is true or false
  work         echo COUNT messages of LENGTH bytes within the process, for a profiler to look at
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    use lexopt::prelude::*;

    let mut arguments = lexopt::Parser::from_env();
    match arguments.next()? {
        Some(Value(command)) if command == "serve" => {
            let name = arguments.value()?.string()?;
            let level = arguments.value()?.parse()?;
            let takeover = arguments.value()?.parse()?;
            server::serve(&name, level, takeover)
        }
        Some(Value(command)) if command == "work" => {
            let name = arguments.value()?.string()?;
            let side = micro::Side::named(&name).ok_or_else(|| format!("nobody is called {name}"))?;
            let length = arguments.value()?.parse()?;
            let level = arguments.value()?.parse()?;
            let takeover = arguments.value()?.parse()?;
            micro::work(side, micro::Case { length, level, takeover }, arguments.value()?.parse()?)
        }
        Some(Value(command)) if command == "deflate" => {
            let (mut quick, mut only, mut node) = (false, String::new(), None);
            while let Some(argument) = arguments.next()? {
                match argument {
                    Long("quick") => quick = true,
                    Long("only") => only = arguments.value()?.string()?,
                    Long("node") => node = Some(arguments.value()?.string()?),
                    other => return Err(other.unexpected().into()),
                }
            }
            let node = node.ok_or("--node is missing")?;
            contest::run(&contest::Options { quick, only: &only, node: &node })?;
            if only.is_empty() { micro::run(quick) } else { Ok(()) }
        }
        None | Some(Long("help") | Short('h')) => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => Err(other.unexpected().into()),
    }
}
