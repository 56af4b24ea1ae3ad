//! `certificate --directory DIR`: makes a certificate for `localhost` that signs itself, in DIR/localhost.pem and
//! DIR/localhost.key.

use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = websans_autobahn::arguments(&["directory"])?;
    let directory = Path::new(arguments.get("directory").ok_or("missing --directory DIR")?);
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    fs::write(directory.join(websans_autobahn::CERTIFICATE), made.cert.pem())?;
    fs::write(directory.join(websans_autobahn::KEY), made.signing_key.serialize_pem())?;
    Ok(())
}
