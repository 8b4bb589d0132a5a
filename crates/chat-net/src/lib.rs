#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
compile_error!("TLS needs a cryptography provider: enable the feature `ring` or `aws-lc-rs` of the transport");

#[cfg(not(any(feature = "webpki-roots", feature = "native-roots")))]
compile_error!("TLS needs certificate roots: enable the feature `webpki-roots` or `native-roots` of the transport");

mod challenge;
mod connect_error;
mod dial;
mod early;
mod handshake;
mod limits;
mod no_proxy;
mod origin;
mod proxy;
mod proxy_error;
mod proxy_server;
mod race;
// Without these features the module does not compile. It is left out so that only the errors above are reported.
#[cfg(all(any(feature = "ring", feature = "aws-lc-rs"), any(feature = "webpki-roots", feature = "native-roots")))]
mod roots;
mod socket;
#[cfg(all(any(feature = "ring", feature = "aws-lc-rs"), any(feature = "webpki-roots", feature = "native-roots")))]
pub mod tls;
mod tls_error;

pub use chat_proto::{BoxError, Error};

pub use connect_error::ConnectError;
pub use dial::{Dialed, Dialer, Runtime};
pub use early::SendSide;
pub use handshake::{Handshake, Step};
pub use limits::{MAX_HEAD, MAX_HEADERS, MAX_INTERIM, MAX_READ};
pub use origin::Origin;
pub use proxy::Proxy;
pub use proxy_error::ProxyError;
pub use proxy_server::{ProxyServer, Scheme};
pub use rustls;
pub use socket::set_options;
