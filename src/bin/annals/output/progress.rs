//! Progress: one line that is written again and again, for people who wait.
//!
//! A thread of its own draws it ten times a second, so work pays for two additions a file and no
//! more: the name being read is taken only when the thread has asked for one. If nobody watches,
//! there is no thread.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use annals::path::RepoPath;
use annals::progress::{Monitor, Stage};

use super::{Color, standard_error};

const EVERY: Duration = Duration::from_millis(100);
/// Work that ends before this is not shown at all.
const PATIENCE: Duration = Duration::from_millis(400);

/// Watches, and shows what it sees if somebody looks.
pub(crate) struct Progress {
    shared: Arc<Shared>,
    drawer: Mutex<Option<JoinHandle<()>>>,
    is_shown: bool,
    is_quiet: bool,
    color: Color,
}

#[derive(Default)]
struct Shared {
    files: AtomicU64,
    bytes: AtomicU64,
    /// The next name is wanted.
    wants_name: AtomicBool,
    is_over: AtomicBool,
    /// Something stands on the line.
    is_drawn: AtomicBool,
    stage: Mutex<Option<Running>>,
    name: Mutex<String>,
}

struct Running {
    stage: Stage,
    files: Option<u64>,
    bytes: Option<u64>,
    since: Instant,
}

/// Whether progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    OnTerminal,
    Always,
    Never,
}

impl Progress {
    pub(crate) fn new(show: Show, is_quiet: bool, color: Color) -> Arc<Self> {
        let is_shown = match show {
            Show::Always => true,
            Show::Never => false,
            Show::OnTerminal => io::stderr().is_terminal() && !is_quiet,
        };
        let (shared, drawer) = (Arc::default(), Mutex::new(None));
        Arc::new(Self { shared, drawer, is_shown, is_quiet, color })
    }

    /// Takes the line away, because something else is printed.
    pub(crate) fn pause(&self) {
        // It is called for every line of output, and mostly there is nothing to take away.
        if !self.shared.is_drawn.load(Ordering::Relaxed) {
            return;
        }
        self.shared.clear(&mut io::stderr().lock());
    }

    /// Ends it for good.
    pub(crate) fn finish(&self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let drawer = self.drawer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(drawer) = drawer {
            drawer.thread().unpark();
            let _ = drawer.join();
        }
        self.shared.clear(&mut io::stderr().lock());
    }
}

impl Monitor for Progress {
    fn begin(&self, stage: Stage, files: Option<u64>, bytes: Option<u64>) {
        if !self.is_shown {
            return;
        }
        let shared = &self.shared;
        let running = Running { stage, files, bytes, since: Instant::now() };
        *shared.stage.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        shared.files.store(0, Ordering::Relaxed);
        shared.bytes.store(0, Ordering::Relaxed);
        // The thread may come too late to ask for the first.
        shared.wants_name.store(true, Ordering::Relaxed);
        let mut drawer = self.drawer.lock().unwrap_or_else(PoisonError::into_inner);
        if drawer.is_none() {
            let shared = shared.clone();
            *drawer = Some(std::thread::spawn(move || shared.draw_until_over()));
        }
    }

    fn advance(&self, files: u64, bytes: u64) {
        if self.is_shown {
            self.shared.files.fetch_add(files, Ordering::Relaxed);
            self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    fn at(&self, path: &RepoPath) {
        let shared = &self.shared;
        if shared.wants_name.load(Ordering::Relaxed) {
            shared.wants_name.store(false, Ordering::Relaxed);
            *shared.name.lock().unwrap_or_else(PoisonError::into_inner) = path.to_string();
        }
    }

    fn notice(&self, text: &str) {
        if !self.is_quiet {
            self.pause();
            standard_error(&format!("{} {text}", self.color.on_errors().yellow("warning:")));
        }
    }
}

impl Shared {
    fn draw_until_over(&self) {
        let started = Instant::now();
        while !self.is_over.load(Ordering::Relaxed) {
            self.wants_name.store(true, Ordering::Relaxed);
            std::thread::park_timeout(EVERY);
            if started.elapsed() >= PATIENCE && !self.is_over.load(Ordering::Relaxed) {
                self.draw(&mut io::stderr().lock(), width());
            }
        }
    }

    fn draw(&self, terminal: &mut dyn Write, width: usize) {
        let text = {
            let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(running) = &*stage else { return };
            let (files, bytes) =
                (self.files.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
            let name = self.name.lock().unwrap_or_else(PoisonError::into_inner).clone();
            running.text(files, bytes, running.since.elapsed(), &name, width)
        };
        self.is_drawn.store(true, Ordering::Relaxed);
        // Whoever waits sees the next one; the work does not stop for it.
        let _ = write!(terminal, "\r{text}\x1b[K");
        let _ = terminal.flush();
    }

    fn clear(&self, terminal: &mut dyn Write) {
        if self.is_drawn.swap(false, Ordering::Relaxed) {
            let _ = write!(terminal, "\r\x1b[K");
            let _ = terminal.flush();
        }
    }
}

impl Running {
    fn text(&self, files: u64, bytes: u64, time: Duration, name: &str, width: usize) -> String {
        let stage = match self.stage {
            Stage::Scanning => "scanning",
            Stage::Recording => "recording",
            Stage::Writing => "writing",
            Stage::Comparing => "comparing",
            Stage::Checking => "checking",
            Stage::Importing => "importing",
            Stage::Repacking => "repacking",
            Stage::Exporting => "exporting",
            Stage::Indexing => "indexing",
        };
        let mut parts = vec![match self.files {
            Some(all) => format!("{stage}: {files} of {all}"),
            None => format!("{stage}: {files}"),
        }];
        let seconds = time.as_secs_f64();
        if bytes > 0 {
            parts.push(match self.bytes {
                Some(all) => format!("{} of {}", bytes_text(bytes), bytes_text(all)),
                None => bytes_text(bytes),
            });
            if seconds > 0.2 {
                parts.push(format!("{}/s", bytes_text((bytes as f64 / seconds) as u64)));
            }
        }
        if let Some(left) = self.left(files, bytes, seconds) {
            parts.push(format!("{} left", time_text(left)));
        }
        let mut text = parts.join(", ");
        // The name takes what is left of the line; its end says more than its beginning.
        let room = width.saturating_sub(text.chars().count() + 4);
        let length = name.chars().count();
        if length > 0 && room >= 8 {
            let shown: String = match length > room {
                true => format!("…{}", name.chars().skip(length - room + 1).collect::<String>()),
                false => name.to_owned(),
            };
            text = format!("{text}  {shown}");
        }
        text.chars().take(width.saturating_sub(1)).collect()
    }

    /// Seconds that are left, if that can be told.
    fn left(&self, files: u64, bytes: u64, seconds: f64) -> Option<u64> {
        let part = match (self.bytes, self.files) {
            (Some(all), _) if all > 0 => bytes as f64 / all as f64,
            (_, Some(all)) if all > 0 => files as f64 / all as f64,
            _ => return None,
        };
        (seconds > 1.0 && part > 0.01 && part <= 1.0).then(|| (seconds / part - seconds) as u64)
    }
}

fn width() -> usize {
    super::super::context::columns().unwrap_or(80)
}

fn time_text(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3600, seconds / 60 % 60),
    }
}

/// A number of bytes as people read it.
pub(crate) fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut unit = 0;
    let mut value = bytes as f64;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ if value < 10.0 => format!("{value:.2} {}", UNITS[unit]),
        _ if value < 100.0 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_fits_the_terminal_and_ends_with_the_end_of_the_name() {
        let running = Running {
            stage: Stage::Recording,
            files: Some(1000),
            bytes: Some(1 << 30),
            since: Instant::now(),
        };
        let name = "photos/2024/a long name of a picture.jpg";
        let text = running.text(250, 1 << 28, Duration::from_secs(10), name, 90);
        let start = "recording: 250 of 1000, 256 MiB of 1.00 GiB, 25.6 MiB/s, 30 s left  ";
        assert!(text.starts_with(start), "{text}");
        assert!(text.ends_with(".jpg") && text.chars().count() < 90, "{text}");
        assert!(running.text(1, 1, Duration::ZERO, name, 20).chars().count() < 20);
    }

    /// A terminal of one line, and how often it was written.
    #[derive(Default)]
    struct Line {
        text: String,
        column: usize,
        writes: usize,
    }

    impl Write for Line {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut rest = std::str::from_utf8(bytes).map_err(io::Error::other)?;
            while let Some(letter) = rest.chars().next() {
                if let Some(after) = rest.strip_prefix("\x1b[K") {
                    self.text = self.text.chars().take(self.column).collect();
                    rest = after;
                    continue;
                }
                rest = &rest[letter.len_utf8()..];
                if letter == '\r' {
                    self.column = 0;
                    self.writes += 1;
                    continue;
                }
                let mut letters: Vec<char> = self.text.chars().collect();
                letters.truncate(letters.len().max(self.column));
                match letters.get_mut(self.column) {
                    Some(place) => *place = letter,
                    None => letters.push(letter),
                }
                self.text = letters.into_iter().collect();
                self.column += 1;
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn one_line_is_written_again_and_again_and_leaves_nothing_behind() {
        let shared = Shared::default();
        let mut terminal = Line::default();
        shared.draw(&mut terminal, 80);
        assert_eq!(terminal.text, "", "nothing has begun");
        let running =
            Running { stage: Stage::Writing, files: Some(10), bytes: None, since: Instant::now() };
        if let Ok(mut stage) = shared.stage.lock() {
            *stage = Some(running);
        }
        if let Ok(mut name) = shared.name.lock() {
            *name = "a/long/name".to_owned();
        }
        shared.draw(&mut terminal, 80);
        assert_eq!(terminal.text, "writing: 0 of 10  a/long/name");
        shared.files.store(3, Ordering::Relaxed);
        if let Ok(mut name) = shared.name.lock() {
            *name = "b".to_owned();
        }
        shared.draw(&mut terminal, 80);
        assert_eq!(terminal.text, "writing: 3 of 10  b", "the end of the longer line is gone");
        shared.clear(&mut terminal);
        assert_eq!(terminal.text, "");
        let writes = terminal.writes;
        shared.clear(&mut terminal);
        assert_eq!(terminal.writes, writes, "what is not there is not taken away");
    }

    #[test]
    fn bytes_are_shown_in_three_digits() {
        assert_eq!(bytes_text(999), "999 B");
        assert_eq!(bytes_text(1536), "1.50 KiB");
        assert_eq!(bytes_text(150 << 20), "150 MiB");
    }
}
