//! Hosts and ports that were typed: addresses and names.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, ensure};

use crate::progress;

/// Whether it is a host and a port from `first_port`, in brackets if the host is an address of IPv6.
///
/// # Errors
/// What is wanted instead.
pub fn checked(text: &str, first_port: u16) -> Result<String, String> {
    let is_host = |host: &str| {
        let in_brackets = host.starts_with('[') && host.ends_with(']');
        !host.is_empty() && (in_brackets || !host.contains(':'))
    };
    let port = text
        .rsplit_once(':')
        .filter(|(host, _)| is_host(host))
        .and_then(|(_, port)| port.parse::<u16>().ok());
    match port {
        Some(port) if port >= first_port => Ok(text.into()),
        _ => Err("a host and a port are wanted, such as 127.0.0.1:9000 or [::1]:9000".into()),
    }
}

/// The addresses of a host and port, at least one.
///
/// # Errors
/// If there are none: why.
pub fn look_up(text: &str) -> Result<Vec<SocketAddr>> {
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    let line = progress::line(format!("looking up {text}"));
    let addresses = text.to_socket_addrs();
    line.finish_and_clear();
    let addresses: Vec<_> = addresses
        .with_context(|| {
            format!("there is no host {text:?}; take an address and a port, such as 127.0.0.1:9000")
        })?
        .collect();
    ensure!(!addresses.is_empty(), "the name of {text:?} has no address");
    Ok(addresses)
}

/// What the first address gives with which it can be done.
///
/// # Errors
/// If it can be done with none: why not with the first.
pub fn first_of<R>(
    addresses: &[SocketAddr],
    mut attempt: impl FnMut(SocketAddr) -> Result<R>,
) -> Result<R> {
    let (first, others) = addresses.split_first().context("there is no address")?;
    attempt(*first).or_else(|failure| {
        let mut later = others.iter().map(|&address| attempt(address));
        later.find_map(Result::ok).ok_or(failure)
    })
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn hosts_are_addresses_and_names_with_a_port() {
        for good in [
            "127.0.0.1:0",
            "[::1]:9000",
            "[fe80::1%2]:9000",
            "localhost:65535",
        ] {
            assert_eq!(checked(good, 0), Ok(good.into()));
        }
        for bad in [
            "",
            ":1",
            "1",
            "localhost",
            "::1:9000",
            "[::1:1",
            "a:b",
            "a:65536",
            "a:-1",
        ] {
            assert!(checked(bad, 0).is_err(), "{bad}");
        }
        assert!(checked("a:0", 1).is_err());
    }

    #[test]
    fn the_first_address_that_does_is_taken() {
        let addresses = [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let from = |least: u16| {
            first_of(&addresses, |address| match address.port() {
                port if port >= least => Ok(port),
                port => bail!("{port}"),
            })
        };
        assert_eq!((from(1).ok(), from(3).ok()), (Some(1), Some(3)));
        assert_eq!(
            from(4).map_err(|failure| failure.to_string()),
            Err("1".into())
        );
    }
}
