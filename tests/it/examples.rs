//! What the examples send and print, run as a user runs them. They must be built before:
//! `cargo build --examples`, then `cargo test --test it examples -- --ignored`. `.ci/run` does that.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use partner_center_devices::Cloud;
use partner_center_devices::emulator::Emulator;
use serde_json::json;
use tempfile::{TempDir, tempdir};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::server::{CUSTOMER, Reply, Server, TOKEN, TRACKING, documented, response};
use crate::sign_in::{CLIENT, REFRESH, SECRET, TENANT};

/// In the environment of examples that fail, and never in what they print.
const HIDDEN: &str = "a-secret-that-nobody-may-see";

fn example(name: &str) -> Command {
    // Beside the folder of this test: target/debug/deps and target/debug/examples.
    let folder = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
    let mut command = Command::new(folder.join(name));
    command.env_clear();
    command
}

/// An example with these arguments, separated by spaces.
fn example_with(name: &str, arguments: &str) -> Command {
    let mut command = example(name);
    command.args(arguments.split_whitespace());
    command
}

/// What an example printed, and its exit code.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    #[track_caller]
    fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    #[track_caller]
    fn prints(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stdout.contains(text), "{text} is not in {}", self.stdout);
        }
        self
    }

    #[track_caller]
    fn tells(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stderr.contains(text), "{text} is not in {}", self.stderr);
        }
        self
    }

    /// It failed with this code and one line that has this text and no secret.
    #[track_caller]
    fn failed(self, code: i32, text: &str) {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(all.lines().count(), 1, "{all}");
        assert!(all.contains("error: ") && all.contains(text), "{text} is not in {all}");
        assert!(!all.contains(HIDDEN), "{all}");
    }
}

async fn run(command: Command) -> Ran {
    run_with_input(command, "").await
}

async fn run_with_input(mut command: Command, input: impl Into<Vec<u8>>) -> Ran {
    let input = input.into();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        // An example that fails early does not read it.
        let _ = child.stdin.take().unwrap().write_all(&input);
        child.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// An example whose process ends with the test.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn token() -> Reply {
    let token = json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN, "refresh_token": "next" });
    Reply::Send(response("200 OK", &[], token.to_string()))
}

fn path(server: &Server, request: usize) -> String {
    server.requests()[request].lines().next().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_proxy_of_the_environment_gets_its_password_unescaped_and_nobody_else_sees_it() {
    for (credentials, sent) in [("", None), ("http://user:p%40ss%25w@", Some("Basic dXNlcjpwQHNzJXc="))] {
        let refusals = (0..4).map(|_| Reply::SendAndClose(response("403 Forbidden", &[], "")));
        let proxy = Server::new(refusals).await;
        let address = proxy.base_url.trim_start_matches("http://");
        let mut command = example("get_batch_upload_status");
        command.env("PARTNER_CENTER_TOKEN", TOKEN).env("HTTPS_PROXY", format!("{credentials}{address}"));
        command.args(["--base-url", "https://partner.example.invalid", "--customer-id", CUSTOMER]);
        command.args(["--tracking-id", TRACKING]);
        let failed = run(command).await;
        let said = failed.stderr + &failed.stdout;
        assert!(failed.code != Some(0) && !said.contains("p@ss") && !said.contains("p%40ss"), "{said}");
        assert!(proxy.requests().iter().all(|head| head.starts_with("CONNECT partner.example.invalid:443 ")));
        assert_eq!(proxy.sent(0, "proxy-authorization").as_deref(), sent);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_machine_without_certificates_calls_loopback_and_is_told_what_https_needs() {
    let bare = |base_url: &str| {
        let mut command = example("get_batch_upload_status");
        command.env("PARTNER_CENTER_TOKEN", TOKEN).env("SSL_CERT_FILE", "no-such-file").env("SSL_CERT_DIR", "no-such");
        command.args(["--base-url", base_url, "--customer-id", CUSTOMER, "--tracking-id", TRACKING]);
        run(command)
    };
    let server = Server::with_response(documented("batch_upload_status.http")).await;
    let done = bare(&server.base_url).await;
    assert!(done.code == Some(0) && done.stdout.contains("1234567890"), "{}", done.stderr);
    let failed = bare("https://partner.example.invalid").await;
    let said = failed.stderr;
    assert_eq!((failed.code, said.trim().lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("install the package ca-certificates"), "{said}");
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn the_token_of_the_environment_and_the_ids_of_the_command_line_are_sent() {
    for (name, fixture, path_of_call, shown) in [
        ("get_batch_upload_status", "batch_upload_status.http", format!("batchJobStatus/{TRACKING}"), "1234567890"),
        ("get_device_batches", "device_batches.http", "deviceBatches".to_owned(), "Test batch"),
        ("wait_for_batch_upload", "batch_upload_status.http", format!("batchJobStatus/{TRACKING}"), "1234567890"),
    ] {
        let server = Server::with_response(documented(fixture)).await;
        let mut command = example(name);
        command.env("PARTNER_CENTER_TOKEN", TOKEN).args(["--base-url", &server.base_url, "--customer-id", CUSTOMER]);
        if name != "get_device_batches" {
            command.args(["--tracking-id", TRACKING]);
        }
        let code = if name == "wait_for_batch_upload" { 3 } else { 0 };
        if name == "wait_for_batch_upload" {
            command.args(["--interval", "0.01", "--timeout", "9"]);
        }
        let ran = run(command).await.prints(&[shown]);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert_eq!(path(&server, 0), format!("GET /v1/customers/{CUSTOMER}/{path_of_call} HTTP/1.1"));
        assert_eq!(server.sent(0, "authorization"), Some(format!("Bearer {TOKEN}")));
        assert_eq!(server.sent(0, "ms-partnercenter-application").as_deref(), Some("partner-center-devices examples"));
    }
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_whole_token_response_as_token_is_refused_before_it_is_sent_and_not_shown() {
    let server = Server::new([]).await;
    let mut command = example("get_batch_upload_status");
    command.env("PARTNER_CENTER_TOKEN", r#"{"token_type":"Bearer","access_token":"eyJ.abc.def"}"#);
    command.args(["--base-url", &server.base_url, "--customer-id", CUSTOMER, "--tracking-id", TRACKING]);
    let ran = run(command).await;
    assert!(!ran.stderr.contains("eyJ.abc"), "{ran:?}");
    ran.failed(1, "pass only its access_token");
    assert!(server.requests().is_empty());
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn every_kind_of_credential_signs_in_for_its_cloud() {
    for (variables, grant, sends) in [
        (vec![("CLIENT_SECRET", SECRET)], "client_credentials", vec![("client_secret", SECRET)]),
        (vec![("AZURE", SECRET)], "client_credentials", vec![("client_secret", SECRET)]),
        (vec![("REFRESH_TOKEN", REFRESH)], "refresh_token", vec![("refresh_token", REFRESH)]),
        (
            vec![("CLIENT_SECRET", SECRET), ("REFRESH_TOKEN", REFRESH)],
            "refresh_token",
            vec![("client_secret", SECRET), ("refresh_token", REFRESH)],
        ),
    ] {
        let server = Server::new([token(), Reply::Send(documented("device_batches.http"))]).await;
        let mut command = example("get_device_batches");
        match variables[0].0 {
            "AZURE" => {
                command
                    .env("AZURE_TENANT_ID", TENANT)
                    .env("AZURE_CLIENT_ID", CLIENT)
                    .env("AZURE_CLIENT_SECRET", SECRET);
            }
            _ => {
                command.env("PARTNER_CENTER_TENANT_ID", TENANT).env("PARTNER_CENTER_CLIENT_ID", CLIENT);
                command.envs(variables.iter().map(|(name, value)| (format!("PARTNER_CENTER_{name}"), value)));
            }
        }
        command.args(["--cloud", "china", "--authority", &server.base_url, "--base-url", &server.base_url]);
        command.args(["--customer-id", CUSTOMER]);
        run(command).await.succeeded();
        assert_eq!(path(&server, 0), format!("POST /{TENANT}/oauth2/v2.0/token HTTP/1.1"));
        let form = server.form(0);
        let sent = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!((sent("grant_type"), sent("client_id")), (Some(grant), Some(CLIENT)));
        assert!(sent("scope").unwrap().starts_with(Cloud::CHINA.scope()), "{form:?}");
        for name in ["client_secret", "refresh_token"] {
            let expected = sends.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
            assert_eq!(sent(name), expected);
        }
        assert_eq!(server.sent(1, "authorization"), Some(format!("Bearer {TOKEN}")));
    }
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn the_help_names_each_variable_and_shows_no_value() {
    let callers = ["get_batch_upload_status", "get_device_batches", "wait_for_batch_upload", "sweep"];
    for name in [&callers[..], &["sign_in", "emulator"]].concat() {
        let mut variables = vec![];
        if name != "emulator" {
            variables.extend(["TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"]);
        }
        if callers.contains(&name) {
            variables.extend(["TOKEN", "REFRESH_TOKEN"]);
        }
        let mut command = example_with(name, "--help");
        command.envs(variables.iter().map(|variable| (format!("PARTNER_CENTER_{variable}"), HIDDEN)));
        let ran = run(command).await.succeeded().prints(&["Usage"]);
        assert!(!ran.stdout.contains(HIDDEN), "{ran:?}");
        for variable in variables {
            assert!(ran.stdout.contains(&format!("PARTNER_CENTER_{variable}")), "{variable}: {}", ran.stdout);
        }
        if name != "emulator" {
            ran.prints(&["--cloud", "--authority"]);
        }
    }
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn signing_in_at_the_emulator_shows_the_address_and_the_code() {
    let ran = run(example("sign_in")).await.succeeded();
    assert!(ran.stdout.is_empty(), "{ran:?}");
    ran.tells(&["/devicelogin and enter the code EMULATOR1"]);
}

/// A line of the README that starts with `cargo`, run as it is there.
async fn line_of_the_readme(line: &str) -> Ran {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(readme.lines().any(|found| found == line), "{line} is not in the README");
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words).current_dir(folder);
    for variable in ["TOKEN", "TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN"] {
        command.env_remove(format!("PARTNER_CENTER_{variable}"));
    }
    run(command).await
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn the_first_command_of_the_readme_prints_what_stands_below_it() {
    let ran = line_of_the_readme("cargo run --example quickstart").await.succeeded();
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let shown = readme.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(ran.stdout, shown);
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn the_documented_upload_is_shown_as_a_table_and_a_line_for_each_failed_device() {
    run(example("get_batch_upload_status")).await.succeeded().prints(&[
        "status     finished",
        "started    2017-07-25 10:00:00 UTC",
        "completed  2017-07-25 10:10:00 UTC",
        "1234567890",
        "12345-67890-09876-54321-13579",
        "finished_with_errors",
        "808",
        "ZtdDeviceAssignedToOtherTenant",
        "devices    1 device: 1 finished_with_errors; errors: 1 × 808",
        "device with serial number 1234567890: 808 ZtdDeviceAssignedToOtherTenant: the device is registered to another",
    ]);
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn without_credentials_the_examples_call_the_emulator() {
    let batches = ["batches  1", "Test batch", "finished", "2017-07-25 01:51:00 UTC", "5"];
    run(example("get_device_batches")).await.succeeded().prints(&batches);

    let ran = run(example_with("wait_for_batch_upload", "--interval 100ms")).await;
    assert_eq!(ran.code, Some(3), "the upload has ended, and devices failed: {ran:?}");
    ran.tells(&["queued: 0 devices", "processing: 6 devices"]).prints(&[
        "status     finished_with_errors",
        "devices    6 devices: 4 finished, 2 finished_with_errors",
        "806 ZtdDeviceAlreadyAssigned: the device is already",
    ]);

    run(example_with("sweep", "--format csv --interval 100ms"))
        .await
        .succeeded()
        .prints(&[&format!("{CUSTOMER},{TRACKING},finished,,1,1,1 × 808"), ",finished_with_errors,,6,2,"])
        .tells(&["4 IDs: 4 succeeded, 0 failed"]);
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn an_upload_that_has_not_ended_in_time_is_an_error() {
    let ran = run(example_with("wait_for_batch_upload", "--interval 9s --timeout 100ms")).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let errors: Vec<_> = ran.stderr.lines().filter(|line| line.contains("error:")).collect();
    assert!(errors.len() == 1 && errors[0].contains("has not ended"), "{ran:?}");
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn an_example_whose_reader_has_left_succeeds() {
    let mut running = Running::start(example("get_batch_upload_status"));
    drop(running.0.stdout.take());
    let status = tokio::task::spawn_blocking(move || running.0.wait().unwrap()).await.unwrap();
    assert!(status.success(), "{status}");
}

// Mistakes.

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn missing_and_empty_credentials_are_errors_and_not_calls_to_the_emulator() {
    let mut command = example("sweep");
    command.env("PARTNER_CENTER_TOKEN", "");
    run(command).await.failed(1, "missing or empty in the environment: PARTNER_CENTER_TOKEN;");
    let ran = run(example_with("get_device_batches", "--cloud china")).await;
    ran.failed(1, "missing or empty in the environment: PARTNER_CENTER_TOKEN;");

    let folder = tempdir().unwrap();
    let mut command = example("sign_in");
    command.arg("--output").arg(folder.path().join("refresh-token"));
    run(command).await.failed(1, "are not set");
    assert!(!folder.path().join("refresh-token").exists());

    let ran = run(application("get_device_batches", "")).await;
    ran.failed(1, "environment: PARTNER_CENTER_CLIENT_SECRET or PARTNER_CENTER_REFRESH_TOKEN");
    let mut command = example("get_device_batches");
    command.env("PARTNER_CENTER_CLIENT_SECRET", HIDDEN);
    run(command).await.failed(1, "environment: PARTNER_CENTER_TENANT_ID, PARTNER_CENTER_CLIENT_ID");
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn mistakes_on_the_command_line_are_errors_of_one_line() {
    let with_token = |name, arguments: &str| {
        let mut command = example_with(name, arguments);
        command.env("PARTNER_CENTER_TOKEN", HIDDEN);
        run(command)
    };
    with_token("get_batch_upload_status", "").await.failed(1, "--customer-id <GUID> is required");
    with_token("wait_for_batch_upload", "--location x").await.failed(1, "is not the location of an upload");
    let ran =
        with_token("get_device_batches", &format!("--customer-id {CUSTOMER} --base-url http://example.com")).await;
    ran.failed(1, "is not https");

    let (_folder, file) = file("# none\n");
    with_token("sweep", &file).await.failed(1, "no IDs");
    fs::write(&file, "customer_id,tracking_id,status\n").unwrap();
    with_token("sweep", &file).await.failed(1, "unknown column status");
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn mistakes_in_options_are_explained_with_advice() {
    for (name, arguments, said) in [
        ("get_device_batches", "--customer-id x", "invalid value 'x' for '--customer-id <GUID>'"),
        ("wait_for_batch_upload", "--timeout soon", "invalid value 'soon' for '--timeout <DURATION>'"),
        ("wait_for_batch_upload", "--timeout=-5", "invalid value '-5' for '--timeout <DURATION>'"),
        ("get_device_batches", "--custmer-id x", "tip: a similar argument exists: '--customer-id'"),
        ("sweep", "--format yaml", "[possible values: table, csv, jsonl]"),
    ] {
        let mut command = example_with(name, arguments);
        command.env("PARTNER_CENTER_TOKEN", HIDDEN);
        let ran = run(command).await;
        assert!(ran.code == Some(2) && !ran.stderr.contains(HIDDEN), "{ran:?}");
        ran.tells(&[said]);
    }
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn every_example_with_options_has_a_version() {
    for name in
        ["get_batch_upload_status", "get_device_batches", "wait_for_batch_upload", "sweep", "sign_in", "emulator"]
    {
        run(example_with(name, "--version")).await.succeeded().prints(&[env!("CARGO_PKG_VERSION")]);
    }
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_single_response_can_be_json_as_the_service_writes_it() {
    for (name, member) in [
        ("get_batch_upload_status", "/devicesStatus/0/errorCode"),
        ("get_device_batches", "/items/0/devicesLink/uri"),
        ("wait_for_batch_upload", "/devicesStatus/4/errorDescription"),
    ] {
        let mut command = example_with(name, "--format json");
        if name == "wait_for_batch_upload" {
            command.args(["--interval", "50ms"]);
        }
        let ran = run(command).await;
        let response: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert!(response.pointer(member).is_some_and(|value| value.is_string()), "{response}");
    }
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn rust_log_shows_the_call_on_standard_error_without_the_token() {
    let server = Server::with_response(documented("device_batches.http")).await;
    let mut command = example("get_device_batches");
    command.env("RUST_LOG", "partner_center_devices=debug").env("PARTNER_CENTER_TOKEN", TOKEN);
    command.args(["--base-url", &server.base_url, "--customer-id", CUSTOMER, "--format", "json"]);
    let ran = run(command).await.succeeded();
    assert!(ran.stdout.starts_with('{') && !ran.stderr.contains(TOKEN), "{ran:?}");
    ran.tells(&["http.response.status_code=200", CUSTOMER]);

    let mut command = example("get_device_batches");
    command.env("RUST_LOG", "partner_center_devices=loud");
    run(command).await.failed(1, "RUST_LOG: ");
}

// Signing in.

/// An example for an application of the tenant.
fn application(name: &str, arguments: &str) -> Command {
    let mut command = example_with(name, arguments);
    command.env("PARTNER_CENTER_TENANT_ID", TENANT).env("PARTNER_CENTER_CLIENT_ID", CLIENT);
    command
}

#[cfg(unix)]
#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_refresh_token_is_kept_in_a_file_for_its_owner_alone_and_is_good_for_calls() {
    use std::os::unix::fs::PermissionsExt;

    let emulator = Emulator::start().await.unwrap();
    let folder = tempdir().unwrap();
    let file = folder.path().join("refresh-token");
    let authority = format!("--authority {}", emulator.base_url());
    let sign_in = || application("sign_in", &authority);

    fs::write(&file, "the one before").unwrap();
    let mut command = sign_in();
    command.arg("--output").arg(&file);
    let kept_in = format!("the refresh token is in {}", file.canonicalize().unwrap().display());
    let ran = run(command).await.succeeded().tells(&["enter the code EMULATOR1", &kept_in]);
    let refresh_token = fs::read_to_string(&file).unwrap();
    assert!(refresh_token.starts_with("emulator-refresh-token"), "{refresh_token}");
    assert!(!ran.stderr.contains(&refresh_token) && ran.stdout.is_empty(), "{ran:?}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");

    let mut command = sign_in();
    command.arg("--print");
    run(command).await.succeeded().prints(&["emulator-refresh-token"]);

    let call = format!("--customer-id {CUSTOMER} --base-url {} {authority}", emulator.base_url());
    for (variable, value) in [("REFRESH_TOKEN", refresh_token.as_str()), ("CLIENT_SECRET", HIDDEN)] {
        let mut command = application("get_device_batches", &call);
        command.env(format!("PARTNER_CENTER_{variable}"), value);
        run(command).await.succeeded().prints(&["Test batch"]);
    }
}

#[cfg(unix)]
#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_sign_in_fails_before_it_asks_the_user_if_the_refresh_token_has_no_place() {
    let emulator = Emulator::start().await.unwrap();
    let folder = tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let sign_in = |file: &Path| {
        let mut command = application("sign_in", &format!("--authority {}", emulator.base_url()));
        command.arg("--output").arg(file);
        run(command)
    };
    sign_in(&folder.path().join("nowhere/refresh-token")).await.failed(1, "cannot write");
    sign_in(&pipe).await.failed(1, "not a regular file");
    run(application("sign_in", "")).await.failed(1, "the refresh token needs a place");
    assert_eq!(emulator.sign_ins(), 0);
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_sign_in_service_that_cannot_be_reached_is_an_error_without_the_secret() {
    let base_url = "--base-url http://127.0.0.1:1 --authority http://127.0.0.1:1";
    let mut command = application("get_device_batches", &format!("--customer-id {CUSTOMER} {base_url}"));
    command.env("PARTNER_CENTER_CLIENT_SECRET", HIDDEN);
    run(command).await.failed(1, "cannot connect to the sign-in service");
}

// The sweep.

/// A file with this text, and the folder that is removed with it.
fn file(text: impl AsRef<[u8]>) -> (TempDir, String) {
    let folder = tempdir().unwrap();
    let file = folder.path().join("ids");
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (folder, file)
}

/// A customer ID on each of so many lines.
fn customers(count: usize) -> (TempDir, String) {
    file(format!("{CUSTOMER}\n").repeat(count))
}

fn rows(ran: &Ran) -> Vec<&str> {
    ran.stdout.lines().collect()
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn standard_input_is_swept_without_credentials_too() {
    let ran = run_with_input(example_with("sweep", "--format csv"), "nobody\n").await;
    assert_eq!(rows(&ran).len(), 2, "{ran:?}");
    ran.prints(&["nobody,,,,,,,the customer ID is not a GUID,"]);
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn each_id_is_a_row_in_order_and_a_bad_one_fails_the_sweep() {
    let emulator = Emulator::start().await.unwrap();
    let unknown = "00000000-0000-0000-0000-000000000001";
    let ids = format!(
        "\u{feff}# customers\r\ncustomer_id,tracking_id\r\n{CUSTOMER}, {TRACKING} nonsense\r\n\r\nnot-a-guid\n{unknown}"
    );
    let (_folder, file) = file(&ids);
    let of_file = run(example_with("sweep", &format!("{file} --format jsonl"))).await;
    let piped = example_with("sweep", &format!("--format jsonl --base-url {}", emulator.base_url()));
    for ran in [of_file, run_with_input(piped, ids).await] {
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let expected = [
            r#""batches":1"#,
            r#""status":"finished""#,
            r#""error":"the tracking ID is not a GUID""#,
            r#""error":"the customer ID is not a GUID""#,
            "404 Not Found",
        ];
        let rows = rows(&ran);
        assert_eq!(rows.len(), expected.len(), "{ran:?}");
        for (row, expected) in rows.iter().zip(expected) {
            assert!(row.contains(expected), "{expected} is not in {row}");
        }
        assert!(rows[3].contains(r#""customer_id":"not-a-guid""#), "{}", rows[3]);
        ran.tells(&["5 IDs: 2 succeeded, 3 failed", "error: 3 of 5 IDs failed"]);
    }
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_tracking_id_does_not_take_the_place_of_a_missing_customer_id() {
    let (_folder, file) = file(format!(",{TRACKING}\n\t{TRACKING}\r\n\"\",\"{TRACKING}\"\n"));
    let ran = run(example_with("sweep", &format!("{file} --format csv"))).await;
    assert_eq!(ran.stdout.matches("the customer ID is not a GUID").count(), 6, "{ran:?}");
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_sweep_reads_utf_16() {
    let text = format!("\u{feff}{CUSTOMER}\r\n");
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        let (_folder, file) = file(text.encode_utf16().flat_map(bytes).collect::<Vec<_>>());
        let ran = run(example_with("sweep", &format!("{file} --format csv"))).await.succeeded();
        ran.prints(&["Test batch"]).tells(&["1 IDs: 1 succeeded"]);
    }
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn rows_are_in_order_however_many_calls_are_in_flight() {
    let ids: Vec<_> = (0..500).map(|_| Uuid::new_v4().to_string()).collect();
    let (_folder, file) = file(ids.join("\n"));
    let ran = run(example_with("sweep", &format!("{file} --concurrency 16 --format csv"))).await;
    let swept: Vec<_> = ran.stdout.lines().skip(1).map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!(swept, ids);
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_sweep_keeps_to_its_concurrency() {
    let go_on: Vec<_> = (0..20).map(|_| Arc::new(Notify::new())).collect();
    let held = |go_on: &Arc<Notify>| Reply::SendInTwo(vec![], Arc::clone(go_on), documented("device_batches.http"));
    let server = Server::new(go_on.iter().map(held)).await;
    let (_folder, file) = customers(20);
    let command = example_with("sweep", &format!("{file} --base-url {} --concurrency 3", server.base_url));
    let _sweep = Running::start(command);
    for (responses, go_on) in go_on.iter().take(18).enumerate() {
        server.received(responses + 3).await;
        assert_eq!(server.requests().len(), responses + 3, "the next call waits for a response");
        go_on.notify_one();
    }
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_sweep_prints_a_table_or_writes_a_file() {
    let reply = || Reply::Send(documented("device_batches.http"));
    let server = Server::new([reply(), reply()]).await;
    let (folder, file) = customers(1);
    let sweep = format!("{file} --base-url {}", server.base_url);
    let ran = run(example_with("sweep", &sweep)).await.prints(&["Test batch", CUSTOMER]);
    assert!(!ran.stdout.contains("correlation"), "{}", ran.stdout);

    let rows = folder.path().join("rows");
    let mut command = example_with("sweep", &format!("{sweep} --format csv --output"));
    command.arg(&rows);
    let silent = run(command).await.succeeded();
    assert!(silent.stdout.is_empty(), "{silent:?}");
    let rows = fs::read_to_string(rows).unwrap();
    assert!(rows.lines().count() == 2 && rows.contains("Test batch"), "{rows}");

    let mut command = example_with("sweep", &file);
    command.args(["--output", &file]);
    run(command).await.tells(&["FILE and --output are the same file"]);
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_table_of_many_rows_comes_in_parts_and_says_that_lines_suit_better() {
    let (_folder, file) = file("not-a-guid\n".repeat(1001));
    let ran = run(example_with("sweep", &file)).await;
    assert_eq!(ran.stdout.matches("not-a-guid").count(), 1001);
    assert_eq!(ran.stdout.matches("customer_id").count(), 3);
    assert_eq!(ran.stderr.matches("--format csv or jsonl suits them better").count(), 1, "{}", ran.stderr);
}

#[cfg(unix)]
#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_sweep_that_is_interrupted_has_a_row_for_each_remaining_id() {
    let replies = [Reply::Send(documented("device_batches.http"))];
    let server = Server::new(replies.into_iter().chain((0..20).map(|_| Reply::Send(Vec::new())))).await;
    let (_folder, file) = customers(20);
    let sweep = format!("{file} --base-url {} --format csv --concurrency 1", server.base_url);
    let mut command = example_with("sweep", &sweep);
    let sweep = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // There is no response to the second call.
    server.received(2).await;
    let interrupted = Command::new("kill").args(["-INT", &sweep.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let output = tokio::task::spawn_blocking(move || sweep.wait_with_output().unwrap()).await.unwrap();
    let rows = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(rows.lines().count(), 21, "{rows}");
    assert_eq!(rows.lines().filter(|row| row.contains(",interrupted,")).count(), 19, "{rows}");
}

// The emulator.

/// Reads the address of an emulator from what it prints first.
#[cfg(target_os = "linux")]
fn address(emulator: &mut Running) -> String {
    use std::io::{BufRead, BufReader};

    let mut line = String::new();
    BufReader::new(emulator.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim().rsplit("http://").next().unwrap().to_owned()
}

/// The processor time of a process, in ticks of the clock: mostly hundredths of a second.
#[cfg(target_os = "linux")]
fn ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
fn an_emulator_without_file_descriptors_waits_for_some_and_then_responds() {
    use std::io::{ErrorKind, Read};
    use std::net::TcpStream;
    use std::time::Duration;

    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 24; exec \"$0\" --port 0"]).arg(example("emulator").get_program());
    let mut emulator = Running::start(command);
    let address = address(&mut emulator);
    let mut others: Vec<_> = (0..60).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let mut last = others.pop().unwrap();
    let path = format!("/v1/customers/{CUSTOMER}/deviceBatches");
    write!(last, "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer any\r\n\r\n").unwrap();

    // This second without a response costs little processor time.
    let before = ticks(emulator.0.id());
    last.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut response = [0; 12];
    let error = last.read(&mut response).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    assert!(ticks(emulator.0.id()) - before < 30, "it spins");

    drop(others);
    last.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    last.read_exact(&mut response).unwrap();
    assert_eq!(&response, b"HTTP/1.1 200");
}

// On a terminal, which the command `script` of util-linux provides.

#[cfg(target_os = "linux")]
async fn on_a_terminal(command: Command, variables: &[(&str, &str)]) -> Ran {
    let program = command.get_program().to_str().unwrap();
    let arguments = command.get_args().map(|argument| format!(" {}", argument.to_str().unwrap())).collect::<String>();
    let mut script = Command::new("script");
    script.args(["-qec", &format!("stty cols 80; '{program}'{arguments}"), "/dev/null"]);
    for variable in ["TOKEN", "TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN", "CLOUD", "BASE_URL"] {
        script.env_remove(format!("PARTNER_CENTER_{variable}"));
    }
    script.env_remove("NO_COLOR").env("TERM", "xterm").env("LC_ALL", "C.UTF-8").envs(variables.iter().copied());
    run(script).await
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_terminal_shows_devices_by_status_as_a_bar_with_colors_if_they_are_wanted() {
    let status = || example("get_batch_upload_status");
    on_a_terminal(status(), &[]).await.succeeded().prints(&["▒▒▒", "\x1b[31m"]);
    let plain = on_a_terminal(status(), &[("NO_COLOR", "1")]).await.succeeded().prints(&["▒▒▒"]);
    assert!(!plain.stdout.contains("\x1b["), "{plain:?}");
    on_a_terminal(status(), &[("LC_ALL", "C")]).await.succeeded().prints(&["devices    1 device"]);
    let wait = on_a_terminal(example_with("wait_for_batch_upload", "--interval 100ms"), &[]).await;
    assert_eq!(wait.code, Some(3), "{wait:?}");
    wait.prints(&["▓▓▓", "processing: 6 devices"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_table_that_is_wider_than_the_terminal_does_not_break_an_id() {
    let ran = on_a_terminal(example_with("sweep", "--interval 100ms"), &[]).await.succeeded();
    ran.prints(&[CUSTOMER, TRACKING]);
}
