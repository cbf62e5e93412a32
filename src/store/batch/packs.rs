//! Packs while they are filled, and once they are full.

use std::collections::BTreeSet;
use std::io;

use crate::hash::{Id, hex};

use super::super::pack::{Frame, PackWriter, Written, frame};
use super::super::{Class, Error};
use super::{Batch, locked};

/// Of each class a pack may be open, and of each class of content an archive.
pub(super) const SLOTS: usize = 6;

/// The slot of a pack that is being written.
fn slot(class: Class, is_archive: bool) -> usize {
    match (class, is_archive) {
        (Class::Near, true) => 4,
        (Class::Data, true) => 5,
        _ => class as usize,
    }
}

/// A pack that is being written.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) path: String,
    pub(super) writer: PackWriter,
}

/// A pack that is complete under its temporary name.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) path: String,
    pub(super) written: Written,
    /// The table that says in the metadata what it holds, once that was put.
    pub(super) table: Option<Id>,
}

impl Batch<'_> {
    pub(in crate::store) fn push_frame(
        &self,
        class: Class,
        frame: &Frame<'_>,
    ) -> Result<(), Error> {
        {
            let mut made = locked(&self.made);
            made.objects += u64::from(frame.row.objects);
            made.bytes += u64::from(frame.row.raw);
            made.stored += u64::from(frame.row.stored);
        }
        if self.is_rehearsal {
            return Ok(());
        }
        let is_archive = frame.row.raw as usize > frame::MOST_FRAME_BYTES;
        let mut open = locked(&self.open[slot(class, is_archive)]);
        if let Some(full) = open.take_if(|open| !open.writer.has_room_for(frame.objects.len())) {
            self.close_in_background(full);
        }
        if open.is_none() {
            *open = Some(self.create_pack(class, is_archive)?);
        }
        if let Some(current) = &mut *open {
            current.writer.push(frame).map_err(Error::io("write", &current.path))?;
        }
        if let Some(full) = open.take_if(|open| open.writer.bytes() >= self.pack_bytes) {
            self.close_in_background(full);
        }
        Ok(())
    }

    pub(super) fn create_pack(&self, class: Class, is_archive: bool) -> Result<Open, Error> {
        let name = hex(&self.store.env.random.sixteen());
        let path = format!("tmp/{}/{name}.pack", self.session);
        let create = if is_archive { PackWriter::create_archive } else { PackWriter::create };
        let writer = create(&*self.store.dir, &path, class, &self.blocks)
            .map_err(Error::io("create", &path))?;
        Ok(Open { path, writer })
    }

    fn close_in_background(&self, full: Open) {
        let close = move || {
            let Open { path, writer } = full;
            Ok(Finished { written: writer.finish()?, path, table: None })
        };
        locked(&self.closing).push(std::thread::spawn(close));
    }

    /// Waits for packs that are being synced.
    pub(super) fn join_closing(&self) -> Result<(), Error> {
        for handle in std::mem::take(&mut *locked(&self.closing)) {
            let failed = Error::io("write", "tmp");
            let finished = match handle.join() {
                Ok(finished) => finished.map_err(failed)?,
                Err(_) => return Err(failed(io::Error::other("a thread died"))),
            };
            locked(&self.finished).push(finished);
        }
        Ok(())
    }

    /// Ends the packs that are open, content before metadata, so that the tables of the content
    /// packs are in the metadata. All writers must have been flushed.
    pub(super) fn finish_open(&self) -> Result<(), Error> {
        self.join_closing()?;
        for class in [Class::List, Class::Near, Class::Data] {
            self.finish_class(class)?;
        }
        self.put_tables()?;
        self.finish_class(Class::Meta)?;
        // A metadata pack may have filled up with tables and gone to the background.
        self.join_closing()
    }

    pub(super) fn finish_class(&self, class: Class) -> Result<(), Error> {
        let slots = BTreeSet::from([slot(class, false), slot(class, true)]);
        for slot in slots {
            if let Some(Open { path, writer }) = locked(&self.open[slot]).take() {
                let written = writer.finish().map_err(Error::io("write", &path))?;
                locked(&self.finished).push(Finished { path, written, table: None });
            }
        }
        Ok(())
    }
}
