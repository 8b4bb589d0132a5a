//! Arbitrary answers of a proxy, in pieces of any size: the handshake ends with the same result and does not panic.

use chat_net::{Handshake, Origin, Proxy, Step};
use proptest::prelude::*;
use proptest::sample::select;

/// Runs a handshake with a proxy that sends these bytes in pieces of these sizes, and then closes.
fn talk(proxy: &str, says: &[u8], sizes: &[usize]) -> (Vec<u8>, Result<Vec<u8>, String>) {
    let target = Origin::of(&"https://api.example".parse().unwrap());
    let proxy = Proxy::url(proxy).unwrap();
    let mut handshake = Handshake::new(proxy.select(&target).unwrap().expect("it has no exceptions"), &target, None);
    let (mut written, mut rest, mut sizes) = (Vec::new(), says, sizes.iter().cycle());
    loop {
        let step = handshake.step();
        let printed = format!("{handshake:?} {step:?}");
        assert!(!printed.contains("s3cret") && !printed.contains("dTpzM2NyZXQ"), "{printed}");
        match step {
            Ok(Step::Write(bytes)) => written.extend(bytes),
            Ok(Step::Read) => {
                let size = rest.len().min(*sizes.next().expect("there is a size"));
                let (piece, left) = rest.split_at(size);
                handshake.handle_data(piece);
                rest = left;
            }
            Ok(Step::Open(early)) => return (written, Ok([&early, rest].concat())),
            Err(error) => return (written, Err(format!("{error}: {:?}", std::error::Error::source(&error)))),
        }
    }
}

/// Bytes that often start like a valid answer.
fn answer() -> impl Strategy<Value = Vec<u8>> {
    let begin = select(vec![
        &b""[..],
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.0 200 Fine\r\n",
        b"HTTP/1.1 407 Who\r\n\r\n",
        b"HTTP/1.1 ",
        b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x04\x38",
        b"\x05\x02\x01\x00\x05\x00\x00\x03",
        b"\x05\xff",
        b"\x05\x00\x05\x05\x00\x01",
    ]);
    (begin, prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(begin, more)| [begin, &more].concat())
}

proptest! {
    #[test]
    fn the_sizes_of_pieces_do_not_matter(
        proxy in select(vec!["p", "u:s3cret@p", "socks5h://p", "socks5h://u:s3cret@p"]),
        says in answer(),
        sizes in prop::collection::vec(1usize..40, 1..20),
    ) {
        let whole = talk(proxy, &says, &[says.len().max(1)]);
        prop_assert_eq!(&talk(proxy, &says, &sizes), &whole);
        if let (_, Err(error)) = whole {
            prop_assert!(!error.contains("s3cret"), "{}", error);
        }
    }
}
