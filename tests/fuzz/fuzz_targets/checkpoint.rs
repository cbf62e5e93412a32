//! Checkpoints of the journal, and the runs they stand on.
#![no_main]

use annals::store::State;
use annals::store::journal::Changes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = State::parse(bytes);
    if let Ok((state, moves)) = State::parse(&annals_fuzz::ended("annals-checkpoint 1", bytes)) {
        let again = State::parse(state.to_text(&moves).as_bytes()).expect("it was written");
        assert_eq!(again, (state, moves));
    }
    let _ = Changes::parse(bytes);
    let _ = Changes::parse(&annals_fuzz::ended("annals-run 1", bytes));
});
