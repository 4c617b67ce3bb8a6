//! What the body of an error says, of whichever sender it is: the service, a gateway in front of it, the
//! authority that signs in.

use std::collections::BTreeMap;
use std::{fmt, iter, mem};

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::lenient::MembersSeen;
use crate::redact::Secrets;
#[cfg(feature = "azure_core")]
use crate::redact::on_one_line;

/// What an error body says, whichever of its shapes it has; nothing where it has none.
#[derive(Clone, Default)]
pub(crate) struct Fault {
    pub(crate) code: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) data: Option<Value>,
    pub(crate) source: Option<String>,
    /// Of the innermost `innererror`.
    pub(crate) inner_code: Option<String>,
    pub(crate) inner_description: Option<String>,
    pub(crate) suberror: Option<String>,
    pub(crate) error_codes: Vec<u64>,
    pub(crate) trace_id: Option<String>,
    pub(crate) correlation_id: Option<String>,
}

/// A larger list or object is not read: documented texts have 1024 characters at most.
const LARGEST_VALUE: usize = 1 << 20;

/// No error has more of them.
const MOST_MEMBERS: usize = 1000;

const INNER: &str = "innererror";

/// How many inner errors are looked through.
const DEEPEST: usize = 8;

/// The code of a 401 for want of multi-factor authentication that came in a line of text and not as JSON
/// (microsoft/Partner-Center-PowerShell#260).
const WITHOUT_MFA: &str = "10001";

/// The members that errors were seen to have.
#[rustfmt::skip]
const MEMBERS: [&str; 11] = [
    "code", "data", "description", "details", "error", INNER, "message", "source", "statuscode", "target", "traceid",
];

impl Fault {
    /// Reads each member by itself: one of an unexpected type does not lose the others.
    pub(crate) fn read(body: &[u8]) -> Self {
        Self::of(Members::of(&String::from_utf8_lossy(body)))
    }

    fn of(mut members: Members<'_>) -> Self {
        // Azure has all of it in a member `error`, OAuth its code.
        match members.0.remove("error") {
            Some(error) if error.get().starts_with('{') => members.0.extend(Members::of(error.get()).0),
            Some(code) => _ = members.0.entry("code".to_owned()).or_insert(code),
            None => {}
        }
        let (inner_code, inner_description) = members.innermost();
        Self {
            code: members.text("code"),
            // `message` is the gateway's word for it, in the response to a throttled call; the last two
            // are those of RFC 9457.
            description: members.first_text(&["description", "message", "detail", "title"]),
            data: members.value("data").filter(|data| !data.is_null()),
            source: members.text("source"),
            inner_code,
            inner_description,
            ..Self::default()
        }
    }

    /// Reads the reason for a 401, which some gateways give in `WWW-Authenticate` alone (RFC 6750, 3) or in a
    /// line of plain text.
    pub(crate) fn or_reason_for_401(mut self, headers: &HeaderMap, body: &[u8]) -> Self {
        if self.code.is_some() || self.description.is_some() {
            return self;
        }
        for challenge in headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()) {
            self.code = self.code.or_else(|| auth_param(challenge, "error"));
            self.description = self.description.or_else(|| auth_param(challenge, "error_description"));
        }
        let fault = self.or_plain_text(body);
        let text = fault.description.as_deref().unwrap_or_default();
        let has_number = text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == WITHOUT_MFA);
        let code = fault.code.or_else(|| has_number.then(|| WITHOUT_MFA.to_owned()));
        Self { code, ..fault }
    }

    /// Takes a line of plain text for a description.
    pub(crate) fn or_plain_text(mut self, body: &[u8]) -> Self {
        let is_text = |text: &&str| !text.trim().is_empty() && text.len() <= 1024 && !text.contains(['<', '{', '[']);
        let text = str::from_utf8(body).ok().map(str::trim).filter(is_text);
        if self.code.is_none() && self.description.is_none() {
            self.description = text.map(str::to_owned);
        }
        self
    }

    /// Reads the body of a success that is an error all the same, which has none of the members that were
    /// expected: a code and what it means, or a gateway's status. Where any member could be expected, it has
    /// the members of an error and no others.
    ///
    /// The newest table of Microsoft's has such errors ("OK 200, 400072"), of another API of the service.
    pub(crate) fn read_success(body: &[u8], seen: MembersSeen) -> Option<Self> {
        if seen == MembersSeen::Expected {
            return None;
        }
        let json = String::from_utf8_lossy(body);
        let members = Members::of(&json);
        if seen == MembersSeen::Any && !members.0.keys().all(|name| MEMBERS.contains(&name.as_str())) {
            return None;
        }
        let status = members.text("statuscode");
        let fault = Self::of(members);
        let is_one = fault.code.is_some() && fault.description.is_some() || status.is_some();
        is_one.then(|| Self { code: fault.code.or(status), ..fault })
    }

    /// Reads what a sign-in was refused with: OAuth's members, and those that Microsoft adds.
    pub(crate) fn read_sign_in(body: &[u8]) -> Self {
        let json = String::from_utf8_lossy(body);
        let members = Members::of(&json);
        let codes = match members.value("error_codes") {
            Some(Value::Array(codes)) => codes,
            code => Vec::from_iter(code),
        };
        let error_codes = codes.into_iter().filter_map(|code| text(code)?.parse().ok()).collect();
        let text = |name| members.text(name).map(|text| if is_echo(&text) { "***".to_owned() } else { text });
        let description = text("error_description");
        let in_text = || description.as_deref().map(sign_in_codes).unwrap_or_default();
        let error_codes = Some(error_codes).filter(|codes: &Vec<u64>| !codes.is_empty()).unwrap_or_else(in_text);
        Self {
            code: text("error"),
            suberror: text("suberror"),
            trace_id: text("trace_id"),
            correlation_id: text("correlation_id"),
            error_codes,
            description,
            ..Self::default()
        }
    }
}

impl Fault {
    /// Hides echoes of the secrets in its texts.
    pub(crate) fn redact(&mut self, secrets: &Secrets<'_>) {
        let Self { code, description, source, suberror, trace_id, correlation_id, .. } = self;
        let texts = [code, description, source, suberror, trace_id, correlation_id];
        let texts = texts.into_iter().chain([&mut self.inner_code, &mut self.inner_description]);
        texts.into_iter().flatten().for_each(|text| secrets.hide_in(text));
        self.data.iter_mut().for_each(|data| redact(data, secrets));
    }
}

fn redact(value: &mut Value, secrets: &Secrets<'_>) {
    match value {
        Value::String(text) => secrets.hide_in(text),
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, secrets)),
        Value::Object(members) => {
            for (mut name, mut member) in mem::take(members) {
                secrets.hide_in(&mut name);
                redact(&mut member, secrets);
                members.insert(name, member);
            }
        }
        _ => {}
    }
}

const NUMBER: &str = "AADSTS";

/// The numbers that stand behind `AADSTS` in a text.
fn sign_in_codes(text: &str) -> Vec<u64> {
    let mut codes = Vec::new();
    for behind in text.split(NUMBER).skip(1) {
        let digits = behind.find(|c: char| !c.is_ascii_digit()).map_or(behind, |end| &behind[..end]);
        codes.extend(digits.parse::<u64>().ok().filter(|code| !codes.contains(code)));
    }
    codes
}

/// What a text of the sign-in service says, wherever it stands: `AADSTS7000215: … Trace ID: …
/// Correlation ID: …`.
#[cfg(feature = "azure_core")]
impl Fault {
    pub(crate) fn find_sign_in(text: &str) -> Self {
        let error_codes = sign_in_codes(text);
        let first = text.find(NUMBER).filter(|_| !error_codes.is_empty()).map(|start| &text[start..]);
        let said = first.map(|text| on_one_line(text.split("Trace ID:").next().unwrap_or(text)));
        let id = |name: &str| {
            let id = first?.split_once(name)?.1.trim_start();
            let end = id.find(|c: char| !c.is_ascii_hexdigit() && c != '-').unwrap_or(id.len());
            Some(id[..end].to_owned()).filter(|id| uuid::Uuid::try_parse(id).is_ok())
        };
        Self {
            description: said.filter(|text| !is_echo(text)),
            trace_id: id("Trace ID:"),
            correlation_id: id("Correlation ID:"),
            error_codes,
            ..Self::default()
        }
    }
}

/// The members of an object by their names in lower case, as far as they can be read: what follows a
/// broken one, or an end that is missing, does not lose those before it. Each is kept as it came until it
/// is asked for: three bytes of a list can become a hundred of memory.
#[derive(Default)]
pub(crate) struct Members<'j>(BTreeMap<String, &'j RawValue>);

impl<'j> Members<'j> {
    pub(crate) fn of(json: &'j str) -> Self {
        let mut members = Self::default();
        // What was read before an error counts.
        let _ = serde_json::Deserializer::from_str(json).deserialize_map(&mut members);
        members
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a member, unless it is a list or an object that is too large.
    pub(crate) fn value(&self, name: &str) -> Option<Value> {
        let json = self.0.get(name)?.get();
        let is_too_large = json.len() > LARGEST_VALUE && json.starts_with(['[', '{']);
        if is_too_large { None } else { serde_json::from_str(json).ok() }
    }

    /// A text, or a number as text.
    fn text(&self, name: &str) -> Option<String> {
        text(self.value(name)?)
    }

    fn first_text(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.text(name))
    }

    fn members(&self, name: &str) -> Option<Self> {
        self.0.get(name).map(|object| Self::of(object.get()))
    }

    /// Code and text of the innermost of the errors that stand in each other: it says what really happened.
    fn innermost(&self) -> (Option<String>, Option<String>) {
        let inner = iter::successors(self.members(INNER), |outer| outer.members(INNER)).take(DEEPEST);
        let said = inner.map(|error| (error.text("code"), error.first_text(&["message", "description"])));
        said.filter(|said| *said != (None, None)).last().unwrap_or_default()
    }
}

impl<'j> Visitor<'j> for &mut Members<'j> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'j>>(self, mut members: A) -> Result<(), A::Error> {
        while self.0.len() < MOST_MEMBERS
            && let Some((name, value)) = members.next_entry::<String, _>()?
        {
            self.0.entry(name.to_ascii_lowercase()).or_insert(value);
        }
        Ok(())
    }
}

/// A parameter of an authentication challenge, such as `Bearer error="invalid_token"`.
fn auth_param(challenge: &str, name: &str) -> Option<String> {
    let value = challenge.match_indices(name).find_map(|(start, _)| {
        let is_whole = start == 0 || challenge[..start].ends_with([' ', ',', '\t']);
        challenge[start + name.len()..].trim_start().strip_prefix('=').filter(|_| is_whole)
    });
    let value = value?.trim_start();
    let text = match value.strip_prefix('"') {
        None => value.split([',', ' ']).next().unwrap_or_default().to_owned(),
        Some(quoted) => {
            let mut characters = quoted.chars();
            let unescaped = iter::from_fn(|| match characters.next()? {
                '"' => None,
                '\\' => characters.next(),
                c => Some(c),
            });
            unescaped.collect()
        }
    };
    Some(text).filter(|text| !text.trim().is_empty())
}

/// An echo of the form that asks for a token, in which a secret may stand in any encoding.
pub(crate) fn is_echo(text: &str) -> bool {
    ["client_secret=", "refresh_token="].iter().any(|name| text.contains(name))
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text).filter(|text| !text.trim().is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
