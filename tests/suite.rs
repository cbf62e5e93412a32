//! One binary of tests: every promise, floor by floor.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod cli;
mod crash;
mod format;
mod git;
mod model;
mod support;
