//! What others have written, before it is shown: without secrets, because a server that echoes the request
//! must not bring a token into an error, a response or a log; and on one line.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashSet;
use std::ops::Range;

use memchr::{memchr2, memmem};

/// A run of this many characters that occurs in a secret is an echo of it; of a shorter secret, all of it.
const ECHO: usize = 24;
/// Anything shorter is not a real secret, and could stand in a response by chance.
const SHORTEST: usize = 6;

/// So much of a text is read at a time; more than the longest run.
const BUFFER: usize = 4096;

/// Secrets to hide.
pub(crate) struct Secrets<'s>(Vec<Secret<'s>>);

struct Secret<'s> {
    text: &'s [u8],
    /// Every run of it that is an echo; made when it is needed.
    runs: OnceCell<HashSet<&'s [u8]>>,
}

impl<'s> Secrets<'s> {
    pub(crate) fn new(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let long = secrets.into_iter().map(str::as_bytes).filter(|text| text.len() >= SHORTEST);
        Self(long.map(|text| Secret { text, runs: OnceCell::new() }).collect())
    }

    /// Whether one of them is in this text as it is: a quick search, for successes.
    pub(crate) fn are_in(&self, text: &[u8]) -> bool {
        // A search prepares itself for as long as what it looks for is: so first for the end of the secret,
        // which is random. A header is shorter than most tokens.
        self.0.iter().filter(|secret| secret.text.len() <= text.len()).any(|secret| {
            let end = &secret.text[secret.text.len().saturating_sub(ECHO)..];
            memmem::find(text, end).is_some() && memmem::find(text, secret.text).is_some()
        })
    }

    /// The text with `***` for each echo: plain, percent-encoded or escaped as in JSON.
    pub(crate) fn hide<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.0 {
            let has_escapes = memchr2(b'%', b'\\', &text).is_some();
            for read in [plain, unescaped].into_iter().take(1 + usize::from(has_escapes)) {
                let echoes = secret.echoes(&text, read);
                if !echoes.is_empty() {
                    let starts = [0].into_iter().chain(echoes.iter().map(|echo| echo.end));
                    let ends = echoes.iter().map(|echo| echo.start).chain([text.len()]);
                    let kept: Vec<_> = starts.zip(ends).map(|(start, end)| &text[start..end]).collect();
                    text = kept.join(&b"***"[..]).into();
                }
            }
        }
        text
    }

    pub(crate) fn hide_in(&self, text: &mut String) {
        if let Cow::Owned(hidden) = self.hide(text.as_bytes()) {
            *text = String::from_utf8_lossy(&hidden).into_owned();
        }
    }
}

impl Secret<'_> {
    /// Where the echoes are, read with this function: one look-up for each character, whatever the secret
    /// and the text are.
    fn echoes(&self, text: &[u8], read: fn(&[u8]) -> (u8, usize)) -> Vec<Range<usize>> {
        let length = ECHO.min(self.text.len());
        let runs = self.runs.get_or_init(|| self.text.windows(length).collect());
        let (mut run, mut starts) = (Vec::new(), Vec::new());
        let (mut echoes, mut at) = (Vec::<Range<usize>>::new(), 0);
        while at < text.len() {
            if run.len() == BUFFER {
                run.drain(..BUFFER - length);
                starts.drain(..BUFFER - length);
            }
            let (byte, width) = read(&text[at..]);
            run.push(byte);
            starts.push(at);
            at += width;
            let Some(first) = run.len().checked_sub(length) else { continue };
            if runs.contains(&run[first..]) {
                let start = starts[first];
                match echoes.last_mut().filter(|last| last.end >= start) {
                    Some(last) => last.end = at,
                    None => echoes.push(start..at),
                }
            }
        }
        echoes
    }
}

/// The first character of a text, and how many bytes it has there.
fn plain(text: &[u8]) -> (u8, usize) {
    (text[0], 1)
}

/// The same behind the escapes of URLs and of JSON.
fn unescaped(text: &[u8]) -> (u8, usize) {
    let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |high, low| Some(hex(high)? << 4 | hex(low)?);
    let escaped = match *text {
        [b'%', high, low, ..] => byte(high, low).map(|byte| (byte, 3)),
        [b'\\', b'u', b'0', b'0', high, low, ..] => byte(high, low).map(|byte| (byte, 6)),
        [b'\\', byte, ..] => Some((byte, 2)),
        _ => None,
    };
    escaped.unwrap_or_else(|| plain(text))
}

/// At most this much of a foreign text goes into `Display`; the accessors have it whole.
const SHOWN: usize = 200;

/// A foreign text on one line, without what could drive a terminal or turn the text around.
pub(crate) fn on_one_line(text: &str) -> String {
    on_one_line_of(text, SHOWN)
}

/// The same with at most this many characters.
pub(crate) fn on_one_line_of(text: &str, shown: usize) -> String {
    let turns = |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let is_printable = |c: char| !c.is_control() && !turns(c);
    let line = text.trim_matches(|c: char| c.is_whitespace() || !is_printable(c));
    let (line, rest) = match line.char_indices().nth(shown) {
        Some((end, _)) => (&line[..end], "…"),
        None => (line, ""),
    };
    line.chars().map(|c| if is_printable(c) { c } else { ' ' }).chain(rest.chars()).collect()
}

/// A foreign text up to its query or fragment, where secrets stand.
pub(crate) fn without_query(text: &str) -> String {
    on_one_line(text.split(['?', '#']).next().unwrap_or_default())
}

/// The beginning of a text that may be a secret in the wrong place.
pub(crate) fn beginning(text: &str) -> String {
    let line = without_query(text);
    match line.char_indices().nth(20) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL2FwaS5wYXJ0bmVyY2VudGVyLm1pY3Jvc29mdC5jb20ifQ.c2lnbmF0dXJlLW9mLXRoaXMvdG9rZW4+d2l0aC9vZGQ=";

    fn hidden(text: &str, secrets: &[&str]) -> String {
        String::from_utf8_lossy(&Secrets::new(secrets.iter().copied()).hide(text.as_bytes())).into_owned()
    }

    #[test]
    fn a_secret_is_found_plain_percent_encoded_and_escaped_as_in_json() {
        const SHORT: &str = "a+b/c=d\"e~f g";
        for echo in [
            SHORT,
            "a+b\\/c=d\\\"e~f g",
            "a\\u002bb\\/c\\u003Dd\\u0022e~f g",
            "a%2Bb%2Fc%3Dd%22e%7Ef%20g",
            "a%2bb%2fc%3dd%22e~f%20g",
            "\\u0061+b/c=d\"e~f g",
            "%61+b/c=d\"e~f g",
        ] {
            assert_eq!(hidden(&format!("<{echo}|{echo}>"), &["another", SHORT]), "<***|***>", "{echo}");
        }
        assert_eq!(hidden("a%25b%5cc%26d", &["a%b\\c&d"]), "***");
        assert_eq!(hidden("a+b/c=d\"e~f ", &[SHORT]), "a+b/c=d\"e~f ", "a part of a short one");
        assert_eq!(hidden("test the test", &["test"]), "test the test", "too short to be one");
        assert_eq!(hidden("%%%\\u00\\u%2", &["%secret", "\\secret"]), "%%%\\u00\\u%2");
    }

    #[test]
    fn a_run_of_24_characters_is_an_echo_and_one_of_23_is_not() {
        assert_eq!(hidden(&format!("<{}>", &SECRET[50..74]), &[SECRET]), "<***>");
        assert_eq!(hidden(&SECRET[50..73], &[SECRET]), &SECRET[50..73]);
    }

    #[test]
    fn a_token_that_is_broken_into_lines_or_comes_without_its_header_is_hidden() {
        let lines: Vec<_> = SECRET.as_bytes().chunks(76).map(String::from_utf8_lossy).collect();
        assert_eq!(hidden(&lines.join("\r\n"), &[SECRET]), "***\r\n***");
        assert_eq!(hidden(&lines.join("\\n"), &[SECRET]), "***\\n***");
        let (_, without_header) = SECRET.split_once('.').unwrap_or_default();
        assert_eq!(hidden(&format!("Bearer {without_header}!"), &[SECRET]), "Bearer ***!");
        for segment in SECRET.split('.') {
            assert_eq!(hidden(segment, &[SECRET]), "***", "{segment}");
        }
    }

    #[test]
    fn the_cost_is_linear_for_a_token_of_one_letter_too() {
        // Compared at every place, these were 800 billion steps.
        let (token, body) = ("k".repeat(100_000), "k".repeat(8 << 20) + "!");
        let secrets = Secrets::new([token.as_str()]);
        assert_eq!(secrets.hide(body.as_bytes()).as_ref(), b"***!");
        assert_eq!(secrets.0[0].runs.get().map(HashSet::len), Some(1));
    }

    #[test]
    fn what_may_be_a_secret_in_the_wrong_place_is_cut() {
        assert_eq!(beginning(SECRET), "eyJ0eXAiOiJKV1QiLCJh…");
        assert_eq!(without_query("/customers/1?sig=nobody-may-see"), "/customers/1");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic_and_none_keeps_the_secret(
            parts in proptest::collection::vec("[%&\\\\25amp;u0#x]{0,6}|se+c?ret|[a-z]{0,3}", 0..20),
            secret in "secret|%25se[%&\\\\]{0,3}cret|[&%25a-c]{6,9}",
        ) {
            let text = parts.concat() + &secret + &parts.concat();
            let shown = hidden(&text, &[&secret]);
            proptest::prop_assert!(!shown.contains(&secret), "{}", shown);
        }
    }
}
