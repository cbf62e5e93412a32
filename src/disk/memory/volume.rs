//! A whole file system: its things by number, and every call that changes them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use crate::clock::Time;
use crate::disk::os::{not_a_regular_file, unsupported};
use crate::disk::{FileKind, Stat};

use super::node::{
    Body, Chance, Content, Directory, Entry, Facts, Key, Node, empty_directory, empty_file,
};
use super::{BLOCK, Limits, ROOT, ReadHook, UMASK};

#[derive(Clone)]
pub(super) struct Volume {
    pub(super) nodes: BTreeMap<u64, Node>,
    pub(super) next_inode: u64,
    pub(super) limits: Limits,
    pub(super) now: Time,
    pub(super) step_nanoseconds: u64,
    pub(super) ahead_nanoseconds: i64,
    pub(super) read_only: bool,
    pub(super) lists_twice: bool,
    pub(super) capacity: Option<u64>,
    pub(super) syncs_until_failure: Option<u64>,
    pub(super) boot_id: [u8; 16],
    pub(super) mounts: u64,
    pub(super) locked: BTreeSet<u64>,
    pub(super) removals: usize,
    pub(super) on_read: Option<ReadHook>,
}

/// Letters followed by an acute accent become one.
pub(super) fn composed(text: &str) -> String {
    let pairs = [
        ("a\u{301}", "\u{e1}"),
        ("e\u{301}", "\u{e9}"),
        ("i\u{301}", "\u{ed}"),
        ("o\u{301}", "\u{f3}"),
        ("u\u{301}", "\u{fa}"),
    ];
    pairs.iter().fold(text.to_owned(), |text, (two, one)| text.replace(two, one))
}

impl Volume {
    pub(super) fn new(limits: Limits) -> Self {
        let now = Time::from_seconds(1_700_000_000);
        let mut volume = Self {
            nodes: BTreeMap::new(),
            next_inode: ROOT,
            limits,
            now,
            step_nanoseconds: 1_000_000,
            ahead_nanoseconds: 0,
            read_only: false,
            lists_twice: false,
            capacity: None,
            syncs_until_failure: None,
            boot_id: *b"first boot......",
            mounts: 0,
            locked: BTreeSet::new(),
            removals: 0,
            on_read: None,
        };
        volume.insert(empty_directory(ROOT), 0o755, now);
        volume
    }

    pub(super) fn insert(&mut self, body: Body, mode: u16, now: Time) -> u64 {
        let inode = self.next_inode;
        self.next_inode += 1;
        let facts = Facts { mode: mode & 0o7777, mtime: now, ctime: now };
        let node = Node {
            body,
            facts,
            durable_facts: facts,
            names: 1,
            unreadable: false,
            closed: false,
            fixed: false,
            write_lost: false,
            open: Arc::default(),
        };
        self.nodes.insert(inode, node);
        inode
    }

    pub(super) fn node(&self, inode: u64) -> &Node {
        self.nodes.get(&inode).expect("what has a name or is open is on the disk")
    }

    pub(super) fn node_mut(&mut self, inode: u64) -> &mut Node {
        self.nodes.get_mut(&inode).expect("what has a name or is open is on the disk")
    }

    pub(super) fn directory(&self, inode: u64) -> io::Result<&Directory> {
        match &self.node(inode).body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    pub(super) fn readable(&self, inode: u64) -> io::Result<&Node> {
        let node = self.node(inode);
        if node.unreadable { Err(Errno::IO.into()) } else { Ok(node) }
    }

    pub(super) fn regular(&self, inode: u64) -> io::Result<&Arc<Content>> {
        match &self.node(inode).body {
            Body::File { current, .. } => Ok(current),
            _ => Err(not_a_regular_file()),
        }
    }

    pub(super) fn key(&self, name: &[u8]) -> Key {
        let limits = &self.limits;
        match std::str::from_utf8(name) {
            _ if limits.case_sensitive && !limits.normalises => name.to_vec(),
            Ok(text) => {
                let text = if limits.normalises { composed(text) } else { text.to_owned() };
                match limits.case_sensitive {
                    true => text.into_bytes(),
                    false => text.to_lowercase().into_bytes(),
                }
            }
            Err(_) if limits.case_sensitive => name.to_vec(),
            Err(_) => name.to_ascii_lowercase(),
        }
    }

    pub(super) fn find(&self, dir: u64, name: &[u8]) -> io::Result<u64> {
        let entry = self.directory(dir)?.entries.get(&self.key(name));
        entry.map(|entry| entry.inode).ok_or_else(|| Errno::NOENT.into())
    }

    /// The inode of a path, which may have `.`, `..` and symbolic links in it.
    pub(super) fn walk(&self, start: u64, path: &[u8], follow_last: bool) -> io::Result<u64> {
        let parts = |path: &[u8]| -> Vec<Vec<u8>> {
            let named = |part: &&[u8]| !part.is_empty() && *part != b".";
            let parts = path.split(|&byte| byte == b'/').filter(named);
            parts.rev().map(<[u8]>::to_vec).collect()
        };
        let base = |path: &[u8], here| if path.starts_with(b"/") { ROOT } else { here };
        let mut here = base(path, start);
        let mut rest = parts(path);
        let mut followed = 0;
        while let Some(part) = rest.pop() {
            if part == b".." {
                here = self.directory(here)?.parent;
                continue;
            }
            let inode = self.find(here, &part)?;
            match &self.node(inode).body {
                Body::Symlink(target) if follow_last || !rest.is_empty() => {
                    followed += 1;
                    if followed > 40 {
                        return Err(Errno::LOOP.into());
                    }
                    here = base(target, here);
                    rest.extend(parts(target));
                }
                _ => here = inode,
            }
        }
        Ok(here)
    }

    /// The directory that has the last name of a path, and that name.
    pub(super) fn parent(&self, start: u64, path: &[u8]) -> io::Result<(u64, Vec<u8>)> {
        let slash = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        let dir = self.walk(start, &path[..slash], true)?;
        self.directory(dir)?;
        Ok((dir, path[slash..].to_vec()))
    }

    pub(super) fn check_writable(&self) -> io::Result<()> {
        if self.read_only { Err(Errno::ROFS.into()) } else { Ok(()) }
    }

    pub(super) fn check_not_closed(&self, inode: u64) -> io::Result<()> {
        if self.node(inode).closed { Err(Errno::ACCESS.into()) } else { Ok(()) }
    }

    fn check_not_fixed(&self, dir: u64) -> io::Result<()> {
        if self.node(dir).fixed { Err(Errno::ACCESS.into()) } else { Ok(()) }
    }

    /// The directory and name for something new, if that can be created.
    pub(super) fn place(&self, start: u64, path: &[u8]) -> io::Result<(u64, Vec<u8>)> {
        let (dir, name) = self.parent(start, path)?;
        if self.find(dir, &name).is_ok() {
            return Err(Errno::EXIST.into());
        }
        self.check_name(dir, &name)?;
        Ok((dir, name))
    }

    pub(super) fn check_name(&self, dir: u64, name: &[u8]) -> io::Result<()> {
        self.check_writable()?;
        self.check_not_fixed(dir)?;
        if name.len() > 255 {
            return Err(Errno::NAMETOOLONG.into());
        }
        if name.iter().any(|byte| self.limits.forbidden_bytes.contains(byte)) {
            return Err(Errno::INVAL.into());
        }
        if self.node(dir).names == 0 {
            return Err(Errno::NOENT.into());
        }
        Ok(())
    }

    /// The time of a change; the next one is later.
    pub(super) fn tick(&mut self) -> Time {
        let now = self.now;
        let nanoseconds = u64::from(now.nanoseconds) + self.step_nanoseconds;
        self.now.seconds += (nanoseconds / 1_000_000_000) as i64;
        self.now.nanoseconds = (nanoseconds % 1_000_000_000) as u32;
        self.round(now)
    }

    pub(super) fn round(&self, time: Time) -> Time {
        let all = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
        let all = all - all.rem_euclid(i128::from(self.limits.mtime_step_nanoseconds.max(1)));
        Time {
            seconds: all.div_euclid(1_000_000_000) as i64,
            nanoseconds: all.rem_euclid(1_000_000_000) as u32,
        }
    }

    pub(super) fn set_name(&mut self, dir: u64, name: &[u8], inode: Option<u64>, now: Time) {
        let key = self.key(name);
        let node = self.node_mut(dir);
        node.facts.mtime = now;
        node.facts.ctime = now;
        if let Body::Directory(directory) = &mut node.body {
            directory.set(key, inode.map(|inode| Entry { name: name.to_vec(), inode }));
        }
    }

    pub(super) fn add(&mut self, dir: u64, name: &[u8], body: Body, mode: u16) -> io::Result<u64> {
        let now = self.tick();
        let inode = self.insert(body, mode, now);
        self.set_name(dir, name, Some(inode), now);
        Ok(inode)
    }

    /// Takes one name from an inode; its entry is already gone or replaced.
    pub(super) fn forget_name(&mut self, inode: u64, now: Time) {
        let node = self.node_mut(inode);
        node.names -= 1;
        node.facts.ctime = now;
        self.removals += 1;
        if self.removals > 1_000.max(self.nodes.len() / 2) {
            self.removals = 0;
            self.sweep();
        }
    }

    /// Drops the nodes that have no name, now or after a failure, and are not open.
    pub(super) fn sweep(&mut self) {
        let held = |(inode, node): (&u64, &Node)| {
            let held = *inode == ROOT || Arc::strong_count(&node.open) > 1;
            (held || node.names > 0 || self.locked.contains(inode)).then_some(*inode)
        };
        let mut todo: Vec<u64> = self.nodes.iter().filter_map(held).collect();
        let mut kept = BTreeSet::new();
        while let Some(inode) = todo.pop() {
            if kept.insert(inode)
                && let Body::Directory(directory) = &self.node(inode).body
            {
                todo.extend(directory.inodes());
            }
        }
        self.nodes.retain(|inode, _| kept.contains(inode));
    }

    pub(super) fn link(&mut self, from: (u64, &[u8]), to: (u64, &[u8])) -> io::Result<()> {
        let inode = self.walk(from.0, from.1, false)?;
        let (dir, name) = self.place(to.0, to.1)?;
        if !self.limits.hard_links || matches!(self.node(inode).body, Body::Directory(_)) {
            return Err(unsupported(Errno::PERM));
        }
        let now = self.tick();
        self.set_name(dir, &name, Some(inode), now);
        let node = self.node_mut(inode);
        node.names += 1;
        node.facts.ctime = now;
        Ok(())
    }

    pub(super) fn rename(&mut self, from: (u64, &[u8]), to: (u64, &[u8])) -> io::Result<()> {
        let (from_dir, from_name) = self.parent(from.0, from.1)?;
        let inode = self.find(from_dir, &from_name)?;
        let (to_dir, to_name) = self.parent(to.0, to.1)?;
        self.check_not_fixed(from_dir)?;
        self.check_name(to_dir, &to_name)?;
        let respelled = from_dir == to_dir && self.key(&from_name) == self.key(&to_name);
        let replaced = self.find(to_dir, &to_name).ok().filter(|_| !respelled);
        if replaced == Some(inode) {
            return Ok(()); // two names of one file: POSIX leaves both
        }
        let is_dir = self.directory(inode).is_ok();
        if let Some(replaced) = replaced {
            match self.directory(replaced) {
                Ok(_) if !is_dir => return Err(Errno::ISDIR.into()),
                Ok(directory) if !directory.entries.is_empty() => {
                    return Err(Errno::NOTEMPTY.into());
                }
                Err(_) if is_dir => return Err(Errno::NOTDIR.into()),
                _ => {}
            }
        }
        let mut above = to_dir;
        while is_dir && above != ROOT {
            if above == inode {
                return Err(Errno::INVAL.into());
            }
            above = self.directory(above)?.parent;
        }
        let now = self.tick();
        if !respelled {
            self.set_name(from_dir, &from_name, None, now);
        }
        self.set_name(to_dir, &to_name, Some(inode), now);
        let node = self.node_mut(inode);
        node.facts.ctime = now;
        if let Body::Directory(directory) = &mut node.body {
            directory.parent = to_dir;
        }
        if let Some(replaced) = replaced {
            self.forget_name(replaced, now);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, start: u64, path: &[u8], wanted: FileKind) -> io::Result<()> {
        let (dir, name) = self.parent(start, path)?;
        let inode = self.find(dir, &name)?;
        self.check_writable()?;
        self.check_not_fixed(dir)?;
        match (self.directory(inode), wanted) {
            (Ok(_), FileKind::File) => return Err(Errno::ISDIR.into()),
            (Err(error), FileKind::Directory) => return Err(error),
            (Ok(directory), _) if !directory.entries.is_empty() => {
                return Err(Errno::NOTEMPTY.into());
            }
            _ => {}
        }
        let now = self.tick();
        self.set_name(dir, &name, None, now);
        self.forget_name(inode, now);
        Ok(())
    }

    pub(super) fn set_mode(&mut self, inode: u64, mode: u16) -> io::Result<()> {
        self.check_writable()?;
        if matches!(self.node(inode).body, Body::Symlink(_)) {
            return Err(unsupported(Errno::OPNOTSUPP));
        }
        if self.limits.exec_bits {
            let now = self.tick();
            let facts = &mut self.node_mut(inode).facts;
            facts.mode = mode & 0o7777;
            facts.ctime = now;
        }
        Ok(())
    }

    pub(super) fn set_mtime(&mut self, inode: u64, mtime: Time) -> io::Result<()> {
        self.check_writable()?;
        let (now, mtime) = (self.tick(), self.round(mtime));
        let facts = &mut self.node_mut(inode).facts;
        facts.mtime = mtime;
        facts.ctime = now;
        Ok(())
    }

    /// Changes a file's content; the change gets the blocks that are free.
    pub(super) fn change<T>(
        &mut self,
        inode: u64,
        change: impl FnOnce(&mut Content, &mut u64) -> T,
    ) -> io::Result<T> {
        self.check_writable()?;
        let free = self.capacity.map(|capacity| capacity.saturating_sub(self.used()));
        let mut free_blocks = free.map_or(u64::MAX, |free| free / BLOCK as u64);
        let now = self.tick();
        let node = self.node_mut(inode);
        node.facts.mtime = now;
        node.facts.ctime = now;
        match &mut node.body {
            Body::File { current, .. } => Ok(change(Arc::make_mut(current), &mut free_blocks)),
            _ => Err(not_a_regular_file()),
        }
    }

    pub(super) fn used(&self) -> u64 {
        let named = self.nodes.values().filter(|node| node.names > 0);
        named
            .map(
                |node| {
                    if let Body::File { current, .. } = &node.body {
                        current.allocated()
                    } else {
                        0
                    }
                },
            )
            .sum()
    }

    pub(super) fn stat(&self, inode: u64) -> Stat {
        let node = self.node(inode);
        let (kind, size, allocated) = match &node.body {
            Body::File { current, .. } => {
                (FileKind::File, current.bytes.len() as u64, current.allocated())
            }
            Body::Directory(_) => (FileKind::Directory, BLOCK as u64, BLOCK as u64),
            Body::Symlink(target) => (FileKind::Symlink, target.len() as u64, 0),
            Body::Special => (FileKind::Special, 0, 0),
        };
        let moved = if self.limits.stable_inodes { 0 } else { self.mounts * 1_000_000_007 };
        Stat {
            kind,
            mode: if self.limits.exec_bits { node.facts.mode } else { 0o755 },
            size,
            mtime: node.facts.mtime,
            ctime: node.facts.ctime,
            inode: inode + moved,
            device: 100 + self.mounts,
            links: node.names,
            allocated,
        }
    }

    pub(super) fn open_or_create(&mut self, start: u64, path: &[u8], mode: u16) -> io::Result<u64> {
        let (dir, name) = self.parent(start, path)?;
        match self.find(dir, &name) {
            Ok(inode) => {
                self.regular(inode)?;
                self.check_writable()?;
                Ok(inode)
            }
            Err(_) => {
                self.check_name(dir, &name)?;
                self.add(dir, &name, empty_file(), mode & !UMASK)
            }
        }
    }

    pub(super) fn sync_file(&mut self, inode: u64) -> io::Result<()> {
        match &mut self.syncs_until_failure {
            Some(0) => {
                self.syncs_until_failure = None;
                self.node_mut(inode).write_lost = true;
                return Err(Errno::IO.into());
            }
            Some(successes) => *successes -= 1,
            None => {}
        }
        self.node_mut(inode).sync();
        Ok(())
    }

    pub(super) fn sync_all(&mut self) {
        self.nodes.values_mut().for_each(Node::sync);
    }

    pub(super) fn image_after_kill(&self) -> Self {
        let mut image = self.clone();
        image.locked.clear();
        image.on_read = None;
        for node in image.nodes.values_mut() {
            node.open = Arc::default();
        }
        image
    }

    pub(super) fn image(&self, mut chance: Option<Chance>) -> Self {
        let mut nodes = BTreeMap::from([(ROOT, self.node(ROOT).survivor(&mut chance))]);
        let mut todo = vec![(ROOT, ROOT)];
        while let Some((inode, parent)) = todo.pop() {
            let Ok(directory) = self.directory(inode) else { continue };
            let mut entries = BTreeMap::new();
            let keys: BTreeSet<&Key> =
                directory.entries.keys().chain(directory.unsynced.keys()).collect();
            for key in keys {
                let current = directory.entries.get(key);
                let before = directory.unsynced.get(key).map_or(&[][..], |states| &states[..]);
                let left = match &mut chance {
                    _ if before.is_empty() => current,
                    None => before[0].as_ref(),
                    Some(chance) => chance.state(before, current),
                };
                let Some(entry) = left else { continue };
                let is_dir = self.directory(entry.inode).is_ok();
                match nodes.get_mut(&entry.inode) {
                    // A file system's own journal never leaves a directory with two names.
                    Some(_) if is_dir => continue,
                    Some(known) => known.names += 1,
                    None => {
                        nodes.insert(entry.inode, self.node(entry.inode).survivor(&mut chance));
                        if is_dir {
                            todo.push((entry.inode, inode));
                        }
                    }
                }
                entries.insert(key.clone(), entry.clone());
            }
            if let Some(Node { body: Body::Directory(directory), .. }) = nodes.get_mut(&inode) {
                directory.parent = parent;
                directory.entries = entries;
            }
        }
        let next_boot = u128::from_be_bytes(self.boot_id).wrapping_add(1);
        Self {
            nodes,
            boot_id: next_boot.to_be_bytes(),
            mounts: self.mounts + 1,
            locked: BTreeSet::new(),
            removals: 0,
            syncs_until_failure: None,
            on_read: None,
            ..*self
        }
    }
}
