//! The one list of functions this crate offers, by the module of `windows-sys` that declares them.
//!
//! Everything that needs the list takes it from here: the re-exports on Windows, the comparison of every
//! signature with Microsoft's metadata on Linux, the exports of `libwharf`, and `docs/functions.md`.
//! A function that is not here is not supported.

/// Calls `$use!` with every function of this crate, grouped by the `windows_sys` module that declares it.
///
/// The number behind a name is its count of parameters.
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_function {
    ($use:ident) => {
        $use! {
            windows_sys::Win32::Foundation => {
                CloseHandle(1), DuplicateHandle(7), GetLastError(0), SetLastError(1),
            }
            windows_sys::Win32::System::IO => {
                CancelIo(1), CancelIoEx(2), CreateIoCompletionPort(4), GetOverlappedResult(4),
                GetOverlappedResultEx(5), GetQueuedCompletionStatus(5), GetQueuedCompletionStatusEx(6),
                PostQueuedCompletionStatus(4),
            }
            windows_sys::Win32::Storage::FileSystem => {
                SetFileCompletionNotificationModes(2),
            }
            windows_sys::Win32::System::Threading => {
                CreateEventA(4), CreateEventW(4), CreateThread(6), DeleteCriticalSection(1),
                EnterCriticalSection(1), ExitThread(1), GetCurrentProcess(0), GetCurrentThread(0),
                GetCurrentThreadId(0), GetExitCodeThread(2), GetThreadId(1), InitializeCriticalSection(1),
                InitializeCriticalSectionAndSpinCount(2), InitializeCriticalSectionEx(3),
                LeaveCriticalSection(1), QueueUserAPC(3), ResetEvent(1), ResumeThread(1), SetEvent(1),
                Sleep(1), SleepEx(2), SwitchToThread(0), TryEnterCriticalSection(1),
                WaitForMultipleObjects(4), WaitForMultipleObjectsEx(5), WaitForSingleObject(2),
                WaitForSingleObjectEx(3),
            }
            windows_sys::Win32::System::SystemInformation => {
                GetSystemInfo(1), GetTickCount(0), GetTickCount64(0),
            }
            windows_sys::Win32::Networking::WinSock => {
                __WSAFDIsSet(2), AcceptEx(8), GetAcceptExSockaddrs(8), WSACleanup(0), WSACloseEvent(1),
                WSACreateEvent(0), WSAGetLastError(0), WSAGetOverlappedResult(5), WSAIoctl(9), WSARecv(7),
                WSAResetEvent(1), WSASend(7), WSASetEvent(1), WSASetLastError(1), WSASocketA(6),
                WSASocketW(6), WSAStartup(2), WSAWaitForMultipleEvents(5), accept(3), bind(3),
                closesocket(1), connect(3), getpeername(3), getsockname(3), getsockopt(5), htonl(1),
                htons(1), inet_addr(1), inet_ntoa(1), inet_ntop(4), inet_pton(3), ioctlsocket(3),
                listen(2), ntohl(1), ntohs(1), recv(4), select(5), send(4), setsockopt(5), shutdown(2),
                socket(3),
            }
        }
    };
}
