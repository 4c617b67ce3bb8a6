//! What the examples send and show, run as a user runs them. They have to be built before, so these
//! tests are run by .ci/run: `cargo build --examples`, then `cargo test --test it examples -- --ignored`.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use partner_center_devices::Cloud;
use serde_json::json;

use crate::server::{CUSTOMER, Reply, Server, TOKEN, TRACKING, answer, documented};
use crate::sign_in::{CLIENT, REFRESH, SECRET, TENANT};

fn example(name: &str) -> Command {
    // Beside the folder of this test: target/debug/deps and target/debug/examples.
    let folder = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
    let mut command = Command::new(folder.join(name));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn token() -> Reply {
    let token = json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN, "refresh_token": "next" });
    Reply::Send(answer("200 OK", &[], token.to_string()))
}

fn path(server: &Server, request: usize) -> String {
    server.requests()[request].lines().next().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_proxy_of_the_environment_gets_its_password_unescaped_and_nobody_else_sees_it() {
    for (credentials, sent) in [("", None), ("http://user:p%40ss%25w@", Some("Basic dXNlcjpwQHNzJXc="))] {
        let refusals = (0..4).map(|_| Reply::SendAndClose(answer("403 Forbidden", &[], "")));
        let proxy = Server::new(refusals).await;
        let address = proxy.base_url.trim_start_matches("http://");
        let mut command = example("get_batch_upload_status");
        command.env("PARTNER_CENTER_TOKEN", TOKEN).env("HTTPS_PROXY", format!("{credentials}{address}"));
        command.args(["--base-url", "https://partner.example.invalid", "--customer-id", CUSTOMER]);
        let failed = output({
            command.args(["--tracking-id", TRACKING]);
            command
        });
        let failed = failed.await;
        let said = text(&failed.stderr) + &text(&failed.stdout);
        assert!(!failed.status.success() && !said.contains("p@ss") && !said.contains("p%40ss"), "{said}");
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
        output(command)
    };
    let server = Server::answering(documented("batch_upload_status.http")).await;
    let done = bare(&server.base_url).await;
    assert!(done.status.success() && text(&done.stdout).contains("1234567890"), "{done:?}");
    let failed = bare("https://partner.example.invalid").await;
    let said = text(&failed.stderr);
    assert_eq!((failed.status.code(), said.trim().lines().count()), (Some(1), 1), "{said}");
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
        let server = Server::answering(documented(fixture)).await;
        let mut command = example(name);
        command.env("PARTNER_CENTER_TOKEN", TOKEN).args(["--base-url", &server.base_url, "--customer-id", CUSTOMER]);
        if name != "get_device_batches" {
            command.args(["--tracking-id", TRACKING]);
        }
        if name == "wait_for_batch_upload" {
            command.args(["--interval", "0", "--timeout", "9"]);
        }
        let output = output(command).await;
        assert!(output.status.success(), "{output:?}");
        assert!(text(&output.stdout).contains(shown), "{output:?}");
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
    let output = output(command).await;
    assert_eq!(output.status.code(), Some(1));
    let shown = text(&output.stdout) + &text(&output.stderr);
    assert!(shown.contains("pass only its access_token") && !shown.contains("eyJ.abc"), "{shown}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn every_kind_of_credential_signs_in_for_its_cloud() {
    for (variables, grant, sends) in [
        (vec![("CLIENT_SECRET", SECRET)], "client_credentials", vec![("client_secret", SECRET)]),
        (vec![("REFRESH_TOKEN", REFRESH)], "refresh_token", vec![("refresh_token", REFRESH)]),
        (
            vec![("CLIENT_SECRET", SECRET), ("REFRESH_TOKEN", REFRESH)],
            "refresh_token",
            vec![("client_secret", SECRET), ("refresh_token", REFRESH)],
        ),
    ] {
        let server = Server::new([token(), Reply::Send(documented("device_batches.http"))]).await;
        let mut command = example("get_device_batches");
        command.env("PARTNER_CENTER_TENANT_ID", TENANT).env("PARTNER_CENTER_CLIENT_ID", CLIENT);
        command.envs(variables.iter().map(|(name, value)| (format!("PARTNER_CENTER_{name}"), value)));
        command.args(["--cloud", "china", "--authority", &server.base_url, "--base-url", &server.base_url]);
        let output = output({
            command.args(["--customer-id", CUSTOMER]);
            command
        })
        .await;
        assert!(output.status.success(), "{output:?}");
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
async fn the_help_says_what_each_variable_means() {
    for name in ["get_batch_upload_status", "get_device_batches", "wait_for_batch_upload", "sweep", "sign_in"] {
        let mut command = example(name);
        command.arg("--help");
        let help = text(&output(command).await.stdout);
        for variable in ["TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"] {
            assert!(help.contains(&format!("PARTNER_CENTER_{variable} ")), "{name}: {variable}");
        }
        for variable in ["TOKEN", "REFRESH_TOKEN"] {
            assert!(name == "sign_in" || help.contains(&format!("PARTNER_CENTER_{variable} ")), "{name}: {variable}");
        }
        assert!(help.contains("--cloud") && help.contains("--authority"), "{name}");
    }
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn signing_in_shows_the_address_and_the_code() {
    let output = output(example("sign_in")).await;
    let said = text(&output.stderr);
    assert!(said.contains("/devicelogin and enter the code EMULATOR1"), "{said}");
    assert!(output.status.success() && output.stdout.is_empty());
}

/// Ids of customers, one a line, in a file of its own.
fn customers(name: &str, count: usize) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, format!("{CUSTOMER}\n").repeat(count)).unwrap();
    file
}

/// Ended with the test, whatever becomes of it.
struct Sweep(Child);

impl Drop for Sweep {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_sweep_keeps_to_its_concurrency() {
    let server = Server::new((0..20).map(|_| Reply::Send(Vec::new()))).await;
    let mut command = example("sweep");
    command.arg(customers("concurrency", 20)).args(["--base-url", &server.base_url, "--concurrency", "3"]);
    let _sweep = Sweep(command.spawn().unwrap());
    while server.requests().len() < 3 {
        tokio::task::yield_now().await;
    }
    // As long as no answer comes, no fourth does.
    for _ in 0..100_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_sweep_shows_a_table_or_writes_a_file() {
    let reply = || Reply::Send(documented("device_batches.http"));
    let server = Server::new([reply(), reply()]).await;
    let ids = customers("table", 1);
    let mut command = example("sweep");
    command.arg(&ids).args(["--base-url", &server.base_url]);
    let shown = output(command).await;
    assert!(text(&shown.stdout).contains("Test batch") && text(&shown.stdout).contains(CUSTOMER), "{shown:?}");

    let rows = ids.with_extension("csv");
    let mut command = example("sweep");
    command.arg(&ids).args(["--base-url", &server.base_url, "--format", "csv", "--output"]).arg(&rows);
    let silent = output(command).await;
    assert!(silent.stdout.is_empty() && silent.status.success(), "{silent:?}");
    let rows = std::fs::read_to_string(rows).unwrap();
    assert!(rows.lines().count() == 2 && rows.contains("Test batch"), "{rows}");
}

#[cfg(unix)]
#[tokio::test]
#[ignore = "needs the examples; .ci/run builds them and runs it"]
async fn a_sweep_that_is_interrupted_has_a_row_for_each_id_that_is_left() {
    let replies = [Reply::Send(documented("device_batches.http"))];
    let server = Server::new(replies.into_iter().chain((0..20).map(|_| Reply::Send(Vec::new())))).await;
    let mut command = example("sweep");
    command.arg(customers("interrupted", 20)).args(["--base-url", &server.base_url, "--format", "csv"]);
    let sweep = command.args(["--concurrency", "1"]).spawn().unwrap();
    // The second call hangs.
    while server.requests().len() < 2 {
        tokio::task::yield_now().await;
    }
    let interrupted = Command::new("kill").args(["-INT", &sweep.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let output = tokio::task::spawn_blocking(move || sweep.wait_with_output().unwrap()).await.unwrap();
    let rows = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(rows.lines().count(), 21, "{rows}");
    assert_eq!(rows.lines().filter(|row| row.contains(",interrupted,")).count(), 19, "{rows}");
}
