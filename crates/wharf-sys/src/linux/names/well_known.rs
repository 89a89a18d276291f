//! Services and protocols that everybody knows: what Windows has in its files `services` and `protocol`.
//!
//! Many machines have no `/etc/services` and `/etc/protocols`; small containers hardly ever do. So what the C library does not
//! know is looked for here.
//!
//! Source: IANA's registries "Service Name and Transport Protocol Port Number" and "Protocol Numbers"; the other names are
//! those in Windows' files.

use std::ffi::CStr;

use super::database::{Protocol, Service, Transport};

/// A service: name, port, transports, other names.
type ServiceRow = (
    &'static CStr,
    u16,
    &'static [Transport],
    &'static [&'static CStr],
);

const TCP: &[Transport] = &[Transport::Tcp];
const UDP: &[Transport] = &[Transport::Udp];
const BOTH: &[Transport] = &[Transport::Tcp, Transport::Udp];

const SERVICES: &[ServiceRow] = &[
    (c"echo", 7, BOTH, &[]),
    (c"discard", 9, BOTH, &[c"sink", c"null"]),
    (c"systat", 11, BOTH, &[c"users"]),
    (c"daytime", 13, BOTH, &[]),
    (c"qotd", 17, BOTH, &[c"quote"]),
    (c"chargen", 19, BOTH, &[c"ttytst", c"source"]),
    (c"ftp-data", 20, TCP, &[]),
    (c"ftp", 21, TCP, &[]),
    (c"ssh", 22, TCP, &[]),
    (c"telnet", 23, TCP, &[]),
    (c"smtp", 25, TCP, &[c"mail"]),
    (c"time", 37, BOTH, &[c"timserver"]),
    (c"rlp", 39, UDP, &[c"resource"]),
    (c"nameserver", 42, BOTH, &[c"name"]),
    (c"nicname", 43, TCP, &[c"whois"]),
    (c"domain", 53, BOTH, &[]),
    (c"bootps", 67, UDP, &[c"dhcps"]),
    (c"bootpc", 68, UDP, &[c"dhcpc"]),
    (c"tftp", 69, UDP, &[]),
    (c"gopher", 70, TCP, &[]),
    (c"finger", 79, TCP, &[]),
    (c"http", 80, TCP, &[c"www", c"www-http"]),
    (c"kerberos", 88, BOTH, &[c"krb5", c"kerberos-sec"]),
    (c"hostname", 101, TCP, &[c"hostnames"]),
    (c"iso-tsap", 102, TCP, &[]),
    (c"rtelnet", 107, TCP, &[]),
    (c"pop2", 109, TCP, &[c"postoffice"]),
    (c"pop3", 110, TCP, &[]),
    (c"sunrpc", 111, BOTH, &[c"rpcbind", c"portmap"]),
    (c"auth", 113, TCP, &[c"ident", c"tap"]),
    (c"uucp-path", 117, TCP, &[]),
    (c"nntp", 119, TCP, &[c"usenet"]),
    (c"ntp", 123, UDP, &[]),
    (c"epmap", 135, BOTH, &[c"loc-srv"]),
    (c"netbios-ns", 137, BOTH, &[c"nbname"]),
    (c"netbios-dgm", 138, UDP, &[c"nbdatagram"]),
    (c"netbios-ssn", 139, TCP, &[c"nbsession"]),
    (c"imap", 143, TCP, &[c"imap4"]),
    (c"snmp", 161, UDP, &[]),
    (c"snmptrap", 162, UDP, &[c"snmp-trap"]),
    (c"bgp", 179, TCP, &[]),
    (c"irc", 194, TCP, &[]),
    (c"ipx", 213, UDP, &[]),
    (c"ldap", 389, TCP, &[]),
    (c"https", 443, BOTH, &[c"MCom"]),
    (c"microsoft-ds", 445, BOTH, &[]),
    (c"kpasswd", 464, BOTH, &[]),
    (c"isakmp", 500, UDP, &[c"ike"]),
    (c"exec", 512, TCP, &[]),
    (c"biff", 512, UDP, &[c"comsat"]),
    (c"login", 513, TCP, &[]),
    (c"who", 513, UDP, &[c"whod"]),
    (c"cmd", 514, TCP, &[c"shell"]),
    (c"syslog", 514, UDP, &[]),
    (c"printer", 515, TCP, &[c"spooler"]),
    (c"talk", 517, UDP, &[]),
    (c"ntalk", 518, UDP, &[]),
    (c"router", 520, UDP, &[c"route", c"routed"]),
    (c"timed", 525, UDP, &[c"timeserver"]),
    (c"courier", 530, TCP, &[c"rpc"]),
    (c"conference", 531, TCP, &[c"chat"]),
    (c"netnews", 532, TCP, &[c"readnews"]),
    (c"netwall", 533, UDP, &[]),
    (c"uucp", 540, TCP, &[c"uucpd"]),
    (c"klogin", 543, TCP, &[]),
    (c"kshell", 544, TCP, &[c"krcmd"]),
    (c"dhcpv6-client", 546, BOTH, &[]),
    (c"dhcpv6-server", 547, BOTH, &[]),
    (c"rtsp", 554, BOTH, &[]),
    (c"remotefs", 556, TCP, &[c"rfs", c"rfs_server"]),
    (c"nntps", 563, BOTH, &[c"snntp"]),
    (c"ldaps", 636, TCP, &[c"sldap"]),
    (c"kerberos-adm", 749, BOTH, &[]),
    (c"ftps-data", 989, TCP, &[]),
    (c"ftps", 990, TCP, &[]),
    (c"telnets", 992, TCP, &[]),
    (c"imaps", 993, TCP, &[]),
    (c"ircs", 994, TCP, &[]),
    (c"pop3s", 995, BOTH, &[c"spop3"]),
    (c"ms-sql-s", 1433, BOTH, &[]),
    (c"ms-sql-m", 1434, BOTH, &[]),
    (c"wins", 1512, BOTH, &[]),
    (c"l2tp", 1701, UDP, &[]),
    (c"pptp", 1723, TCP, &[]),
    (c"radius", 1812, UDP, &[]),
    (c"radacct", 1813, UDP, &[]),
    (c"nfsd", 2049, UDP, &[c"nfs"]),
    (c"ms-wbt-server", 3389, TCP, &[]),
];

/// A protocol above IP: name, number, other names.
type ProtocolRow = (&'static CStr, i32, &'static [&'static CStr]);

const PROTOCOLS: &[ProtocolRow] = &[
    (c"ip", 0, &[c"IP"]),
    (c"icmp", 1, &[c"ICMP"]),
    (c"igmp", 2, &[c"IGMP"]),
    (c"ggp", 3, &[c"GGP"]),
    (c"tcp", 6, &[c"TCP"]),
    (c"egp", 8, &[c"EGP"]),
    (c"pup", 12, &[c"PUP"]),
    (c"udp", 17, &[c"UDP"]),
    (c"hmp", 20, &[c"HMP"]),
    (c"xns-idp", 22, &[c"XNS-IDP"]),
    (c"rdp", 27, &[c"RDP"]),
    (c"ipv6", 41, &[c"IPv6"]),
    (c"ipv6-route", 43, &[c"IPv6-Route"]),
    (c"ipv6-frag", 44, &[c"IPv6-Frag"]),
    (c"gre", 47, &[c"GRE"]),
    (c"esp", 50, &[c"ESP"]),
    (c"ah", 51, &[c"AH"]),
    (c"ipv6-icmp", 58, &[c"IPv6-ICMP"]),
    (c"ipv6-nonxt", 59, &[c"IPv6-NoNxt"]),
    (c"ipv6-opts", 60, &[c"IPv6-Opts"]),
    (c"rvd", 66, &[c"RVD"]),
];

/// The service of that name, whatever the case; no protocol: of any.
pub fn service_by_name(name: &CStr, protocol: Option<&CStr>) -> Option<Service> {
    find_service(protocol, |row| is_called(name, row.0, row.3))
}

/// The service at that port; no protocol: of any.
pub fn service_by_port(port: u16, protocol: Option<&CStr>) -> Option<Service> {
    find_service(protocol, |row| row.1 == port)
}

fn find_service(protocol: Option<&CStr>, is_it: impl Fn(&ServiceRow) -> bool) -> Option<Service> {
    SERVICES.iter().filter(|row| is_it(row)).find_map(|row| {
        let (name, port, transports, aliases) = *row;
        let fits = |transport: &&Transport| {
            protocol.is_none_or(|protocol| is_called(protocol, transport.name(), &[]))
        };
        let transport = transports.iter().find(fits)?;
        Some(Service {
            name: name.to_owned(),
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            port,
            protocol: transport.name().to_owned(),
        })
    })
}

/// The protocol of that name, whatever the case.
pub fn protocol_by_name(name: &CStr) -> Option<Protocol> {
    find_protocol(|row| is_called(name, row.0, row.2))
}

/// The protocol of that number.
pub fn protocol_by_number(number: i32) -> Option<Protocol> {
    find_protocol(|row| row.1 == number)
}

fn find_protocol(is_it: impl Fn(&&ProtocolRow) -> bool) -> Option<Protocol> {
    let (name, number, aliases) = *PROTOCOLS.iter().find(is_it)?;
    Some(Protocol {
        name: name.to_owned(),
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        number,
    })
}

fn is_called(text: &CStr, name: &CStr, aliases: &[&CStr]) -> bool {
    let is_text = |name: &CStr| name.to_bytes().eq_ignore_ascii_case(text.to_bytes());
    is_text(name) || aliases.iter().any(|alias| is_text(alias))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(found: Option<Service>) -> Option<(String, u16, String)> {
        let text = |text: std::ffi::CString| text.into_string().unwrap();
        found.map(|service| (text(service.name), service.port, text(service.protocol)))
    }

    fn is(name: &str, port: u16, protocol: &str) -> Option<(String, u16, String)> {
        Some((name.to_owned(), port, protocol.to_owned()))
    }

    /// Source: getservbyname and getservbyport; the files of Windows.
    #[test]
    fn services_are_known_by_every_name_and_by_port() {
        let by_name = |name, protocol| service(service_by_name(name, protocol));
        let by_port = |port, protocol| service(service_by_port(port, protocol));
        assert_eq!(by_name(c"http", None), is("http", 80, "tcp"));
        assert_eq!(by_name(c"WWW", Some(c"TCP")), is("http", 80, "tcp"));
        assert_eq!(by_name(c"http", Some(c"udp")), None);
        assert_eq!(by_name(c"domain", Some(c"udp")), is("domain", 53, "udp"));
        assert_eq!(by_name(c"domain", None), is("domain", 53, "tcp"));
        assert_eq!(by_name(c"snmp", None), is("snmp", 161, "udp"));
        assert_eq!(by_name(c"no-such-service", None), None);
        assert_eq!(by_name(c"http", Some(c"no-such-protocol")), None);
        assert_eq!(by_port(514, Some(c"tcp")), is("cmd", 514, "tcp"));
        assert_eq!(by_port(514, Some(c"udp")), is("syslog", 514, "udp"));
        assert_eq!(by_port(443, None), is("https", 443, "tcp"));
        assert_eq!(by_port(4, None), None);
        let aliases = service_by_port(9, None).unwrap().aliases;
        assert_eq!(aliases, [c"sink".to_owned(), c"null".to_owned()]);
    }

    /// Source: getprotobyname and getprotobynumber; the file of Windows.
    #[test]
    fn protocols_are_known_by_name_and_number() {
        let number = |name| protocol_by_name(name).map(|protocol| protocol.number);
        assert_eq!(number(c"ICMP"), Some(1));
        assert_eq!(number(c"tcp"), Some(6));
        assert_eq!(number(c"IPv6-ICMP"), Some(58));
        assert_eq!(number(c"no-such-protocol"), None);
        let name = |number| protocol_by_number(number).map(|protocol| protocol.name);
        assert_eq!(name(17), Some(c"udp".to_owned()));
        assert_eq!(name(0), Some(c"ip".to_owned()));
        assert_eq!(name(255), None);
    }

    /// No name, port or number means two things.
    #[test]
    fn rows_are_told_apart() {
        for (index, row) in SERVICES.iter().enumerate() {
            for other in &SERVICES[index + 1..] {
                let shares_transport = row.2.iter().any(|transport| {
                    other
                        .2
                        .iter()
                        .any(|theirs| transport.name() == theirs.name())
                });
                assert!(row.1 != other.1 || !shares_transport, "{:?}", row.0);
                let names = || other.3.iter().chain([&other.0]);
                assert!(
                    names().all(|name| !is_called(name, row.0, row.3)),
                    "{:?}",
                    row.0
                );
            }
        }
        for (index, row) in PROTOCOLS.iter().enumerate() {
            for other in &PROTOCOLS[index + 1..] {
                assert!(row.1 != other.1 && !is_called(other.0, row.0, row.2));
            }
        }
    }

    /// Where the machine has the files, it agrees about what both know.
    #[test]
    fn the_files_of_this_machine_agree() {
        for &(name, port, transports, _) in SERVICES {
            for transport in transports {
                let theirs =
                    crate::platform::names::database::service_by_name(name, Some(transport.name()));
                assert_eq!(theirs.map(|service| service.port), Some(port), "{name:?}");
            }
        }
        for &(name, number, _) in PROTOCOLS {
            let theirs = crate::platform::names::database::protocol_by_name(name);
            assert_eq!(
                theirs.map(|protocol| protocol.number),
                Some(number),
                "{name:?}"
            );
        }
    }
}
