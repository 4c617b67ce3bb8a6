//! What others have written, before it is shown: without secrets, for a server that echoes the request
//! must not bring a token into an error, an answer or a log; and on one line.

use std::borrow::Cow;
use std::ops::Range;

/// Anything shorter is no real secret, and could stand in an answer by chance.
const SHORTEST: usize = 6;

/// The bytes with `***` for each of the secrets: as it is, or escaped as JSON, a URL, a form or HTML does,
/// once or twice.
pub(crate) fn redacted<'a>(bytes: &'a [u8], secrets: &[&str]) -> Cow<'a, [u8]> {
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
    let first = *secret.first()?;
    let mut after = 0;
    loop {
        let may_begin = |byte: &u8| *byte == first || matches!(byte, b'%' | b'\\' | b'&');
        let start = after + bytes[after..].iter().position(may_begin)?;
        match FORMS.iter().find_map(|form| behind(secret, &bytes[start..], *form)) {
            Some(rest) => return Some(start..bytes.len() - rest.len()),
            None => after = start + 1,
        }
    }
}

/// So much of a secret is as bad as all of it; and comparing stays cheap, whatever a server sends.
const TELLING: usize = 64;

/// How a text has one byte: what is behind it, if it comes next.
type Form = fn(u8, &[u8]) -> Option<&[u8]>;

/// What is behind the secret, or behind as much of it as comes next.
fn behind<'a>(secret: &[u8], mut next: &'a [u8], form: Form) -> Option<&'a [u8]> {
    for (matched, byte) in secret.iter().enumerate() {
        match form(*byte, next) {
            Some(rest) => next = rest,
            None if matched >= TELLING => break,
            None => return None,
        }
    }
    Some(next)
}

/// What is escaped twice may have parts that are not.
const FORMS: [Form; 7] = [plain, in_url, in_url_twice, in_json, in_json_twice, in_html, in_html_twice];

fn plain(byte: u8, next: &[u8]) -> Option<&[u8]> {
    next.strip_prefix(&[byte])
}

fn in_url(byte: u8, next: &[u8]) -> Option<&[u8]> {
    match next {
        [b'+', rest @ ..] if byte == b' ' => Some(rest),
        [b'%', escape @ ..] => behind_percent(byte, escape),
        _ => plain(byte, next),
    }
}

fn in_url_twice(byte: u8, next: &[u8]) -> Option<&[u8]> {
    let twice = next.strip_prefix(b"%25").and_then(|escape| behind_percent(byte, escape));
    twice.or_else(|| in_url(byte, next))
}

fn in_json(byte: u8, next: &[u8]) -> Option<&[u8]> {
    next.strip_prefix(b"\\").map_or_else(|| plain(byte, next), |escape| behind_backslash(byte, escape))
}

fn in_json_twice(byte: u8, next: &[u8]) -> Option<&[u8]> {
    let twice = match next {
        [b'\\', b'\\', b'\\', escape @ ..] => plain(byte, escape),
        [b'\\', b'\\', escape @ ..] => behind_backslash(byte, escape),
        _ => None,
    };
    twice.or_else(|| in_json(byte, next))
}

fn in_html(byte: u8, next: &[u8]) -> Option<&[u8]> {
    next.strip_prefix(b"&").map_or_else(|| plain(byte, next), |escape| behind_ampersand(byte, escape))
}

fn in_html_twice(byte: u8, next: &[u8]) -> Option<&[u8]> {
    let twice = next.strip_prefix(b"&amp;").and_then(|escape| behind_ampersand(byte, escape));
    twice.or_else(|| in_html(byte, next))
}

fn behind_percent(byte: u8, escape: &[u8]) -> Option<&[u8]> {
    let (digits, rest) = escape.split_at_checked(2)?;
    is_number(byte, digits, 16).then_some(rest)
}

fn behind_backslash(byte: u8, escape: &[u8]) -> Option<&[u8]> {
    match escape {
        [b'u', b'0', b'0', a, b, rest @ ..] if is_number(byte, &[*a, *b], 16) => Some(rest),
        _ => plain(byte, escape),
    }
}

fn behind_ampersand(byte: u8, escape: &[u8]) -> Option<&[u8]> {
    let (name, rest) = escape.split_at(escape.iter().take(8).position(|byte| *byte == b';')?);
    let is_it = match name {
        b"amp" => byte == b'&',
        b"lt" => byte == b'<',
        b"gt" => byte == b'>',
        b"quot" => byte == b'"',
        b"apos" => byte == b'\'',
        [b'#', b'x' | b'X', digits @ ..] => is_number(byte, digits, 16),
        [b'#', digits @ ..] => is_number(byte, digits, 10),
        _ => false,
    };
    Some(&rest[1..]).filter(|_| is_it)
}

fn is_number(byte: u8, digits: &[u8], radix: u32) -> bool {
    str::from_utf8(digits).is_ok_and(|digits| u8::from_str_radix(digits, radix) == Ok(byte))
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

    fn redacted_text(text: &str, secrets: &[&str]) -> String {
        String::from_utf8_lossy(&redacted(text.as_bytes(), secrets)).into_owned()
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
            "a%252Bb%252Fc%253Dd%2522e%2520f%257Eg",
            r#"a\\u002bb\\/c=d\\\"e f~g"#,
            "a&#43;b&#x2F;c&#X3d;d&quot;e f~g",
            "a&amp;#43;b/c=d\"e f~g",
        ] {
            assert_eq!(redacted_text(&format!("<{echo}|{echo}>"), &["another", SECRET]), "<***|***>", "{echo}");
        }
        for (secret, echo) in [
            ("a&b<c>d'e", "a&amp;b&lt;c&gt;d&#39;e"),
            ("a&b<c>d'e", "a&amp;amp;b<c>d&apos;e"),
            ("a%b\\c&d", "a%25b%5cc%26d"),
            ("abcd%25ef<gh", "abcd%25ef&lt;gh"),
            ("abcd&amp;ef/gh", "abcd&amp;ef\\/gh"),
            (r"abcd\\ef/gh", r"abcd\\\\ef/gh"),
        ] {
            assert_eq!(redacted_text(echo, &[secret]), "***", "{echo}");
        }
        assert_eq!(redacted_text("a+b/c=d\"e f~", &[SECRET]), "a+b/c=d\"e f~", "a part of it");
        let (long, most) = ("k".repeat(5000) + "!", "k".repeat(5000));
        assert_eq!(redacted_text(&format!("<{most}>"), &[&long]), "<***>", "most of a long one");
        assert_eq!(redacted_text("test the test", &["test"]), "test the test", "too short to be one");
        assert_eq!(redacted_text("%%%\\u00\\u%2", &["%secret", "\\secret"]), "%%%\\u00\\u%2");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic_and_none_keeps_the_secret(
            parts in proptest::collection::vec("[%&\\\\25amp;u0#x]{0,6}|se+c?ret|[a-z]{0,3}", 0..20),
            secret in "secret|%25se[%&\\\\]{0,3}cret|[&%25a-c]{6,9}",
        ) {
            let text = parts.concat() + &secret + &parts.concat();
            let shown = redacted_text(&text, &[&secret]);
            proptest::prop_assert!(!shown.contains(&secret), "{}", shown);
        }
    }
}
