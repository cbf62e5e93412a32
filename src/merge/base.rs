//! Merging two commits: what they have in common is found, and merged first if it is several
//! commits.
//!
//! Where histories cross, no one commit is the base of both sides. Then all the best common
//! ancestors are merged, the oldest first, each merge having its own bases; conflicts among them
//! stay in the text as they are, with longer markers, and are settled as far as the two sides agree
//! about them. The order follows dates and ids alone, so everybody gets the same.

use crate::codec;
use crate::hash::Id;
use crate::history::{Graph, ancestor};
use crate::object::{Node, Source};

use super::request::{Contents, Driver};
use super::{Answer, Favour, Options, Request, Unsettled, trees};

/// Merges two commits, by all their best common ancestors. Unrelated ones are merged as if they had
/// been made from nothing.
pub fn commits<C, G>(
    contents: &mut C,
    graph: &G,
    [ours, theirs]: [Id; 2],
    options: &Options,
    driver: &dyn Driver,
) -> Result<Answer, <C as Source>::Error>
where
    C: Contents,
    G: Graph<Error = <C as Source>::Error>,
{
    let bases = ancestor::merge_bases(graph, &ours, &theirs)?;
    let mut work = Bases { contents, graph, options, driver };
    let base = match work.merge(bases, 1)? {
        Base::Tree(tree) => tree,
        Base::Needs(answer) => return Ok(answer),
    };
    let request = Request {
        base,
        ours: graph.tree(graph.number(&ours)?)?,
        theirs: graph.tree(graph.number(&theirs)?)?,
        options,
        driver,
    };
    trees::at_depth(contents, &request, 0)
}

/// The most bases within bases.
const DEEPEST: usize = 1_000;

struct Bases<'a, C, G> {
    contents: &'a mut C,
    graph: &'a G,
    options: &'a Options,
    driver: &'a dyn Driver,
}

enum Base {
    /// The tree to merge with; `None` if there is nothing in common.
    Tree(Option<Id>),
    /// It cannot be made without contents that are not here.
    Needs(Answer),
}

impl<C, G> Bases<'_, C, G>
where
    C: Contents,
    G: Graph<Error = <C as Source>::Error>,
{
    /// One tree for several commits, which come newest first.
    fn merge(&mut self, bases: Vec<Id>, depth: usize) -> Result<Base, <C as Source>::Error> {
        if depth > DEEPEST {
            return Err(codec::Error::Invalid("histories cross too often").into());
        }
        let mut tree: Option<Id> = None;
        let mut merged: Vec<Id> = Vec::new();
        for next in bases.into_iter().rev() {
            let next_tree = self.graph.tree(self.graph.number(&next)?)?;
            let Some(tree_so_far) = tree else {
                tree = Some(next_tree);
                merged.push(next);
                continue;
            };
            // What is merged so far counts as a commit on top of all that went into it.
            let below = ancestor::merge_bases_many(self.graph, &next, &merged)?;
            let base = match self.merge(below, depth + 1)? {
                Base::Tree(base) => base.or(Some(Node::empty_id())),
                needs => return Ok(needs),
            };
            let options = Options {
                favour: Favour::Nobody,
                unsettled: Unsettled::Mark,
                ..self.options.clone()
            };
            let request = Request {
                base,
                ours: tree_so_far,
                theirs: next_tree,
                options: &options,
                driver: self.driver,
            };
            match trees::at_depth(self.contents, &request, depth)? {
                Answer::Merged(found) => tree = Some(found.tree),
                needs => return Ok(Base::Needs(needs)),
            }
            merged.push(next);
        }
        Ok(Base::Tree(tree))
    }
}
