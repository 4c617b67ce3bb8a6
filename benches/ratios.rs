//! What a call costs beside the same call by hand, as a table in Markdown: `cargo bench --bench ratios`. Words
//! behind `--` choose the rows that have one of them: `cargo bench --bench ratios -- decode memory`.
//!
//! Client and twin take turns in one run, and a time is the median of the ratios of neighbours, so what else
//! the machine does hits both. The server is a process of its own.
//!
//! `--check` takes only what is counted, which is the same each time, and fails if one of the figures is more than
//! it was when this was last edited. No time ever fails anything. `.ci/run` does this with the package in
//! `benches/counted`, whose release build needs few dependencies.
#![allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::cell::Cell;
use std::time::Instant;

use cpu_time::ThreadTime;
use futures_util::{StreamExt, stream};
use partner_center_devices::AppOnlyCredential;

use self::common::{Of, Pair, Server, allocations, instructions, peak, read_by_client, read_by_twin, runtime};

const SMALL: [(Of, f64); 3] = [(Of::Devices(1), 1.05), (Of::Devices(25), 1.0), (Of::Batches(25), 1.0)];
const LARGE: [Of; 3] = [Of::Devices(10_000), Of::Devices(100_000), Of::Batches(10_000)];
const IN_FLIGHT: usize = 64;

fn main() {
    common::play_another_part();
    let (options, words): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let is_check = options.iter().any(|option| option == "--check");
    let is_wanted = |what: &str| words.is_empty() || words.iter().any(|word| what.contains(word.as_str()));
    let row = |what: &str, goal: &str, measure: &dyn Fn() -> String| {
        if is_wanted(what) && !is_check {
            println!("| {what} | {} | {goal} |", measure());
        }
    };
    let failed = Cell::new(false);
    let counted = |what: &str, goal: &str, most: f64, count: &dyn Fn() -> Option<(u64, u64)>| {
        if !is_wanted(what) {
            return;
        }
        let Some((client, twin)) = count() else { return println!("| {what} | not counted | {goal} |") };
        let ratio = client as f64 / twin as f64;
        println!("| {what} | {ratio:.2} ({client} / {twin}) | {goal} |");
        if is_check && ratio > most {
            println!("more than {most:.2}: {what}");
            failed.set(true);
        }
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{cores} cores, {}\n", chrono::Utc::now().date_naive());
    println!("| what | client / by hand | goal |\n|---|---|---|");

    let server = Server::start();
    let figures = |(wall, cpu): (f64, f64)| format!("{wall:.2} ({cpu:.2})");
    let small = SMALL.map(|(of, goal)| (of, goal, 3_000));
    for (of, goal, turns) in small.into_iter().chain(LARGE.map(|of| (of, 0.95, 40))) {
        let call = || figures(calls(&server.pair(of, ""), turns));
        row(&format!("call, {of}: wall (CPU)"), &format!("≤ {goal:.2}"), &call);
    }
    row("token, kept by an `AppOnlyCredential`, 1 device: wall (CPU)", "≤ 1.05", &|| {
        let credential = AppOnlyCredential::new("contoso", common::CUSTOMER, "secret").unwrap();
        figures(calls(&server.pair_with(Of::Devices(1), credential), 3_000))
    });
    row("fan_out, 20,000 calls, 64 in flight: throughput", "≥ 1.00", &|| fan_out(&server, false));
    row("fan_out, the same as 64 tasks: throughput", "≥ 1.00", &|| fan_out(&server, true));
    for of in [Of::Devices(100_000), Of::Batches(10_000)] {
        row(&format!("decode, {of}: wall"), "≤ 0.95", &|| decode(of));
    }
    row("gzip, 100,000 devices at 100 Mbit/s: wall beside the same without", "≤ 0.35", &|| gzip(&server));
    for ((of, _), most) in SMALL.into_iter().zip([1.05, 1.03, 1.03]) {
        counted(&format!("instructions, {of}"), "≤ 1.02", most, &|| instructions(&server, of));
    }
    for ((of, _), most) in SMALL.into_iter().zip([0.94, 0.86, 0.79]) {
        counted(&format!("allocations, {of}"), "≤ 1.00", most, &|| Some(allocations(&server, of)));
    }
    counted("memory, 100,000 devices: bytes at most", "≤ 1.10", 1.01, &|| {
        Some(peak(&server.pair(Of::Devices(100_000), ""), 1))
    });
    counted("memory, 1,000 calls in flight: bytes at most", "≤ 1.05", 0.98, &|| {
        Some(peak(&server.pair(Of::Devices(1), "held"), 1_000))
    });
    counted("memory, future of a call: bytes", "–", 2.7, &|| Some(server.pair(Of::Devices(1), "").sizes()));
    drop(server);
    if failed.get() {
        std::process::exit(1);
    }
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// The median of the ratios of neighbours, after some turns that do not count.
fn in_turn(turns: usize, mut client: impl FnMut(), mut twin: impl FnMut()) -> (f64, f64) {
    fn timed(work: &mut dyn FnMut()) -> (f64, f64) {
        let (wall, cpu) = (Instant::now(), ThreadTime::now());
        work();
        let (wall, cpu) = (wall.elapsed(), cpu.elapsed());
        (wall.as_secs_f64(), cpu.as_secs_f64())
    }
    let ignored = turns / 10 + 1;
    let pairs = (0..turns + ignored).map(|turn| match turn % 2 {
        0 => {
            let client = timed(&mut client);
            (client, timed(&mut twin))
        }
        _ => {
            let twin = timed(&mut twin);
            (timed(&mut client), twin)
        }
    });
    let ratios = pairs.skip(ignored).map(|(client, twin)| (client.0 / twin.0, client.1 / twin.1));
    let (wall, cpu) = ratios.unzip();
    (median(wall), median(cpu))
}

fn calls(pair: &Pair, turns: usize) -> (f64, f64) {
    let runtime = runtime();
    in_turn(turns, || runtime.block_on(pair.client()), || runtime.block_on(pair.twin()))
}

fn decode(of: Of) -> String {
    let body = of.body().into_bytes();
    let (wall, _) = in_turn(40, || read_by_client(of, &body), || read_by_twin(of, &body));
    format!("{wall:.2}")
}

/// Ten turns of 2,000 calls each.
fn fan_out(server: &Server, in_tasks: bool) -> String {
    const TURNS: usize = 10;
    const CALLS: usize = 20_000 / TURNS;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let pair = server.pair(Of::Devices(1), "");
    let all = |is_client: bool| {
        let call = move |pair: Pair| async move { if is_client { pair.client().await } else { pair.twin().await } };
        runtime.block_on(async {
            if in_tasks {
                let tasks = (0..IN_FLIGHT).map(|task| {
                    let pair = pair.clone();
                    tokio::spawn(async move {
                        for _ in (task..CALLS).step_by(IN_FLIGHT) {
                            call(pair.clone()).await;
                        }
                    })
                });
                for task in tasks.collect::<Vec<_>>() {
                    task.await.unwrap();
                }
            } else {
                stream::iter(0..CALLS).for_each_concurrent(IN_FLIGHT, |_| call(pair.clone())).await;
            }
        });
    };
    let (wall, _) = in_turn(TURNS, || all(true), || all(false));
    format!("{:.2}", 1.0 / wall)
}

/// The client takes gzip; it is the server that sends it or not.
fn gzip(server: &Server) -> String {
    let of = Of::Devices(100_000);
    let (with, without) = (server.pair(of, "paced-gzip"), server.pair(of, "paced"));
    let runtime = runtime();
    let (wall, _) = in_turn(5, || runtime.block_on(with.client()), || runtime.block_on(without.client()));
    format!("{wall:.2}")
}
