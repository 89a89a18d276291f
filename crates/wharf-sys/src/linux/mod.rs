//! Windows function set on Linux.
