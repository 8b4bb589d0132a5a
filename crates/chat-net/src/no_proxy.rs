//! The hosts that are reached without a proxy.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::origin::Origin;

/// One entry of `NO_PROXY`.
#[derive(Clone, Debug)]
pub(crate) struct Exception {
    hosts: Hosts,
    /// The port that the entry is limited to.
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum Hosts {
    All,
    /// This name and its subdomains, in lower case.
    Name(String),
    Network(IpNet),
}

impl Exception {
    /// Parses entries separated by commas, white space, or both.
    pub(crate) fn list(entries: &str) -> Vec<Self> {
        let is_separator = |c: char| c == ',' || c.is_whitespace();
        entries.split(is_separator).filter(|entry| !entry.is_empty()).map(Self::parse).collect()
    }

    fn parse(entry: &str) -> Self {
        // An IPv6 address contains colons, so try the whole entry first.
        if let Some(network) = network(entry) {
            return Self { hosts: Hosts::Network(network), port: None };
        }
        let with_port = entry.rsplit_once(':').and_then(|(host, port)| Some((host, Some(port.parse().ok()?))));
        let (host, port) = with_port.unwrap_or((entry, None));
        let hosts = match network(host) {
            Some(network) => Hosts::Network(network),
            None if host == "*" => Hosts::All,
            None => Hosts::Name(host.trim_start_matches('*').trim_matches('.').to_ascii_lowercase()),
        };
        Self { hosts, port }
    }

    pub(crate) fn covers(&self, origin: &Origin) -> bool {
        let is_host = match &self.hosts {
            Hosts::All => true,
            Hosts::Name(name) => is_at_or_below(&origin.host, name),
            Hosts::Network(network) => origin.ip().is_some_and(|ip| network.contains(&ip)),
        };
        is_host && self.port.is_none_or(|port| port == origin.port)
    }
}

/// Parses a network, or an address as a network of one host.
fn network(text: &str) -> Option<IpNet> {
    let address = |text: &str| text.parse().ok().map(|ip: IpAddr| IpNet::from(ip));
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.parse().ok().or_else(|| address(bare))
}

fn is_at_or_below(host: &str, name: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_cover_their_hosts() {
        // Entry, URLs that it covers, URLs that it does not cover.
        let rows: &[(&str, &[&str], &[&str])] = &[
            ("*", &["https://a.example", "http://10.1.2.3", "https://[2001:db8::1]"], &[]),
            ("*:81", &["http://a.example:81"], &["http://a.example"]),
            (
                "Api.Example",
                &["https://api.example", "https://v0.API.example:81"],
                &["https://xapi.example", "https://example"],
            ),
            (".example", &["https://api.example", "https://example", "https://api.example."], &["https://example.org"]),
            ("*.example.", &["https://api.example"], &["https://example.org"]),
            (
                "a.example:443",
                &["https://a.example", "https://b.a.example"],
                &["http://a.example", "https://a.example:8443"],
            ),
            ("10.1.2.3", &["http://10.1.2.3:81"], &["http://10.1.2.4", "http://10.1.2.3.example"]),
            ("10.1.2.3:81", &["http://10.1.2.3:81"], &["http://10.1.2.3"]),
            ("10.0.0.0/8", &["http://10.1.2.3"], &["http://11.1.2.3", "http://10.example"]),
            ("10.1.2.3/8", &["http://10.9.9.9"], &["http://11.1.2.3"]),
            ("0.0.0.0/0", &["http://10.1.2.3"], &["http://[::1]", "http://a.example"]),
            ("fd00::/8", &["http://[fd12::1]"], &["http://[fe80::1]", "http://10.1.2.3"]),
            ("fd00::8", &["http://[fd00:0::8]"], &["http://[fd00::9]"]),
            ("[fd00::8]", &["http://[fd00::8]:81"], &["http://[fd00::]:8"]),
            ("[fd00::8]:81", &["http://[fd00::8]:81"], &["http://[fd00::8]"]),
            // These are parsed as names that no host has.
            ("10.0.0.0/33", &[], &["http://10.0.0.0"]),
            (".", &[], &["http://a.example"]),
        ];
        for (entry, covered, others) in rows {
            let [exception] = &Exception::list(&format!(" {entry} ,, "))[..] else { panic!("{entry}") };
            let covers = |url: &&&str| exception.covers(&Origin::of(&url.parse().unwrap()));
            assert_eq!(covered.iter().filter(covers).count(), covered.len(), "{entry} covers {covered:?}");
            assert_eq!(others.iter().find(covers), None, "{entry}");
        }
    }

    #[test]
    fn entries_are_separated_by_commas_or_spaces() {
        for entries in ["a.example b.example", "a.example,b.example", " a.example\t,\n b.example , "] {
            let exceptions = Exception::list(entries);
            assert_eq!(exceptions.len(), 2, "{entries:?}");
            for url in ["http://a.example", "http://b.example"] {
                let origin = Origin::of(&url.parse().unwrap());
                assert_eq!(exceptions.iter().filter(|one| one.covers(&origin)).count(), 1, "{entries:?} {url}");
            }
        }
    }
}
