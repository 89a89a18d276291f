//! Who may have an address beside whom: Windows' rules of `bind`, without sockets.
//!
//! A bound socket has a [`Claim`]: a place (an address, or every address of a family) on a port that is not named here,
//! and how it is shared. Of two claims the first stands; [`refusal`] says whether the second may join it. A socket of
//! IPv6 that serves IPv4 too has both wildcards, but yields that of IPv4 unless one of the two insists on it.
//!
//! Source: "Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE"; "Dual-Stack Sockets for IPv6 Winsock Applications". What
//! they leave open between IPv6 and IPv4 was observed on Windows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::address::Address;
use crate::platform::status::Status;

/// How an address is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Neither option.
    Default,
    /// SO_REUSEADDR.
    Reuse,
    /// SO_EXCLUSIVEADDRUSE.
    Exclusive,
}

/// What a bound socket has of its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    place: Place,
    sharing: Sharing,
}

/// Where a socket is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    V4(Spot<Ipv4Addr>),
    V6(Spot<(Ipv6Addr, u32)>), // with its scope
    /// Every address of IPv6, and of IPv4 as far as nobody else has it.
    Dual,
}

/// One address, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot<T> {
    Wildcard,
    Specific(T),
}

impl Claim {
    /// The claim of a socket that is bound to this address; `v6_only` is IPV6_V6ONLY.
    pub fn new(address: &Address, sharing: Sharing, v6_only: bool) -> Claim {
        let place = match address.socket_addr() {
            SocketAddr::V4(address) => Place::V4(Spot::of_ipv4(*address.ip())),
            SocketAddr::V6(address) => match address.ip().to_ipv4_mapped() {
                Some(mapped) => Place::V4(Spot::of_ipv4(mapped)),
                None if !address.ip().is_unspecified() => {
                    Place::V6(Spot::Specific((*address.ip(), address.scope_id())))
                }
                None if v6_only => Place::V6(Spot::Wildcard),
                None => Place::Dual,
            },
        };
        Claim { place, sharing }
    }

    /// How the address is shared.
    pub fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// Whether both are bound to the very same address.
    pub fn is_same_place(&self, other: &Claim) -> bool {
        self.place == other.place
    }

    /// Whether a connection to this claim's port at `local` may belong to it.
    pub fn covers(&self, local: IpAddr) -> bool {
        let local = local.to_canonical();
        match (self.place, local) {
            (Place::Dual, _)
            | (Place::V4(Spot::Wildcard), IpAddr::V4(_))
            | (Place::V6(Spot::Wildcard), IpAddr::V6(_)) => true,
            (Place::V4(Spot::Specific(address)), local) => local == address,
            (Place::V6(Spot::Specific((address, _))), local) => local == address,
            _ => false,
        }
    }

    fn is_wildcard(&self) -> bool {
        matches!(
            self.place,
            Place::V4(Spot::Wildcard) | Place::V6(Spot::Wildcard) | Place::Dual
        )
    }

    /// Its row and column in [`MATRIX`].
    fn index(&self) -> usize {
        let sharing = match self.sharing {
            Sharing::Default => 0,
            Sharing::Reuse => 2,
            Sharing::Exclusive => 4,
        };
        sharing + usize::from(!self.is_wildcard())
    }
}

impl Spot<Ipv4Addr> {
    fn of_ipv4(address: Ipv4Addr) -> Self {
        if address.is_unspecified() {
            Spot::Wildcard
        } else {
            Spot::Specific(address)
        }
    }
}

/// A cell of [`MATRIX`].
#[derive(Clone, Copy)]
enum Cell {
    Fine,
    InUse,
    Access,
}

use Cell::{Access, Fine, InUse};

/// Two sockets of a family and a port, the specific ones of the same address. Rows: who was first, columns: the second;
/// for each sharing the wildcard, then a specific address.
#[rustfmt::skip]
const MATRIX: [[Cell; 6]; 6] = [
    // default        reuse             exclusive
    [InUse, Fine,     Access, Fine,     InUse, Fine],   // default, wildcard
    [Fine,  InUse,    Fine,   Access,   InUse, InUse],  // default, specific
    [InUse, Fine,     Fine,   Fine,     InUse, Fine],   // reuse, wildcard
    [Fine,  InUse,    Fine,   Fine,     InUse, InUse],  // reuse, specific
    [InUse, Access,   Access, Access,   InUse, Access], // exclusive, wildcard
    [Fine,  InUse,    Fine,   Access,   InUse, InUse],  // exclusive, specific
];

/// Why `second` may not be bound while `first` is, if so: WSAEADDRINUSE or WSAEACCES.
pub fn refusal(first: &Claim, second: &Claim) -> Option<Status> {
    let cell = match (first.place, second.place) {
        (Place::V4(Spot::Specific(one)), Place::V4(Spot::Specific(other))) if one != other => Fine,
        (Place::V6(Spot::Specific(one)), Place::V6(Spot::Specific(other))) if one != other => Fine,
        (Place::V6(_), Place::V4(_)) | (Place::V4(_), Place::V6(_)) => Fine,
        (Place::Dual, Place::V4(_)) => match first.sharing {
            Sharing::Exclusive => Access,
            Sharing::Default | Sharing::Reuse => Fine,
        },
        (Place::V4(_), Place::Dual)
            if ![first.sharing, second.sharing].contains(&Sharing::Exclusive) =>
        {
            Fine
        }
        _ => MATRIX[first.index()][second.index()],
    };
    match cell {
        Fine => None,
        InUse => Some(Status::ADDRESS_IN_USE),
        Access => Some(Status::ACCESS),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHARINGS: [Sharing; 3] = [Sharing::Default, Sharing::Reuse, Sharing::Exclusive];

    fn claim(address: &str, sharing: Sharing, v6_only: bool) -> Claim {
        let address: IpAddr = address.parse().unwrap();
        Claim::new(
            &Address::from(SocketAddr::from((address, 80))),
            sharing,
            v6_only,
        )
    }

    /// The code of binding the second, or 0.
    fn answer(first: (&str, Sharing), second: (&str, Sharing)) -> u32 {
        let first = claim(first.0, first.1, false);
        let second = claim(second.0, second.1, false);
        refusal(&first, &second).map_or(0, Status::to_winsock)
    }

    /// Source: "Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE", its table, a row per line.
    #[test]
    fn the_table_of_the_documentation() {
        const OK: u32 = 0;
        const USE: u32 = 10048;
        const ACC: u32 = 10013;
        let rows = [
            [USE, OK, ACC, OK, USE, OK],
            [OK, USE, OK, ACC, USE, USE],
            [USE, OK, OK, OK, USE, OK],
            [OK, USE, OK, OK, USE, USE],
            [USE, ACC, ACC, ACC, USE, ACC],
            [OK, USE, OK, ACC, USE, USE],
        ];
        for (any, one) in [("0.0.0.0", "127.0.0.1"), ("::", "::1")] {
            let claims: Vec<_> = SHARINGS
                .iter()
                .flat_map(|sharing| [(any, *sharing), (one, *sharing)])
                .collect();
            for (first, row) in claims.iter().zip(rows) {
                for (second, expected) in claims.iter().zip(row) {
                    assert_eq!(answer(*first, *second), expected, "{first:?}, {second:?}");
                }
            }
        }
    }

    /// Observed on Windows.
    #[test]
    fn a_dual_wildcard_yields_ipv4_unless_one_of_them_insists() {
        use Sharing::*;
        assert_eq!(answer(("::", Default), ("0.0.0.0", Default)), 0);
        assert_eq!(answer(("0.0.0.0", Default), ("::", Default)), 0);
        assert_eq!(answer(("::", Default), ("0.0.0.0", Exclusive)), 0);
        assert_eq!(answer(("::1", Default), ("0.0.0.0", Exclusive)), 0);
        assert_eq!(answer(("127.0.0.1", Default), ("::", Exclusive)), 10048);
        for sharing in SHARINGS {
            for address in ["0.0.0.0", "127.0.0.1", "::ffff:127.0.0.1", "::ffff:0.0.0.0"] {
                assert_eq!(answer(("::", Exclusive), (address, sharing)), 10013);
            }
        }
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        for (mapped, plain) in [
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("::ffff:0.0.0.0", "0.0.0.0"),
        ] {
            for sharing in SHARINGS {
                assert_eq!(claim(mapped, sharing, false), claim(plain, sharing, true));
            }
        }
    }

    fn any_claim() -> impl Strategy<Value = Claim> {
        let address = prop::sample::select(vec![
            "0.0.0.0",
            "127.0.0.1",
            "127.0.0.2",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "fe80::1",
        ]);
        let sharing = prop::sample::select(SHARINGS.to_vec());
        (address, sharing, any::<bool>())
            .prop_map(|(address, sharing, v6_only)| claim(address, sharing, v6_only))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whoever shares a place has chosen to, and so has the other.
        #[test]
        fn a_place_is_shared_by_those_who_both_said_so(first in any_claim(), second in any_claim()) {
            if first.is_same_place(&second) && refusal(&first, &second).is_none() {
                prop_assert_eq!([first.sharing, second.sharing], [Sharing::Reuse; 2]);
            }
        }

        /// Nobody comes beside an exclusive socket where it serves, except at another place than its own.
        #[test]
        fn an_exclusive_place_is_never_shared(first in any_claim(), second in any_claim()) {
            if first.sharing == Sharing::Exclusive && first.is_same_place(&second) {
                prop_assert!(refusal(&first, &second).is_some());
            }
        }

        /// Sockets that serve no common address do not meet.
        #[test]
        fn claims_without_a_common_address_are_independent(first in any_claim(), second in any_claim()) {
            let addresses: [IpAddr; 5] =
                ["127.0.0.1", "127.0.0.2", "192.0.2.1", "::1", "fe80::1"].map(|text| text.parse().unwrap());
            let meet = addresses.iter().any(|address| first.covers(*address) && second.covers(*address));
            if !meet {
                prop_assert_eq!(refusal(&first, &second), None);
            }
        }
    }
}
