//! The authentication schemes that a proxy offers.

/// Maximum length of a scheme's name. Longer ones are skipped.
const MAX_NAME: usize = 40;
/// Maximum number of schemes that are kept.
const MAX_NAMES: usize = 8;

/// Returns the authentication schemes in the values of `Proxy-Authenticate` (RFC 9110, section 11.6.1), in order and
/// without duplicates.
pub(crate) fn schemes<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in values.into_iter().flat_map(parts).filter_map(scheme) {
        if names.len() < MAX_NAMES && !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Splits a value at its commas, except those inside quotes.
fn parts(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    value.split(move |&byte| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match byte {
            b'"' if !was_escaped => is_quoted = !is_quoted,
            b'\\' if is_quoted && !was_escaped => is_escaped = true,
            _ => {}
        }
        byte == b',' && !is_quoted
    })
}

/// The scheme at the start of a part. `None` if the part is another parameter of the scheme before it.
fn scheme(part: &[u8]) -> Option<&str> {
    let part = part.trim_ascii();
    let end = part.iter().position(|byte| !is_token(*byte)).unwrap_or(part.len());
    let (name, rest) = part.split_at(end);
    let is_parameter = rest.trim_ascii_start().starts_with(b"=");
    let is_scheme = rest.first().is_none_or(u8::is_ascii_whitespace) && !is_parameter;
    let name = std::str::from_utf8(name).ok()?;
    (is_scheme && (1..=MAX_NAME).contains(&name.len())).then_some(name)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_is_named_once() {
        let rows: &[(&[&str], &[&str])] = &[
            (&[], &[]),
            (&["Basic realm=\"a, Digest b\""], &["Basic"]),
            (&["Negotiate", "NTLM", "Basic realm=x"], &["Negotiate", "NTLM", "Basic"]),
            (&["Negotiate, NTLM , basic realm=\"x\", BASIC"], &["Negotiate", "NTLM", "basic"]),
            (
                &["Digest realm=\"x\\\"y, z\", qop=\"auth,auth-int\", nonce = \"1\", Basic realm = \"x\""],
                &["Digest", "Basic"],
            ),
            (&["Negotiate YII=, Bearer"], &["Negotiate", "Bearer"]),
            (&["", " , ,", "=", "\"Basic\"", "a@b"], &[]),
        ];
        for (values, names) in rows {
            assert_eq!(schemes(values.iter().map(|value| value.as_bytes())), *names, "{values:?}");
        }
    }

    #[test]
    fn names_are_bounded() {
        let many = (0..100).map(|n| format!("Scheme{n}")).collect::<Vec<_>>().join(",");
        assert_eq!(schemes([many.as_bytes()]).len(), MAX_NAMES);
        assert!(schemes(["x".repeat(MAX_NAME + 1).as_bytes()]).is_empty());
    }
}
