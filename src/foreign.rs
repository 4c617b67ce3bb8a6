//! What others have written, before it is shown: without secrets, for a server that echoes the request
//! must not bring a token into an error, an answer or a log; and on one line.

use std::borrow::Cow;
use std::ops::Range;

/// Anything shorter is no real secret, and could stand in an answer by chance.
const SHORTEST: usize = 6;

/// The bytes with `***` for each of the secrets: as it is, or escaped as JSON, a URL or a form does.
pub(crate) fn hidden<'a>(bytes: &'a [u8], secrets: &[&str]) -> Cow<'a, [u8]> {
    let mut bytes = Cow::Borrowed(bytes);
    for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST) {
        let (mut shown, mut rest) = (Vec::new(), &bytes[..]);
        while let Some(place) = find(rest, secret.as_bytes()) {
            shown.extend_from_slice(&rest[..place.start]);
            shown.extend_from_slice(b"***");
            rest = &rest[place.end..];
        }
        if !shown.is_empty() {
            shown.extend_from_slice(rest);
            bytes = Cow::Owned(shown);
        }
    }
    bytes
}

fn find(bytes: &[u8], secret: &[u8]) -> Option<Range<usize>> {
    let mut starts = memchr::memchr3_iter(*secret.first()?, b'\\', b'%', bytes);
    starts.find_map(|start| {
        let mut end = start;
        for byte in secret {
            end += length_of(*byte, bytes.get(end..)?)?;
        }
        Some(start..end)
    })
}

/// How many of the bytes that come next stand for this one.
fn length_of(byte: u8, next: &[u8]) -> Option<usize> {
    let is_hex_of_it =
        |digits: &[u8]| str::from_utf8(digits).is_ok_and(|text| u8::from_str_radix(text, 16) == Ok(byte));
    match next {
        [first, ..] if *first == byte => Some(1),
        [b'+', ..] if byte == b' ' => Some(1),
        [b'\\', escaped, ..] if *escaped == byte => Some(2),
        [b'%', a, b, ..] if is_hex_of_it(&[*a, *b]) => Some(3),
        [b'\\', b'u', b'0', b'0', a, b, ..] if is_hex_of_it(&[*a, *b]) => Some(6),
        _ => None,
    }
}

/// At most this much of a foreign text goes into `Display`; the accessors have it whole.
const SHOWN: usize = 200;

/// A foreign text on one line, without what could drive a terminal or turn the text around.
pub(crate) fn on_one_line(text: &str) -> String {
    let turns = |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let is_printable = |c: char| !c.is_control() && !turns(c);
    let line: String = text.chars().map(|c| if is_printable(c) { c } else { ' ' }).collect();
    let line = line.trim();
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden_text(text: &str, secrets: &[&str]) -> String {
        String::from_utf8_lossy(&hidden(text.as_bytes(), secrets)).into_owned()
    }

    #[test]
    fn a_secret_is_found_in_every_form_that_a_server_may_echo() {
        const SECRET: &str = "a+b/c=d\"e f~g";
        for echo in [
            SECRET,
            "a+b\\/c=d\\\"e f~g",
            "a\\u002bb\\/c\\u003Dd\\u0022e f~g",
            "a%2Bb%2Fc%3Dd%22e+f%7Eg",
            "a%2bb%2fc%3dd%22e%20f~g",
            "\\u0061+b/c=d\"e f~g",
            "%61+b/c=d\"e f~g",
        ] {
            assert_eq!(hidden_text(&format!("<{echo}|{echo}>"), &["another", SECRET]), "<***|***>", "{echo}");
        }
        assert_eq!(hidden_text("a+b/c=d\"e f~", &[SECRET]), "a+b/c=d\"e f~", "a part of it");
        assert_eq!(hidden_text("test the test", &["test"]), "test the test", "too short to be one");
        assert_eq!(hidden_text("%%%\\u00\\u%2", &["%secret", "\\secret"]), "%%%\\u00\\u%2");
    }
}
