//! Names: what revisions are made of, as this repository sees them.
