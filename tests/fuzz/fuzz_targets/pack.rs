//! Packs: the first bytes are frames, the rest the table; header, trailer and hash are right.
#![no_main]

use annals::hash::{Kind, hash};
use annals::store::pack::{PackTable, check_pack};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    annals_fuzz::value::<PackTable>(bytes);
    let [class, split, rest @ ..] = bytes else { return };
    let (frames, table) = rest.split_at(usize::from(*split).min(rest.len()));
    let mut pack = b"ANNLPACK\x01".to_vec();
    pack.push(class % 6);
    pack.extend([0; 6]);
    pack.extend_from_slice(frames);
    let offset = pack.len() as u64;
    pack.extend_from_slice(table);
    pack.extend(offset.to_le_bytes());
    pack.extend((table.len() as u64).to_le_bytes());
    pack.extend(hash(&pack).as_bytes());
    let file = annals_fuzz::directory(&pack).open(b"file").expect("it was written");
    let sound = |kind: Kind, id, bytes: &[u8]| assert_eq!(kind.id_of(bytes), id);
    check_pack(file, sound).expect("memory does not fail");
    // As it is, too.
    let file = annals_fuzz::directory(bytes).open(b"file").expect("it was written");
    check_pack(file, sound).expect("memory does not fail");
});
