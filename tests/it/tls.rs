//! TLS: who is trusted, and machines that trust nobody.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use partner_center_devices::{Cloud, ErrorKind, PartnerCenter};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

use crate::faults::End::Succeeds;
use crate::faults::{SLACK, TRANSPORT, act, bound, builder, check, retrying, send};
use crate::server::{Server, response, upload};
use crate::sign_in::app_only;

/// A server with a certificate for this name, and the certificate.
async fn serve_tls(name: &str) -> (SocketAddr, reqwest::Certificate) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    act(&mut stream, &[send(response("200 OK", &[], "{}"))], &AtomicUsize::new(0)).await;
                    let _ = stream.shutdown().await;
                }
            });
        }
    });
    (address, reqwest::Certificate::from_der(&certificate).unwrap())
}

/// A server that speaks first.
async fn greet(greeting: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(greeting.as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn tls_is_refused_unless_certificate_and_name_are_right() {
    let (address, certificate) = serve_tls("localhost").await;
    let (elsewhere, other) = serve_tls("partner.example.com").await;
    let plain = greet("220 mail.example.com ESMTP\r\n").await;
    let trusting =
        |certificate: &reqwest::Certificate| reqwest::Client::builder().tls_certs_only([certificate.clone()]);
    let rows = [
        ("TLS with a trusted certificate", address, trusting(&certificate), Succeeds, 1),
        ("TLS with a certificate that nobody trusts", address, trusting(&other), TRANSPORT, 1),
        ("TLS with a wrong name", elsewhere, trusting(&other), TRANSPORT, 1),
        ("TLS with a server that speaks none", plain, trusting(&certificate), TRANSPORT, 2),
    ];
    for (name, address, http, end, attempts) in rows {
        let url = format!("https://localhost:{}", address.port());
        let partner = builder().base_url(url).http_client(http).attempt_timeout(Duration::from_secs(5));
        check(name, &partner.build().unwrap(), end, attempts, bound(end, attempts)).await;
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_one_attempt_and_an_error_that_says_what_to_install() {
    let (address, _) = serve_tls("localhost").await;
    let (_, other) = serve_tls("partner.example.com").await;
    let url = format!("https://localhost:{}", address.port());
    let http = || reqwest::Client::builder().tls_certs_only([other.clone()]);
    let partner = retrying(9).base_url(&url).http_client(http()).attempt_timeout(Duration::from_secs(5));
    let error = upload(&partner.build().unwrap()).get().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.is_retryable()), (ErrorKind::Transport, 1, false));
    assert!(error.to_string().contains("its certificate is not trusted") && error.to_string().contains("ca-cert"));

    let cloud = Cloud::custom(&url, &url).unwrap();
    let partner = PartnerCenter::builder(app_only()).cloud(cloud).http_client(http());
    let error = upload(&partner.build().unwrap()).get().await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Credential, false));
    assert!(error.to_string().contains("sign-in service: its certificate is not trusted"), "{error}");
}

/// A machine without certificates, in a process of its own: this test again.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_callers_own_http_client_needs_no_certificates_for_loopback() {
    const NONE: &str = "no-such-file";
    if std::env::var("SSL_CERT_FILE").as_deref() != Ok(NONE) {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "tls::the_callers_own_http_client_needs_no_certificates_for_loopback"]);
        let done = again.env("SSL_CERT_FILE", NONE).env("SSL_CERT_DIR", NONE).output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let own = || reqwest::Client::builder().referer(false);
    let server = Server::with_body("{}").await;
    upload(&server.builder().http_client(own()).build().unwrap()).get().await.unwrap();

    let (address, certificate) = serve_tls("localhost").await;
    let at_tls = || builder().base_url(format!("https://localhost:{}", address.port())).attempt_timeout(SLACK);
    let error = at_tls().http_client(own()).build().unwrap_err();
    assert!(error.to_string().contains("install the package ca-certificates"), "{error}");
    let partner = at_tls().http_client(own().tls_certs_merge([certificate])).build().unwrap();
    upload(&partner).get().await.unwrap();
}
