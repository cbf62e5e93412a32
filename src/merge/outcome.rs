//! What came of a merge.

use std::fmt;

use crate::hash::Id;
use crate::object::Entry;
use crate::path::RepoPath;

/// A merge, or what it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Merged(Merged),
    /// These contents are not here, and nothing can be said without them. Sorted, each once.
    Needs(Vec<Need>),
}

/// A content without which a merge cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// A path where it stands; the root if it only decides what a file was called.
    pub path: RepoPath,
    /// Chunk or manifest.
    pub content: Id,
    /// Its length in bytes.
    pub size: u64,
}

/// A finished merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The root of the merged tree. With conflicts it is what a person is to look at.
    pub tree: Id,
    /// What could not be decided, in order of paths. Empty: the merge is clean.
    pub conflicts: Vec<Conflict>,
    /// What a person may want to know, in order of paths.
    pub messages: Vec<Message>,
}

impl Merged {
    /// Whether everything could be decided.
    pub fn is_clean(&self) -> bool {
        self.conflicts.is_empty()
    }
}

/// What kind of conflict it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConflictKind {
    /// Both sides changed the same lines.
    Content,
    /// Both sides changed it, and it is not text.
    Binary,
    /// Both sides added something under one name.
    AddAdd,
    /// One side deleted what the other changed.
    ModifyDelete,
    /// One side deleted what the other renamed.
    RenameDelete,
    /// Both sides renamed it, each to another name.
    RenameRename,
    /// Two files were renamed to one name, or one was renamed to a name the other side added.
    RenameCollision,
    /// There is a file where the other side has a directory: it stands under another name.
    FileDirectory,
    /// One side made something else of it: a symbolic link of a file, say.
    DistinctTypes,
    /// Both sides changed where a symbolic link points to, or what a gitlink or device is.
    Target,
    /// Both sides changed the same attribute.
    Attributes,
    /// A directory was renamed to several places: nobody knows where a new file in it belongs.
    DirectorySplit,
    /// Something is in the way of a file that should follow its directory.
    DirectoryInTheWay,
    /// It was a conflict before, and still is one.
    Kept,
}

impl ConflictKind {
    /// The word for it in output that programs read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Binary => "binary",
            Self::AddAdd => "add/add",
            Self::ModifyDelete => "modify/delete",
            Self::RenameDelete => "rename/delete",
            Self::RenameRename => "rename/rename",
            Self::RenameCollision => "rename/add",
            Self::FileDirectory => "file/directory",
            Self::DistinctTypes => "distinct types",
            Self::Target => "target",
            Self::Attributes => "attributes",
            Self::DirectorySplit => "directory rename split",
            Self::DirectoryInTheWay => "implicit dir rename",
            Self::Kept => "kept",
        }
    }
}

impl fmt::Display for ConflictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that could not be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Where.
    pub path: RepoPath,
    /// What kind it is. Of several the most telling.
    pub kind: ConflictKind,
    /// The entries of base, ours and theirs that stand for this path now, under its name. All are
    /// `None` where only a place is in doubt.
    pub stages: [Option<Entry>; 3],
    /// What these entries were called in base, ours and theirs.
    pub names: [RepoPath; 3],
}

/// Something a person may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The path it is about.
    pub path: RepoPath,
    /// The kind, if it is about a conflict.
    pub kind: Option<ConflictKind>,
    /// One sentence.
    pub text: String,
}
