//! The document drives the client: realistic edits of it, each applied to a copy of the crate, built, and
//! driven with responses over a socket. An edit has to work, or to be refused in one sentence.
//!
//! `cargo test --test regenerate` prints the table. It builds the crate several times, so plain `cargo test`
//! leaves it out. Edits are JSON merge patches (RFC 7396) of the document.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod edits;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use serde_json::Value;

const DOCUMENT: &str = "openapi/partner-center-devices.yaml";

fn main() -> ExitCode {
    let copy = Copy::new();
    let mut bad = 0;
    let mut row = |edit: &str, expected: &str, outcome: Result<(), String>| {
        let outcome = outcome.map_or_else(|what| format!("BAD: {what}"), |()| expected.to_owned());
        bad += u32::from(outcome.starts_with("BAD"));
        println!("| {edit} | {outcome} |");
    };
    println!("| edit of the document | outcome |\n|---|---|");
    for (drive, edits) in edits::that_work() {
        let mut document = copy.document.clone();
        edits.iter().for_each(|(_, patch)| merge(&mut document, patch));
        let outcomes = copy.drive(&document, drive);
        for (edit, _) in &edits {
            let outcome = match &outcomes {
                Ok(outcomes) => outcomes.get(*edit).cloned().unwrap_or(Err("nothing was read".to_owned())),
                Err(log) => Err(log.clone()),
            };
            row(edit, "works", outcome);
        }
    }
    for (edit, patch, sentence) in edits::that_are_refused() {
        let mut document = copy.document.clone();
        merge(&mut document, &patch);
        row(edit, &format!("refused: … {sentence} …"), copy.refuses(&document.to_string(), sentence));
    }
    for (edit, text, sentence) in edits::that_are_no_documents(&copy.text) {
        row(edit, &format!("refused: … {sentence} …"), copy.refuses(&text, sentence));
    }
    println!("\n{bad} bad rows");
    ExitCode::from(u8::from(bad > 0))
}

/// RFC 7396: members are replaced, and removed by `null`.
fn merge(value: &mut Value, patch: &Value) {
    let (Some(members), Some(changes)) = (value.as_object_mut(), patch.as_object()) else {
        *value = patch.clone();
        return;
    };
    for (name, change) in changes {
        match change {
            Value::Null => _ = members.remove(name),
            change => merge(members.entry(name).or_insert_with(|| Value::Object(Default::default())), change),
        }
    }
}

/// A copy of the crate beside its other builds, so that its dependencies need not be built again.
struct Copy {
    root: PathBuf,
    text: String,
    document: Value,
}

impl Copy {
    fn new() -> Self {
        let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("regenerate");
        let _ = fs::remove_dir_all(&root);
        for folder in ["src", "build", "openapi"] {
            copy_folder(&crate_root.join(folder), &root.join(folder));
        }
        fs::create_dir_all(root.join("tests/drive")).unwrap();
        fs::write(root.join("tests/drive/serve.rs"), include_str!("serve.rs")).unwrap();
        for file in ["Cargo.lock", "build.rs", "README.md"] {
            fs::copy(crate_root.join(file), root.join(file)).unwrap();
        }
        // Without the targets that the copy does not have.
        let manifest = fs::read_to_string(crate_root.join("Cargo.toml")).unwrap();
        // Another version: cargo would take its builds for those of the crate itself.
        let version = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
        let manifest = manifest.replacen(&version, "version = \"0.0.0-regenerate\"", 1);
        let sections =
            manifest.split("\n[").filter(|section| !section.lines().next().is_some_and(|line| line.ends_with("]]")));
        fs::write(root.join("Cargo.toml"), sections.collect::<Vec<_>>().join("\n[") + "\n[workspace]\n").unwrap();
        let text = fs::read_to_string(crate_root.join(DOCUMENT)).unwrap();
        let document = serde_saphyr::from_str(&text).unwrap();
        Self { root, text, document }
    }

    /// What a test that uses the client says of each edit.
    fn drive(&self, document: &Value, drive: &edits::Drive) -> Result<BTreeMap<String, Result<(), String>>, String> {
        fs::write(self.root.join(DOCUMENT), document.to_string()).unwrap();
        fs::write(self.root.join("tests/drive/main.rs"), drive.test).unwrap();
        let handles = self.root.join("src/customers.rs");
        let original = fs::read_to_string(&handles).unwrap();
        fs::write(&handles, format!("{original}\n{}", drive.handles)).unwrap();
        let (ended_well, output) = self.cargo(&["test", "--test", "drive", "--", "--nocapture"]);
        fs::write(&handles, original).unwrap();
        let lines = output.lines().filter_map(|line| line.strip_prefix("drive: ")?.split_once(": "));
        let outcomes: BTreeMap<_, _> = lines
            .map(|(edit, outcome)| (edit.to_owned(), if outcome == "ok" { Ok(()) } else { Err(outcome.to_owned()) }))
            .collect();
        if !ended_well || outcomes.values().any(Result::is_err) {
            eprintln!("{output}");
        }
        if !outcomes.is_empty() {
            return Ok(outcomes);
        }
        Err("the client does not build".to_owned())
    }

    fn refuses(&self, text: &str, sentence: &str) -> Result<(), String> {
        fs::write(self.root.join(DOCUMENT), text).unwrap();
        let (built, log) = self.cargo(&["check", "--lib"]);
        let said: Vec<_> = log.lines().filter(|line| line.starts_with("error: partner-center-devices@")).collect();
        match said[..] {
            _ if built => Err("the document is taken".to_owned()),
            [line] if line.contains(DOCUMENT) && line.contains(sentence) && !log.contains("panicked") => Ok(()),
            [] => Err(format!("no sentence names the document: {log}")),
            _ => Err(format!("said {said:?}")),
        }
    }

    fn cargo(&self, arguments: &[&str]) -> (bool, String) {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).current_dir(&self.root).env_remove("CARGO_MANIFEST_DIR");
        let output = cargo.env("CARGO_TARGET_DIR", target).env("CARGO_NET_OFFLINE", "true").output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy_folder(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}
