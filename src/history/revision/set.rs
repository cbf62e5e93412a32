//! Sets of commits: ranges, exclusions, all branches.

use globset::GlobBuilder;

use crate::hash::Id;
use crate::history::{Graph, Names, ancestor};
use crate::path::quoted;

use super::{Error, Expression, Members, Revisions, Wanted, Word};

/// The commits that words on a command line mean: what is included and all it follows, without what
/// is excluded and all that follows. A walk takes both lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevisionSet {
    /// Where to begin.
    pub include: Vec<Id>,
    /// What to leave out.
    pub exclude: Vec<Id>,
    /// The two sides of each `A...B`.
    pub symmetric: Vec<(Id, Id)>,
    /// What follows counts the other way round, after `--not`.
    pub is_negated: bool,
}

impl RevisionSet {
    /// Whether nothing was named: then HEAD is usually meant.
    pub fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    fn put(&mut self, is_left_out: bool, commits: impl IntoIterator<Item = Id>) {
        let side =
            if is_left_out == self.is_negated { &mut self.include } else { &mut self.exclude };
        side.extend(commits);
    }
}

impl<N: Names> Revisions<'_, N> {
    /// What all these words mean together.
    pub fn set<G: Graph<Error = N::Error>>(
        &mut self,
        words: impl IntoIterator<Item = impl AsRef<[u8]>>,
        graph: &G,
    ) -> Result<RevisionSet, Error<N::Error>> {
        let mut set = RevisionSet::default();
        for word in words {
            self.add(&mut set, word, graph)?;
        }
        Ok(set)
    }

    /// Adds one more word. Nothing is added if it means nothing.
    pub fn add<G: Graph<Error = N::Error>>(
        &mut self,
        set: &mut RevisionSet,
        word: impl AsRef<[u8]>,
        graph: &G,
    ) -> Result<(), Error<N::Error>> {
        let asked = quoted(word.as_ref());
        let word = super::parse_word(word.as_ref())
            .map_err(|reason| Error::Syntax { asked: asked.clone(), reason })?;
        match word {
            Word::Not => set.is_negated = !set.is_negated,
            Word::All => set.put(false, self.all_commits(&asked)?),
            Word::Refs(prefix, glob) => {
                let names = self.matching(prefix, glob.as_deref())?;
                set.put(false, self.commits_of(&asked, names)?);
            }
            Word::Members(is_left_out, members) => {
                self.add_members(set, is_left_out, &asked, &members, graph)?;
            }
        }
        Ok(())
    }

    fn add_members<G: Graph<Error = N::Error>>(
        &mut self,
        set: &mut RevisionSet,
        is_left_out: bool,
        asked: &str,
        members: &Members,
        graph: &G,
    ) -> Result<(), Error<N::Error>> {
        match members {
            Members::One(one) => {
                let id = self.member(asked, one)?;
                set.put(is_left_out, [id]);
            }
            Members::Range(a, b) => {
                let (a, b) = (self.member(asked, a)?, self.member(asked, b)?);
                set.put(true, [a]);
                set.put(false, [b]);
            }
            Members::Symmetric(a, b) => {
                let (a, b) = (self.member(asked, a)?, self.member(asked, b)?);
                set.put(true, ancestor::merge_bases(graph, &a, &b)?);
                set.put(false, [a, b]);
                set.symmetric.push((a, b));
            }
            Members::Parents(one) => {
                let id = self.member(asked, one)?;
                set.put(is_left_out, self.parents(&id)?);
            }
            Members::Alone(one) => {
                let id = self.member(asked, one)?;
                set.put(!is_left_out, self.parents(&id)?);
                set.put(is_left_out, [id]);
            }
            Members::Without(one, number) => {
                let id = self.member(asked, one)?;
                let parent = self.parent(asked, &id, number - 1)?;
                set.put(!is_left_out, [parent]);
                set.put(is_left_out, [id]);
            }
        }
        Ok(())
    }

    fn member(&mut self, asked: &str, one: &Expression) -> Result<Id, Error<N::Error>> {
        Ok(self.evaluate(asked, one, Wanted::Commit)?.id)
    }

    /// The refs below a prefix that match a glob. Without a wildcard it is a directory of refs.
    fn matching(&self, prefix: &str, glob: Option<&str>) -> Result<Vec<String>, Error<N::Error>> {
        let all = self.names.names(prefix)?.into_iter().map(|(name, _)| name);
        let Some(glob) = glob else { return Ok(all.collect()) };
        let full = match glob.contains(['*', '?', '[']) {
            true => format!("{prefix}{glob}"),
            false => format!("{prefix}{}/*", glob.trim_end_matches('/')),
        };
        let matcher = GlobBuilder::new(&full).build().map_err(|error| Error::Glob {
            glob: glob.to_owned(),
            reason: error.kind().to_string(),
        })?;
        let matcher = matcher.compile_matcher();
        Ok(all.filter(|name| matcher.is_match(name)).collect())
    }
}
