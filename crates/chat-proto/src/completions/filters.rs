//! The service's filters, which narrow its retrieval.

use http::HeaderValue;
use serde_json::{Map, Value, json};

use crate::Error;

/// The value of the header `inkeep-filters`: `{"attributes": {…}}`. `None` without attributes.
pub(super) fn filters_header(attributes: &Map<String, Value>) -> Result<Option<HeaderValue>, Error> {
    if attributes.is_empty() {
        return Ok(None);
    }
    let json = json!({ "attributes": attributes }).to_string();
    let value = json_header(&json).ok_or_else(|| Error::invalid_request("filters", "is not a valid header value"))?;
    Ok(Some(value))
}

/// A header value is visible ASCII, so other characters are escaped as in JSON.
fn json_header(json: &str) -> Option<HeaderValue> {
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            let mut units = [0; 2];
            ascii.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    HeaderValue::try_from(ascii).ok()
}
