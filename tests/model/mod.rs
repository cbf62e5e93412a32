//! Random histories against plain maps.

mod repository;
