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
                CancelIo(1), CancelIoEx(2), CancelSynchronousIo(1), CreateIoCompletionPort(4),
                GetOverlappedResult(4), GetOverlappedResultEx(5), GetQueuedCompletionStatus(5), GetQueuedCompletionStatusEx(6),
                PostQueuedCompletionStatus(4),
            }
            windows_sys::Win32::Storage::FileSystem => {
                SetFileCompletionNotificationModes(2),
            }
            windows_sys::Win32::System::Threading => {
                CancelWaitableTimer(1), CreateEventA(4), CreateEventExA(4), CreateEventExW(4),
                CreateEventW(4), CreateMutexA(3), CreateMutexExA(4), CreateMutexExW(4), CreateMutexW(3),
                CreateSemaphoreA(4), CreateSemaphoreExA(6), CreateSemaphoreExW(6), CreateSemaphoreW(4),
                CreateThread(6), CreateWaitableTimerA(3), CreateWaitableTimerExA(4),
                CreateWaitableTimerExW(4), CreateWaitableTimerW(3), DeleteCriticalSection(1),
                EnterCriticalSection(1), ExitThread(1), GetCurrentProcess(0), GetCurrentProcessId(0), GetCurrentThread(0),
                GetCurrentThreadId(0), GetExitCodeThread(2), GetThreadId(1), InitializeCriticalSection(1),
                InitializeCriticalSectionAndSpinCount(2), InitializeCriticalSectionEx(3),
                LeaveCriticalSection(1), OpenEventA(3), OpenEventW(3), OpenMutexW(3), OpenSemaphoreW(3),
                OpenWaitableTimerA(3), OpenWaitableTimerW(3), PulseEvent(1), QueueUserAPC(3),
                ReleaseMutex(1), ReleaseSemaphore(3), ResetEvent(1), ResumeThread(1), SetEvent(1),
                SetWaitableTimer(6), SetWaitableTimerEx(7), SignalObjectAndWait(4), Sleep(1), SleepEx(2),
                SwitchToThread(0), TryEnterCriticalSection(1), WaitForMultipleObjects(4),
                WaitForMultipleObjectsEx(5), WaitForSingleObject(2), WaitForSingleObjectEx(3),
            }
            windows_sys::Win32::UI::WindowsAndMessaging => {
                CreateWindowExA(12), CreateWindowExW(12), DefWindowProcA(4), DefWindowProcW(4),
                DestroyWindow(1), DispatchMessageA(1), DispatchMessageW(1), GetMessageA(4), GetMessageW(4),
                GetWindowLongA(2), GetWindowLongPtrA(2), GetWindowLongPtrW(2), GetWindowLongW(2),
                GetWindowThreadProcessId(2), IsWindow(1), KillTimer(2), MessageBoxA(4), MessageBoxW(4),
                MsgWaitForMultipleObjects(5), MsgWaitForMultipleObjectsEx(5), PeekMessageA(5),
                PeekMessageW(5), PostMessageA(4), PostMessageW(4), PostQuitMessage(1),
                PostThreadMessageA(4), PostThreadMessageW(4), RegisterClassA(1), RegisterClassExA(1),
                RegisterClassExW(1), RegisterClassW(1), SendMessageA(4), SendMessageW(4), SetTimer(4),
                SetWindowLongA(3), SetWindowLongPtrA(3), SetWindowLongPtrW(3), SetWindowLongW(3),
                ShowWindow(2), TranslateMessage(1), UnregisterClassA(2), UnregisterClassW(2),
            }
            windows_sys::Win32::Graphics::Gdi => {
                UpdateWindow(1),
            }
            windows_sys::Win32::System::SystemInformation => {
                GetSystemInfo(1), GetTickCount(0), GetTickCount64(0),
            }
            windows_sys::Win32::Networking::WinSock => {
                __WSAFDIsSet(2), AcceptEx(8), GetAcceptExSockaddrs(8), WSAAccept(5), WSAAsyncSelect(4), WSACleanup(0),
                WSACloseEvent(1), WSAConnect(7), WSAConnectByList(8), WSAConnectByNameA(9), WSAConnectByNameW(9),
                WSACreateEvent(0), WSADuplicateSocketA(3), WSADuplicateSocketW(3), WSAEnumNameSpaceProvidersA(2),
                WSAEnumNameSpaceProvidersExA(2), WSAEnumNameSpaceProvidersExW(2), WSAEnumNameSpaceProvidersW(2),
                WSAEnumNetworkEvents(3),
                WSAEnumProtocolsA(3), WSAEnumProtocolsW(3), WSAEventSelect(3), WSAGetLastError(0),
                WSAGetOverlappedResult(5), WSAGetQOSByName(3), WSAGetServiceClassInfoA(4), WSAGetServiceClassInfoW(4),
                WSAGetServiceClassNameByClassIdA(3), WSAGetServiceClassNameByClassIdW(3),
                WSAInstallServiceClassA(1), WSAInstallServiceClassW(1), WSAIoctl(9), WSAJoinLeaf(8),
                WSALookupServiceBeginA(3), WSALookupServiceBeginW(3),
                WSALookupServiceEnd(1), WSALookupServiceNextA(4), WSALookupServiceNextW(4), WSANSPIoctl(8),
                WSAPoll(3), WSAProviderConfigChange(3), WSARecv(7), WSARecvDisconnect(2), WSARecvEx(4),
                WSARecvFrom(9), WSARemoveServiceClass(1), WSAResetEvent(1), WSASend(7), WSASendDisconnect(2), WSASendMsg(6), WSASendTo(9),
                WSASetEvent(1), WSASetLastError(1), WSASetServiceA(3), WSASetServiceW(3), WSASocketA(6),
                WSASocketW(6), WSAStartup(2), WSAWaitForMultipleEvents(5), accept(3), bind(3),
                closesocket(1), connect(3), getpeername(3), getsockname(3), getsockopt(5), htonl(1),
                htons(1), inet_addr(1), inet_ntoa(1), inet_ntop(4), inet_pton(3), ioctlsocket(3),
                listen(2), ntohl(1), ntohs(1), recv(4), recvfrom(6), select(5), send(4), sendto(6), setsockopt(5), shutdown(2),
                socket(3),
                // names and addresses
                FreeAddrInfoEx(1), FreeAddrInfoExW(1), FreeAddrInfoW(1), GetAddrInfoExA(10), GetAddrInfoExCancel(1),
                GetAddrInfoExOverlappedResult(1), GetAddrInfoExW(10), GetAddrInfoW(4), GetHostNameW(2),
                GetNameInfoW(7), InetNtopW(4), InetPtonW(3), SetAddrInfoExA(12), SetAddrInfoExW(12), WSAAddressToStringA(5), WSAAddressToStringW(5), WSAHtonl(3), WSAHtons(3),
                WSANtohl(3), WSANtohs(3), WSAStringToAddressA(5), WSAStringToAddressW(5),
                freeaddrinfo(1), getaddrinfo(4), gethostbyaddr(3), gethostbyname(1), gethostname(2),
                getnameinfo(7), getprotobyname(1), getprotobynumber(1), getservbyname(2),
                getservbyport(2),
                // of Winsock 1.1
                WSAAsyncGetHostByAddr(7), WSAAsyncGetHostByName(5), WSAAsyncGetProtoByName(5),
                WSAAsyncGetProtoByNumber(5), WSAAsyncGetServByName(6), WSAAsyncGetServByPort(6),
                WSACancelAsyncRequest(1), WSACancelBlockingCall(0), WSAIsBlocking(0), WSASetBlockingHook(1),
                WSAUnhookBlockingHook(0),
            }
        }
    };
}
