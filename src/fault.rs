//! What the body of an error says, of whichever sender it is: the service, a gateway in front of it, the
//! authority that signs in.

use std::fmt;
use std::mem;

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

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

/// Of a larger one, only what `Kept` keeps is read: documented texts have 1024 characters at most.
const LARGEST_FAULT: usize = 1 << 20;

/// The code of a 401 for want of multi-factor authentication that came in a line of text and not as JSON
/// (microsoft/Partner-Center-PowerShell#260).
const WITHOUT_MFA: &str = "10001";

/// The members that errors were seen to have.
const MEMBERS: [&str; 11] = [
    "code",
    "data",
    "description",
    "details",
    "error",
    "innererror",
    "message",
    "source",
    "statuscode",
    "target",
    "traceid",
];

impl Fault {
    /// Reads each member by itself: one of an unexpected type does not lose the others.
    pub(crate) fn read(body: &[u8]) -> Self {
        let mut members = members(body);
        // Azure has all of it in a member `error`, OAuth its code.
        match members.remove("error") {
            Some(Value::Object(error)) => members.extend(error.into_iter().map(in_lower_case)),
            Some(code) => _ = members.entry("code").or_insert(code),
            None => {}
        }
        let (inner_code, inner_description) = inner(members.remove("innererror"));
        let mut text = |name| member_text(members.remove(name));
        Self {
            inner_code,
            inner_description,
            code: text("code"),
            // `message` is the gateway's word for it, in the response to a throttled call; the last two
            // are those of RFC 9457.
            description: ["description", "message", "detail", "title"].into_iter().find_map(&mut text),
            source: text("source"),
            data: members.remove("data").filter(|data| !data.is_null()),
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
        let of_an_error = |name: &String| MEMBERS.contains(&name.as_str());
        match seen {
            MembersSeen::Expected => return None,
            MembersSeen::Any if !members(body).keys().all(of_an_error) => return None,
            MembersSeen::Any | MembersSeen::Unexpected { .. } => {}
        }
        let has_status = || members(body).contains_key("statuscode");
        let mut fault = Self::read(body);
        let is_one = fault.code.is_some() && fault.description.is_some() || has_status();
        fault.code = fault.code.or_else(|| member_text(members(body).remove("statuscode")));
        is_one.then_some(fault)
    }

    /// Reads what a sign-in was refused with: OAuth's members, and those that Microsoft adds.
    pub(crate) fn read_sign_in(body: &[u8]) -> Self {
        let mut members = members(body);
        let codes = match members.remove("error_codes") {
            Some(Value::Array(codes)) => codes,
            code => Vec::from_iter(code),
        };
        let error_codes = codes.into_iter().filter_map(|code| member_text(Some(code))?.parse().ok()).collect();
        let mut text =
            |name| member_text(members.remove(name)).map(|text| if is_echo(&text) { "***".to_owned() } else { text });
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
/// broken one, or an end that is missing, does not lose those before it.
pub(crate) fn members(body: &[u8]) -> Map<String, Value> {
    struct Members<'a>(&'a mut Map<String, Value>, bool);

    impl<'de> Visitor<'de> for Members<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
            if self.1 {
                return Kept { members: self.0, depth: 0 }.visit_map(members).map(|_| ());
            }
            while let Some((name, value)) = members.next_entry::<String, Value>()? {
                let (name, value) = in_lower_case((name, value));
                self.0.entry(name).or_insert(value);
            }
            Ok(())
        }
    }

    let mut members = Map::new();
    // A byte of another encoding in one text does not lose the others.
    let text = String::from_utf8_lossy(body);
    let mut json = serde_json::Deserializer::from_str(&text);
    let _ = json.deserialize_map(Members(&mut members, body.len() > LARGEST_FAULT));
    members
}

/// The members of a large object that say what is wrong, without their lists: three bytes of a list can
/// become a hundred of memory.
struct Kept<'a> {
    members: &'a mut Map<String, Value>,
    depth: u8,
}

impl<'de> Visitor<'de> for Kept<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            let name = name.to_ascii_lowercase();
            if MEMBERS.contains(&name.as_str()) && !self.members.contains_key(&name) {
                let value = members.next_value_seed(KeptValue(self.depth))?;
                self.members.insert(name, value);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// A text, a number or an object; `null` for any other value.
struct KeptValue(u8);

impl<'de> DeserializeSeed<'de> for KeptValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeptValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        if self.0 < DEEPEST {
            Kept { members: &mut members, depth: self.0 + 1 }.visit_map(object)?;
        } else {
            while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        }
        Ok(Value::Object(members))
    }
}

/// How many inner errors are looked through.
const DEEPEST: u8 = 8;

/// Code and text of the innermost of the errors that stand in each other: it says what really happened.
fn inner(error: Option<Value>) -> (Option<String>, Option<String>) {
    let (mut code, mut description, mut next) = (None, None, error);
    for _ in 0..DEEPEST {
        let Some(Value::Object(members)) = next else { break };
        let mut members: Map<_, _> = members.into_iter().map(in_lower_case).collect();
        let mut text = |name| member_text(members.remove(name));
        let inner = (text("code"), ["message", "description"].into_iter().find_map(&mut text));
        if inner != (None, None) {
            (code, description) = inner;
        }
        next = members.remove("innererror");
    }
    (code, description)
}

/// A parameter of an authentication challenge, such as `Bearer error="invalid_token"`.
fn auth_param(challenge: &str, name: &str) -> Option<String> {
    let mut from = 0;
    loop {
        let start = from + challenge[from..].find(name)?;
        from = start + name.len();
        let is_whole = start == 0 || challenge[..start].ends_with([' ', ',', '\t']);
        let Some(value) = challenge[from..].trim_start().strip_prefix('=').filter(|_| is_whole) else { continue };
        let text = match value.trim_start().strip_prefix('"') {
            None => value.trim_start().split([',', ' ']).next().unwrap_or_default().to_owned(),
            Some(quoted) => {
                let mut text = String::new();
                let mut characters = quoted.chars();
                while let Some(c) = characters.next().filter(|c| *c != '"') {
                    text.extend(if c == '\\' { characters.next() } else { Some(c) });
                }
                text
            }
        };
        return Some(text).filter(|text| !text.trim().is_empty());
    }
}

fn in_lower_case((name, value): (String, Value)) -> (String, Value) {
    (name.to_ascii_lowercase(), value)
}

/// An echo of the form that asks for a token, in which a secret may stand in any encoding.
pub(crate) fn is_echo(text: &str) -> bool {
    ["client_secret=", "refresh_token="].iter().any(|name| text.contains(name))
}

fn member_text(member: Option<Value>) -> Option<String> {
    match member? {
        Value::String(text) => Some(text).filter(|text| !text.trim().is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
