//! What the file system of a working tree can express, found out by trying (rule 21).
//!
//! The answers are kept in `.annals/volume`, text that begins with where they were found: the
//! device and the number of the directory. When the drive is plugged in anew or the repository is
//! copied, they are found out again. Where nothing can be written, the old answers are taken, or
//! those of a good file system.
//!
//! Always true: a refusal counts as an answer only if it is repeated while plain files can be made.
//! A disk that is full or fails for a moment says nothing about the file system.
//!
//! Deliberately absent: asking the operating system what the file system is called. Drivers and
//! mount options differ; trying does not lie.

use std::io;

use bstr::ByteSlice;

use crate::clock::{Random, Time};
use crate::disk::{Dir, DirRef, FileKind, Stat, make_dirs, read_all, replace};
use crate::index::{Volume, is_settled};

/// Where the answers are kept, in `.annals`.
const FILE: &[u8] = b"volume";
const TEMPORARY: &[u8] = b"tmp";
/// Characters that some file system forbids.
const SUSPECTS: &[u8] = b"\"*:<>?|\\\x01";
/// Kernels that do not tell changes apart better tick at least so often.
const COARSE_CLOCK_NANOSECONDS: u64 = 10_000_000;
/// Changes closer than this are never trusted to differ in time.
const FINE_CLOCK_NANOSECONDS: u64 = 1_000_000;

/// What the file system of `state_dir`, the directory `.annals`, can express. Never fails: at worst
/// the answers are those of a good file system.
pub fn volume(state_dir: &DirRef, random: &dyn Random) -> Volume {
    let place = state_dir.stat_self().map(|stat| format!("{} {}", stat.device, stat.inode));
    let known = read_all(&**state_dir, FILE, 1 << 16).ok().and_then(|text| parse(&text));
    if let (Ok(place), Some((found_at, volume))) = (&place, &known)
        && place == found_at
    {
        return volume.clone();
    }
    match try_out(state_dir, random) {
        Ok(volume) => {
            if let Ok(place) = place {
                // If it cannot be kept it is found out again.
                let text = render(&place, &volume);
                let _ = replace(&**state_dir, FILE, random.four(), text.as_bytes());
            }
            volume
        }
        Err(_) => known.map(|(_, volume)| volume).unwrap_or_default(),
    }
}

/// The clock that gives the files of a working tree their times (rule 22): that of this machine, or
/// of the server that keeps them.
#[derive(Debug)]
pub struct FileClock {
    root: DirRef,
    /// How far it is ahead of the clock of this machine, in nanoseconds.
    ahead: i128,
    /// The device on which it is surely the clock of this machine.
    own: Option<u64>,
}

/// A comparison that took longer tells too little.
const LONGEST_COMPARISON: i128 = 1_000_000_000;

impl FileClock {
    /// Takes it to be the clock of this machine, without writing anything.
    pub fn believed(root: DirRef) -> Self {
        Self { root, ahead: 0, own: None }
    }

    /// Compares the two, by a file made in `state_dir`, the directory `.annals`. Where none can be
    /// made they are taken to be the same, but not for certain.
    pub fn compared(
        root: DirRef,
        state_dir: &DirRef,
        volume: &Volume,
        random: &dyn Random,
    ) -> Self {
        let before = root.now();
        let Some(made) = new_file(state_dir, random) else { return Self::believed(root) };
        let (ahead, took) = (made.mtime.since(before), root.now().since(before));
        // A time that is given is as old as the last tick of the clock, however finely it is told.
        let lag = volume.clock_step_nanoseconds.max(volume.mtime_step_nanoseconds);
        let lag = i128::from(lag.max(COARSE_CLOCK_NANOSECONDS));
        if ahead < -lag || ahead > took + lag {
            return Self { root, ahead: ahead + lag, own: None };
        }
        let own = (took <= LONGEST_COMPARISON).then_some(made.device);
        Self { root, ahead: 0, own }
    }

    /// The time now.
    pub fn now(&self) -> Time {
        self.root.now().later_by(self.ahead)
    }

    /// Whether a file was surely changed last before `moment`, a time of this clock, so that what
    /// was read of it since is what is there.
    pub fn is_settled(&self, stat: &Stat, moment: Time, volume: &Volume) -> bool {
        self.own == Some(stat.device) && is_settled(stat, moment, volume)
    }
}

/// What a file is that is made now; `None` where nothing can be written.
fn new_file(state_dir: &DirRef, random: &dyn Random) -> Option<Stat> {
    let path = [TEMPORARY, b"/", &unique(b"now-", random)[..]].concat();
    make_dirs(&**state_dir, TEMPORARY).ok()?;
    let made = state_dir.create(&path, 0o600).and_then(|file| file.stat());
    let _ = state_dir.remove_file(&path);
    made.ok()
}

fn unique(prefix: &[u8], random: &dyn Random) -> Vec<u8> {
    let number = u32::from_be_bytes(random.four());
    [prefix, format!("{number:08x}").as_bytes()].concat()
}

fn try_out(state_dir: &DirRef, random: &dyn Random) -> io::Result<Volume> {
    make_dirs(&**state_dir, TEMPORARY)?;
    let path = [TEMPORARY, b"/", &unique(b"probe-", random)].concat();
    state_dir.make_dir(&path, 0o700)?;
    let dir = state_dir.dir(&path)?;
    let tried = try_in(&*dir);
    for found in dir.list().unwrap_or_default() {
        let _ = dir.remove_file(&found.name);
    }
    let _ = state_dir.remove_dir(&path);
    tried
}

fn try_in(dir: &dyn Dir) -> io::Result<Volume> {
    let file = dir.create(b"plain", 0o600)?;
    let set_mode = |mode: u16| -> io::Result<bool> {
        let is_set = can(dir, || dir.set_mode(b"plain", mode))?;
        Ok(is_set && dir.stat(b"plain")?.mode == mode)
    };
    let exec_bits = set_mode(0o700)? && set_mode(0o600)?;
    let symlinks = can(dir, || dir.make_symlink(b"plain", b"symlink"))?
        && dir.stat(b"symlink")?.kind == FileKind::Symlink;
    let hard_links = can(dir, || dir.link(b"plain", dir, b"link"))?;
    let clock_step = try_clock(dir, &*file)?;
    let (mtime_step, ctime_follows) = try_times(dir)?;

    let holds = |name: &[u8]| can(dir, || dir.create(name, 0o600).map(drop));
    let is_listed =
        |name: &[u8]| dir.list().map(|names| names.iter().any(|found| found.name == name));
    let is_there = |name: &[u8]| match dir.stat(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(_) => can(dir, || dir.stat(name).map(drop)),
        Ok(_) => Ok(true),
    };
    let case_sensitive = holds(b"Case")? && !is_there(b"case")?;
    let composed = "\u{e9}".as_bytes();
    let decomposed = "e\u{301}".as_bytes();
    let normalises = holds(composed)? && (!is_listed(composed)? || is_there(decomposed)?);
    let utf8_only = !holds(b"\xff\xfe")?;
    let trims_names = !(holds(b"dot.")? && is_listed(b"dot.")?);
    let mut forbidden = Vec::new();
    for &suspect in SUSPECTS {
        let name = [b'x', suspect, b'y'];
        if !(holds(&name)? && is_listed(&name)?) {
            forbidden.push(suspect);
        }
    }
    if forbidden.contains(&1) {
        forbidden.extend(2..32);
    }
    forbidden.sort_unstable();
    let rename_new = can(dir, || dir.rename_new(b"plain", dir, b"renamed"))?;
    let directory_times = match try_directory(dir) {
        Ok(are_kept) => are_kept,
        Err(_) => {
            witness(dir)?;
            try_directory(dir).unwrap_or(false)
        }
    };
    Ok(Volume {
        exec_bits,
        symlinks,
        hard_links,
        case_sensitive,
        normalises,
        utf8_only,
        trims_names,
        forbidden,
        mtime_step_nanoseconds: mtime_step,
        clock_step_nanoseconds: clock_step.max(mtime_step),
        // Where there are no hard links (FAT, many network drives), the number of a file and its
        // change time are inventions of the driver.
        real_ctime: hard_links && !ctime_follows,
        directory_times,
        stable_inodes: hard_links,
        // Of the file systems in use, only FAT keeps even seconds, and local time with them.
        local_times: mtime_step == 2_000_000_000,
        rename_new,
    })
}

/// Whether something can be done here. One refusal may have another cause; it is believed if it is
/// repeated although a plain file can be made.
fn can(dir: &dyn Dir, attempt: impl Fn() -> io::Result<()>) -> io::Result<bool> {
    if attempt().is_ok() {
        return Ok(true);
    }
    witness(dir)?;
    Ok(match attempt() {
        Ok(()) => true,
        // It was done, and only the answer was lost.
        Err(error) => error.kind() == io::ErrorKind::AlreadyExists,
    })
}

/// Makes a plain file, which every file system can.
fn witness(dir: &dyn Dir) -> io::Result<()> {
    dir.create(b"witness", 0o600)?.write_at(b"x", 0)?;
    dir.remove_file(b"witness")
}

/// How finely times are kept, and whether setting the modification time sets the change time.
fn try_times(dir: &dyn Dir) -> io::Result<(u64, bool)> {
    let given = Time { seconds: 1_000_000_001, nanoseconds: 123_456_789 };
    dir.set_mtime(b"plain", given)?;
    let stat = dir.stat(b"plain")?;
    let apart = given.since(stat.mtime).unsigned_abs();
    let kept = stat.mtime.since(Time::default());
    let steps = [1, 100, 1_000, 1_000_000, 10_000_000, 1_000_000_000, 2_000_000_000];
    let fits = |step: &u64| apart < u128::from(*step) && kept % i128::from(*step) == 0;
    let step = steps.into_iter().find(fits).unwrap_or(2_000_000_000);
    Ok((step, stat.ctime.since(given) < 86_400_000_000_000))
}

/// Whether a new name shows in the time of its directory.
fn try_directory(dir: &dyn Dir) -> io::Result<bool> {
    let given = Time { seconds: 1_000_000_000, nanoseconds: 0 };
    let told = || dir.stat(b"below").map(|stat| stat.mtime);
    dir.make_dir(b"below", 0o700)?;
    let tried = dir.set_mtime(b"below", given).and_then(|()| {
        let before = told()?;
        dir.create(b"below/name", 0o600)?;
        Ok(told()? != before)
    });
    let _ = dir.remove_file(b"below/name");
    let _ = dir.remove_dir(b"below");
    tried
}

/// The smallest time by which two changes in a row differ, as far as a few changes show.
fn try_clock(dir: &dyn Dir, file: &dyn crate::disk::File) -> io::Result<u64> {
    let mut smallest = COARSE_CLOCK_NANOSECONDS;
    let mut last = dir.stat(b"plain")?.mtime;
    for _ in 0..16 {
        file.write_at(b"x", 0)?;
        let now = dir.stat(b"plain")?.mtime;
        if let Ok(apart @ 1..) = u64::try_from(now.since(last)) {
            smallest = smallest.min(apart);
        }
        last = now;
    }
    Ok(smallest.max(FINE_CLOCK_NANOSECONDS))
}

fn render(place: &str, volume: &Volume) -> String {
    let mut text = format!("place {place}\n");
    for (name, value) in flags(&mut volume.clone()) {
        text.push_str(&format!("{name} {value}\n"));
    }
    text.push_str(&format!("mtime-step-nanoseconds {}\n", volume.mtime_step_nanoseconds));
    text.push_str(&format!("clock-step-nanoseconds {}\n", volume.clock_step_nanoseconds));
    text.push_str(&format!("forbidden {}\n", crate::hash::hex(&volume.forbidden)));
    text
}

/// Everything that is yes or no, by the name it has in the file.
fn flags(volume: &mut Volume) -> [(&'static str, &mut bool); 12] {
    [
        ("exec-bits", &mut volume.exec_bits),
        ("symlinks", &mut volume.symlinks),
        ("hard-links", &mut volume.hard_links),
        ("case-sensitive", &mut volume.case_sensitive),
        ("normalises", &mut volume.normalises),
        ("utf8-only", &mut volume.utf8_only),
        ("trims-names", &mut volume.trims_names),
        ("real-ctime", &mut volume.real_ctime),
        ("directory-times", &mut volume.directory_times),
        ("local-times", &mut volume.local_times),
        ("stable-inodes", &mut volume.stable_inodes),
        ("rename-new", &mut volume.rename_new),
    ]
}

/// What [`render`] wrote, if it is all there.
fn parse(text: &[u8]) -> Option<(String, Volume)> {
    let text = text.to_str().ok()?;
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let mut volume = Volume::default();
    for (name, flag) in flags(&mut volume) {
        *flag = value(name)?.parse().ok()?;
    }
    volume.mtime_step_nanoseconds = value("mtime-step-nanoseconds")?.parse().ok()?;
    volume.clock_step_nanoseconds = value("clock-step-nanoseconds")?.parse().ok()?;
    let forbidden = value("forbidden")?.as_bytes();
    volume.forbidden = forbidden
        .chunks(2)
        .map(|digits| digits.to_str().ok().and_then(|two| u8::from_str_radix(two, 16).ok()))
        .collect::<Option<_>>()?;
    Some((value("place")?.to_owned(), volume))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::clock::SeededRandom;
    use crate::disk::{Disk, Fault, FaultyDisk, Limits, MemoryDisk, OsDisk};

    fn find_out(disk: &dyn Disk) -> Volume {
        volume(&disk.create(Path::new("/r/.annals")).unwrap(), &SeededRandom::new(1))
    }

    #[test]
    fn a_good_file_system_is_found_to_be_good() {
        let disk = MemoryDisk::new();
        let good = Volume { clock_step_nanoseconds: FINE_CLOCK_NANOSECONDS, ..Volume::default() };
        assert_eq!(find_out(&disk), good);
        assert_eq!(disk.tree("/r/.annals/tmp").len(), 0, "nothing stays behind");
    }

    #[test]
    fn limits_are_found_out() {
        let volume = find_out(&MemoryDisk::with_limits(Limits::exfat()));
        assert!(!volume.exec_bits && !volume.symlinks && !volume.hard_links);
        assert!(!volume.case_sensitive && !volume.stable_inodes && !volume.real_ctime);
        assert!(volume.local_times);
        assert_eq!(volume.mtime_step_nanoseconds, 2_000_000_000);
        assert!(!volume.can_hold(b"a:b") && volume.can_hold(b"a-b"));
        for step in [100, 1_000, 1_000_000_000] {
            let limits = Limits { mtime_step_nanoseconds: step, ..Limits::default() };
            let volume = find_out(&MemoryDisk::with_limits(limits));
            assert_eq!(volume.mtime_step_nanoseconds, step);
        }
    }

    #[test]
    fn one_failure_is_no_answer() {
        for limits in [Limits::default(), Limits::exfat()] {
            let truth = find_out(&MemoryDisk::with_limits(limits));
            for once in [true, false] {
                for at in 1.. {
                    let disk = FaultyDisk::new(Arc::new(MemoryDisk::with_limits(limits)));
                    let state_dir = disk.create(Path::new("/r/.annals")).unwrap();
                    disk.set_fault(Fault::failing_at(at, io::ErrorKind::PermissionDenied, once));
                    let found = volume(&state_dir, &SeededRandom::new(1));
                    // What could not be found out is not kept, and tried again.
                    let fault = format!("operation {at}, once: {once}");
                    assert!(found == truth || found == Volume::default(), "{fault}: {found:?}");
                    let operations = disk.operations();
                    disk.set_fault(Fault::none());
                    assert_eq!(volume(&state_dir, &SeededRandom::new(2)), truth, "{fault}");
                    if operations < at {
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn the_answers_are_kept_until_the_device_changes() {
        let memory = MemoryDisk::new();
        let disk = FaultyDisk::new(Arc::new(memory.clone()));
        let first = find_out(&disk);
        disk.reset_counts();
        assert_eq!(find_out(&disk), first);
        assert_eq!(disk.counts().creates, 0);
        memory.remount();
        assert_eq!(find_out(&disk), first);
        assert!(disk.counts().creates > 0);
    }

    #[test]
    fn where_nothing_can_be_written_old_answers_or_good_ones_are_believed() {
        let disk = MemoryDisk::with_limits(Limits::exfat());
        disk.create(Path::new("/r/.annals")).unwrap();
        let state_dir = disk.open(Path::new("/r/.annals")).unwrap();
        disk.set_read_only(true);
        assert_eq!(volume(&state_dir, &SeededRandom::new(1)), Volume::default());
        assert_eq!(new_file(&state_dir, &SeededRandom::new(1)), None);
        disk.set_read_only(false);
        let found = find_out(&disk);
        disk.remount();
        disk.set_read_only(true);
        assert_eq!(volume(&state_dir, &SeededRandom::new(1)), found);
    }

    #[test]
    fn clocks_are_one_if_the_files_say_so_and_nothing_is_settled_where_they_may_be_two() {
        const TICK: i64 = 4_000_000;
        let clock = |ahead: i64| {
            let disk = MemoryDisk::new();
            disk.create(Path::new("/r/.annals")).unwrap();
            let [root, state_dir] =
                ["/r", "/r/.annals"].map(|path| disk.open(Path::new(path)).unwrap());
            disk.set_ahead(ahead);
            let random = SeededRandom::new(1);
            let found = volume(&state_dir, &random);
            let clock = FileClock::compared(root, &state_dir, &found, &random);
            (clock, found, state_dir.stat_self().unwrap())
        };
        for (ahead, is_one) in [(0, true), (-TICK, true), (-10 * TICK, false), (90 * TICK, false)] {
            let (clock, volume, stat) = clock(ahead);
            let long_ago = Stat { ctime: Time::from_seconds(1_000_000_000), ..stat };
            assert_eq!(clock.is_settled(&long_ago, clock.now(), &volume), is_one, "{ahead}");
            let elsewhere = Stat { device: stat.device + 1, ..long_ago };
            assert!(!clock.is_settled(&elsewhere, clock.now(), &volume));
            // A file made now is not of the future, nor long past.
            let off = clock.now().since(stat.ctime);
            assert!((0..100_000_000).contains(&off), "{ahead}: {off}");
        }
        let (_, volume, stat) = clock(0);
        let clock = FileClock::believed(clock(0).0.root);
        let long_ago = Stat { ctime: Time::from_seconds(1_000_000_000), ..stat };
        assert!(!clock.is_settled(&long_ago, clock.now(), &volume), "nobody has compared");
    }

    #[test]
    fn what_is_kept_is_read_back_and_nonsense_is_not() {
        let volume = find_out(&MemoryDisk::with_limits(Limits::exfat()));
        let text = render("1 2", &volume);
        assert_eq!(parse(text.as_bytes()), Some(("1 2".into(), volume)));
        let cut = text.lines().count() - 1;
        for skipped in 0..=cut {
            let lines = text.lines().enumerate().filter(|&(at, _)| at != skipped);
            let rest: Vec<&str> = lines.map(|(_, line)| line).collect();
            assert_eq!(parse(rest.join("\n").as_bytes()), None, "without line {skipped}");
        }
    }

    #[test]
    fn the_operating_system_can_be_asked() {
        let temporary = tempfile::tempdir().unwrap();
        let state_dir = OsDisk::new().create(&temporary.path().join(".annals")).unwrap();
        let random = SeededRandom::new(1);
        assert!(volume(&state_dir, &random).rename_new);
        let root = OsDisk::new().open(temporary.path()).unwrap();
        let clock = FileClock::compared(root, &state_dir, &volume(&state_dir, &random), &random);
        assert_eq!((clock.ahead, clock.own), (0, Some(state_dir.stat_self().unwrap().device)));
        assert_eq!(volume(&state_dir, &random), volume(&state_dir, &random));
    }
}
