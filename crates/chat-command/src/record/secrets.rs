//! What a recording must not contain.

use chat_client::driver::ApiKey;
use chat_client::proto::Redactor;
use http::header::{CONTENT_LOCATION, LINK, LOCATION, REFRESH};
use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

/// Takes the place of a secret.
const HIDDEN: &str = "***";

/// A header or a query parameter is a secret if its name has one of these, in lower case and without `-` and `_`.
const WORDS: [&str; 11] = ["auth", "cookie", "cred", "jwt", "key", "pass", "pwd", "secret", "session", "sig", "token"];

/// The name of a secret that is common as a part of other names.
const NAME: &str = "code";

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
        if value.is_sensitive() || is_secret(name.as_str()) || self.header.as_ref() == Some(name) {
            return HIDDEN.into();
        }
        match str::from_utf8(value.as_bytes()) {
            Ok(url) if [LOCATION, CONTENT_LOCATION, REFRESH].contains(name) => self.url(url).into_bytes(),
            Ok(links) if *name == LINK => self.links(links).into_bytes(),
            Ok(text) => self.text(text).into_bytes(),
            Err(_) => self.bytes(value.as_bytes()),
        }
    }

    /// A URL without user name and password, and without the values of parameters that are secrets.
    pub(crate) fn url(&self, url: &str) -> String {
        let (path, parameters) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
        let parameters: Vec<String> =
            parameters.split('#').map(|part| part.split('&').map(parameter).collect::<Vec<_>>().join("&")).collect();
        self.text(&(without_login(path) + &parameters.join("#")))
    }

    /// The URLs of a `link` header, each of which stands in `<` and `>`.
    fn links(&self, links: &str) -> String {
        let shown = links.split_inclusive('<').map(|text| {
            let (url, rest) = text.split_at(text.find('>').unwrap_or(text.len()));
            self.url(url) + rest
        });
        shown.collect()
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
    let mut shown = String::new();
    // A value may have parameters of its own, as in `next=/?token=1`, and some servers separate them by `;`. Whether a `;`
    // ends a secret is not known, so that everything behind it is hidden.
    for part in text.split_inclusive(['?', ';']) {
        match part.split_once('=') {
            Some((name, _)) if is_secret(name) => return format!("{shown}{name}={HIDDEN}"),
            _ => shown += part,
        }
    }
    shown
}

/// Whether the value that has this name is a secret.
fn is_secret(name: &str) -> bool {
    let decoded = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
    let name = decoded.replace(['-', '_'], "");
    name == NAME || WORDS.iter().any(|word| name.contains(word))
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
        let keys =
            ["authorization", "Proxy-Authorization", "x-mine", "api-key", "x-api-key", "x-auth-token", "X-Goog-Sig"];
        let others =
            ["cookie", "set-cookie", "x-amz-security-token", "client-secret", "x-session-id", "x-passwd", "x-jwt"];
        for name in keys.into_iter().chain(others) {
            assert_eq!(hidden(name, "a=b"), "***", "{name}");
        }
        // A replay needs these.
        for name in ["content-type", "content-length", "content-encoding", "retry-after", "x-should-retry", "date"] {
            assert_eq!(hidden(name, "a=b"), "a=b", "{name}");
        }
        assert_eq!(hidden("x-echo", "Bearer sk-0123456789."), "Bearer ***.");
        assert_eq!(hidden("content-type", "text/plain"), "text/plain");
        assert_eq!(hidden("location", "https://u:p@h/?token=1"), "https://***@h/?token=***");
        let link = "<https://h/?page=2&id_token=a,b>; rel=\"next\", </a?x#access_token=1>; rel=prev, <?pwd=1";
        let shown = "<https://h/?page=2&id_token=***>; rel=\"next\", </a?x#access_token=***>; rel=prev, <?pwd=***";
        assert_eq!(hidden("link", link), shown);
        assert_eq!(hidden("refresh", "5; URL='https://u:p@h/a?jwt=1'"), "5; URL='https://***@h/a?jwt=***");
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
            ("/?a=1;token=2;b=3&c=4", "/?a=1;token=***&c=4"),
            ("/?to=/b?key=1&c=2", "/?to=/b?key=***&c=2"),
            ("/callback#state=1&access_token=2", "/callback#state=1&access_token=***"),
            ("/callback?code=1&country_code=2", "/callback?code=***&country_code=2"),
            ("https://h/sk-0123456789/a?q=sk-0123456789", "https://h/***/a?q=***"),
            ("https://h/", "https://h/"),
        ] {
            assert_eq!(secrets().url(url), shown);
        }
    }

    #[test]
    fn a_parameter_is_a_secret_if_its_name_says_so() {
        for name in [
            "access_key",
            "auth_token",
            "id_token",
            "jwt",
            "passwd",
            "pwd",
            "refresh_token",
            "sessionid",
            "sig",
            "x-amz-credential",
            "X-Amz-Security-Token",
            "X-Amz-Signature",
            "client.secret",
        ] {
            assert_eq!(secrets().url(&format!("/?a=1&{name}=2")), format!("/?a=1&{name}=***"));
        }
        for url in ["/?api-version=2024-06-01&deployment=x&page=2", "/?q=token"] {
            assert_eq!(secrets().url(url), url);
        }
    }
}
