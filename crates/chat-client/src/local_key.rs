//! Key callbacks that are not `Send`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use chat_proto::{ApiKey, BoxError, Error, TransportError};

use crate::builder::ClientBuilder;
use crate::client::Client;
use crate::key::{KeySource, KeyUnavailable, SentKey, check_key};
use crate::transport::{FromSettings, Transport};

/// A transport with an API key callback that need not be `Send`.
///
/// Use it on a single-threaded executor, if the callback or its future holds an `Rc`, for example. Everything else works as
/// with [`api_key_async`](ClientBuilder::api_key_async). The client and its replies are not `Send`. The callback is used even
/// if [`Client::with`] sets another key.
///
/// ```
/// # use std::rc::Rc;
/// # use chat_client::driver::{BoxError, FromSettings};
/// # use chat_client::{Client, Error, LocalKey};
/// # struct Vault;
/// # impl Vault { async fn read(&self) -> Result<String, BoxError> { Ok("sk-1".to_owned()) } }
/// # fn client<T: FromSettings>(vault: Rc<Vault>) -> Result<Client<LocalKey<T>>, Error> {
/// let key = move || {
///     let vault = Rc::clone(&vault);
///     async move { vault.read().await }
/// };
/// let client = Client::builder().build_local(key)?;
/// # Ok(client)
/// # }
/// ```
pub struct LocalKey<T>(Rc<Keyed<T>>);

struct Keyed<T> {
    transport: T,
    key: Box<dyn Fn() -> LocalKeyFuture>,
}

type LocalKeyFuture = Pin<Box<dyn Future<Output = Result<String, BoxError>>>>;

impl<T: Transport> ClientBuilder<T> {
    /// Creates the client and its transport, with a key callback that need not be `Send`. The callback replaces the key of
    /// the settings. See [`LocalKey`].
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) naming the setting that is invalid, and the errors of
    /// [`FromSettings::from_settings`].
    pub fn build_local<F>(self, key: impl Fn() -> F + 'static) -> Result<Client<LocalKey<T>>, Error>
    where
        T: FromSettings,
        F: Future<Output = Result<String, BoxError>> + 'static,
    {
        let settings = self.key_source(KeySource::Transport).settings()?;
        Client::make(settings, |settings| Ok(LocalKey::new(T::from_settings(settings)?, key)))
    }

    /// Creates the client on an existing transport. Otherwise like [`build_local`](Self::build_local).
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) naming the setting that is invalid.
    pub fn build_on_local<F>(self, transport: T, key: impl Fn() -> F + 'static) -> Result<Client<LocalKey<T>>, Error>
    where
        F: Future<Output = Result<String, BoxError>> + 'static,
    {
        let settings = self.key_source(KeySource::Transport).settings()?;
        Ok(Client::new(settings, LocalKey::new(transport, key)))
    }
}

impl<T> LocalKey<T> {
    fn new<F>(transport: T, key: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Result<String, BoxError>> + 'static,
    {
        let key = Box::new(move || Box::pin(key()) as LocalKeyFuture);
        Self(Rc::new(Keyed { transport, key }))
    }

    /// Returns the transport that sends the requests.
    pub fn transport(&self) -> &T {
        &self.0.transport
    }
}

impl<T> Clone for LocalKey<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

impl<T: Transport> Transport for LocalKey<T> {
    type Send = LocalSend<T>;
    type Body = T::Body;
    type Error = LocalError<T::Error>;
    type Sleep = T::Sleep;

    const PRODUCT: &'static str = T::PRODUCT;

    fn send(&self, request: http::Request<Bytes>) -> LocalSend<T> {
        let future = (self.0.key)();
        LocalSend { keyed: Rc::clone(&self.0), key: None, state: State::Key(future, Some(Box::new(request))) }
    }

    fn drain(&self, body: Pin<Box<T::Body>>) {
        self.0.transport.drain(body);
    }

    fn now(&self) -> Duration {
        self.0.transport.now()
    }

    fn sleep_until(&self, deadline: Duration) -> T::Sleep {
        self.0.transport.sleep_until(deadline)
    }

    fn seed(&self) -> u64 {
        self.0.transport.seed()
    }

    fn classify(error: &Self::Error) -> TransportError {
        match &error.0 {
            // The client ends the call with the error. See `KeyUnavailable`.
            Cause::Key(_) => TransportError::MaybeSent,
            Cause::Transport(error) => T::classify(error),
        }
    }
}

/// Response future of a [`LocalKey`]: gets the key, then sends the request.
pub struct LocalSend<T: Transport> {
    keyed: Rc<Keyed<T>>,
    key: Option<ApiKey>,
    state: State<T>,
}

enum State<T: Transport> {
    /// The request is taken when the key is there.
    Key(LocalKeyFuture, Option<Box<http::Request<Bytes>>>),
    Sending(Pin<Box<T::Send>>),
}

impl<T: Transport> Future for LocalSend<T> {
    type Output = Result<http::Response<T::Body>, LocalError<T::Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Key(future, request) => {
                    let key = check_key(ready!(future.as_mut().poll(cx)));
                    let key = key.map_err(|error| LocalError(Cause::Key(error)))?;
                    let mut request = request.take().expect("not polled after it is ready");
                    key.authorize(&mut request);
                    this.key = Some(key);
                    this.state = State::Sending(Box::pin(this.keyed.transport.send(*request)));
                }
                State::Sending(sending) => {
                    let response = ready!(sending.as_mut().poll(cx));
                    let mut response = response.map_err(|error| LocalError(Cause::Transport(error)))?;
                    if let Some(key) = this.key.take() {
                        response.extensions_mut().insert(SentKey(key));
                    }
                    return Poll::Ready(Ok(response));
                }
            }
        }
    }
}

impl<T: Transport> fmt::Debug for LocalSend<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSend").finish_non_exhaustive()
    }
}

/// Error of a [`LocalKey`]: the callback failed, or the transport did.
#[derive(Debug)]
pub struct LocalError<E>(Cause<E>);

#[derive(Debug)]
enum Cause<E> {
    Key(Error),
    Transport(E),
}

impl<E: Into<Self>> From<LocalError<E>> for BoxError {
    fn from(error: LocalError<E>) -> Self {
        match error.0 {
            Cause::Key(error) => Box::new(KeyUnavailable(error)),
            Cause::Transport(error) => error.into(),
        }
    }
}
