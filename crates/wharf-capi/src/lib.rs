//! libwharf: the functions of `wharf_sys`, as symbols that C and C++ programs link.
//!
//! A shared library that exports `recv` interposes libc's `recv` for the whole process. So the names that libc
//! uses too get the prefix `wharf_`, and the headers in `include/` map them with `__asm__` labels; every other name
//! is exported as it is. Nearly every export is one jump to the function of the same name: no signature is repeated
//! here, and arguments pass through untouched. The exceptions convert something that C on Linux has otherwise than
//! Windows: `wchar_t` of 32 bits ([`wide`]) and `struct timeval` ([`time`]).

mod time;
mod wide;
mod wide_names;
mod wide_objects;
mod wide_windows;

#[cfg(target_arch = "x86_64")]
macro_rules! jump {
    ($target:path) => {
        core::arch::naked_asm!("jmp {}", sym $target)
    };
}
#[cfg(target_arch = "aarch64")]
macro_rules! jump {
    ($target:path) => {
        core::arch::naked_asm!("b {}", sym $target)
    };
}

macro_rules! export {
    ($name:ident as $symbol:expr) => {
        #[unsafe(export_name = $symbol)]
        #[unsafe(naked)]
        extern "C" fn $name() {
            jump!(wharf_sys::$name)
        }
    };
}

/// Exports one function under the symbol that is due to it. The names written out are those that libc has too.
macro_rules! export_one {
    (select) => {}; // see `time`, as for the next four
    (GetAddrInfoExW) => {};
    (WSAConnectByList) => {};
    (WSAConnectByNameA) => {};
    (WSAConnectByNameW) => {};
    (accept) => { export_one!(@prefixed accept); };
    (bind) => { export_one!(@prefixed bind); };
    (connect) => { export_one!(@prefixed connect); };
    (freeaddrinfo) => { export_one!(@prefixed freeaddrinfo); };
    (getaddrinfo) => { export_one!(@prefixed getaddrinfo); };
    (gethostbyaddr) => { export_one!(@prefixed gethostbyaddr); };
    (gethostbyname) => { export_one!(@prefixed gethostbyname); };
    (gethostname) => { export_one!(@prefixed gethostname); };
    (getnameinfo) => { export_one!(@prefixed getnameinfo); };
    (getpeername) => { export_one!(@prefixed getpeername); };
    (getprotobyname) => { export_one!(@prefixed getprotobyname); };
    (getprotobynumber) => { export_one!(@prefixed getprotobynumber); };
    (getservbyname) => { export_one!(@prefixed getservbyname); };
    (getservbyport) => { export_one!(@prefixed getservbyport); };
    (getsockname) => { export_one!(@prefixed getsockname); };
    (getsockopt) => { export_one!(@prefixed getsockopt); };
    (htonl) => { export_one!(@prefixed htonl); };
    (htons) => { export_one!(@prefixed htons); };
    (inet_addr) => { export_one!(@prefixed inet_addr); };
    (inet_ntoa) => { export_one!(@prefixed inet_ntoa); };
    (inet_ntop) => { export_one!(@prefixed inet_ntop); };
    (inet_pton) => { export_one!(@prefixed inet_pton); };
    (listen) => { export_one!(@prefixed listen); };
    (ntohl) => { export_one!(@prefixed ntohl); };
    (ntohs) => { export_one!(@prefixed ntohs); };
    (recv) => { export_one!(@prefixed recv); };
    (recvfrom) => { export_one!(@prefixed recvfrom); };
    (send) => { export_one!(@prefixed send); };
    (sendto) => { export_one!(@prefixed sendto); };
    (setsockopt) => { export_one!(@prefixed setsockopt); };
    (shutdown) => { export_one!(@prefixed shutdown); };
    (socket) => { export_one!(@prefixed socket); };
    (@prefixed $name:ident) => { export!($name as concat!("wharf_", stringify!($name))); };
    ($name:ident) => { export!($name as stringify!($name)); };
}

macro_rules! export_all {
    ($($module:path => { $($name:ident($parameters:literal),)* })*) => {
        $($(export_one!($name);)*)*
    };
}

/// The exports, in a module of their own: they carry the names of the functions they lead to.
#[allow(non_snake_case)]
mod exports {
    wharf_sys::for_each_function!(export_all);

    // The C run-time's thread functions are not in Microsoft's metadata, and so not in the list.
    export_one!(_beginthreadex);
    export_one!(_endthreadex);

    // Windows has nothing like these two.
    export_one!(wharf_fd_to_socket);
    export_one!(wharf_handle_to_fd);
}
