//! The end of a batch: packs are completed, merged, and given their names.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::Ordering;

use crate::disk::{self, Lock};
use crate::hash::{Id, Kind, hex};
use crate::object::{Object, Sink, Table};

use super::super::consolidate::{self, SMALL_PACK};
use super::super::lookup::Indexed;
use super::super::pack::Written;
use super::super::{Class, Effect, Error, PackInfo, Publication, Store, pack_path};
use super::packs::{Finished, Open};
use super::{Batch, Made, locked, remove_folder};

/// A session lists its packs when it has so many.
const SESSION_PACKS: usize = 64;

/// Packs that are complete, durable and under their final names: ready to be published.
#[derive(Debug)]
#[must_use = "sealed packs that are not published are garbage"]
pub struct Sealed {
    pub(in crate::store) packs: Vec<PackInfo>,
    pub(in crate::store) removed: Vec<(String, Option<String>)>,
    pub(in crate::store) indexed: Vec<Indexed>,
    pub(in crate::store) relied: BTreeSet<String>,
    pub(in crate::store) base: u64,
    pub(in crate::store) session: Option<String>,
    /// Whether some of the packs are archives.
    pub(in crate::store) has_archives: bool,
    /// Whether nothing is gained by writing them once more.
    pub(in crate::store) is_arranged: bool,
    folder: String,
    /// Held until the packs are published: then the session's folder goes.
    lock: Option<Lock>,
    /// What the batch made.
    pub made: Made,
}

impl Batch<'_> {
    /// Puts what the content packs hold into the metadata. Two threads share the work.
    pub(super) fn put_tables(&self) -> Result<(), Error> {
        let mut finished = locked(&self.finished);
        let put = |finished: &mut [Finished]| -> Result<(), Error> {
            let mut writer = self.writer();
            for one in finished {
                if let Some(table) = table_of(&one.written) {
                    one.table = Some(writer.put(Kind::Table, table.to_bytes())?);
                }
            }
            writer.flush()
        };
        if finished.len() < 4 {
            return put(&mut finished);
        }
        let half = finished.len() / 2;
        let (mine, theirs) = finished.split_at_mut(half);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| put(theirs));
            put(mine)?;
            let died = Error::io("write", "tmp");
            other.join().unwrap_or_else(|_| Err(died(io::Error::other("a thread died"))))
        })
    }

    /// Whether so many packs are complete that the session should list them.
    pub fn has_many_packs(&self) -> bool {
        locked(&self.finished).len() + locked(&self.closing).len() >= SESSION_PACKS
    }

    /// Lists what was put so far: an interrupted batch need not do it again. All writers must have
    /// been flushed, or a listed object could be without what it is made of.
    pub fn list_session(&self, actor: &str) -> Result<(), Error> {
        if self.is_rehearsal {
            return Ok(());
        }
        self.finish_open()?;
        let finished = std::mem::take(&mut *locked(&self.finished));
        if finished.is_empty() {
            return Ok(());
        }
        let has_archives = finished.iter().any(|finished| finished.written.is_archive);
        let placed = self.place(finished, Some(&self.session))?;
        let sealed = Sealed {
            packs: placed.iter().map(|(info, _)| info.clone()).collect(),
            removed: Vec::new(),
            indexed: placed.into_iter().map(|(_, indexed)| indexed).collect(),
            relied: locked(&self.relied).clone(),
            base: self.base.number,
            session: None,
            has_archives,
            is_arranged: self.is_arranged.load(Ordering::Relaxed),
            folder: String::new(),
            lock: None,
            made: Made::default(),
        };
        let publication = Publication::new("session", actor).with_packs(sealed);
        self.store.publish(publication)?;
        *locked(&self.has_listed) = true;
        self.is_first.store(false, Ordering::Relaxed);
        // They are in the lookup now; memory stays bounded.
        self.known.forget();
        locked(&self.contents).clear();
        Ok(())
    }

    /// Gives finished packs their final names and makes these durable.
    fn place(
        &self,
        finished: Vec<Finished>,
        session: Option<&str>,
    ) -> Result<Vec<(PackInfo, Indexed)>, Error> {
        let dir = &*self.store.dir;
        let contents = locked(&self.contents).clone();
        let mut placed = Vec::new();
        let mut folders = BTreeSet::new();
        for Finished { path, written, table } in finished {
            let random = hex(&self.store.env.random.four());
            let name = format!("{}-{random}", written.hash.short(32));
            let target = pack_path(written.class, &name);
            let folder = target[..target.len() - name.len() - 1].to_owned();
            // Somebody else may remove the folder again while it is empty.
            let mut placed_at = Err(io::ErrorKind::NotFound.into());
            for _ in 0..8 {
                match dir.make_dir(folder.as_bytes(), 0o777) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        disk::make_dirs(dir, folder.as_bytes())
                            .map_err(Error::io("create", &folder))?;
                    }
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(Error::io("create", &folder)(error));
                    }
                    _ => {}
                }
                placed_at = dir.rename(path.as_bytes(), dir, target.as_bytes());
                match &placed_at {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    _ => break,
                }
            }
            placed_at.map_err(Error::io("rename", &path))?;
            // Whoever made the folder may not have synced its name yet, so that is done in any case.
            if let Some((above, _)) = folder.rsplit_once('/') {
                folders.insert(above.to_owned());
            }
            folders.insert(folder);
            let info = PackInfo {
                class: written.class,
                name: name.clone(),
                hash: written.hash,
                bytes: written.bytes,
                table,
                session: session.map(str::to_owned),
            };
            let contents = if written.class == Class::Meta { contents.clone() } else { Vec::new() };
            let indexed = Indexed { name, class: written.class, table: written.table, contents };
            placed.push((info, indexed));
        }
        for folder in folders {
            let synced = dir.dir(folder.as_bytes()).and_then(|folder| folder.sync());
            synced.map_err(Error::io("sync", &folder))?;
        }
        Ok(placed)
    }

    /// Ends a batch that has everything these packs have: they go with the record that brings it.
    pub(in crate::store) fn seal_instead_of(
        self,
        packs: impl Iterator<Item = String>,
    ) -> Result<Sealed, Error> {
        let relied: BTreeSet<String> = packs.collect();
        let removed = relied.iter().map(|name| (name.clone(), None)).collect();
        Ok(Sealed { relied, removed, ..self.seal()? })
    }

    /// Ends the batch: everything put is durable afterwards. All writers must have been flushed.
    pub fn seal(mut self) -> Result<Sealed, Error> {
        assert!(!self.is_rehearsal, "what was only rehearsed is not recorded");
        self.join_closing()?;
        for class in [Class::List, Class::Near, Class::Data] {
            self.finish_class(class)?;
        }
        let mut merges = Vec::new();
        for class in [Class::List, Class::Near, Class::Data] {
            merges.extend(self.consolidate(class)?);
        }
        self.put_tables()?;
        self.finish_class(Class::Meta)?;
        self.join_closing()?;
        merges.extend(self.consolidate(Class::Meta)?);
        let finished = std::mem::take(&mut *locked(&self.finished));
        let temporary: Vec<String> =
            finished.iter().map(|finished| finished.path.clone()).collect();
        let has_archives = finished.iter().any(|finished| finished.written.is_archive);
        let placed = self.place(finished, None)?;
        let mut removed = Vec::new();
        for (path, names) in merges {
            let at = temporary.iter().position(|temporary| *temporary == path);
            let into = at.and_then(|at| placed.get(at)).map(|(info, _)| info.name.clone());
            removed.extend(names.into_iter().map(|name| (name, into.clone())));
        }
        let has_listed = *locked(&self.has_listed);
        Ok(Sealed {
            packs: placed.iter().map(|(info, _)| info.clone()).collect(),
            removed,
            indexed: placed.into_iter().map(|(_, indexed)| indexed).collect(),
            relied: std::mem::take(&mut *locked(&self.relied)),
            base: self.base.number,
            session: has_listed.then(|| self.session.clone()),
            has_archives,
            is_arranged: self.is_arranged.load(Ordering::Relaxed),
            folder: format!("tmp/{}", self.session),
            lock: self.lock.take(),
            made: *locked(&self.made),
        })
    }

    /// Merges small packs of this class if there are too many; returns the temporary path of the
    /// merged pack and the names of the packs that are in it.
    fn consolidate(&self, class: Class) -> Result<Option<(String, Vec<String>)>, Error> {
        let mut finished = locked(&self.finished);
        let own: Vec<usize> = (0..finished.len())
            .filter(|&at| {
                let written = &finished[at].written;
                written.class == class && written.bytes < SMALL_PACK
            })
            .collect();
        if self.is_rewriting {
            return Ok(None);
        }
        let Some(plan) = consolidate::plan(&self.base, class, own.len()) else {
            return Ok(None);
        };
        // Metadata is merged last, when the tables of all others were put.
        let tables: BTreeSet<Id> = finished.iter().filter_map(|one| one.table).collect();
        let Open { path, writer } = self.create_pack(class, false)?;
        let own_paths: Vec<String> = own.iter().map(|&at| finished[at].path.clone()).collect();
        let merged = consolidate::merge(self.store, writer, class, &plan, &own_paths, &tables)?;
        let Some((written, names)) = merged else { return Ok(None) };
        for at in own.into_iter().rev() {
            let Finished { path, .. } = finished.remove(at);
            self.store.dir.remove_file(path.as_bytes()).map_err(Error::io("remove", &path))?;
        }
        finished.push(Finished { path: path.clone(), written, table: None });
        Ok(Some((path, names)))
    }
}

impl Sealed {
    /// The session's folder is no longer needed.
    pub(in crate::store) fn release(mut self, store: &Store) {
        if !self.folder.is_empty() {
            remove_folder(store, &self.folder);
        }
        self.lock.take();
    }
}

/// The table object of a content pack.
fn table_of(written: &Written) -> Option<Table> {
    written.table.to_object(written.class)
}

impl Effect {
    /// That a session's packs are ordinary ones from now on.
    pub(in crate::store) fn session_ended(session: &str) -> Self {
        Self::SessionEnded(session.to_owned())
    }
}
