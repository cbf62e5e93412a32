//! Runs of the lookup, with checksums that are right, and every question they are asked.
#![no_main]

use annals::disk::Bytes;
use annals::hash::{Prefix, checksum, hash};
use annals::store::lookup::PackRun;
use annals::table::SortedRun;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [rows, bits, extra, rest @ ..] = bytes else { return };
    let (rows, bits, extra) = (usize::from(rows % 8), bits % 3, usize::from(*extra));
    let fanout = ((1usize << bits) + 1) * 4;
    let mut run = b"ANNLRUN1".to_vec();
    for number in [48, extra as u64, u64::from(bits), rows as u64, 0, 0, 0] {
        run.extend(number.to_le_bytes());
    }
    run.extend(rest.iter().chain(std::iter::repeat(&0)).take(extra + fanout + rows * 48));
    let body = run.len() - rows * 48;
    let sum = checksum(&run[body..]);
    run[40..48].copy_from_slice(&sum.to_le_bytes());
    let sum = checksum(&run[..body]);
    run[48..56].copy_from_slice(&sum.to_le_bytes());
    let _ = SortedRun::open(Bytes::new(bytes.to_vec())).and_then(PackRun::open);
    let Some(run) = SortedRun::open(Bytes::new(run)).and_then(PackRun::open) else { return };
    run.each(|id, _, _| {
        let _ = run.find(&id).count();
    });
    let prefix = Prefix::parse("0000").expect("four digits");
    run.prefixed(&prefix, |_, _| {});
    let _ = PackRun::merge(&run, &run, |pack| !pack.is_empty());
});
