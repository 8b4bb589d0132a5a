//! How connections come about, on a network and a clock that are made up.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chat_http1::{Connect, ConnectError, Connector, Runtime, tls};
use futures_io::{AsyncRead, AsyncWrite};

const SECOND: Duration = Duration::from_secs(1);

/// A network of addresses that do something after a time, and a note of who was asked when.
#[derive(Clone, Default)]
struct Net(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    now: Duration,
    alarms: Vec<Duration>,
    name_takes: Duration,
    names: Vec<SocketAddr>,
    peers: HashMap<SocketAddr, (Duration, Option<ErrorKind>)>,
    asked: Vec<(u64, SocketAddr)>,
    open: usize,
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Net {
    fn named(names: &[&str]) -> Self {
        let net = Self::default();
        net.0.lock().unwrap().names = names.iter().map(|name| addr(name)).collect();
        net
    }

    /// An address that takes connections after a time, or refuses them then.
    fn peer(self, name: &str, after: u64, refuses: Option<ErrorKind>) -> Self {
        self.0.lock().unwrap().peers.insert(addr(name), (Duration::from_millis(after), refuses));
        self
    }

    fn asked(&self) -> Vec<(u64, String)> {
        self.0.lock().unwrap().asked.iter().map(|(at, addr)| (*at, addr.to_string())).collect()
    }

    async fn wait(&self, time: Duration) {
        let at = {
            let mut world = self.0.lock().unwrap();
            let at = world.now + time;
            world.alarms.push(at);
            at
        };
        poll_fn(|_| if at <= self.0.lock().unwrap().now { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// Runs a future; when nothing moves, time goes on to what is next.
    fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return output;
            }
            let mut world = self.0.lock().unwrap();
            let now = world.now;
            world.now = *world.alarms.iter().filter(|&&at| now < at).min().expect("something is waited for");
        }
    }
}

/// A connection to somebody who says nothing.
struct Silent(Net);

impl Drop for Silent {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().open -= 1;
    }
}

impl AsyncRead for Silent {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
}

impl AsyncWrite for Silent {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Runtime for Net {
    type Stream = Silent;

    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        let (takes, names) = {
            let world = self.0.lock().unwrap();
            (world.name_takes, world.names.clone())
        };
        self.wait(takes).await;
        Ok(names)
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<Silent> {
        let peer = {
            let mut world = self.0.lock().unwrap();
            let now = world.now.as_millis() as u64;
            world.asked.push((now, addr));
            world.peers.get(&addr).copied()
        };
        let Some((after, refuses)) = peer else { return std::future::pending().await };
        self.wait(after).await;
        match refuses {
            Some(kind) => Err(kind.into()),
            None => {
                self.0.lock().unwrap().open += 1;
                Ok(Silent(self.clone()))
            }
        }
    }

    async fn sleep(&self, time: Duration) {
        self.wait(time).await;
    }
}

fn connect(net: &Net, uri: &str, timeout: Option<Duration>) -> Result<(), ConnectError> {
    let connector = Connector::new(net.clone(), tls::config([], None).unwrap(), timeout);
    net.run(async { connector.connect(&uri.parse().unwrap()).await.map(drop) })
}

#[test]
fn addresses_are_tried_in_turn_and_the_families_too() {
    let net = Net::named(&["[2001:db8::1]:80", "[2001:db8::2]:80", "192.0.2.1:80", "192.0.2.2:80"]);
    let net = net.peer("192.0.2.2:80", 10, None);
    connect(&net, "http://h.example", None).unwrap();
    let order = ["[2001:db8::1]:80", "192.0.2.1:80", "[2001:db8::2]:80", "192.0.2.2:80"];
    let expected: Vec<_> = (0u64..).map(|turn| turn * 250).zip(order.map(str::to_owned)).collect();
    assert_eq!(net.asked(), expected);
    assert_eq!(net.0.lock().unwrap().open, 0);
}

#[test]
fn a_refusal_is_followed_by_the_next_address_at_once() {
    let net = Net::named(&["192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"]);
    let net = net.peer("192.0.2.1:80", 7, Some(ErrorKind::ConnectionRefused)).peer("192.0.2.2:80", 60_000, None);
    let net = net.peer("192.0.2.3:80", 1, None);
    connect(&net, "http://h.example", None).unwrap();
    let asked = [(0, "192.0.2.1:80".to_owned()), (7, "192.0.2.2:80".to_owned()), (257, "192.0.2.3:80".to_owned())];
    assert_eq!(net.asked(), asked);
}

#[test]
fn a_slow_address_may_still_be_the_first_to_answer() {
    let net = Net::named(&["192.0.2.1:80", "192.0.2.2:80"]).peer("192.0.2.1:80", 400, None);
    connect(&net, "http://h.example", None).unwrap();
    assert_eq!(net.0.lock().unwrap().now, Duration::from_millis(400));
}

#[test]
fn where_all_refuse_the_last_word_is_told() {
    let net = Net::named(&["192.0.2.1:80", "192.0.2.2:80"]);
    let net = net.peer("192.0.2.1:80", 900, Some(ErrorKind::HostUnreachable));
    let net = net.peer("192.0.2.2:80", 1, Some(ErrorKind::ConnectionRefused));
    let error = connect(&net, "http://h.example", None).unwrap_err();
    assert_eq!(error.to_string(), "the server takes no connection");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "host unreachable");

    let error = connect(&Net::named(&[]), "http://h.example", None).unwrap_err();
    assert_eq!(error.to_string(), "the server's name could not be resolved");
}

#[test]
fn name_tcp_and_tls_share_one_timeout() {
    let over = |net: &Net, uri| {
        let error = connect(net, uri, Some(SECOND)).unwrap_err();
        assert_eq!(error.to_string(), "no connection within 1s");
        let world = net.0.lock().unwrap();
        assert_eq!((world.now, world.open), (SECOND, 0), "{uri}");
    };
    let late_name = Net::named(&["192.0.2.1:80"]).peer("192.0.2.1:80", 0, None);
    late_name.0.lock().unwrap().name_takes = SECOND * 2;
    over(&late_name, "http://h.example");
    let both = Net::named(&["192.0.2.1:80"]).peer("192.0.2.1:80", 600, None);
    both.0.lock().unwrap().name_takes = SECOND / 2;
    over(&both, "http://h.example");
    over(&Net::named(&["192.0.2.1:80"]), "http://h.example");
    over(&Net::named(&["192.0.2.1:443"]).peer("192.0.2.1:443", 0, None), "https://h.example");
}

#[test]
fn addresses_are_asked_for_at_the_port_of_the_uri() {
    thread_local!(static ASKED: RefCell<Vec<(String, u16)>> = RefCell::default());
    struct Names;
    impl Runtime for Names {
        type Stream = Silent;
        async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            ASKED.with_borrow_mut(|asked| asked.push((host.to_owned(), port)));
            Err(ErrorKind::NotFound.into())
        }
        async fn connect(&self, _: SocketAddr) -> io::Result<Silent> {
            unreachable!("there is no address")
        }
        async fn sleep(&self, _: Duration) {}
    }
    let connector = Connector::new(Names, tls::config([], None).unwrap(), None);
    for uri in ["http://h.example/x", "https://h.example", "https://[::1]:8443/", "http://127.0.0.1:81"] {
        let mut connecting = pin!(async { connector.connect(&uri.parse().unwrap()).await.map(drop) });
        assert!(connecting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }
    let expected = [("h.example", 80), ("h.example", 443), ("::1", 8443), ("127.0.0.1", 81)];
    assert_eq!(ASKED.take(), expected.map(|(host, port)| (host.to_owned(), port)));
}
