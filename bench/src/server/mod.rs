//! The servers of this program, each of which echoes in a process of its own.

use crate::Result;

pub(crate) mod raw;
pub(crate) mod websans;

/// Serves for as long as the process lives, as `name` does.
pub(crate) fn serve(name: &str, level: u8, takeover: bool) -> Result<()> {
    match name {
        "raw" => raw::serve(level, takeover)?,
        "websans" => websans::serve(level, takeover)?,
        other => return Err(format!("there is no server {other}").into()),
    }
    Ok(())
}
