//! Work that one thread hands to others: runs of chunks of large files.
//!
//! The queue is short, so memory is bounded; when it is full, whoever offers does the work itself.

use std::sync::{Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::content::Segment;

/// How many segments may wait.
const WAITING: usize = 4;
/// How many buffers are kept for use again.
const SPARE: usize = 16;

/// The queue, and buffers to fill.
#[derive(Debug)]
pub struct Jobs {
    sender: Sender<Segment>,
    receiver: Receiver<Segment>,
    spare: Mutex<Vec<Vec<u8>>>,
}

impl Default for Jobs {
    fn default() -> Self {
        let (sender, receiver) = bounded(WAITING);
        Self { sender, receiver, spare: Mutex::default() }
    }
}

impl Jobs {
    /// Hands a segment to somebody else; gives it back if all hands are full.
    pub(super) fn offer(&self, segment: Segment) -> Result<(), Segment> {
        self.sender.try_send(segment).map_err(|error| match error {
            TrySendError::Full(segment) | TrySendError::Disconnected(segment) => segment,
        })
    }

    /// A waiting segment, if there is one.
    pub(super) fn take(&self) -> Option<Segment> {
        self.receiver.try_recv().ok()
    }

    pub(super) fn receiver(&self) -> &Receiver<Segment> {
        &self.receiver
    }

    /// A buffer of at least so many bytes, whatever they are.
    pub(super) fn buffer(&self, bytes: usize) -> Vec<u8> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let found = spare.iter().position(|buffer| buffer.len() >= bytes);
        found.map_or_else(|| vec![0; bytes], |at| spare.swap_remove(at))
    }

    /// Takes a buffer back.
    pub(super) fn recycle(&self, buffer: Vec<u8>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE {
            spare.push(buffer);
        }
    }
}
