//! The IDs to look up: from a file, from standard input, or from the emulator.

use std::io::{self, IsTerminal, Read};
use std::iter;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use partner_center_devices::CustomerId;
use partner_center_devices::emulator::{Emulator, ScriptedUpload};

use crate::common::{self, Result};
use crate::rows::HEADER;

/// A customer ID, or a tracking ID of the customer.
pub(crate) struct Id<'t> {
    pub(crate) customer: &'t str,
    pub(crate) tracking: Option<&'t str>,
}

/// The text with the IDs, which are taken out of it one by one.
pub(crate) struct Ids {
    text: String,
    /// How many lines the header takes.
    header: usize,
    pub(crate) are_of_emulator: bool,
}

/// Reads the IDs.
pub(crate) fn ids(file: Option<&Path>, emulator: Option<&Emulator>) -> Result<Ids> {
    let bytes = match file {
        Some(path) if path.as_os_str() != "-" => {
            Some(std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?)
        }
        Some(_) => standard_input(None)?,
        None if io::stdin().is_terminal() => None,
        // A job scheduler may leave standard input open without ever writing to it.
        None => standard_input(emulator.map(|_| Duration::from_secs(2)))?.filter(|bytes| !bytes.is_empty()),
    };
    let (text, are_of_emulator) = match (bytes, emulator) {
        (Some(bytes), _) => (decode(&bytes), false),
        (None, Some(emulator)) => (script(emulator), true),
        (None, None) => (String::new(), false),
    };
    let ids = Ids { header: header(&text)?, text, are_of_emulator };
    if ids.iter().next().is_none() {
        return Err("no IDs: name a FILE with customer IDs, or pipe them in".into());
    }
    Ok(ids)
}

impl Ids {
    pub(crate) fn iter(&self) -> impl Iterator<Item = Id<'_>> {
        lines(&self.text).skip(self.header).flat_map(|line| {
            // The first field is the customer ID even if it is empty: a tracking ID must not take its place.
            let mut words = words(line);
            let customer = words.next().unwrap_or_default();
            let tracking = words.filter(|word| !word.is_empty()).map(Some);
            iter::once(None).chain(tracking).map(move |tracking| Id { customer, tracking })
        })
    }
}

/// Standard input, or `None` if nothing comes for this long.
fn standard_input(patience: Option<Duration>) -> Result<Option<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut input, mut bytes) = (io::stdin().lock(), Vec::new());
        let begun = input.by_ref().take(1).read_to_end(&mut bytes);
        let _ = sender.send(None);
        let _ = sender.send(Some(begun.and_then(|_| input.read_to_end(&mut bytes)).map(|_| bytes)));
    });
    if patience.is_some_and(|patience| receiver.recv_timeout(patience).is_err()) {
        return Ok(None);
    }
    let read = receiver.into_iter().flatten().next().unwrap_or_else(|| Ok(Vec::new()));
    Ok(Some(read.map_err(|error| format!("cannot read standard input: {error}"))?))
}

/// UTF-8, or UTF-16 with a byte-order mark, as Windows writes it.
fn decode(bytes: &[u8]) -> String {
    let units =
        |unit: fn([u8; 2]) -> u16| bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect::<Vec<_>>();
    match bytes {
        [0xFF, 0xFE, ..] => String::from_utf16_lossy(&units(u16::from_le_bytes)),
        [0xFE, 0xFF, ..] => String::from_utf16_lossy(&units(u16::from_be_bytes)),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(|line| line.trim_matches(' '));
    lines.filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split([',', ';', ' ', '\t']).map(|word| word.trim_matches('"'))
}

/// How many lines the header takes. It is an error if there are other columns than those of IDs.
fn header(text: &str) -> Result<usize> {
    let mut columns = words(lines(text).next().unwrap_or_default());
    if !columns.next().is_some_and(|column| column.eq_ignore_ascii_case(HEADER[0])) {
        return Ok(0);
    }
    match columns.find(|column| !column.is_empty() && !column.eq_ignore_ascii_case(HEADER[1])) {
        Some(other) => Err(format!("unknown column {other}: expected {}", HEADER[..2].join(" and ")).into()),
        None => Ok(1),
    }
}

/// Adds an upload to the emulator that takes a few seconds, and returns what a file with its IDs would have.
fn script(emulator: &Emulator) -> String {
    let (customer, other) = (emulator.example_customer(), CustomerId::from(uuid::Uuid::new_v4()));
    let upload = uuid::Uuid::new_v4();
    emulator.add_customer(other);
    let script = ScriptedUpload::new(common::scripted_upload()).queued_reads(1).processing_reads(4);
    emulator.add_upload(other, upload.into(), script);
    format!("{customer},{}\n{other},{upload}\n", emulator.example_upload())
}
