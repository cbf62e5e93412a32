//! Agreement with git, and exchange with it. Skipped, aloud, where git is not installed.

mod export;
mod import;
mod merges;
mod renames;
mod repository;
mod words;
