/// Responds to each request with the next reply, and gives back what was asked. Part of the drives.
fn serve(replies: &[(&str, String)]) -> (String, std::sync::mpsc::Receiver<String>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, asks) = std::sync::mpsc::channel();
    let replies: Vec<_> = replies.iter().map(|(status, body)| ((*status).to_owned(), body.clone())).collect();
    std::thread::spawn(move || {
        for (status, body) in replies {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut part = [0; 4096];
            let is_whole = |request: &[u8]| {
                let text = String::from_utf8_lossy(request).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
                let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(|n| n.parse::<usize>().unwrap()));
                body.len() >= length.unwrap_or(0)
            };
            while !is_whole(&request) {
                let read = stream.read(&mut part).unwrap();
                request.extend_from_slice(&part[..read]);
            }
            asked.send(String::from_utf8(request).unwrap()).unwrap();
            let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).unwrap();
        }
    });
    (address, asks)
}

fn partner(address: &str) -> PartnerCenter {
    let retries = RetryPolicy::default().initial_delay(std::time::Duration::ZERO);
    PartnerCenter::builder(AccessToken::new("eyJ0eXAiOiJKV1Qi")).base_url(address).retry_policy(retries).build().unwrap()
}

fn customer(address: &str) -> Customer {
    partner(address).customers().by_id("47021739-3426-40bf-9601-61b4b6d7c793".parse().unwrap())
}

/// Says of one edit whether it works. A panic is what is wrong.
fn check(edit: &str, work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let work = std::panic::AssertUnwindSafe(|| runtime.block_on(work));
    match std::panic::catch_unwind(work) {
        Ok(()) => println!("drive: {edit}: ok"),
        Err(_) => println!("drive: {edit}: panicked, see above"),
    }
}
