//! The IDs to look up: from a file, from standard input, or from the emulator.

use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use partner_center_devices::CustomerId;
use partner_center_devices::emulator::{Emulator, ScriptedUpload};

use crate::common::{self, Result};
use crate::rows::HEADER;

/// A customer ID, or a tracking ID of the customer.
pub(crate) struct Id {
    pub(crate) customer: String,
    pub(crate) tracking: Option<String>,
}

/// Reads the IDs, and says whether they are those of the emulator.
pub(crate) fn ids(file: Option<&Path>, emulator: Option<&Emulator>) -> Result<(Vec<Id>, bool)> {
    let bytes = match file {
        Some(path) if path.as_os_str() != "-" => {
            Some(std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?)
        }
        Some(_) => standard_input(None)?,
        None if io::stdin().is_terminal() => None,
        // A job scheduler may leave standard input open without ever writing to it.
        None => standard_input(emulator.map(|_| Duration::from_secs(2)))?.filter(|bytes| !bytes.is_empty()),
    };
    let (ids, are_of_emulator) = match (bytes, emulator) {
        (Some(bytes), _) => (parse(&decode(&bytes))?, false),
        (None, Some(emulator)) => (parse(&script(emulator))?, true),
        (None, None) => (Vec::new(), false),
    };
    if ids.is_empty() {
        return Err("no IDs: name a FILE with customer IDs, or pipe them in".into());
    }
    Ok((ids, are_of_emulator))
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

fn parse(text: &str) -> Result<Vec<Id>> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(|line| line.trim_matches(' '));
    let lines = lines.filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let mut ids = Vec::new();
    for (number, line) in lines.enumerate() {
        let mut words = line.split([',', ';', ' ', '\t']).map(|word| word.trim_matches('"'));
        // The first field is the customer ID even if it is empty: a tracking ID must not take its place.
        let customer = words.next().unwrap_or_default();
        let mut words = words.filter(|word| !word.is_empty());
        if number == 0 && customer.eq_ignore_ascii_case(HEADER[0]) {
            let Some(other) = words.find(|word| !word.eq_ignore_ascii_case(HEADER[1])) else { continue };
            return Err(format!("unknown column {other}: expected {}", HEADER[..2].join(" and ")).into());
        }
        ids.push(Id { customer: customer.to_owned(), tracking: None });
        ids.extend(words.map(|word| Id { customer: customer.to_owned(), tracking: Some(word.to_owned()) }));
    }
    Ok(ids)
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
