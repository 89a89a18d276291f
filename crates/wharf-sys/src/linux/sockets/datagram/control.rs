//! Control data: the records beside a datagram, from Linux' layout to Windows' and back.
//!
//! Both systems keep records alike, a header of 16 bytes and data, each aligned to 8; levels, types and the structures
//! inside differ. What the kernel tells is more than what a program asked for (the interface is asked for in any case,
//! since it tells a broadcast), and one record of the kernel may be several of Windows.
//!
//! Nothing here calls the system or trusts its input: both directions take any bytes.
//!
//! Source: "WSAMSG", "CMSGHDR", "IP_PKTINFO", "IPPROTO_IP Socket Options", "IPPROTO_IPV6 Socket Options".

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use windows_sys::Win32::Networking::WinSock::{
    CMSGHDR, IN_PKTINFO, IN6_PKTINFO, IP_HOPLIMIT, IP_ORIGINAL_ARRIVAL_IF, IP_PKTINFO,
    IP_RECVDSTADDR, IP_RECVIF, IP_TCLASS, IP_TOS, IP_TTL, IPPROTO_IP, IPPROTO_IPV6, IPV6_HOPLIMIT,
    IPV6_PKTINFO, IPV6_RECVDSTADDR, IPV6_RECVIF, IPV6_TCLASS,
};

use crate::platform::status::Status;

/// The length of a record's header, on both systems.
const HEADER: usize = size_of::<CMSGHDR>();
const LONGEST: usize = 1 << 20; // far more than the kernel takes
const _: () = assert!(HEADER == size_of::<libc::cmsghdr>() && HEADER == 16);
const _: () = assert!(size_of::<IN_PKTINFO>() == 8 && size_of::<IN6_PKTINFO>() == 20);

/// Room for everything the kernel tells of one datagram.
pub const LINUX_MAX: usize = 256;

/// Which records a program asked for, by the options that ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// IP_PKTINFO.
    pub packet_info: bool,
    /// IP_RECVTTL.
    pub time_to_live: bool,
    /// IP_RECVTOS.
    pub type_of_service: bool,
    /// IP_RECVIF.
    pub interface: bool,
    /// IP_ORIGINAL_ARRIVAL_IF.
    pub arrival_interface: bool,
    /// IP_RECVDSTADDR.
    pub destination: bool,
    /// IPV6_PKTINFO.
    pub packet_info_v6: bool,
    /// IPV6_HOPLIMIT.
    pub hop_limit: bool,
    /// IPV6_RECVTCLASS.
    pub traffic_class: bool,
    /// IPV6_RECVIF.
    pub interface_v6: bool,
    /// IPV6_RECVDSTADDR.
    pub destination_v6: bool,
}

/// How a datagram was addressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addressed {
    /// To one host.
    #[default]
    Host,
    /// To all (MSG_BCAST).
    Broadcast,
    /// To a group (MSG_MCAST).
    Multicast,
}

/// What became of the kernel's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Bytes of Windows' records.
    pub length: usize,
    /// There was no room for all of them (MSG_CTRUNC).
    pub cut: bool,
    /// How the datagram was addressed.
    pub addressed: Addressed,
}

/// Writes to `out` what a program wants to know of the kernel's `records`.
pub fn to_windows(records: &[u8], wanted: &Wanted, out: &mut [u8]) -> Received {
    let mut writer = Writer {
        out,
        length: 0,
        cut: false,
    };
    let mut addressed = Addressed::Host;
    for record in Records(records) {
        match (record.level, record.kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                addressed = packet_info(record.data, wanted, &mut writer).unwrap_or(addressed);
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let told = packet_info_v6(record.data, wanted, &mut writer);
                if addressed == Addressed::Host {
                    addressed = told.unwrap_or_default(); // the record of IPv4 knows better
                }
            }
            (libc::IPPROTO_IP, libc::IP_TTL) if wanted.time_to_live => {
                writer.put_int(IPPROTO_IP, IP_TTL, record.data);
            }
            (libc::IPPROTO_IP, libc::IP_TOS) if wanted.type_of_service => {
                writer.put_int(IPPROTO_IP, IP_TOS, record.data);
            }
            (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) if wanted.hop_limit => {
                writer.put_int(IPPROTO_IPV6, IPV6_HOPLIMIT, record.data);
            }
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) if wanted.traffic_class => {
                writer.put_int(IPPROTO_IPV6, IPV6_TCLASS, record.data);
            }
            _ => {}
        }
    }
    Received {
        length: writer.length,
        cut: writer.cut,
        addressed,
    }
}

/// `struct in_pktinfo`: interface, the address the kernel would answer from, the address in the packet.
fn packet_info(data: &[u8], wanted: &Wanted, writer: &mut Writer<'_>) -> Option<Addressed> {
    let interface = *data.first_chunk::<4>()?;
    let own: [u8; 4] = *data.get(4..)?.first_chunk()?;
    let destination: [u8; 4] = *data.get(8..)?.first_chunk()?;
    if wanted.packet_info {
        writer.put(IPPROTO_IP, IP_PKTINFO, &[destination, interface].concat());
    }
    if wanted.destination {
        writer.put(IPPROTO_IP, IP_RECVDSTADDR, &destination);
    }
    if wanted.interface {
        writer.put(IPPROTO_IP, IP_RECVIF, &interface);
    }
    if wanted.arrival_interface {
        writer.put(IPPROTO_IP, IP_ORIGINAL_ARRIVAL_IF, &interface);
    }
    let unknown = own == [0; 4]; // it came before the kernel was asked
    let address = Ipv4Addr::from(destination);
    Some(match () {
        () if address.is_multicast() => Addressed::Multicast,
        () if address.is_broadcast() || !unknown && own != destination => Addressed::Broadcast,
        () => Addressed::Host,
    })
}

/// `struct in6_pktinfo`, which is Windows' too: address, interface.
fn packet_info_v6(data: &[u8], wanted: &Wanted, writer: &mut Writer<'_>) -> Option<Addressed> {
    let destination = *data.first_chunk::<16>()?;
    let interface: [u8; 4] = *data.get(16..)?.first_chunk()?;
    if wanted.packet_info_v6 {
        writer.put(
            IPPROTO_IPV6,
            IPV6_PKTINFO,
            &[&destination[..], &interface].concat(),
        );
    }
    if wanted.destination_v6 {
        writer.put(IPPROTO_IPV6, IPV6_RECVDSTADDR, &destination);
    }
    if wanted.interface_v6 {
        writer.put(IPPROTO_IPV6, IPV6_RECVIF, &interface);
    }
    let address = Ipv6Addr::from(destination).to_canonical();
    Some(match address {
        IpAddr::V4(address) if address.is_broadcast() => Addressed::Broadcast,
        address if address.is_multicast() => Addressed::Multicast,
        _ => Addressed::Host,
    })
}

/// The records of a message to be sent, in the kernel's layout.
///
/// # Errors
/// [`Status::INVALID`] for a record that is malformed, or that no send takes.
pub fn to_linux(records: &[u8]) -> Result<Box<[u8]>, Status> {
    if records.len() > LONGEST {
        return Err(Status::INVALID);
    }
    let mut out = vec![0; 2 * records.len()]; // no record grows by more than its header is long
    let mut writer = Writer {
        out: &mut out,
        length: 0,
        cut: false,
    };
    let mut rest = Records(records);
    for record in &mut rest {
        write_linux(&record, &mut writer).ok_or(Status::INVALID)?;
    }
    if !rest.0.is_empty() || writer.cut {
        return Err(Status::INVALID);
    }
    let length = writer.length;
    out.truncate(length);
    Ok(out.into_boxed_slice())
}

fn write_linux(record: &Record<'_>, writer: &mut Writer<'_>) -> Option<()> {
    const TTL_OF_OLD: i32 = IP_HOPLIMIT; // before the names of IPv4 were understood
    const TOS_OF_OLD: i32 = IP_TCLASS;
    let data = record.data;
    match (record.level, record.kind) {
        (IPPROTO_IP, IP_PKTINFO) => {
            let address = data.first_chunk::<4>()?;
            let interface: &[u8; 4] = data.get(4..)?.first_chunk()?;
            let info = [*interface, *address, [0; 4]].concat();
            writer.put(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
        }
        (IPPROTO_IPV6, IPV6_PKTINFO) => {
            let info = data.first_chunk::<20>()?;
            writer.put(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
        (IPPROTO_IP, IP_TTL | TTL_OF_OLD) => {
            writer.put(libc::IPPROTO_IP, libc::IP_TTL, data.first_chunk::<4>()?);
        }
        (IPPROTO_IP, IP_TOS | TOS_OF_OLD) => {
            writer.put(libc::IPPROTO_IP, libc::IP_TOS, data.first_chunk::<4>()?);
        }
        (IPPROTO_IPV6, IPV6_HOPLIMIT) => {
            let limit = data.first_chunk::<4>()?;
            writer.put(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, limit);
        }
        (IPPROTO_IPV6, IPV6_TCLASS) => {
            let class = data.first_chunk::<4>()?;
            writer.put(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, class);
        }
        _ => return None,
    }
    Some(())
}

// ---- records, as both systems keep them ----

struct Record<'a> {
    level: i32,
    kind: i32,
    data: &'a [u8],
}

/// The records in some bytes. It stops at what is none, and leaves that.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let length = usize::from_ne_bytes(*self.0.first_chunk()?);
        let record = self.0.get(..length)?;
        let level = i32::from_ne_bytes(*record.get(8..)?.first_chunk()?);
        let kind = i32::from_ne_bytes(*record.get(12..)?.first_chunk()?);
        let data = record.get(HEADER..)?;
        self.0 = &self.0[aligned(length).min(self.0.len())..];
        Some(Record { level, kind, data })
    }
}

/// Puts records one behind the other.
struct Writer<'a> {
    out: &'a mut [u8],
    length: usize,
    cut: bool,
}

impl Writer<'_> {
    fn put(&mut self, level: i32, kind: i32, data: &[u8]) {
        let length = HEADER + data.len();
        let Some(record) = self.out.get_mut(self.length..).filter(|_| !self.cut) else {
            self.cut = true;
            return;
        };
        let space = aligned(length).min(record.len());
        let Some(record) = record.get_mut(..space).filter(|room| room.len() >= length) else {
            self.cut = true;
            return;
        };
        record[..8].copy_from_slice(&length.to_ne_bytes());
        record[8..12].copy_from_slice(&level.to_ne_bytes());
        record[12..HEADER].copy_from_slice(&kind.to_ne_bytes());
        record[HEADER..length].copy_from_slice(data);
        record[length..].fill(0);
        self.length += space;
    }

    /// An INT, of which the kernel may have told only the low byte.
    fn put_int(&mut self, level: i32, kind: i32, data: &[u8]) {
        let value = match (data.first_chunk::<4>(), data.first()) {
            (Some(int), _) => *int,
            (None, Some(byte)) => i32::from(*byte).to_ne_bytes(),
            (None, None) => return,
        };
        self.put(level, kind, &value);
    }
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(align_of::<CMSGHDR>())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: Wanted = Wanted {
        packet_info: true,
        time_to_live: true,
        type_of_service: true,
        interface: true,
        arrival_interface: true,
        destination: true,
        packet_info_v6: true,
        hop_limit: true,
        traffic_class: true,
        interface_v6: true,
        destination_v6: true,
    };

    fn records(list: &[(i32, i32, &[u8])]) -> Vec<u8> {
        let mut out = vec![0; 1024];
        let mut writer = Writer {
            out: &mut out,
            length: 0,
            cut: false,
        };
        for (level, kind, data) in list {
            writer.put(*level, *kind, data);
        }
        let length = writer.length;
        out.truncate(length);
        out
    }

    fn list(records: &[u8]) -> Vec<(i32, i32, Vec<u8>)> {
        let entry = |record: Record<'_>| (record.level, record.kind, record.data.to_vec());
        Records(records).map(entry).collect()
    }

    fn of_linux(interface: u32, own: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
        let info = [interface.to_ne_bytes(), own, destination].concat();
        records(&[(libc::IPPROTO_IP, libc::IP_PKTINFO, &info)])
    }

    fn translated(records: &[u8], wanted: &Wanted) -> (Received, Vec<(i32, i32, Vec<u8>)>) {
        let mut out = [0xAA; 1024];
        let received = to_windows(records, wanted, &mut out);
        (received, list(&out[..received.length]))
    }

    /// Source: IP_PKTINFO: IN_PKTINFO is the address, then the interface.
    #[test]
    fn packet_info_has_windows_layout() {
        let wanted = Wanted {
            packet_info: true,
            ..Wanted::default()
        };
        let (received, list) = translated(&of_linux(7, [127, 0, 0, 1], [127, 0, 0, 1]), &wanted);
        assert_eq!(list, [(0, 19, vec![127, 0, 0, 1, 7, 0, 0, 0])]);
        assert_eq!((received.length, received.cut), (24, false));
        assert_eq!(received.addressed, Addressed::Host);
    }

    #[test]
    fn how_it_was_addressed_is_told_without_being_asked() {
        let addressed = |own, destination| {
            let (received, list) = translated(&of_linux(1, own, destination), &Wanted::default());
            assert_eq!(list, []);
            received.addressed
        };
        let own = [192, 0, 2, 2];
        assert_eq!(addressed(own, own), Addressed::Host);
        assert_eq!(addressed(own, [192, 0, 2, 255]), Addressed::Broadcast);
        assert_eq!(addressed(own, [224, 0, 0, 1]), Addressed::Multicast);
        assert_eq!(addressed([0; 4], [192, 0, 2, 255]), Addressed::Host);
        assert_eq!(addressed([0; 4], [255; 4]), Addressed::Broadcast);
    }

    /// Source: IP_RECVTTL and IP_RECVTOS: the data is an INT.
    #[test]
    fn numbers_are_ints() {
        let told = records(&[
            (libc::IPPROTO_IP, libc::IP_TTL, &64_i32.to_ne_bytes()),
            (libc::IPPROTO_IP, libc::IP_TOS, &[0x20]),
            (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &[3, 0, 0, 0]),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &[4, 0, 0, 0]),
        ]);
        let int = |value: i32| value.to_ne_bytes().to_vec();
        let expected = [
            (0, 4, int(64)),
            (0, 3, int(0x20)),
            (41, 21, int(3)),
            (41, 39, int(4)),
        ];
        assert_eq!(translated(&told, &ALL).1, expected);
        assert_eq!(translated(&told, &Wanted::default()).1, []);
    }

    /// Source: WSAMSG, MSG_CTRUNC.
    #[test]
    fn what_has_no_room_is_cut_at_a_record() {
        let told = records(&[
            (libc::IPPROTO_IP, libc::IP_TTL, &[1, 0, 0, 0]),
            (libc::IPPROTO_IP, libc::IP_TOS, &[2]),
        ]);
        for (room, length) in [(0, 0), (19, 0), (20, 20), (24, 24), (43, 24)] {
            let mut out = vec![0xAA; room];
            let received = to_windows(&told, &ALL, &mut out);
            assert_eq!((received.length, received.cut), (length, true), "{room}");
            assert!(out[length..].iter().all(|byte| *byte == 0xAA));
        }
        let received = to_windows(&told, &ALL, &mut [0; 44]);
        assert_eq!((received.length, received.cut), (44, false));
    }

    #[test]
    fn a_source_address_reaches_the_kernel() {
        let told = records(&[(IPPROTO_IP, IP_PKTINFO, &[127, 0, 0, 9, 1, 0, 0, 0])]);
        let info = vec![1, 0, 0, 0, 127, 0, 0, 9, 0, 0, 0, 0];
        let linux = to_linux(&told).unwrap();
        assert_eq!(list(&linux), [(libc::IPPROTO_IP, libc::IP_PKTINFO, info)]);
    }

    /// Source: WSASendMsg, WSAEINVAL.
    #[test]
    fn malformed_records_are_refused() {
        let good = records(&[(IPPROTO_IP, IP_TTL, &[9, 0, 0, 0])]);
        assert!(to_linux(&[]).unwrap().is_empty());
        assert!(to_linux(&good).is_ok() && to_linux(&good[..20]).is_ok());
        let mut long = good.clone();
        long[0] = 25;
        let unknown = records(&[(IPPROTO_IP, 77, &[9, 0, 0, 0])]);
        let short = records(&[(IPPROTO_IP, IP_PKTINFO, &[9, 0, 0, 0])]);
        for bad in [&good[..19], &good[..8], &long, &unknown, &short] {
            assert_eq!(to_linux(bad), Err(Status::INVALID), "{bad:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, room in 0..200_usize) {
            let mut out = vec![0xAA; room + 8];
            let received = to_windows(&bytes, &ALL, &mut out[..room]);
            prop_assert!(received.length <= room);
            prop_assert!(out[received.length..].iter().all(|byte| *byte == 0xAA));
            let _ = to_linux(&bytes);
        }

        #[test]
        fn any_records_are_taken(
            list in prop::collection::vec((0..42_i32, 0..80_i32, prop::collection::vec(any::<u8>(), 0..24)), 0..6),
            room in 0..200_usize,
        ) {
            let list: Vec<_> = list.iter().map(|(level, kind, data)| (*level, *kind, &data[..])).collect();
            let bytes = records(&list);
            let received = to_windows(&bytes, &ALL, &mut vec![0; room]);
            prop_assert!(received.length <= room);
            if let Ok(linux) = to_linux(&bytes) {
                prop_assert_eq!(Records(&linux).count(), list.len());
            }
        }

        /// What was sent with a datagram arrives as such.
        #[test]
        fn what_is_sent_comes_back(address: [u8; 16], interface: u32, number: i32) {
            let info = [&address[..], &interface.to_ne_bytes()].concat();
            let bytes = records(&[
                (IPPROTO_IPV6, IPV6_PKTINFO, &info),
                (IPPROTO_IP, IP_TTL, &number.to_ne_bytes()),
                (IPPROTO_IP, IP_TOS, &number.to_ne_bytes()),
                (IPPROTO_IPV6, IPV6_HOPLIMIT, &number.to_ne_bytes()),
                (IPPROTO_IPV6, IPV6_TCLASS, &number.to_ne_bytes()),
            ]);
            let wanted = Wanted { destination_v6: false, interface_v6: false, ..ALL };
            let mut out = [0; 256];
            let received = to_windows(&to_linux(&bytes).unwrap(), &wanted, &mut out);
            prop_assert_eq!(&out[..received.length], &bytes[..]);
        }
    }
}
