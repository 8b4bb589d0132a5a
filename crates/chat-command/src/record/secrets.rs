//! What a recording must not contain.

use chat_client::driver::ApiKey;
use chat_client::proto::Redactor;
use http::header::{AUTHORIZATION, CONTENT_LOCATION, COOKIE, LOCATION, PROXY_AUTHORIZATION, SET_COOKIE};
use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

/// Takes the place of a secret.
const HIDDEN: &str = "***";

/// Headers whose values are secrets. `api-key` and `x-api-key` are common headers for keys.
const HEADERS: [HeaderName; 6] = [
    AUTHORIZATION,
    PROXY_AUTHORIZATION,
    COOKIE,
    SET_COOKIE,
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-api-key"),
];

/// Query parameters whose values are secrets, in lower case and without `-` and `_`.
const PARAMETERS: [&str; 16] = [
    "accesstoken",
    "apikey",
    "auth",
    "authorization",
    "clientsecret",
    "code",
    "credential",
    "key",
    "password",
    "secret",
    "sig",
    "signature",
    "subscriptionkey",
    "token",
    "xamzsignature",
    "xapikey",
];

/// Removes secrets.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    key: Option<ApiKey>,
    /// The header of the key.
    header: Option<HeaderName>,
}

impl Secrets {
    pub(crate) fn new(key: Option<ApiKey>, header: Option<&str>) -> Self {
        Self { key, header: header.and_then(|name| name.parse().ok()) }
    }

    /// Text without the key.
    pub(crate) fn text(&self, text: &str) -> String {
        self.key.as_ref().map_or(text.to_owned(), |key| key.redact(text).into_owned())
    }

    /// The value of a header without secrets.
    pub(crate) fn value(&self, name: &HeaderName, value: &HeaderValue) -> Vec<u8> {
        if value.is_sensitive() || HEADERS.contains(name) || self.header.as_ref() == Some(name) {
            return HIDDEN.into();
        }
        match str::from_utf8(value.as_bytes()) {
            Ok(url) if [LOCATION, CONTENT_LOCATION].contains(name) => self.url(url).into_bytes(),
            Ok(text) => self.text(text).into_bytes(),
            Err(_) => self.bytes(value.as_bytes()),
        }
    }

    /// A URL without user name and password, and without the values of parameters that are secrets.
    pub(crate) fn url(&self, url: &str) -> String {
        let (url, query) = url.split_once('?').map_or((url, None), |(url, query)| (url, Some(query)));
        let mut shown = without_login(url);
        if let Some(query) = query {
            let parameters: Vec<String> = query.split('&').map(parameter).collect();
            shown = format!("{shown}?{}", parameters.join("&"));
        }
        self.text(&shown)
    }

    /// A redactor for the bytes of a body, if there is a key.
    pub(crate) fn redactor(&self) -> Option<Redactor> {
        self.key.clone().map(Redactor::new)
    }

    /// Bytes without the key.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.redactor().map_or(bytes.to_vec(), |mut redactor| [redactor.push(bytes), redactor.end()].concat())
    }
}

/// Removes user name and password from a URL.
fn without_login(url: &str) -> String {
    let start = url.find("//").map_or(0, |at| at + 2);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    match url[start..end].rfind('@') {
        Some(at) if start > 0 => format!("{}{HIDDEN}{}", &url[..start], &url[start + at..]),
        _ => url.to_owned(),
    }
}

/// Removes the value of a query parameter if it is a secret.
fn parameter(text: &str) -> String {
    let Some((name, _)) = text.split_once('=') else { return text.to_owned() };
    let decoded = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
    if PARAMETERS.contains(&decoded.replace(['-', '_'], "").as_str()) {
        return format!("{name}={HIDDEN}");
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        Secrets::new(Some(ApiKey::new("sk-0123456789").unwrap()), Some("X-Mine"))
    }

    #[test]
    fn the_values_of_secret_headers_are_hidden() {
        let hidden = |name: &str, value: &str| {
            let name: HeaderName = name.parse().unwrap();
            String::from_utf8(secrets().value(&name, &HeaderValue::from_str(value).unwrap())).unwrap()
        };
        for name in ["authorization", "Proxy-Authorization", "cookie", "set-cookie", "x-mine", "api-key", "x-api-key"] {
            assert_eq!(hidden(name, "a=b"), "***", "{name}");
        }
        assert_eq!(hidden("x-echo", "Bearer sk-0123456789."), "Bearer ***.");
        assert_eq!(hidden("content-type", "text/plain"), "text/plain");
        assert_eq!(hidden("location", "https://u:p@h/?token=1"), "https://***@h/?token=***");
        let mut marked = HeaderValue::from_static("other");
        marked.set_sensitive(true);
        assert_eq!(secrets().value(&"x-other".parse().unwrap(), &marked), b"***");
    }

    #[test]
    fn urls_lose_their_secrets() {
        for (url, shown) in [
            ("https://h:1/v1?api-version=2&api_key=a%20b&x", "https://h:1/v1?api-version=2&api_key=***&x"),
            ("https://u:p@h/a@b?sig=1", "https://***@h/a@b?sig=***"),
            ("/next?Access%5FToken=1", "/next?Access%5FToken=***"),
            ("https://h/sk-0123456789/a?q=sk-0123456789", "https://h/***/a?q=***"),
            ("https://h/", "https://h/"),
        ] {
            assert_eq!(secrets().url(url), shown);
        }
    }
}
