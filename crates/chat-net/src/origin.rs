//! Where a connection is to lead.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

/// Where a connection is to lead: a server, by its host and port. It prints as they stand in a URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether TLS is spoken there.
    pub is_https: bool,
    /// A name or an address, without the brackets of IPv6.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Origin {
    /// That of a URL; without a port it is 443 for `https`, and 80.
    ///
    /// ```
    /// let origin = chat_net::Origin::of(&"https://[2001:db8::1]/v0".parse()?);
    /// assert_eq!((origin.host.as_str(), origin.to_string().as_str()), ("2001:db8::1", "[2001:db8::1]:443"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(uri: &Uri) -> Self {
        let is_https = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        Self { is_https, host: host.to_owned(), port }
    }

    /// The host, if it is an address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether the port is the one of a URL that names none.
    pub(crate) fn has_default_port(&self) -> bool {
        self.port == if self.is_https { 443 } else { 80 }
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost") || self.ip().is_some_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}
