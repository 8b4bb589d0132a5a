//! A request and the head of its response.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderName, HeaderValue, StatusCode};
use js_sys::{Array, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortSignal, Headers, ReferrerPolicy, Request, RequestCache, RequestCredentials, RequestInit, RequestRedirect,
    Response,
};

use crate::abort::Abort;
use crate::body::AnswerBody;
use crate::error::FetchError;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch)]
    fn fetch(request: &Request) -> Result<Promise, JsValue>;
}

/// Sends a request and returns the head of its response.
pub(crate) async fn send(request: http::Request<Bytes>) -> Result<http::Response<AnswerBody>, FetchError> {
    let abort = Abort::new().map_err(|thrown| FetchError::rejected(&thrown))?;
    let fetched = to_fetch(&request, &abort.signal()).and_then(|request| fetch(&request));
    let fetched = fetched.map_err(|thrown| FetchError::rejected(&thrown))?;
    let response = JsFuture::from(fetched).await.map_err(|thrown| FetchError::lost(&thrown))?;
    from_fetch(&response.unchecked_into(), abort)
}

fn to_fetch(request: &http::Request<Bytes>, signal: &AbortSignal) -> Result<Request, JsValue> {
    let headers = Headers::new()?;
    for (name, value) in request.headers() {
        // In a page, it would be one more header that a server of another origin has to allow.
        if name == USER_AGENT && is_page() {
            continue;
        }
        // Fetch reads each character as a byte. It leaves out the headers that it forbids.
        let value: String = value.as_bytes().iter().map(|&byte| char::from(byte)).collect();
        headers.append(name.as_str(), &value)?;
    }
    let init = RequestInit::new();
    init.set_method(request.method().as_str());
    init.set_headers_headers(&headers);
    init.set_signal(Some(signal));
    init.set_redirect(RequestRedirect::Manual);
    init.set_credentials(RequestCredentials::Omit);
    init.set_cache(RequestCache::NoStore);
    init.set_referrer_policy(ReferrerPolicy::NoReferrer);
    // A GET must not have a body.
    if !request.body().is_empty() {
        init.set_body(&Uint8Array::from(&request.body()[..]));
    }
    Request::new_with_str_and_init(&request.uri().to_string(), &init)
}

fn from_fetch(response: &Response, abort: Abort) -> Result<http::Response<AnswerBody>, FetchError> {
    // Node returns the redirect itself.
    if response.status() == 0 {
        return Err(FetchError::redirect());
    }
    let mut head = http::Response::new(());
    *head.status_mut() = StatusCode::from_u16(response.status()).map_err(|error| FetchError::head(&error.into()))?;
    for entry in response.headers().entries() {
        let entry: Array = entry.map_err(|thrown| FetchError::lost(&thrown))?.unchecked_into();
        let [name, value] = [0, 1].map(|index| entry.get(index).as_string().unwrap_or_default());
        let name = HeaderName::try_from(name).map_err(|error| FetchError::head(&error.into()))?;
        let value = HeaderValue::try_from(to_bytes(value)).map_err(|error| FetchError::head(&error.into()))?;
        head.headers_mut().append(name, value);
    }
    // The platform has undone them.
    for name in [CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING] {
        head.headers_mut().remove(name);
    }
    let body = AnswerBody::new(response.body(), abort)?;
    Ok(head.map(|()| body))
}

/// Returns the bytes of a header value, each of which fetch returns as a character.
fn to_bytes(value: String) -> Vec<u8> {
    let bytes: Option<_> = value.chars().map(|character| u8::try_from(character).ok()).collect();
    bytes.unwrap_or_else(|| value.into_bytes())
}

/// Whether this is a page or a worker of one, which has an address. There, servers of another origin need CORS.
pub(crate) fn is_page() -> bool {
    Reflect::has(&js_sys::global(), &JsValue::from_str("location")).unwrap_or(false)
}
