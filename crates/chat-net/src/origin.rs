//! The host and port that a connection leads to.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

/// The host and port of a server, and whether it uses TLS. It displays as `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether the server uses TLS.
    pub is_https: bool,
    /// The name or address. IPv6 addresses have no brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Origin {
    /// Returns the origin of a URL. The default port is 443 for `https` and 80 otherwise.
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

    /// The host, if it is an IP address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether the port is the default port of the scheme.
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
