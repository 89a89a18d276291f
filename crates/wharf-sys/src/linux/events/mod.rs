//! What a socket is ready for, and who is told: select, WSAPoll, WSAEventSelect, WSAAsyncSelect.

pub mod async_select;
pub mod event_select;
pub mod network_events;
pub mod observer;
pub mod readiness;
