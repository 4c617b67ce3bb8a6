//! Secrets as people paste them: from a file with a byte-order mark, in quotes, or together with what
//! stood around them. No error here shows a secret.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::error::Error;

/// The text without what came with it by accident: white space, quotes and angle brackets around it,
/// and characters of zero width anywhere. The text that was given is zeroed.
pub(crate) fn pasted(text: impl Into<String>) -> SecretString {
    let given = SecretString::from(text.into());
    let visible = SecretString::from(visible(given.expose_secret()));
    unwrapped(visible.expose_secret()).into()
}

/// The same for an access token, which may have the word `Bearer` before it.
pub(crate) fn pasted_token(text: impl Into<String>) -> SecretString {
    let token = pasted(text);
    match token.expose_secret().split_once(char::is_whitespace) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => unwrapped(token).into(),
        _ => token,
    }
}

/// The text without characters of zero width.
pub(crate) fn visible(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')).collect()
}

/// The text without white space, quotes and angle brackets around it.
pub(crate) fn unwrapped(text: &str) -> &str {
    const PAIRS: [(char, char); 5] = [('"', '"'), ('\'', '\''), ('`', '`'), ('<', '>'), ('\u{201c}', '\u{201d}')];
    let text = text.trim();
    let inner = PAIRS.iter().find_map(|(open, close)| text.strip_prefix(*open)?.strip_suffix(*close));
    inner.map_or(text, unwrapped)
}

/// A client secret or refresh token, if it can be one: by RFC 6749, it consists of printable ASCII.
pub(crate) fn check_secret(what: &str, secret: SecretString) -> Result<SecretString, Error> {
    let text = secret.expose_secret();
    if text.is_empty() {
        return Err(Error::config(format!("{what} is empty")));
    }
    if is_json_object(text) {
        return Err(Error::config(format!("{what} is a whole JSON object: pass only the value in it")));
    }
    match text.chars().find(|c| !matches!(c, ' '..='~')) {
        Some(odd) => Err(Error::config(format!("{what} contains {}: expected printable ASCII", named(odd)))),
        None => Ok(secret),
    }
}

/// Why this cannot be an access token by RFC 6750.
pub(crate) fn access_token_problem(token: &str) -> Option<String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '+' | '/');
    let unpadded = token.trim_end_matches('=');
    if token.is_empty() {
        return Some("the access token is empty".to_owned());
    }
    let odd = unpadded.chars().find(|c| !is_allowed(*c))?;
    if is_json_object(token) {
        return Some("the access token is a whole token response in JSON: pass only its access_token".to_owned());
    }
    Some(format!(
        "the access token contains {}: expected letters, digits and -._~+/, with = at the end only",
        named(odd)
    ))
}

fn is_json_object(text: &str) -> bool {
    serde_json::from_str::<Map<String, Value>>(text).is_ok()
}

/// A character in words that show it, although it may be invisible.
pub(crate) fn named(c: char) -> String {
    if c.is_ascii_graphic() { format!("'{c}'") } else { format!("U+{:04X}", u32::from(c)) }
}
