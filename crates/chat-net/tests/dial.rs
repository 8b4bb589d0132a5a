//! Connection attempts on a simulated network and clock.

use std::collections::HashMap;
use std::future::{Future, pending, poll_fn};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chat_net::{ConnectError, Dialed, Dialer, Origin, Proxy, ProxyError, Runtime};
use futures_io::{AsyncRead, AsyncWrite};

const SECOND: Duration = Duration::from_secs(1);

/// A network of addresses that accept or refuse after a time. It records the attempts.
#[derive(Clone, Default)]
struct FakeNet(Arc<Mutex<NetState>>);

#[derive(Default)]
struct NetState {
    now: Duration,
    timers: Vec<Duration>,
    resolving_takes: Duration,
    names: HashMap<String, Vec<SocketAddr>>,
    peers: HashMap<SocketAddr, (Duration, Option<ErrorKind>)>,
    /// When and how a SOCKS proxy answers for an address. Without an entry it never answers.
    behind: HashMap<IpAddr, (Duration, u8)>,
    resolved: Vec<(String, u16)>,
    tried: Vec<(u64, SocketAddr)>,
    /// The addresses that SOCKS proxies were asked for.
    asked: Vec<(u64, IpAddr)>,
    open: usize,
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl FakeNet {
    /// A network in which `h.example` has these addresses.
    fn named(addresses: &[&str]) -> Self {
        Self::default().name("h.example", addresses)
    }

    fn name(self, name: &str, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|address| addr(address)).collect();
        self.0.lock().unwrap().names.insert(name.to_owned(), addresses);
        self
    }

    /// Adds an address that accepts or refuses connections after a time.
    fn peer(self, address: &str, after: u64, refuses: Option<ErrorKind>) -> Self {
        self.0.lock().unwrap().peers.insert(addr(address), (ms(after), refuses));
        self
    }

    /// Sets the answer of a SOCKS proxy for an address after a time.
    fn behind(self, ip: &str, after: u64, code: u8) -> Self {
        self.0.lock().unwrap().behind.insert(ip.parse().unwrap(), (ms(after), code));
        self
    }

    fn tried(&self) -> Vec<(u64, String)> {
        self.0.lock().unwrap().tried.iter().map(|(at, addr)| (*at, addr.to_string())).collect()
    }

    fn asked(&self) -> Vec<(u64, String)> {
        self.0.lock().unwrap().asked.iter().map(|(at, ip)| (*at, ip.to_string())).collect()
    }

    fn now(&self) -> Duration {
        self.0.lock().unwrap().now
    }

    fn has_passed(&self, at: Duration) -> bool {
        at <= self.now()
    }

    fn add_timer(&self, after: Duration) -> Duration {
        let mut world = self.0.lock().unwrap();
        let at = world.now + after;
        world.timers.push(at);
        at
    }

    async fn wait(&self, time: Duration) {
        let at = self.add_timer(time);
        poll_fn(|_| if self.has_passed(at) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// Runs a future. When it is pending, the clock jumps to the next timer.
    fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return output;
            }
            let mut world = self.0.lock().unwrap();
            let now = world.now;
            world.now = *world.timers.iter().filter(|&&at| now < at).min().expect("a timer is pending");
        }
    }

    fn dial(&self, url: &str, proxy: Proxy, timeout: Option<Duration>) -> Result<Dialed<FakeStream>, ConnectError> {
        let dialer = Dialer::new(self.clone(), proxy, timeout);
        let origin = Origin::of(&url.parse().unwrap());
        self.run(dialer.with_timeout(&origin, dialer.dial(&origin)))
    }

    fn direct(&self, url: &str) -> Result<Dialed<FakeStream>, ConnectError> {
        self.dial(url, Proxy::none(), None)
    }
}

/// A connection to a peer that speaks SOCKS 5, without a login.
struct FakeStream {
    net: FakeNet,
    heard: Vec<u8>,
    says: Vec<u8>,
    /// The time of the final answer.
    at: Duration,
}

impl Drop for FakeStream {
    fn drop(&mut self) {
        self.net.0.lock().unwrap().open -= 1;
    }
}

impl AsyncRead for FakeStream {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.says.is_empty() || !self.net.has_passed(self.at) {
            return Poll::Pending;
        }
        let count = buf.len().min(self.says.len());
        buf[..count].copy_from_slice(&self.says[..count]);
        self.says.drain(..count);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for FakeStream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.heard.extend(buf);
        let heard = std::mem::take(&mut self.heard);
        match heard[..] {
            [5, 1, 0] => self.says.extend([5, 0]),
            [5, 1, 0, 1, a, b, c, d, _, _] => {
                let ip = IpAddr::from([a, b, c, d]);
                let mut world = self.net.0.lock().unwrap();
                let now = world.now;
                world.asked.push((now.as_millis() as u64, ip));
                let answer = world.behind.get(&ip).copied();
                drop(world);
                if let Some((after, code)) = answer {
                    self.at = self.net.add_timer(after);
                    self.says.extend([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
                }
            }
            _ => self.heard = heard,
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Runtime for FakeNet {
    type Stream = FakeStream;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let (takes, addresses) = {
            let mut world = self.0.lock().unwrap();
            world.resolved.push((host.to_owned(), port));
            (world.resolving_takes, world.names.get(host).cloned())
        };
        self.wait(takes).await;
        addresses.ok_or_else(|| io::Error::other("no such name"))
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<FakeStream> {
        let peer = {
            let mut world = self.0.lock().unwrap();
            let now = world.now.as_millis() as u64;
            world.tried.push((now, addr));
            world.peers.get(&addr).copied()
        };
        let Some((after, refuses)) = peer else { return pending().await };
        self.wait(after).await;
        match refuses {
            Some(kind) => Err(kind.into()),
            None => {
                self.0.lock().unwrap().open += 1;
                Ok(FakeStream { net: self.clone(), heard: Vec::new(), says: Vec::new(), at: Duration::ZERO })
            }
        }
    }

    async fn sleep(&self, time: Duration) {
        self.wait(time).await;
    }
}

fn expect(rows: &[(u64, &str)]) -> Vec<(u64, String)> {
    rows.iter().map(|(at, text)| (*at, (*text).to_owned())).collect()
}

#[test]
fn address_families_alternate() {
    let net = FakeNet::named(&["[2001:db8::1]:80", "[2001:db8::2]:80", "192.0.2.1:80", "192.0.2.2:80"]);
    let net = net.peer("192.0.2.2:80", 10, None);
    drop(net.direct("http://h.example").unwrap());
    let order = [(0, "[2001:db8::1]:80"), (250, "192.0.2.1:80"), (500, "[2001:db8::2]:80"), (750, "192.0.2.2:80")];
    assert_eq!(net.tried(), expect(&order));
    assert_eq!((net.now(), net.0.lock().unwrap().open), (ms(760), 0));
}

#[test]
fn a_silent_address_does_not_delay_the_next_one() {
    for timeout in [None, Some(SECOND * 60)] {
        let net = FakeNet::named(&["192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"]).peer("192.0.2.3:80", 1, None);
        drop(net.dial("http://h.example", Proxy::none(), timeout).unwrap());
        assert_eq!(net.tried(), expect(&[(0, "192.0.2.1:80"), (250, "192.0.2.2:80"), (500, "192.0.2.3:80")]));
        assert_eq!(net.now(), ms(501));
    }
}

#[test]
fn a_refusal_is_followed_by_the_next_address_at_once() {
    let net = FakeNet::named(&["192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"]);
    let net = net.peer("192.0.2.1:80", 7, Some(ErrorKind::ConnectionRefused)).peer("192.0.2.2:80", 60_000, None);
    let net = net.peer("192.0.2.3:80", 1, None);
    drop(net.direct("http://h.example").unwrap());
    assert_eq!(net.tried(), expect(&[(0, "192.0.2.1:80"), (7, "192.0.2.2:80"), (257, "192.0.2.3:80")]));
}

#[test]
fn a_slow_address_may_still_win() {
    let net = FakeNet::named(&["192.0.2.1:80", "192.0.2.2:80"]).peer("192.0.2.1:80", 400, None);
    drop(net.direct("http://h.example").unwrap());
    assert_eq!(net.now(), ms(400));
}

#[test]
fn if_all_addresses_fail_the_last_error_is_returned() {
    let net = FakeNet::named(&["192.0.2.1:80", "192.0.2.2:80"]);
    let net = net.peer("192.0.2.1:80", 900, Some(ErrorKind::HostUnreachable));
    let net = net.peer("192.0.2.2:80", 1, Some(ErrorKind::ConnectionRefused));
    let error = net.direct("http://h.example").map(drop).unwrap_err();
    assert_eq!(error.to_string(), "connection to 192.0.2.1:80 failed");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "host unreachable");

    for (net, why) in [(FakeNet::named(&[]), "the name has no address"), (FakeNet::default(), "no such name")] {
        let error = net.direct("http://h.example").map(drop).unwrap_err();
        assert_eq!(error.to_string(), "the name h.example could not be resolved");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), why);
    }
}

#[test]
fn one_timeout_covers_the_whole_attempt() {
    let slow_name = |takes| {
        let net = FakeNet::named(&["192.0.2.1:80"]);
        net.0.lock().unwrap().resolving_takes = takes;
        net
    };
    for net in [
        slow_name(SECOND * 2),
        slow_name(SECOND / 2).peer("192.0.2.1:80", 600, None),
        FakeNet::named(&["192.0.2.1:80"]),
        // A server that accepts and stays silent.
        FakeNet::named(&["192.0.2.1:80"]).peer("192.0.2.1:80", 0, None),
    ] {
        let dialer = Dialer::new(net.clone(), Proxy::none(), Some(SECOND));
        let origin = Origin::of(&"http://h.example".parse().unwrap());
        let connecting = async {
            let _dialed = dialer.dial(&origin).await?;
            pending::<Result<(), ConnectError>>().await
        };
        let error = net.run(dialer.with_timeout(&origin, connecting)).unwrap_err();
        assert_eq!(error.to_string(), "no connection within 1s");
        assert_eq!((net.now(), net.0.lock().unwrap().open), (SECOND, 0));
    }
}

#[test]
fn names_are_resolved_with_the_port_of_the_url_and_addresses_are_not() {
    // The resolver returns its own port.
    let rows = [
        ("http://h.example/x", Some(80), "192.0.2.1:8888"),
        ("https://h.example", Some(443), "192.0.2.1:8888"),
        ("https://h.example:8443", Some(8443), "192.0.2.1:8443"),
        ("https://[2001:db8::1]:8443/", None, "[2001:db8::1]:8443"),
        ("http://192.0.2.9", None, "192.0.2.9:80"),
    ];
    for (url, port, address) in rows {
        let net = FakeNet::named(&["192.0.2.1:8888"]).peer(address, 0, None);
        drop(net.direct(url).unwrap());
        assert_eq!(net.tried(), expect(&[(0, address)]), "{url}");
        let resolved = port.map(|port| ("h.example".to_owned(), port));
        assert_eq!(net.0.lock().unwrap().resolved, resolved.into_iter().collect::<Vec<_>>(), "{url}");
    }
    let net = FakeNet::named(&["192.0.2.1:0"]).peer("192.0.2.1:80", 0, None);
    drop(net.direct("http://h.example").unwrap());
}

/// A SOCKS proxy that accepts at once, and a server with three addresses.
fn socks() -> (FakeNet, Proxy) {
    let net = FakeNet::named(&["192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"]);
    let net = net.name("proxy.example", &["198.51.100.1:1080"]).peer("198.51.100.1:1080", 0, None);
    (net, Proxy::url("socks5://proxy.example").unwrap())
}

#[test]
fn socks_tries_every_address() {
    let (net, proxy) = socks();
    let net = net.behind("192.0.2.1", 5, 4).behind("192.0.2.2", 5, 5).behind("192.0.2.3", 5, 0);
    drop(net.dial("http://h.example", proxy.clone(), None).unwrap());
    assert_eq!(net.asked(), expect(&[(0, "192.0.2.1"), (5, "192.0.2.2"), (10, "192.0.2.3")]));
    assert_eq!(net.0.lock().unwrap().open, 0, "the connections of the other attempts are closed");

    // The proxy does not answer for the first two.
    let (net, proxy) = socks();
    let net = net.behind("192.0.2.3", 5, 0);
    drop(net.dial("http://h.example", proxy.clone(), None).unwrap());
    assert_eq!(net.asked(), expect(&[(0, "192.0.2.1"), (250, "192.0.2.2"), (500, "192.0.2.3")]));
    assert_eq!(net.0.lock().unwrap().open, 0);

    let (net, proxy) = socks();
    let net = net.behind("192.0.2.1", 5, 4).behind("192.0.2.2", 5, 3).behind("192.0.2.3", 5, 5);
    let error = net.dial("http://h.example", proxy, None).map(drop).unwrap_err();
    assert!(error.to_string().ends_with("refused a connection to h.example:80: connection refused"), "{error}");
}

#[test]
fn with_a_login_addresses_are_not_tried_in_parallel() {
    let (net, _) = socks();
    let proxy = Proxy::url("socks5://u:pw@198.51.100.1:1080").unwrap();
    let error = net.dial("http://h.example", proxy, Some(Duration::from_secs(2))).map(drop).unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { .. }), "{error:?}");
    assert_eq!(net.tried().len(), 1);
}

#[test]
fn a_refusal_of_socks_that_is_final_ends_the_attempts() {
    let (net, proxy) = socks();
    let net = net.behind("192.0.2.1", 5, 2).behind("192.0.2.2", 5, 0);
    let error = net.dial("http://h.example", proxy, None).map(drop).unwrap_err();
    assert!(matches!(ProxyError::of(&error), Some(ProxyError::Socks { code: 2, .. })), "{error:?}");
    assert_eq!(net.asked().len(), 1);

    let (net, proxy) = socks();
    let net = net.peer("198.51.100.1:1080", 5, Some(ErrorKind::ConnectionRefused));
    let error = net.dial("http://h.example", proxy, None).map(drop).unwrap_err();
    assert!(matches!(ProxyError::of(&error), Some(ProxyError::Unreachable { .. })), "{error:?}");
    assert_eq!(net.tried().len(), 1, "the proxy itself is tried once");
}

#[test]
fn a_silent_address_of_a_proxy_does_not_delay_the_next_one() {
    let net = FakeNet::default().name("proxy.example", &["192.0.2.1:1080", "192.0.2.2:1080"]);
    let net = net.peer("192.0.2.2:1080", 1, None);
    let dialed = net.dial("http://h.example", Proxy::url("http://proxy.example:1080").unwrap(), None).unwrap();
    assert_eq!(dialed.forwarder.as_ref().unwrap().to_string(), "http://proxy.example:1080");
    assert_eq!(net.tried(), expect(&[(0, "192.0.2.1:1080"), (250, "192.0.2.2:1080")]));
}
