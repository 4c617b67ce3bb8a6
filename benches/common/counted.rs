//! What can be counted, and is the same each time: allocations, memory, and instructions as valgrind has them.

use std::process::Command;

use allocation_counter::{AllocationInfo, measure};
use futures_util::future::join_all;

use super::{Of, Pair, Server, runtime};

/// What so many calls at once allocate, the client's and the twin's. Connections are open before.
fn allocated(pair: &Pair, at_once: usize) -> (AllocationInfo, AllocationInfo) {
    let runtime = runtime();
    let client = || _ = runtime.block_on(join_all((0..at_once).map(|_| pair.client())));
    let twin = || _ = runtime.block_on(join_all((0..at_once).map(|_| pair.twin())));
    for _ in 0..3 {
        client();
        twin();
    }
    (measure(client), measure(twin))
}

/// The allocations of one call.
pub fn allocations(server: &Server, of: Of) -> (u64, u64) {
    let (client, twin) = allocated(&server.pair(of, ""), 1);
    (client.count_total, twin.count_total)
}

/// The most memory that calls take, in bytes.
pub fn peak(pair: &Pair, at_once: usize) -> (u64, u64) {
    let (client, twin) = allocated(pair, at_once);
    (client.bytes_max, twin.bytes_max)
}

/// The instructions of one call; none without valgrind.
pub fn instructions(server: &Server, of: Of) -> Option<(u64, u64)> {
    let count = |side: &str, calls: u64| {
        let program = std::env::current_exe().unwrap();
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
        valgrind.args(["calls", &server.address, &of.path(), side, &calls.to_string()]);
        let output = String::from_utf8(valgrind.output().ok()?.stderr).unwrap();
        let total = output.lines().find_map(|line| line.split_once("Collected : "));
        Some(total.unwrap_or_else(|| panic!("{output}")).1.trim().parse::<u64>().unwrap())
    };
    let of_one = |side| Some((count(side, 120)? - count(side, 20)?) / 100);
    Some((of_one("client")?, of_one("twin")?))
}

/// Makes calls one after the other, for valgrind.
pub fn run(address: &str, of: &str, side: &str, count: usize) {
    let server = Server { process: None, address: address.to_owned() };
    let (kind, size) = of.split_once('/').unwrap();
    let size = size.parse().unwrap();
    let pair = server.pair(if kind == "devices" { Of::Devices(size) } else { Of::Batches(size) }, "");
    runtime().block_on(async {
        for _ in 0..count {
            if side == "client" { pair.client().await } else { pair.twin().await }
        }
    });
}
