//! Random histories against plain maps, the laws of merging, and what commands cost in operations.

mod changing;
mod counted;
mod merge_laws;
mod repository;
mod volumes;
