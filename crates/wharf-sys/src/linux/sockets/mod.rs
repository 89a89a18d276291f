//! What a socket is and does.

pub mod accept;
pub mod address;
mod backlog;
pub mod bind_rules;
pub mod binding;
pub mod change;
pub mod close;
pub mod connect;
pub mod connect_by;
pub mod control;
pub mod datagram;
pub mod descriptor;
pub mod disconnect;
pub mod interfaces;
pub mod multipoint;
pub mod option;
pub mod socket;
pub mod tcp_info;
pub mod transfer;
