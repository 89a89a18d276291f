//! Services and their classes, as the name space of DNS has them: WSAInstallServiceClass and its like, WSASetService.
//!
//! Windows keeps classes in its registry; here they last as long as the process. Those of hosts, and of the ports of TCP and
//! UDP whose services have names, are always there.
//!
//! Source: "WSAInstallServiceClass", "WSAGetServiceClassInfo", "WSASERVICECLASSINFO", "WSANSCLASSINFO", "WSASetService".

use windows_sys::Win32::Networking::WinSock::{NS_ALL, NS_DNS};
use windows_sys::Win32::System::Registry::REG_DWORD;
use windows_sys::core::GUID;

use crate::types::{SVCID_HOSTNAME, SVCID_INET_HOSTADDRBYINETSTRING, SVCID_INET_HOSTADDRBYNAME};

use super::database::{self, Transport};
use super::lookup::{Class, is_same};
use crate::platform::lock::Lock;
use crate::platform::status::Status;

/// What all services of a kind have in common. Texts are UTF-8.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceClass {
    pub name: Vec<u8>,
    pub values: Vec<Value>,
}

/// Something that a name space wants to know of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    pub name: Vec<u8>,
    /// NS_*.
    pub name_space: u32,
    /// What the bytes are, as the registry numbers it: REG_*.
    pub kind: u32,
    pub bytes: Vec<u8>,
}

/// What programs have installed.
static INSTALLED: Lock<Vec<(GUID, ServiceClass)>> = Lock::new(Vec::new());

/// Makes a class known. Of its values, those for other name spaces are nobody's.
///
/// # Errors
/// `ALREADY` if there is one with that identifier.
pub fn install(id: GUID, mut class: ServiceClass) -> Result<(), Status> {
    let of_dns = |value: &Value| [NS_ALL, NS_DNS].contains(&value.name_space);
    class.values.retain(of_dns);
    let is_known = well_known(&id).is_some();
    let mut installed = INSTALLED.lock();
    if is_known || installed.iter().any(|(other, _)| is_same(other, &id)) {
        return Err(Status::ALREADY);
    }
    installed.push((id, class));
    Ok(())
}

/// Forgets a class.
///
/// # Errors
/// - `SERVICE_NOT_FOUND` if there is none.
/// - `ACCESS` for one that is always there.
pub fn remove(id: &GUID) -> Result<(), Status> {
    let mut installed = INSTALLED.lock();
    let before = installed.len();
    installed.retain(|(other, _)| !is_same(other, id));
    match installed.len() == before {
        false => Ok(()),
        true if well_known(id).is_some() => Err(Status::ACCESS),
        true => Err(Status::SERVICE_NOT_FOUND),
    }
}

/// The class with that identifier.
pub fn find(id: &GUID) -> Option<ServiceClass> {
    let is_it = |(other, _): &&(GUID, ServiceClass)| is_same(other, id);
    let installed = INSTALLED.lock().iter().find(is_it).cloned();
    installed.map(|(_, class)| class).or_else(|| well_known(id))
}

/// A class of svcguid.h.
fn well_known(id: &GUID) -> Option<ServiceClass> {
    let of_hosts = [
        (SVCID_HOSTNAME, "Hostname"),
        (SVCID_INET_HOSTADDRBYNAME, "Host address by name"),
        (SVCID_INET_HOSTADDRBYINETSTRING, "Host address by text"),
    ];
    if let Some((_, name)) = of_hosts.iter().find(|(other, _)| is_same(other, id)) {
        return Some(ServiceClass {
            name: name.as_bytes().to_vec(),
            values: Vec::new(),
        });
    }
    let Some(Class::Port(transport, port)) = Class::of(id) else {
        return None;
    };
    let (protocol, value) = match transport {
        Transport::Tcp => (c"tcp", "TcpPort"),
        Transport::Udp => (c"udp", "UdpPort"),
    };
    let service = database::service_by_port(port, Some(protocol))?;
    Some(ServiceClass {
        name: service.name.into_bytes(),
        values: vec![Value {
            name: value.as_bytes().to_vec(),
            name_space: NS_DNS,
            kind: REG_DWORD,
            bytes: u32::from(port).to_ne_bytes().to_vec(),
        }],
    })
}

/// What is to happen to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    Register,
    Deregister,
    Delete,
}

/// Registers a service, or lets it go. Whoever has a name in DNS has it from whoever manages the zone, so the first two do
/// nothing, and there is nothing to delete.
///
/// # Errors
/// `NO_SUCH_SERVICE`.
pub fn set(setting: Setting) -> Result<(), Status> {
    match setting {
        Setting::Register | Setting::Deregister => Ok(()),
        Setting::Delete => Err(Status::NO_SUCH_SERVICE),
    }
}
