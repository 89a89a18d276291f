//! sysinfoapi.h: time since the start, and how many processors there are.

use windows_sys::Win32::System::SystemInformation::{PROCESSOR_ARCHITECTURE_AMD64, SYSTEM_INFO};

use crate::platform::system;

/// Milliseconds since the system started; wraps after 49.7 days.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/sysinfoapi/nf-sysinfoapi-gettickcount>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn GetTickCount() -> u32 {
    system::uptime_ms() as u32
}

/// Milliseconds since the system started.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/sysinfoapi/nf-sysinfoapi-gettickcount64>
///
/// # Safety
/// None needed.
pub unsafe extern "system" fn GetTickCount64() -> u64 {
    system::uptime_ms()
}

/// Page size, and the processors this process may use: servers size their pools by `dwNumberOfProcessors`.
///
/// Windows: <https://learn.microsoft.com/windows/win32/api/sysinfoapi/nf-sysinfoapi-getsysteminfo>
///
/// # Safety
/// `lpsysteminfo` is null or valid for writes.
pub unsafe extern "system" fn GetSystemInfo(lpsysteminfo: *mut SYSTEM_INFO) {
    let cpus = system::usable_cpus();
    let mut info = SYSTEM_INFO {
        dwPageSize: system::page_size() as u32,
        lpMinimumApplicationAddress: 0x1_0000 as *mut _,
        lpMaximumApplicationAddress: 0x7fff_fffe_ffff as *mut _,
        dwActiveProcessorMask: if cpus < 64 {
            (1 << cpus) - 1
        } else {
            usize::MAX
        },
        dwNumberOfProcessors: cpus as u32,
        dwProcessorType: 8664, // PROCESSOR_AMD_X8664
        dwAllocationGranularity: 65536,
        ..SYSTEM_INFO::default()
    };
    info.Anonymous.Anonymous.wProcessorArchitecture = PROCESSOR_ARCHITECTURE_AMD64;
    // SAFETY: the caller's promise.
    unsafe { super::store(lpsysteminfo, info) };
}
