//! Records of the journal.
#![no_main]

use annals::store::Record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Record::parse(bytes);
    if let Ok((record, _)) = Record::parse(&annals_fuzz::ended("annals-record 1", bytes)) {
        let known = Record { has_unknown_lines: false, ..record };
        let (again, _) = Record::parse(known.to_text().0.as_bytes()).expect("it was written");
        assert_eq!(again, known);
    }
});
