//! A TCP connection to a name, within a time.
//!
//! Neither a look-up nor a connect can be interrupted, so each has a thread of its own, which ends by itself.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};

use crate::cancel::{Canceller, Waiting};
use crate::connector::Origin;
use crate::socket::{Expired, left_until};

/// How long one address may be silent until the next is tried beside it (RFC 8305, section 5).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// How often the kernel asks whether a silent peer is still there: often enough for the routers in between to remember the
/// connection while an answer is waited for.
const TCP_KEEPALIVE: Duration = Duration::from_secs(15);

/// How much longer than its caller a thread waits, so that the caller's clock is the one that counts.
const GRACE: Duration = Duration::from_secs(1);

/// What comes of the threads.
#[derive(Debug)]
pub(crate) enum News {
    Addresses(Result<Vec<SocketAddr>>),
    Connected(Result<TcpStream>),
    Cancelled,
}

/// Connects to the first address that answers.
pub(crate) fn dial(origin: &Origin, deadline: Option<Instant>, canceller: &Canceller) -> Result<TcpStream> {
    let (sender, news) = mpsc::channel();
    canceller.waits_for(Waiting::News(sender.clone()));
    let tcp = race(origin, deadline, &sender, &news)?;
    tcp.set_nodelay(true)?;
    SockRef::from(&tcp).set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_KEEPALIVE))?;
    Ok(tcp)
}

/// The first address of a name.
pub(crate) fn resolve(origin: &Origin, deadline: Option<Instant>, canceller: &Canceller) -> Result<IpAddr> {
    let (sender, news) = mpsc::channel();
    canceller.waits_for(Waiting::News(sender.clone()));
    look_up(origin, sender.clone())?;
    match receive(&news, deadline) {
        Some(News::Addresses(found)) => found?.first().map(SocketAddr::ip).ok_or_else(no_address),
        Some(News::Cancelled | News::Connected(_)) => Err(ErrorKind::ConnectionAborted.into()),
        None => Err(Expired::error()),
    }
}

fn race(origin: &Origin, deadline: Option<Instant>, sender: &Sender<News>, news: &Receiver<News>) -> Result<TcpStream> {
    let mut untried = VecDeque::new();
    let mut under_way = 0;
    let mut failure = None;
    match origin.host.parse::<IpAddr>() {
        Ok(ip) => untried.push_back(SocketAddr::new(ip, origin.port)),
        Err(_) => {
            look_up(origin, sender.clone())?;
            under_way += 1;
        }
    }
    loop {
        if let Some(address) = untried.pop_front() {
            connect(address, deadline, sender.clone())?;
            under_way += 1;
        }
        if under_way == 0 {
            return Err(failure.unwrap_or_else(no_address));
        }
        let next = Instant::now() + NEXT_ADDRESS;
        let until = if untried.is_empty() { deadline } else { Some(deadline.map_or(next, |end| end.min(next))) };
        match receive(news, until) {
            Some(News::Connected(Ok(tcp))) => return Ok(tcp),
            Some(News::Connected(Err(error))) => {
                under_way -= 1;
                failure = Some(error);
            }
            Some(News::Addresses(found)) => {
                under_way -= 1;
                untried = in_turns(found?);
            }
            Some(News::Cancelled) => return Err(ErrorKind::ConnectionAborted.into()),
            None if deadline.is_some_and(|end| end <= Instant::now()) => return Err(Expired::error()),
            None => {}
        }
    }
}

fn no_address() -> Error {
    Error::new(ErrorKind::NotFound, "the name has no address")
}

/// The next news; `None` if it is late.
fn receive(news: &Receiver<News>, until: Option<Instant>) -> Option<News> {
    match left_until(until) {
        Some(left) => match news.recv_timeout(left) {
            Ok(news) => Some(news),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => unreachable!("`dial` holds a sender"),
        },
        None => Some(news.recv().expect("`dial` holds a sender")),
    }
}

fn look_up(origin: &Origin, sender: Sender<News>) -> Result<()> {
    let (host, port) = (origin.host.clone(), origin.port);
    let look_up = move || (host, port).to_socket_addrs().map(Iterator::collect);
    // Who asked may be gone.
    spawn("chat-dns", move || drop(sender.send(News::Addresses(look_up()))))
}

fn connect(address: SocketAddr, deadline: Option<Instant>, sender: Sender<News>) -> Result<()> {
    let connect = move || match left_until(deadline) {
        Some(left) => TcpStream::connect_timeout(&address, left.saturating_add(GRACE)),
        None => TcpStream::connect(address),
    };
    spawn("chat-connect", move || drop(sender.send(News::Connected(connect()))))
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    // getaddrinfo is known to need some stack; this is what it gets in most programs.
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

/// The addresses as they came, the two families in turns, so that one that leads nowhere costs little.
fn in_turns(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (same, other): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let longest = same.len().max(other.len());
    let turns = (0..longest).flat_map(|turn| [same.get(turn), other.get(turn)]);
    turns.flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_take_turns_from_the_first_on() {
        let all = |text: &str| -> Vec<SocketAddr> { text.split(' ').map(|one| one.parse().unwrap()).collect() };
        for (given, expected) in [
            ("[::1]:1 [::2]:1 [::3]:1 1.1.1.1:1", "[::1]:1 1.1.1.1:1 [::2]:1 [::3]:1"),
            ("1.1.1.1:1 [::1]:1 [::2]:1", "1.1.1.1:1 [::1]:1 [::2]:1"),
            ("1.1.1.1:1", "1.1.1.1:1"),
        ] {
            assert_eq!(in_turns(all(given)), all(expected), "{given}");
        }
    }

    /// An address that does not answer: Linux drops what does not fit into the queue of a listener.
    #[cfg(target_os = "linux")]
    fn silent() -> (socket2::Socket, Vec<TcpStream>, Origin) {
        use socket2::{Domain, Socket, Type};
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut queued = Vec::new();
        while let Ok(tcp) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            queued.push(tcp);
        }
        let origin = Origin { is_https: false, host: address.ip().to_string(), port: address.port() };
        (listener, queued, origin)
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_silent_address_takes_until_the_deadline_and_is_told_from_a_refusal() {
        let (_listener, _queued, origin) = silent();
        for millis in [1, 50, 300] {
            let deadline = Instant::now() + Duration::from_millis(millis);
            let error = dial(&origin, Some(deadline), &Canceller::default()).unwrap_err();
            assert!(Expired::is(&error), "{error}");
            assert!(Instant::now() >= deadline);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_connect_is_cancelled_at_once() {
        let (_listener, _queued, origin) = silent();
        let canceller = Canceller::default();
        let begun = Instant::now();
        let dialling = thread::spawn({
            let canceller = canceller.clone();
            move || dial(&origin, Some(begun + Duration::from_secs(60)), &canceller)
        });
        thread::sleep(Duration::from_millis(100));
        canceller.cancel();
        assert_eq!(dialling.join().unwrap().unwrap_err().kind(), ErrorKind::ConnectionAborted);
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
