//! Random histories against plain maps, and what commands cost in operations.

mod counted;
mod repository;
mod volumes;
