#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
compile_error!("TLS needs cryptography: enable the transport's feature `ring` or `aws-lc-rs`");

#[cfg(not(any(feature = "webpki-roots", feature = "native-roots")))]
compile_error!("TLS needs certificate roots: enable the transport's feature `webpki-roots` or `native-roots`");

mod early;
mod error;
mod except;
mod handshake;
mod limits;
mod origin;
mod proxy;
// Not without what it stands on, so that an error above is the only one.
#[cfg(all(any(feature = "ring", feature = "aws-lc-rs"), any(feature = "webpki-roots", feature = "native-roots")))]
pub mod tls;
mod via;

pub use chat_proto::{Error, Source};

pub use early::SendSide;
pub use error::ProxyError;
pub use handshake::{Handshake, Step};
pub use limits::{MAX_HEAD, MAX_INTERIM};
pub use origin::Origin;
pub use proxy::Proxy;
pub use rustls;
pub use via::{Scheme, Via};
