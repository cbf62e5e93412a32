//! What the file system of a working tree can express (rule 21).
//!
//! The answers are found out by `worktree`, which also keeps them; here they are only used.

/// What one file system can express.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Keeps permission bits.
    pub exec_bits: bool,
    /// Has symbolic links.
    pub symlinks: bool,
    /// Has hard links.
    pub hard_links: bool,
    /// Tells `a` from `A`.
    pub case_sensitive: bool,
    /// Gives names back in another Unicode normal form, or takes both for the same.
    pub normalises: bool,
    /// Takes only names that are UTF-8.
    pub utf8_only: bool,
    /// Drops dots and spaces at the end of names.
    pub trims_names: bool,
    /// Bytes that no name may have.
    pub forbidden: Vec<u8>,
    /// Times are kept in multiples of this.
    pub mtime_step_nanoseconds: u64,
    /// Two changes closer than this may get the same time; at least the step above.
    pub clock_step_nanoseconds: u64,
    /// The change time moves whenever anything about a file changes.
    pub real_ctime: bool,
    /// A directory gets another modification time when a name in it comes or goes.
    pub directory_times: bool,
    /// Keeps local time without a zone, as FAT does.
    pub local_times: bool,
    /// Files keep their numbers when the file system is mounted again.
    pub stable_inodes: bool,
    /// Can rename without replacing in one step.
    pub rename_new: bool,
}

impl Default for Volume {
    /// A good Linux file system with a coarse clock: believed where nothing can be tried out.
    fn default() -> Self {
        Self {
            exec_bits: true,
            symlinks: true,
            hard_links: true,
            case_sensitive: true,
            normalises: false,
            utf8_only: false,
            trims_names: false,
            forbidden: Vec::new(),
            mtime_step_nanoseconds: 1,
            clock_step_nanoseconds: 10_000_000,
            real_ctime: true,
            directory_times: true,
            local_times: false,
            stable_inodes: true,
            rename_new: true,
        }
    }
}

impl Volume {
    /// Whether names that differ are never one here.
    pub fn tells_names_apart(&self) -> bool {
        self.case_sensitive && !self.normalises
    }

    /// Whether a file can have this name here.
    pub fn can_hold(&self, name: &[u8]) -> bool {
        let trimmed = self.trims_names && matches!(name.last(), Some(b'.' | b' '));
        let taken = !self.utf8_only || std::str::from_utf8(name).is_ok();
        taken && !trimmed && name.iter().all(|byte| !self.forbidden.contains(byte))
    }
}
