//! Names and addresses: look-ups, and text.

pub mod async_database;
pub mod async_resolve;
pub mod database;
pub mod endpoint;
pub mod lookup;
pub mod resolve;
pub mod services;
pub mod text;
pub mod well_known;
