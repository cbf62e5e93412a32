//! Reading many objects at once: each frame is opened once and only as far as it is needed, in the
//! order in which frames stand in packs, by all threads.
//!
//! What is read so is not kept: it would push out what is, and nobody comes back to it. An object
//! that is not where it was thought to be, or not sound there, is looked for as [`Store::read`]
//! does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::hash::{Id, Kind};
use crate::object::Take;

use super::pack::frame;
use super::{Error, Place, Store};

/// So few frames are read one after the other, and kept.
const FEW: usize = 8;

/// An object that is wanted, and where it is.
type Wanted = (Place, usize);

/// One thread's memory, for one frame after the other.
#[derive(Default)]
struct Room {
    stored: Vec<u8>,
    raw: Vec<u8>,
}

impl Store {
    /// Hands over each of these objects with its place in the list; `None` for what is not here.
    pub(super) fn sweep(&self, wanted: &[(Kind, Id)], take: &Take<'_>) -> Result<(), Error> {
        let (state, lookup) = (self.state(), self.lookup());
        let (mut found, mut rest): (Vec<Wanted>, Vec<usize>) = (Vec::new(), Vec::new());
        for (at, (kind, id)) in wanted.iter().enumerate() {
            match lookup.find(&state, *kind, id) {
                Some(place) => found.push((place, at)),
                None => rest.push(at),
            }
        }
        let key = |place: &Place| (place.frame, place.offset);
        found.sort_unstable_by(|(a, _), (b, _)| a.pack.cmp(&b.pack).then(key(a).cmp(&key(b))));
        let same = |(a, _): &Wanted, (b, _): &Wanted| a.frame == b.frame && a.pack == b.pack;
        let frames: Vec<&[Wanted]> = found.chunk_by(same).collect();
        if frames.len() <= FEW {
            rest.extend(found.iter().map(|(_, at)| at));
        } else {
            rest.extend(self.sweep_frames(&frames, wanted, take)?);
        }
        for at in rest {
            let (kind, id) = wanted[at];
            match self.read(kind, &id) {
                Ok(bytes) => take(at, Some(&bytes))?,
                Err(Error::Missing { .. }) => take(at, None)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The same for objects of these frames; returns those that were not there or not sound.
    fn sweep_frames(
        &self,
        frames: &[&[Wanted]],
        wanted: &[(Kind, Id)],
        take: &Take<'_>,
    ) -> Result<Vec<usize>, Error> {
        let next = AtomicUsize::new(0);
        let outcome = Mutex::new(Ok(Vec::new()));
        let work = || {
            let mut room = Room::default();
            while let Some(objects) = frames.get(next.fetch_add(1, Ordering::Relaxed)) {
                let failed = self.sweep_frame(objects, wanted, take, &mut room);
                let is_done = matches!(&failed, Ok(failed) if failed.is_empty());
                if is_done {
                    continue;
                }
                let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                match (&mut *outcome, failed) {
                    (Ok(all), Ok(failed)) => all.extend(failed),
                    (all @ Ok(_), Err(error)) => *all = Err(error),
                    (Err(_), _) => {}
                }
                if outcome.is_err() {
                    next.store(frames.len(), Ordering::Relaxed);
                }
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 1..threads.min(frames.len() / FEW + 1) {
                scope.spawn(work);
            }
            work();
        });
        outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn sweep_frame(
        &self,
        objects: &[Wanted],
        wanted: &[(Kind, Id)],
        take: &Take<'_>,
        room: &mut Room,
    ) -> Result<Vec<usize>, Error> {
        let Some((first, _)) = objects.first() else { return Ok(Vec::new()) };
        let kept = self.frames.get(first.class, first.pack, first.frame);
        let frame = match &kept {
            Some(frame) => Some(&frame[..]),
            None => self.open_as_far(objects, room),
        };
        let mut failed = Vec::new();
        for (place, at) in objects {
            let (kind, id) = &wanted[*at];
            let bytes = frame.and_then(|frame| frame.get(place.offset as usize..end(place)));
            match bytes.filter(|bytes| kind.id_of(bytes) == *id) {
                Some(bytes) => take(*at, Some(bytes))?,
                None => failed.push(*at),
            }
        }
        Ok(failed)
    }

    /// A frame up to the end of the last of these objects; `None` if it cannot be had.
    fn open_as_far<'r>(&self, objects: &[Wanted], room: &'r mut Room) -> Option<&'r [u8]> {
        let (first, _) = objects.first()?;
        let needed = objects.iter().map(|(place, _)| end(place)).max()?;
        let needed = if needed < first.raw as usize / 8 * 7 { needed } else { first.raw as usize };
        self.read_stored(first, &mut room.stored).ok()?;
        if room.raw.len() < needed {
            room.raw.resize(needed, 0);
        }
        let into = &mut room.raw[..needed];
        frame::open_start(&room.stored, &first.row(), first.frame as usize, into).ok()?;
        Some(into)
    }
}

fn end(place: &Place) -> usize {
    (place.offset as usize).saturating_add(place.length as usize)
}
