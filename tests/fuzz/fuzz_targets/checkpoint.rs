//! Checkpoints of the journal.
#![no_main]

use annals::store::State;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = State::parse(bytes);
    if let Ok((state, moves)) = State::parse(&annals_fuzz::ended("annals-checkpoint 1", bytes)) {
        let again = State::parse(state.to_text(&moves).as_bytes()).expect("it was written");
        assert_eq!(again, (state, moves));
    }
});
