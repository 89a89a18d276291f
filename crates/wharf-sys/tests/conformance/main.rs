//! Conformance: what a program written for Windows may rely on, stated as tests.
//!
//! Every test calls Windows' functions and nothing else, so that Windows (or Wine) can judge the test itself:
//! the same file runs against this library on Linux, with and without io_uring, and against the operating
//! system when built for Windows. Each test names the behaviour and the Microsoft page that promises it.
//!
//! One module per subject; [`harness`] holds what they share.

mod harness;
mod tcp;
mod udp;
mod window;

mod accept;
mod async_database;
mod async_select;
mod async_select_random;
mod binding;
mod cancel;
mod close;
mod completion_order;
mod concurrency;
mod connect;
mod connections;
mod datagram_bursts;
mod datagram_errors;
mod datagram_messages;
mod datagram_ports;
mod datagram_readiness;
mod datagrams;
mod deferral;
mod disconnect;
mod duplicates;
mod errors_last;
mod event_select;
mod events;
mod extra;
mod faults;
mod handles;
mod hosts;
mod input_waits;
mod ioctl;
mod ip_options;
mod locks;
mod lookups;
mod messages;
mod mixing;
mod multicast;
mod mutexes;
mod names;
mod names_of_objects;
mod options;
mod overlapped;
mod poll;
mod port_races;
mod ports;
mod protocols;
mod provider_changes;
mod races;
mod rare_options;
mod raw_sockets;
mod refusals;
mod resolving;
mod resolving_ex;
mod routines;
mod semaphores;
mod socket_waits;
mod sockets;
mod threads;
mod timers;
mod waits;
mod windows;
