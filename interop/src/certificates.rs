//! Certificates made for one run: a private CA and what it signs.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A directory with PEM files, removed at the end of the run.
pub(crate) struct Certificates {
    directory: tempfile::TempDir,
}

/// What a TLS server shows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// A good certificate for the host it is called by.
    Localhost,
    /// One of the same CA for another host.
    Wrong,
    /// One of a CA that nobody knows.
    Unknown,
}

impl Identity {
    pub(crate) const ALL: [Self; 3] = [Self::Localhost, Self::Wrong, Self::Unknown];

    const fn file(self) -> &'static str {
        match self {
            Self::Localhost => "localhost",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
        }
    }

    const fn host(self) -> &'static str {
        match self {
            Self::Localhost | Self::Unknown => "localhost",
            Self::Wrong => "elsewhere.test",
        }
    }
}

impl Certificates {
    /// Makes them all.
    pub(crate) fn make() -> Result<Self, Box<dyn Error>> {
        let made = Self { directory: tempfile::tempdir()? };
        let (known, known_pem) = authority("interop CA")?;
        let (unknown, _) = authority("another CA")?;
        fs::write(made.path("ca.pem"), known_pem)?;
        for identity in Identity::ALL {
            let issuer = if identity == Identity::Unknown { &unknown } else { &known };
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::new(vec![identity.host().to_owned()])?;
            params.distinguished_name.push(DnType::CommonName, identity.host());
            params.use_authority_key_identifier_extension = true;
            let certificate = params.signed_by(&key, issuer)?;
            fs::write(made.path(&format!("{}.pem", identity.file())), certificate.pem())?;
            fs::write(made.path(&format!("{}.key", identity.file())), key.serialize_pem())?;
        }
        Ok(made)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The certificate of the CA that everybody is to trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// For clients: trusts the CA and nobody else.
    pub(crate) fn client(&self) -> Result<Arc<ClientConfig>, Box<dyn Error>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.ca())?)?;
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }

    /// For servers: shows one of the certificates.
    pub(crate) fn server(&self, identity: Identity) -> Result<Arc<ServerConfig>, Box<dyn Error>> {
        let certificate = CertificateDer::from_pem_file(self.path(&format!("{}.pem", identity.file())))?;
        let key = PrivateKeyDer::from_pem_file(self.path(&format!("{}.key", identity.file())))?;
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        Ok(Arc::new(config))
    }
}

/// A CA to sign with, and its own certificate.
fn authority(name: &str) -> Result<(Issuer<'static, KeyPair>, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    let pem = params.self_signed(&key)?.pem();
    Ok((Issuer::new(params, key), pem))
}
