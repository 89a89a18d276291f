//! Control codes: what WSAIoctl does.
//!
//! How a code answers when it is called with an OVERLAPPED depends on who answers it on Windows. What the library answers
//! itself is done within the call, and its indication is a success with 0 bytes whatever was returned; what is refused there
//! leaves the status block alone. What goes down to the transport pends always, and reports its bytes or its failure later.
//!
//! Source: "WSAIoctl", "Winsock IOCTLs".

use std::net::SocketAddr;
use std::sync::Arc;

use windows_sys::Win32::Networking::WinSock::*;

use crate::types::{
    SIO_GET_INTERFACE_LIST, SIO_GET_MULTICAST_FILTER, SIO_IDEAL_SEND_BACKLOG_CHANGE,
    SIO_IDEAL_SEND_BACKLOG_QUERY, SIO_SET_MULTICAST_FILTER, SIOCGMSFILTER, SIOCSMSFILTER,
};

use super::address::{Address, Family};
use super::backlog;
use super::change::Change;
use super::interfaces::{self, AddressList};
use super::option::filter::{self, Form};
use super::socket::Socket;
use crate::platform::engine::completion;
use crate::platform::engine::request::{How, Started};
use crate::platform::status::Status;

/// What a control code came to.
pub enum Controlled {
    /// Done, with so many bytes of output.
    Done(usize),
    /// Done, and nothing is stored as the count of bytes returned.
    Uncounted,
    /// Reported later.
    Pending,
    /// Failed, with so many bytes stored as the count of bytes returned.
    Refused(Status, usize),
}

/// What a program hands in.
pub struct Input<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// For SIO_ADDRESS_LIST_SORT: what the bytes point to.
    pub list: &'a [SocketAddr],
    /// There is a buffer for the output, be it too small.
    pub has_output: bool,
    /// The handle that was used.
    pub handle: SOCKET,
}

/// The most bytes of input that a code reads.
pub fn input_max(code: u32) -> usize {
    match code {
        SIO_SET_MULTICAST_FILTER | SIO_GET_MULTICAST_FILTER | SIOCSMSFILTER | SIOCGMSFILTER => {
            filter::LENGTH_MAX
        }
        _ => 64,
    }
}

/// How a code is answered.
enum Answer {
    /// Within the call, with so many bytes.
    Now(usize),
    /// Within the call, with none; an OVERLAPPED without a routine leaves the count alone.
    NowUncounted,
    /// Within the call without an OVERLAPPED, later with one.
    Later(Result<usize, Status>),
    /// When something changes.
    At(Change),
    /// When the ideal send backlog changes.
    AtBacklog,
}

/// How a code is refused, always within the call.
enum Refusal {
    /// By the transport: the OVERLAPPED stays marked as pending, no count is stored with one, 0 without.
    Transport(Status),
    /// By the library: neither the OVERLAPPED nor the count is touched.
    Library(Status),
    /// By the library, which stores how many bytes are needed.
    Needs(Status, usize),
}

impl Socket {
    /// WSAIoctl.
    ///
    /// # Errors
    /// A refusal that leaves the count of bytes returned alone.
    pub fn control(
        self: &Arc<Self>,
        code: u32,
        input: &Input<'_>,
        output: &mut [u8],
        how: Option<How>,
    ) -> Result<Controlled, Status> {
        if let Some(How::Overlapped(overlapped, Some(_), _)) = how
            && self.association().is_some()
        {
            overlapped.set_pending();
            return Err(Status::INVALID); // before anything is changed
        }
        self.attempt_deferred_datagrams(); // what held when they were sent holds for them
        match self.answer(code, input, output, how.is_some()) {
            Ok(Answer::NowUncounted) => {
                let counted = !matches!(how, Some(How::Overlapped(_, None, _)));
                self.indicate(how, Status::SUCCESS, 0)?;
                Ok(match counted {
                    true => Controlled::Done(0),
                    false => Controlled::Uncounted,
                })
            }
            Ok(Answer::Now(returned)) => {
                self.indicate(how, Status::SUCCESS, 0)?;
                Ok(Controlled::Done(returned))
            }
            Ok(Answer::Later(result)) if how.is_some() && self.is_overlapped() => {
                let (status, bytes) = match result {
                    Ok(bytes) => (Status::SUCCESS, bytes),
                    Err(status) => (status, 0),
                };
                completion::report_later(self, how, status, bytes)?;
                Ok(Controlled::Pending)
            }
            Ok(Answer::Later(Ok(returned))) => {
                self.indicate(how, Status::SUCCESS, returned)?;
                Ok(Controlled::Done(returned))
            }
            Ok(Answer::Later(Err(status))) => Ok(Controlled::Refused(status, 0)),
            Ok(Answer::At(change)) => self.await_change(change, how).map(waits),
            Ok(Answer::AtBacklog) => self.await_backlog_change(how).map(waits),
            Err(Refusal::Transport(status)) => match how {
                Some(How::Overlapped(overlapped, ..)) => {
                    overlapped.set_pending();
                    Err(status)
                }
                _ => Ok(Controlled::Refused(status, 0)),
            },
            Err(Refusal::Library(status)) => Err(status),
            Err(Refusal::Needs(status, bytes)) => Ok(Controlled::Refused(status, bytes)),
        }
    }

    fn indicate(
        self: &Arc<Self>,
        how: Option<How>,
        status: Status,
        bytes: usize,
    ) -> Result<(), Status> {
        how.map_or(Ok(()), |how| completion::report(self, how, status, bytes))
    }

    fn answer(
        &self,
        code: u32,
        input: &Input<'_>,
        output: &mut [u8],
        overlapped: bool,
    ) -> Result<Answer, Refusal> {
        const READ_COUNT: u32 = FIONREAD as u32;
        const BLOCKING_MODE: u32 = FIONBIO as u32;
        const AT_MARK: u32 = SIOCATMARK as u32;
        let unsupported = Ok(Answer::Later(Err(Status::NOT_SUPPORTED)));
        match code {
            BLOCKING_MODE => {
                let on = input.bytes.first_chunk().map(|on| u32::from_ne_bytes(*on));
                let on = on.ok_or(Refusal::Transport(Status::FAULT))?;
                self.set_blocking_mode(on == 0)
                    .map_err(Refusal::Transport)?;
                Ok(Answer::Now(0))
            }
            READ_COUNT => {
                write_out(output, &self.readable_bytes().to_ne_bytes()).map_err(Refusal::Library)
            }
            AT_MARK => write_out(output, &u32::from(self.no_urgent_data()).to_ne_bytes())
                .map_err(Refusal::Library),
            SIO_KEEPALIVE_VALS => {
                self.set_keepalive_values(input.bytes)
                    .map_err(Refusal::Transport)?;
                Ok(Answer::NowUncounted)
            }
            SIO_UDP_CONNRESET | SIO_UDP_NETRESET if self.is_datagram() => {
                let on = input.bytes.first_chunk().map(|on| i32::from_ne_bytes(*on));
                let on = on.ok_or(Refusal::Transport(Status::FAULT))? != 0;
                match code {
                    SIO_UDP_CONNRESET => self.report_unreachable_ports(on),
                    _ => self.report_expired_datagrams(on),
                }
                Ok(Answer::Now(0))
            }
            SIO_BASE_HANDLE | SIO_BSP_HANDLE | SIO_BSP_HANDLE_SELECT | SIO_BSP_HANDLE_POLL
                if !overlapped =>
            {
                write_out(output, &input.handle.to_ne_bytes()).map_err(Refusal::Transport)
            }
            SIO_ENABLE_CIRCULAR_QUEUEING if self.is_datagram() => Ok(Answer::Now(0)),
            SIO_LOOPBACK_FAST_PATH | SIO_TCP_INITIAL_RTO | SIO_SET_COMPATIBILITY_MODE
                if !self.is_datagram() =>
            {
                Ok(Answer::Now(0)) // accepted, without effect
            }
            SIO_IDEAL_SEND_BACKLOG_QUERY if !self.is_datagram() => self.ideal_backlog(output),
            SIO_IDEAL_SEND_BACKLOG_CHANGE if !self.is_datagram() => {
                if !output.is_empty() {
                    return Err(Refusal::Transport(Status::INVALID));
                }
                if !self.is_connected() {
                    return Err(Refusal::Transport(Status::NOT_CONNECTED));
                }
                Ok(Answer::AtBacklog)
            }
            SIO_GET_BROADCAST_ADDRESS => self.broadcast_address(output),
            SIO_GET_INTERFACE_LIST => self.interface_list(output),
            SIO_SET_MULTICAST_FILTER if self.is_datagram() && self.family == Family::V4 => {
                self.set_filter(Form::IpMsfilter, input.bytes)
            }
            SIO_GET_MULTICAST_FILTER if self.is_datagram() && self.family == Family::V4 => {
                self.filter(Form::IpMsfilter, input.bytes, output)
            }
            SIOCSMSFILTER if self.is_datagram() => {
                self.set_filter(Form::GroupFilter(self.family), input.bytes)
            }
            SIOCGMSFILTER if self.is_datagram() => {
                self.filter(Form::GroupFilter(self.family), input.bytes, output)
            }
            SIO_TCP_INFO => Ok(Answer::Later(self.tcp_info(input.bytes).and_then(|info| {
                let room = output.get_mut(..info.len());
                room.ok_or(Status::INVALID_PARAMETER)?
                    .copy_from_slice(&info);
                Ok(info.len())
            }))),
            SIO_ROUTING_INTERFACE_QUERY => self.route(input, output),
            SIO_ADDRESS_LIST_QUERY => {
                list_out(&interfaces::addresses(self.family), output).map(Answer::Now)
            }
            SIO_ADDRESS_LIST_SORT => {
                let sorted = interfaces::sorted(input.list);
                list_out(&sorted, output).map(Answer::Now)
            }
            SIO_ADDRESS_LIST_CHANGE => Ok(Answer::At(Change::Addresses)),
            SIO_ROUTING_INTERFACE_CHANGE => {
                self.destination(input.bytes)?;
                Ok(Answer::At(Change::Routes))
            }
            _ => unsupported,
        }
    }

    fn set_filter(&self, form: Form, input: &[u8]) -> Result<Answer, Refusal> {
        filter::set(form, self.fd(), input).map_err(Refusal::Transport)?;
        Ok(Answer::Now(0))
    }

    fn filter(&self, form: Form, input: &[u8], output: &mut [u8]) -> Result<Answer, Refusal> {
        let written = filter::get(form, self.fd(), input, output);
        written.map(Answer::Now).map_err(Refusal::Transport)
    }

    fn ideal_backlog(&self, output: &mut [u8]) -> Result<Answer, Refusal> {
        if !self.is_connected() {
            return Err(Refusal::Transport(Status::NOT_CONNECTED));
        }
        write_out(output, &backlog::IDEAL.to_ne_bytes()).map_err(Refusal::Transport)
    }

    fn broadcast_address(&self, output: &mut [u8]) -> Result<Answer, Refusal> {
        if self.family != Family::V4 {
            return Err(Refusal::Transport(Status::NO_PROTOCOL_OPTION));
        }
        let everybody = Address::from(SocketAddr::from(([255, 255, 255, 255], 0)));
        let written = everybody.write_windows(output);
        written
            .map(Answer::Now)
            .ok_or(Refusal::Transport(Status::FAULT))
    }

    fn interface_list(&self, output: &mut [u8]) -> Result<Answer, Refusal> {
        if self.family != Family::V4 {
            return Err(Refusal::Transport(Status::INVALID));
        }
        let written = interfaces::write_interfaces(output);
        Ok(Answer::Later(written.ok_or(Status::BUFFER_TOO_SMALL)))
    }

    fn route(&self, input: &Input<'_>, output: &mut [u8]) -> Result<Answer, Refusal> {
        let destination = self.destination(input.bytes)?;
        if !input.has_output {
            return Err(Refusal::Library(Status::FAULT));
        }
        let needed = self.family.address_len();
        if output.len() < needed {
            return Err(Refusal::Needs(Status::FAULT, needed));
        }
        let source = interfaces::source_for(&destination).map_err(Refusal::Library)?;
        Ok(Answer::Now(source.write_windows(output).unwrap_or(0)))
    }

    /// The address that a question about routes is about.
    fn destination(&self, input: &[u8]) -> Result<Address, Refusal> {
        let destination = Address::from_windows(input, self.family);
        match destination.map_err(|status| match status {
            Status::FAULT => Status::INVALID,
            other => other,
        }) {
            Ok(address) if address.is_unspecified() => Err(Refusal::Library(Status::INVALID)),
            Ok(address) => Ok(address),
            Err(status) => Err(Refusal::Library(status)),
        }
    }
}

/// What a wait came to.
fn waits(started: Started) -> Controlled {
    match started {
        Started::Done(_) | Started::Cut(_) => Controlled::Done(0),
        Started::Pending => Controlled::Pending,
    }
}

fn write_out(output: &mut [u8], bytes: &[u8]) -> Result<Answer, Status> {
    output
        .get_mut(..bytes.len())
        .ok_or(Status::FAULT)?
        .copy_from_slice(bytes);
    Ok(Answer::Now(bytes.len()))
}

/// Writes addresses as a SOCKET_ADDRESS_LIST.
fn list_out(addresses: &[SocketAddr], output: &mut [u8]) -> Result<usize, Refusal> {
    let list = AddressList(addresses);
    match output.len() {
        1..AddressList::HEADER => Err(Refusal::Needs(Status::INVALID, 0)),
        room if room < list.len() => Err(Refusal::Needs(Status::FAULT, list.len())),
        _ => Ok(list.write(output)),
    }
}
