//! The filter of a multicast membership as a whole, in both of its structures.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wharf_sys::*;

use crate::harness::*;
use crate::multicast::*;
use crate::tcp::*;

const INCLUDE: u32 = MCAST_INCLUDE as u32;
const EXCLUDE: u32 = MCAST_EXCLUDE as u32;

/// An ip_msfilter.
fn filter(group: Ipv4Addr, interface: Ipv4Addr, mode: u32, sources: &[Ipv4Addr]) -> Vec<u8> {
    let count = sources.len() as u32;
    let mut bytes = mreq(group, interface);
    bytes.extend([mode.to_ne_bytes(), count.to_ne_bytes()].concat());
    bytes.extend(sources.iter().flat_map(|source| source.octets()));
    bytes
}

/// WSAIoctl with these codes: how many bytes it returned.
fn control(socket: &Socket, code: u32, input: &[u8], output: &mut [u8]) -> Result<u32, WSA_ERROR> {
    let mut returned = 0;
    let (length, room) = (input.len() as u32, output.len() as u32);
    let (input, output) = (input.as_ptr().cast(), output.as_mut_ptr().cast());
    // SAFETY: buffers of these lengths.
    check(unsafe {
        let nobody = std::ptr::null_mut();
        WSAIoctl(
            socket.0,
            code,
            input,
            length,
            output,
            room,
            &mut returned,
            nobody,
            None,
        )
    })?;
    Ok(returned)
}

/// Why Wine cannot judge the codes of filters.
const NO_FILTERS: &str = "does not know the codes";

/// The filter of a membership is set as a whole, which begins and ends it, decides who is heard, and can be read.
/// Source: SIO_SET_MULTICAST_FILTER, SIO_GET_MULTICAST_FILTER; setipv4sourcefilter; RFC 3678, 4.1 and 7.1.
#[test]
fn filter_is_set_as_a_whole() {
    let _watch = watch();
    differs_under_wine(NO_FILTERS, || {
        let elsewhere = Ipv4Addr::new(192, 0, 2, 7);
        for interface in [LOOPBACK, Ipv4Addr::from(LOOPBACK_INDEX)] {
            let member = receiver();
            let port = member.local_address().unwrap().port();
            let sender = sender(GROUP, port);
            let set = |mode, sources: &[Ipv4Addr]| {
                let filter = filter(GROUP, interface, mode, sources);
                control(&member, SIO_SET_MULTICAST_FILTER, &filter, &mut [])
            };
            let get = |room: usize| {
                let asked = filter(GROUP, interface, INCLUDE, &[]);
                let mut bytes = [0; 64];
                let count = control(
                    &member,
                    SIO_GET_MULTICAST_FILTER,
                    &asked,
                    &mut bytes[..16 + 4 * room],
                )?;
                Ok(bytes[..count as usize].to_vec())
            };
            assert_eq!(get(4), Err(WSAEADDRNOTAVAIL), "it is no member");
            assert_eq!(set(INCLUDE, &[]), Err(WSAEADDRNOTAVAIL));
            assert_eq!(set(INCLUDE, &[LOOPBACK]), Ok(0));
            assert_eq!(get(4), Ok(filter(GROUP, interface, INCLUDE, &[LOOPBACK])));
            sender.send_all(b"heard");
            assert_got_only(&member, b"heard");
            assert_eq!(set(INCLUDE, &[elsewhere]), Ok(0));
            sender.send_all(b"unheard");
            assert_eq!(set(EXCLUDE, &[elsewhere, LOOPBACK]), Ok(0));
            sender.send_all(b"unheard");
            let told = get(1).unwrap();
            assert_eq!(told.len(), 20, "one source has room");
            assert_eq!(told[12..16], 2u32.to_ne_bytes(), "of two");
            assert_eq!(set(EXCLUDE, &[]), Ok(0));
            assert_eq!(get(4), Ok(filter(GROUP, interface, EXCLUDE, &[])));
            sender.send_all(b"heard again");
            assert_got_only(&member, b"heard again");
            assert_eq!(set(INCLUDE, &[]), Ok(0), "that ends it");
            assert_eq!(get(4), Err(WSAEADDRNOTAVAIL));
        }
    });
}

/// A filter needs all its bytes, a group, a mode, and an IPv4 datagram socket.
/// Source: SIO_SET_MULTICAST_FILTER; ip_msfilter.
#[test]
fn filter_must_make_sense() {
    let _watch = watch();
    differs_under_wine(NO_FILTERS, || {
        let socket = receiver();
        let set = |filter: &[u8]| control(&socket, SIO_SET_MULTICAST_FILTER, filter, &mut []);
        let good = filter(GROUP, LOOPBACK, EXCLUDE, &[LOOPBACK]);
        for length in [0, 15, 19] {
            assert_eq!(set(&good[..length]), Err(WSAEFAULT));
        }
        assert_eq!(
            set(&filter(LOOPBACK, LOOPBACK, EXCLUDE, &[])),
            Err(WSAEINVAL)
        );
        assert_eq!(set(&filter(GROUP, LOOPBACK, 2, &[])), Err(WSAEINVAL));
        assert_eq!(
            set(&filter(GROUP, LOOPBACK, EXCLUDE, &[LOOPBACK; 13])),
            Err(WSAENOBUFS)
        );
        let no_interface = Ipv4Addr::new(192, 0, 2, 99);
        assert_eq!(
            set(&filter(GROUP, no_interface, EXCLUDE, &[])),
            Err(WSAEADDRNOTAVAIL)
        );
        assert_eq!(set(&good), Ok(0));
        let get = |room| control(&socket, SIO_GET_MULTICAST_FILTER, &good, &mut vec![0; room]);
        assert_eq!(get(15), Err(WSAEFAULT));
        assert_eq!(get(16), Ok(16));
        let stream = Socket::tcp(Family::V4);
        let refused = control(&stream, SIO_SET_MULTICAST_FILTER, &good, &mut []);
        assert_eq!(refused, Err(WSAEOPNOTSUPP));
    });
}

// --- Either family ---------------------------------------------------------------------------------

const MCAST: [u32; 2] = [SIOCSMSFILTER, SIOCGMSFILTER];

/// A GROUP_FILTER.
fn group_filter(index: u32, group: IpAddr, mode: u32, sources: &[IpAddr]) -> Vec<u8> {
    let mut bytes = vec![0; std::mem::offset_of!(GROUP_FILTER, gf_slist)];
    bytes[..4].copy_from_slice(&index.to_ne_bytes());
    write_address(&mut bytes[8..], (group, 0).into());
    bytes[136..140].copy_from_slice(&mode.to_ne_bytes());
    bytes[140..].copy_from_slice(&(sources.len() as u32).to_ne_bytes());
    for source in sources {
        let mut storage = [0; size_of::<SOCKADDR_STORAGE>()];
        write_address(&mut storage, (*source, 0).into());
        bytes.extend(storage);
    }
    bytes
}

/// Sets and reads the filter of a group of a socket.
struct Filter<'a> {
    socket: &'a Socket,
    index: u32,
    group: IpAddr,
}

impl Filter<'_> {
    fn set(&self, mode: u32, sources: &[IpAddr]) -> Result<u32, WSA_ERROR> {
        let filter = group_filter(self.index, self.group, mode, sources);
        control(self.socket, MCAST[0], &filter, &mut [])
    }

    /// With room for so many sources. What is asked and what is told are one buffer, as in getsourcefilter.
    fn get(&self, room: usize) -> Result<Vec<u8>, WSA_ERROR> {
        let mut bytes = group_filter(self.index, self.group, INCLUDE, &vec![self.group; room]);
        let (length, mut returned) = (bytes.len() as u32, 0);
        let buffer = bytes.as_mut_ptr().cast();
        // SAFETY: one buffer of that length.
        check(unsafe {
            let nobody = std::ptr::null_mut();
            WSAIoctl(
                self.socket.0,
                MCAST[1],
                buffer,
                length,
                buffer,
                length,
                &mut returned,
                nobody,
                None,
            )
        })?;
        bytes.truncate(returned as usize);
        Ok(bytes)
    }

    /// The filter as it is told.
    fn told(&self, mode: u32, sources: &[IpAddr]) -> Result<Vec<u8>, WSA_ERROR> {
        Ok(group_filter(self.index, self.group, mode, sources))
    }
}

/// Setting a filter begins a membership or ends it; it decides who is heard, and can be read.
/// Source: setsourcefilter, getsourcefilter, GROUP_FILTER; RFC 3678, 5.2 and 7.2.
#[test]
fn group_filter_is_set_as_a_whole() {
    let _watch = watch();
    differs_under_wine(NO_FILTERS, || {
        let member = receiver();
        let sender = sender(GROUP, member.local_address().unwrap().port());
        let (loopback, elsewhere) = (LOOPBACK.into(), Ipv4Addr::new(192, 0, 2, 7).into());
        let filter = Filter {
            socket: &member,
            index: LOOPBACK_INDEX,
            group: GROUP.into(),
        };
        assert_eq!(filter.get(1), Err(WSAEADDRNOTAVAIL), "it is no member");
        assert_eq!(filter.set(INCLUDE, &[]), Err(WSAEADDRNOTAVAIL));
        assert_eq!(filter.set(INCLUDE, &[loopback]), Ok(0));
        assert_eq!(filter.get(3), filter.told(INCLUDE, &[loopback]));
        sender.send_all(b"heard");
        assert_got_only(&member, b"heard");
        assert_eq!(filter.set(INCLUDE, &[elsewhere]), Ok(0));
        sender.send_all(b"unheard");
        assert_eq!(filter.set(EXCLUDE, &[elsewhere, loopback]), Ok(0));
        sender.send_all(b"unheard");
        let told = filter.get(1).unwrap();
        assert_eq!(told.len(), 144 + 128, "one source has room");
        assert_eq!(told[140..144], 2u32.to_ne_bytes(), "of two");
        assert_eq!(filter.set(EXCLUDE, &[]), Ok(0));
        assert_eq!(filter.get(0), filter.told(EXCLUDE, &[]));
        sender.send_all(b"heard again");
        assert_got_only(&member, b"heard again");
        assert_eq!(filter.set(INCLUDE, &[]), Ok(0), "that ends it");
        assert_eq!(filter.get(0), Err(WSAEADDRNOTAVAIL));
    });
}

/// The same for groups of IPv6, with more sources than IPv4 has, by an index and on the interface that the system chooses.
/// Source: setsourcefilter, getsourcefilter, GROUP_FILTER.
#[test]
fn group_filter_of_ipv6() {
    let _watch = watch();
    differs_under_wine(NO_FILTERS, || {
        let sources: Vec<IpAddr> = (1..=40)
            .map(|number| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number).into())
            .collect();
        for index in [LOOPBACK_INDEX, 0] {
            let socket = Socket::open(AF_INET6.into(), SOCK_DGRAM, 0).unwrap();
            let filter = Filter {
                socket: &socket,
                index,
                group: GROUP_6.into(),
            };
            if index == 0 && filter.set(EXCLUDE, &[]) == Err(WSAEADDRNOTAVAIL) {
                println!("no interface leads to groups of IPv6 here");
                continue;
            }
            assert_eq!(filter.set(EXCLUDE, &sources[..2]), Ok(0));
            assert_eq!(filter.get(9), filter.told(EXCLUDE, &sources[..2]));
            assert_eq!(filter.set(INCLUDE, &sources), Ok(0));
            assert_eq!(filter.get(40), filter.told(INCLUDE, &sources));
            let told = filter.get(39).unwrap();
            assert_eq!(told[140..144], 40u32.to_ne_bytes());
            assert_eq!(told[144..], filter.get(40).unwrap()[144..][..39 * 128]);
            assert_eq!(filter.set(INCLUDE, &[]), Ok(0), "that ends it");
            assert_eq!(filter.get(0), Err(WSAEADDRNOTAVAIL));
            assert_eq!(filter.set(INCLUDE, &[]), Err(WSAEADDRNOTAVAIL));
        }
    });
}

/// What a filter of IPv6 includes is heard and what it excludes is not, on whichever interface can send to groups.
/// Source: setsourcefilter; IPV6_MULTICAST_IF (an index in host order).
#[test]
fn group_filter_of_ipv6_decides_who_is_heard() {
    let _watch = watch();
    not_under_wine("numbers interfaces otherwise", || {
        let mut heard = 0;
        for index in 1..10 {
            let sender = Socket::open(AF_INET6.into(), SOCK_DGRAM, 0).unwrap();
            let member = Socket::open(AF_INET6.into(), SOCK_DGRAM, 0).unwrap();
            assert_eq!(member.bind(&Family::V6.any(0)), Ok(()));
            let to = SocketAddr::from((GROUP_6, member.local_address().unwrap().port())).into();
            let by_it = sender.set_option(IPPROTO_IPV6, IPV6_MULTICAST_IF, index);
            if by_it.is_err() || sender.connect(&to) != Ok(()) {
                continue; // there is no such interface, or no route for groups
            }
            let filter = Filter {
                socket: &member,
                index: index as u32,
                group: GROUP_6.into(),
            };
            let source = sender.local_address().unwrap().ip();
            if filter.set(EXCLUDE, &[source]) != Ok(0) || sender.send(b"unheard") != Ok(7) {
                continue;
            }
            assert_eq!(filter.set(INCLUDE, &[source]), Ok(0));
            sender.send_all(b"heard");
            assert_got_only(&member, b"heard");
            heard += 1;
        }
        println!("heard on {heard} interfaces");
    });
}

/// A source is joined and left, blocked and unblocked where no interface is named, in both families, and the filter tells.
/// Source: GROUP_SOURCE_REQ ("if this member specifies an interface index of 0, the default multicast interface is used").
#[test]
fn sources_on_the_default_interface() {
    let _watch = watch();
    not_under_wine("has no such way", || {
        let documentation = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        for (family, level, group, source) in [
            (
                AF_INET,
                IPPROTO_IP,
                IpAddr::from(GROUP),
                IpAddr::from(Ipv4Addr::new(192, 0, 2, 7)),
            ),
            (AF_INET6, IPPROTO_IPV6, GROUP_6.into(), documentation.into()),
        ] {
            let socket = Socket::open(family.into(), SOCK_DGRAM, 0).unwrap();
            let filter = Filter {
                socket: &socket,
                index: 0,
                group,
            };
            let of_source = group_req(0, (group, 0).into(), Some((source, 0).into()));
            let of_group = group_req(0, (group, 0).into(), None);
            let set = |option: u32, request: &[u8]| {
                socket.set_option_bytes(level, option as i32, request)
            };
            if set(MCAST_JOIN_SOURCE_GROUP, &of_source) == Err(WSAEADDRNOTAVAIL) {
                println!("no interface leads to {group} here");
                continue;
            }
            assert_eq!(filter.get(2), filter.told(INCLUDE, &[source]));
            assert_eq!(set(MCAST_LEAVE_SOURCE_GROUP, &of_source), Ok(()));
            assert_eq!(filter.get(2), Err(WSAEADDRNOTAVAIL));
            assert_eq!(set(MCAST_JOIN_GROUP, &of_group), Ok(()));
            assert_eq!(filter.get(2), filter.told(EXCLUDE, &[]));
            assert_eq!(set(MCAST_BLOCK_SOURCE, &of_source), Ok(()));
            assert_eq!(filter.get(2), filter.told(EXCLUDE, &[source]));
            assert_eq!(set(MCAST_UNBLOCK_SOURCE, &of_source), Ok(()));
            assert_eq!(filter.get(2), filter.told(EXCLUDE, &[]));
            assert_eq!(set(MCAST_LEAVE_GROUP, &of_group), Ok(()));
            assert_eq!(filter.get(2), Err(WSAEADDRNOTAVAIL));
        }
    });
}

/// A filter needs all its bytes, a group of the socket's family, a mode, an interface that exists, and a datagram socket.
/// Source: setsourcefilter; GROUP_FILTER.
#[test]
fn group_filter_must_make_sense() {
    let _watch = watch();
    differs_under_wine(NO_FILTERS, || {
        let (group, loopback) = (GROUP.into(), LOOPBACK.into());
        let socket = receiver();
        let set = |filter: &[u8]| control(&socket, MCAST[0], filter, &mut []);
        let good = group_filter(LOOPBACK_INDEX, group, EXCLUDE, &[loopback]);
        for length in [0, 4, 143, good.len() - 1] {
            assert_eq!(set(&good[..length]), Err(WSAEFAULT), "{length}");
        }
        for wrong in [
            group_filter(LOOPBACK_INDEX, loopback, EXCLUDE, &[]),
            group_filter(LOOPBACK_INDEX, GROUP_6.into(), EXCLUDE, &[]),
            group_filter(LOOPBACK_INDEX, group, EXCLUDE, &[GROUP_6.into()]),
            group_filter(LOOPBACK_INDEX, group, 2, &[]),
        ] {
            assert_eq!(set(&wrong), Err(WSAEINVAL));
        }
        let nowhere = group_filter(7777, group, EXCLUDE, &[]);
        assert_eq!(set(&nowhere), Err(WSAEADDRNOTAVAIL));
        let many = group_filter(LOOPBACK_INDEX, group, EXCLUDE, &[loopback; 2000]);
        assert_eq!(set(&many), Err(WSAENOBUFS));
        assert_eq!(set(&good), Ok(0));
        let get = |room| control(&socket, MCAST[1], &good, &mut vec![0; room]);
        assert_eq!(get(143), Err(WSAEFAULT));
        assert_eq!(get(144), Ok(144));
        let stream = Socket::tcp(Family::V4);
        for code in MCAST {
            let refused = control(&stream, code, &good, &mut [0; 144]);
            assert_eq!(refused, Err(WSAEOPNOTSUPP));
        }
        let six = Socket::open(AF_INET6.into(), SOCK_DGRAM, 0).unwrap();
        assert_eq!(
            control(&six, MCAST[0], &good, &mut []),
            Err(WSAEINVAL),
            "an IPv4 group"
        );
    });
}
