//! [`Redirects`]: which redirections are followed, and where to.

use std::error::Error;
use std::fmt;

use websans::handshake::client::Refusal;
use websans::handshake::{BuildError, Url};

/// How many redirections are followed, and of which kind.
///
/// The statuses 301, 302, 303, 307 and 308 redirect if there is a `Location`: a URL of `ws`, `wss`, `http` or
/// `https`, or a reference relative to the last URL ([RFC 9110 §10.2.2]). A redirection from `wss` to `ws` is an
/// error unless it is allowed. Credentials ([`Client::header`](crate::Client::header) says which headers) are for
/// the first URL's origin, which is its scheme, host and port: a redirection to another origin drops them for good.
///
/// ```
/// use websans_dial::{Client, Redirects};
///
/// let client = Client::new("wss://example.com")?.redirects(3);
/// let lax = Client::new("wss://example.com")?.redirects(Redirects::most(3).allow_downgrade());
/// # Ok::<(), websans::handshake::BuildError>(())
/// ```
///
/// [RFC 9110 §10.2.2]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.2
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redirects {
    most: u8,
    downgrade: bool,
}

impl Redirects {
    /// No more than `most`, none from `wss` to `ws`.
    #[must_use]
    pub const fn most(most: u8) -> Self {
        Self { most, downgrade: false }
    }

    /// Lets a redirection lead from `wss` to `ws`.
    #[must_use]
    pub const fn allow_downgrade(mut self) -> Self {
        self.downgrade = true;
        self
    }

    /// Where `refusal`, the answer of `from`, leads to after `followed` redirections. `None` if it is to be told as it
    /// is, because it redirects nowhere or because none are followed.
    pub(crate) fn target(
        self,
        from: &Url,
        refusal: &Refusal,
        followed: u8,
    ) -> Result<Option<Url>, RedirectError> {
        if self.most == 0 || !matches!(refusal.status, 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some(location) = location(refusal)? else {
            return Ok(None);
        };
        if followed >= self.most {
            return Err(RedirectError::TooMany(self.most));
        }
        let to = resolve(from, location).map_err(RedirectError::Location)?;
        if from.is_secure() && !to.is_secure() && !self.downgrade {
            return Err(RedirectError::Downgrade);
        }
        Ok(Some(to))
    }
}

impl From<u8> for Redirects {
    fn from(most: u8) -> Self {
        Self::most(most)
    }
}

/// Whether two URLs are of one origin: scheme, host and port.
pub(crate) fn same_origin(one: &Url, other: &Url) -> bool {
    (one.is_secure(), one.host(), one.port()) == (other.is_secure(), other.host(), other.port())
}

/// The value of `Location`, if there is one.
fn location(refusal: &Refusal) -> Result<Option<&str>, RedirectError> {
    let mut values = refusal
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("location"))
        .map(|(_, value)| value);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.any(|other| other != value) {
        return Err(RedirectError::Ambiguous);
    }
    std::str::from_utf8(value).map(Some).map_err(|_| RedirectError::Location(BuildError::UrlCharacter))
}

/// What `reference` means where `base` is the URL (RFC 3986 §5.2), without its fragment, which is never sent.
fn resolve(base: &Url, reference: &str) -> Result<Url, BuildError> {
    let reference = reference.split('#').next().unwrap_or_default();
    let scheme = if base.is_secure() { "wss" } else { "ws" };
    // A colon before any slash or question mark ends a scheme.
    let scheme_len = reference.find(['/', '?']).map_or(reference, |end| reference.get(..end).unwrap_or(""));
    if let Some((named, _)) = scheme_len.split_once(':') {
        let rest = reference.get(named.len()..).unwrap_or_default();
        let own = match () {
            () if named.eq_ignore_ascii_case("http") => "ws",
            () if named.eq_ignore_ascii_case("https") => "wss",
            () => named,
        };
        return Url::parse(&format!("{own}{rest}"));
    }
    if reference.starts_with("//") {
        return Url::parse(&format!("{scheme}:{reference}"));
    }
    let (path, query) = split_query(reference);
    let (base_path, base_query) = split_query(base.target());
    let (path, query) = match path {
        "" if query.is_empty() => (base_path.to_owned(), base_query),
        "" => (base_path.to_owned(), query),
        _ if path.starts_with('/') => (without_dots(path), query),
        _ => {
            let directory = base_path.rfind('/').and_then(|slash| base_path.get(..=slash)).unwrap_or("/");
            (without_dots(&format!("{directory}{path}")), query)
        }
    };
    Url::parse(&format!("{scheme}://{}{path}{query}", base.authority()))
}

/// The path, and the query with its question mark.
fn split_query(target: &str) -> (&str, &str) {
    target.split_at_checked(target.find('?').unwrap_or(target.len())).unwrap_or((target, ""))
}

/// `path`, which begins with a slash, without its segments `.` and `..` (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                // What they stand for is a directory: its slash stays.
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// Why a redirection is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedirectError {
    /// More have been met than are to be followed, which is so many.
    TooMany(u8),
    /// It leads from `wss` to `ws`.
    Downgrade,
    /// `Location` is not a URL that can be connected to.
    Location(BuildError),
    /// There are several `Location`s, which differ.
    Ambiguous,
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(most) => write!(f, "there were more than {most} redirections"),
            Self::Downgrade => f.write_str("it leads from wss to ws, which is not allowed"),
            Self::Location(error) => write!(f, "its target cannot be connected to: {error}"),
            Self::Ambiguous => f.write_str("it has several targets"),
        }
    }
}

impl Error for RedirectError {}
