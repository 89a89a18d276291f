/*
 * The type of each function, compared with what Microsoft documents. MinGW compiles this file too, so two sets of
 * headers that know nothing of each other agree with it.
 */
#define WIN32_LEAN_AND_MEAN
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <windows.h>
#include <process.h>

#define FUNCTION(name, result, ...) \
    _Static_assert(__builtin_types_compatible_p(__typeof__(name), result WINAPI(__VA_ARGS__)), "the type of " #name);

/* MinGW knows these two otherwise than Microsoft's own headers. */
#ifdef __MINGW32__
#define TIME_LIMIT PTIMEVAL
#define NAME_OF LPSTR
#else
#define TIME_LIMIT const struct timeval *
#define NAME_OF LPCSTR
#endif

/* Foundation */
FUNCTION(CloseHandle, BOOL, HANDLE)
FUNCTION(DuplicateHandle, BOOL, HANDLE, HANDLE, HANDLE, LPHANDLE, DWORD, BOOL, DWORD)
FUNCTION(GetLastError, DWORD, void)
FUNCTION(SetLastError, void, DWORD)

/* System.IO */
FUNCTION(CancelIo, BOOL, HANDLE)
FUNCTION(CancelIoEx, BOOL, HANDLE, LPOVERLAPPED)
FUNCTION(CancelSynchronousIo, BOOL, HANDLE)
FUNCTION(CreateIoCompletionPort, HANDLE, HANDLE, HANDLE, ULONG_PTR, DWORD)
FUNCTION(GetOverlappedResult, BOOL, HANDLE, LPOVERLAPPED, LPDWORD, BOOL)
FUNCTION(GetOverlappedResultEx, BOOL, HANDLE, LPOVERLAPPED, LPDWORD, DWORD, BOOL)
FUNCTION(GetQueuedCompletionStatus, BOOL, HANDLE, LPDWORD, PULONG_PTR, LPOVERLAPPED *, DWORD)
FUNCTION(GetQueuedCompletionStatusEx, BOOL, HANDLE, LPOVERLAPPED_ENTRY, ULONG, PULONG, DWORD, BOOL)
FUNCTION(PostQueuedCompletionStatus, BOOL, HANDLE, DWORD, ULONG_PTR, LPOVERLAPPED)

/* Storage.FileSystem */
FUNCTION(SetFileCompletionNotificationModes, BOOL, HANDLE, UCHAR)

/* System.Threading */
FUNCTION(CancelWaitableTimer, BOOL, HANDLE)
FUNCTION(CreateEventA, HANDLE, LPSECURITY_ATTRIBUTES, BOOL, BOOL, LPCSTR)
FUNCTION(CreateEventExA, HANDLE, LPSECURITY_ATTRIBUTES, LPCSTR, DWORD, DWORD)
FUNCTION(CreateEventExW, HANDLE, LPSECURITY_ATTRIBUTES, LPCWSTR, DWORD, DWORD)
FUNCTION(CreateEventW, HANDLE, LPSECURITY_ATTRIBUTES, BOOL, BOOL, LPCWSTR)
FUNCTION(CreateMutexA, HANDLE, LPSECURITY_ATTRIBUTES, BOOL, LPCSTR)
FUNCTION(CreateMutexExA, HANDLE, LPSECURITY_ATTRIBUTES, LPCSTR, DWORD, DWORD)
FUNCTION(CreateMutexExW, HANDLE, LPSECURITY_ATTRIBUTES, LPCWSTR, DWORD, DWORD)
FUNCTION(CreateMutexW, HANDLE, LPSECURITY_ATTRIBUTES, BOOL, LPCWSTR)
FUNCTION(CreateSemaphoreA, HANDLE, LPSECURITY_ATTRIBUTES, LONG, LONG, LPCSTR)
FUNCTION(CreateSemaphoreExA, HANDLE, LPSECURITY_ATTRIBUTES, LONG, LONG, LPCSTR, DWORD, DWORD)
FUNCTION(CreateSemaphoreExW, HANDLE, LPSECURITY_ATTRIBUTES, LONG, LONG, LPCWSTR, DWORD, DWORD)
FUNCTION(CreateSemaphoreW, HANDLE, LPSECURITY_ATTRIBUTES, LONG, LONG, LPCWSTR)
FUNCTION(CreateThread, HANDLE, LPSECURITY_ATTRIBUTES, SIZE_T, LPTHREAD_START_ROUTINE, LPVOID, DWORD, LPDWORD)
FUNCTION(CreateWaitableTimerA, HANDLE, LPSECURITY_ATTRIBUTES, BOOL, LPCSTR)
FUNCTION(CreateWaitableTimerExA, HANDLE, LPSECURITY_ATTRIBUTES, LPCSTR, DWORD, DWORD)
FUNCTION(CreateWaitableTimerExW, HANDLE, LPSECURITY_ATTRIBUTES, LPCWSTR, DWORD, DWORD)
FUNCTION(CreateWaitableTimerW, HANDLE, LPSECURITY_ATTRIBUTES, BOOL, LPCWSTR)
FUNCTION(DeleteCriticalSection, void, LPCRITICAL_SECTION)
FUNCTION(EnterCriticalSection, void, LPCRITICAL_SECTION)
FUNCTION(ExitThread, void, DWORD)
FUNCTION(GetCurrentProcess, HANDLE, void)
FUNCTION(GetCurrentProcessId, DWORD, void)
FUNCTION(GetCurrentThread, HANDLE, void)
FUNCTION(GetCurrentThreadId, DWORD, void)
FUNCTION(GetExitCodeThread, BOOL, HANDLE, LPDWORD)
FUNCTION(GetThreadId, DWORD, HANDLE)
FUNCTION(InitializeCriticalSection, void, LPCRITICAL_SECTION)
FUNCTION(InitializeCriticalSectionAndSpinCount, BOOL, LPCRITICAL_SECTION, DWORD)
FUNCTION(InitializeCriticalSectionEx, BOOL, LPCRITICAL_SECTION, DWORD, DWORD)
FUNCTION(LeaveCriticalSection, void, LPCRITICAL_SECTION)
FUNCTION(OpenEventA, HANDLE, DWORD, BOOL, LPCSTR)
FUNCTION(OpenEventW, HANDLE, DWORD, BOOL, LPCWSTR)
FUNCTION(OpenMutexW, HANDLE, DWORD, BOOL, LPCWSTR)
FUNCTION(OpenSemaphoreW, HANDLE, DWORD, BOOL, LPCWSTR)
FUNCTION(OpenWaitableTimerA, HANDLE, DWORD, BOOL, LPCSTR)
FUNCTION(OpenWaitableTimerW, HANDLE, DWORD, BOOL, LPCWSTR)
FUNCTION(PulseEvent, BOOL, HANDLE)
FUNCTION(QueueUserAPC, DWORD, PAPCFUNC, HANDLE, ULONG_PTR)
FUNCTION(ReleaseMutex, BOOL, HANDLE)
FUNCTION(ReleaseSemaphore, BOOL, HANDLE, LONG, LPLONG)
FUNCTION(ResetEvent, BOOL, HANDLE)
FUNCTION(ResumeThread, DWORD, HANDLE)
FUNCTION(SetEvent, BOOL, HANDLE)
FUNCTION(SetWaitableTimer, BOOL, HANDLE, const LARGE_INTEGER *, LONG, PTIMERAPCROUTINE, LPVOID, BOOL)
FUNCTION(SetWaitableTimerEx, BOOL, HANDLE, const LARGE_INTEGER *, LONG, PTIMERAPCROUTINE, LPVOID, PREASON_CONTEXT, ULONG)
FUNCTION(SignalObjectAndWait, DWORD, HANDLE, HANDLE, DWORD, BOOL)
FUNCTION(Sleep, void, DWORD)
FUNCTION(SleepEx, DWORD, DWORD, BOOL)
FUNCTION(SwitchToThread, BOOL, void)
FUNCTION(TryEnterCriticalSection, BOOL, LPCRITICAL_SECTION)
FUNCTION(WaitForMultipleObjects, DWORD, DWORD, const HANDLE *, BOOL, DWORD)
FUNCTION(WaitForMultipleObjectsEx, DWORD, DWORD, const HANDLE *, BOOL, DWORD, BOOL)
FUNCTION(WaitForSingleObject, DWORD, HANDLE, DWORD)
FUNCTION(WaitForSingleObjectEx, DWORD, HANDLE, DWORD, BOOL)

/* UI.WindowsAndMessaging, Graphics.Gdi */
FUNCTION(CreateWindowExA, HWND, DWORD, LPCSTR, LPCSTR, DWORD, int, int, int, int, HWND, HMENU, HINSTANCE, LPVOID)
FUNCTION(CreateWindowExW, HWND, DWORD, LPCWSTR, LPCWSTR, DWORD, int, int, int, int, HWND, HMENU, HINSTANCE, LPVOID)
FUNCTION(DefWindowProcA, LRESULT, HWND, UINT, WPARAM, LPARAM)
FUNCTION(DefWindowProcW, LRESULT, HWND, UINT, WPARAM, LPARAM)
FUNCTION(DestroyWindow, BOOL, HWND)
FUNCTION(DispatchMessageA, LRESULT, const MSG *)
FUNCTION(DispatchMessageW, LRESULT, const MSG *)
FUNCTION(GetMessageA, BOOL, LPMSG, HWND, UINT, UINT)
FUNCTION(GetMessageW, BOOL, LPMSG, HWND, UINT, UINT)
FUNCTION(GetWindowLongA, LONG, HWND, int)
FUNCTION(GetWindowLongPtrA, LONG_PTR, HWND, int)
FUNCTION(GetWindowLongPtrW, LONG_PTR, HWND, int)
FUNCTION(GetWindowLongW, LONG, HWND, int)
FUNCTION(GetWindowThreadProcessId, DWORD, HWND, LPDWORD)
FUNCTION(IsWindow, BOOL, HWND)
FUNCTION(KillTimer, BOOL, HWND, UINT_PTR)
FUNCTION(MessageBoxA, int, HWND, LPCSTR, LPCSTR, UINT)
FUNCTION(MessageBoxW, int, HWND, LPCWSTR, LPCWSTR, UINT)
FUNCTION(MsgWaitForMultipleObjects, DWORD, DWORD, const HANDLE *, BOOL, DWORD, DWORD)
FUNCTION(MsgWaitForMultipleObjectsEx, DWORD, DWORD, const HANDLE *, DWORD, DWORD, DWORD)
FUNCTION(PeekMessageA, BOOL, LPMSG, HWND, UINT, UINT, UINT)
FUNCTION(PeekMessageW, BOOL, LPMSG, HWND, UINT, UINT, UINT)
FUNCTION(PostMessageA, BOOL, HWND, UINT, WPARAM, LPARAM)
FUNCTION(PostMessageW, BOOL, HWND, UINT, WPARAM, LPARAM)
FUNCTION(PostQuitMessage, void, int)
FUNCTION(PostThreadMessageA, BOOL, DWORD, UINT, WPARAM, LPARAM)
FUNCTION(PostThreadMessageW, BOOL, DWORD, UINT, WPARAM, LPARAM)
FUNCTION(RegisterClassA, ATOM, const WNDCLASSA *)
FUNCTION(RegisterClassExA, ATOM, const WNDCLASSEXA *)
FUNCTION(RegisterClassExW, ATOM, const WNDCLASSEXW *)
FUNCTION(RegisterClassW, ATOM, const WNDCLASSW *)
FUNCTION(SendMessageA, LRESULT, HWND, UINT, WPARAM, LPARAM)
FUNCTION(SendMessageW, LRESULT, HWND, UINT, WPARAM, LPARAM)
FUNCTION(SetTimer, UINT_PTR, HWND, UINT_PTR, UINT, TIMERPROC)
FUNCTION(SetWindowLongA, LONG, HWND, int, LONG)
FUNCTION(SetWindowLongPtrA, LONG_PTR, HWND, int, LONG_PTR)
FUNCTION(SetWindowLongPtrW, LONG_PTR, HWND, int, LONG_PTR)
FUNCTION(SetWindowLongW, LONG, HWND, int, LONG)
FUNCTION(ShowWindow, BOOL, HWND, int)
FUNCTION(TranslateMessage, BOOL, const MSG *)
FUNCTION(UnregisterClassA, BOOL, LPCSTR, HINSTANCE)
FUNCTION(UnregisterClassW, BOOL, LPCWSTR, HINSTANCE)
FUNCTION(UpdateWindow, BOOL, HWND)

/* System.SystemInformation */
FUNCTION(GetSystemInfo, void, LPSYSTEM_INFO)
FUNCTION(GetTickCount, DWORD, void)
FUNCTION(GetTickCount64, ULONGLONG, void)

/* Networking.WinSock */
FUNCTION(__WSAFDIsSet, int, SOCKET, fd_set *)
FUNCTION(AcceptEx, BOOL, SOCKET, SOCKET, PVOID, DWORD, DWORD, DWORD, LPDWORD, LPOVERLAPPED)
FUNCTION(GetAcceptExSockaddrs, void, PVOID, DWORD, DWORD, DWORD, struct sockaddr **, LPINT, struct sockaddr **, LPINT)
FUNCTION(WSAAsyncSelect, int, SOCKET, HWND, u_int, LONG)
FUNCTION(WSACleanup, int, void)
FUNCTION(WSACloseEvent, BOOL, WSAEVENT)
FUNCTION(WSACreateEvent, WSAEVENT, void)
FUNCTION(WSAEnumNetworkEvents, int, SOCKET, WSAEVENT, LPWSANETWORKEVENTS)
FUNCTION(WSAEventSelect, int, SOCKET, WSAEVENT, LONG)
FUNCTION(WSAGetLastError, int, void)
FUNCTION(WSAGetOverlappedResult, BOOL, SOCKET, LPWSAOVERLAPPED, LPDWORD, BOOL, LPDWORD)
FUNCTION(WSAIoctl, int, SOCKET, DWORD, LPVOID, DWORD, LPVOID, DWORD, LPDWORD, LPWSAOVERLAPPED,
         LPWSAOVERLAPPED_COMPLETION_ROUTINE)
FUNCTION(WSAGetQOSByName, BOOL, SOCKET, LPWSABUF, LPQOS)
FUNCTION(WSAJoinLeaf, SOCKET, SOCKET, const struct sockaddr *, int, LPWSABUF, LPWSABUF, LPQOS, LPQOS, DWORD)
FUNCTION(WSALookupServiceBeginA, INT, LPWSAQUERYSETA, DWORD, LPHANDLE)
FUNCTION(WSALookupServiceBeginW, INT, LPWSAQUERYSETW, DWORD, LPHANDLE)
FUNCTION(WSALookupServiceEnd, INT, HANDLE)
FUNCTION(WSALookupServiceNextA, INT, HANDLE, DWORD, LPDWORD, LPWSAQUERYSETA)
FUNCTION(WSALookupServiceNextW, INT, HANDLE, DWORD, LPDWORD, LPWSAQUERYSETW)
FUNCTION(WSANSPIoctl, INT, HANDLE, DWORD, LPVOID, DWORD, LPVOID, DWORD, LPDWORD, LPWSACOMPLETION)
FUNCTION(WSAPoll, int, LPWSAPOLLFD, ULONG, INT)
FUNCTION(WSAProviderConfigChange, INT, LPHANDLE, LPWSAOVERLAPPED, LPWSAOVERLAPPED_COMPLETION_ROUTINE)
FUNCTION(WSARecv, int, SOCKET, LPWSABUF, DWORD, LPDWORD, LPDWORD, LPWSAOVERLAPPED, LPWSAOVERLAPPED_COMPLETION_ROUTINE)
FUNCTION(WSARecvEx, int, SOCKET, char *, int, int *)
FUNCTION(WSARecvFrom, int, SOCKET, LPWSABUF, DWORD, LPDWORD, LPDWORD, struct sockaddr *, LPINT, LPWSAOVERLAPPED,
         LPWSAOVERLAPPED_COMPLETION_ROUTINE)
FUNCTION(WSAResetEvent, BOOL, WSAEVENT)
FUNCTION(WSASend, int, SOCKET, LPWSABUF, DWORD, LPDWORD, DWORD, LPWSAOVERLAPPED, LPWSAOVERLAPPED_COMPLETION_ROUTINE)
FUNCTION(WSASendMsg, int, SOCKET, LPWSAMSG, DWORD, LPDWORD, LPWSAOVERLAPPED, LPWSAOVERLAPPED_COMPLETION_ROUTINE)
FUNCTION(WSASendTo, int, SOCKET, LPWSABUF, DWORD, LPDWORD, DWORD, const struct sockaddr *, int, LPWSAOVERLAPPED,
         LPWSAOVERLAPPED_COMPLETION_ROUTINE)
FUNCTION(WSASetEvent, BOOL, WSAEVENT)
FUNCTION(WSASetLastError, void, int)
FUNCTION(WSAAccept, SOCKET, SOCKET, struct sockaddr *, LPINT, LPCONDITIONPROC, DWORD_PTR)
FUNCTION(WSAConnect, int, SOCKET, const struct sockaddr *, int, LPWSABUF, LPWSABUF, LPQOS, LPQOS)
FUNCTION(WSAConnectByList, BOOL, SOCKET, PSOCKET_ADDRESS_LIST, LPDWORD, LPSOCKADDR, LPDWORD, LPSOCKADDR,
         TIME_LIMIT, LPWSAOVERLAPPED)
FUNCTION(WSAConnectByNameA, BOOL, SOCKET, NAME_OF, NAME_OF, LPDWORD, LPSOCKADDR, LPDWORD, LPSOCKADDR,
         TIME_LIMIT, LPWSAOVERLAPPED)
FUNCTION(WSAConnectByNameW, BOOL, SOCKET, LPWSTR, LPWSTR, LPDWORD, LPSOCKADDR, LPDWORD, LPSOCKADDR,
         TIME_LIMIT, LPWSAOVERLAPPED)
FUNCTION(WSADuplicateSocketA, int, SOCKET, DWORD, LPWSAPROTOCOL_INFOA)
FUNCTION(WSADuplicateSocketW, int, SOCKET, DWORD, LPWSAPROTOCOL_INFOW)
FUNCTION(WSAEnumProtocolsA, int, LPINT, LPWSAPROTOCOL_INFOA, LPDWORD)
FUNCTION(WSAEnumProtocolsW, int, LPINT, LPWSAPROTOCOL_INFOW, LPDWORD)
FUNCTION(WSARecvDisconnect, int, SOCKET, LPWSABUF)
FUNCTION(WSASendDisconnect, int, SOCKET, LPWSABUF)
FUNCTION(WSASocketA, SOCKET, int, int, int, LPWSAPROTOCOL_INFOA, GROUP, DWORD)
FUNCTION(WSASocketW, SOCKET, int, int, int, LPWSAPROTOCOL_INFOW, GROUP, DWORD)
FUNCTION(WSAStartup, int, WORD, LPWSADATA)
FUNCTION(WSAWaitForMultipleEvents, DWORD, DWORD, const WSAEVENT *, BOOL, DWORD, BOOL)
FUNCTION(accept, SOCKET, SOCKET, struct sockaddr *, int *)
FUNCTION(bind, int, SOCKET, const struct sockaddr *, int)
FUNCTION(closesocket, int, SOCKET)
FUNCTION(connect, int, SOCKET, const struct sockaddr *, int)
FUNCTION(getpeername, int, SOCKET, struct sockaddr *, int *)
FUNCTION(getsockname, int, SOCKET, struct sockaddr *, int *)
FUNCTION(getsockopt, int, SOCKET, int, int, char *, int *)
FUNCTION(htonl, u_long, u_long)
FUNCTION(htons, u_short, u_short)
FUNCTION(inet_addr, ULONG, const char *)
FUNCTION(inet_ntoa, char *, struct in_addr)
FUNCTION(inet_ntop, LPCSTR, INT, const VOID *, LPSTR, size_t)
FUNCTION(inet_pton, INT, INT, LPCSTR, PVOID)
FUNCTION(ioctlsocket, int, SOCKET, LONG, u_long *)
FUNCTION(listen, int, SOCKET, int)
FUNCTION(ntohl, u_long, u_long)
FUNCTION(ntohs, u_short, u_short)
FUNCTION(recv, int, SOCKET, char *, int, int)
FUNCTION(recvfrom, int, SOCKET, char *, int, int, struct sockaddr *, int *)
#ifdef __MINGW32__ /* the pointer is const there, where Microsoft's points to const */
FUNCTION(select, int, int, fd_set *, fd_set *, fd_set *, const PTIMEVAL)
#else
FUNCTION(select, int, int, fd_set *, fd_set *, fd_set *, const struct timeval *)
#endif
FUNCTION(send, int, SOCKET, const char *, int, int)
FUNCTION(sendto, int, SOCKET, const char *, int, int, const struct sockaddr *, int)
FUNCTION(setsockopt, int, SOCKET, int, int, const char *, int)
FUNCTION(shutdown, int, SOCKET, int)
FUNCTION(socket, SOCKET, int, int, int)

/* Of Winsock 1.1 */
FUNCTION(WSAAsyncGetHostByAddr, HANDLE, HWND, u_int, const char *, int, int, char *, int)
FUNCTION(WSAAsyncGetHostByName, HANDLE, HWND, u_int, const char *, char *, int)
FUNCTION(WSAAsyncGetProtoByName, HANDLE, HWND, u_int, const char *, char *, int)
FUNCTION(WSAAsyncGetProtoByNumber, HANDLE, HWND, u_int, int, char *, int)
FUNCTION(WSAAsyncGetServByName, HANDLE, HWND, u_int, const char *, const char *, char *, int)
FUNCTION(WSAAsyncGetServByPort, HANDLE, HWND, u_int, int, const char *, char *, int)
FUNCTION(WSACancelAsyncRequest, int, HANDLE)
FUNCTION(WSACancelBlockingCall, int, void)
FUNCTION(WSAIsBlocking, BOOL, void)
FUNCTION(WSASetBlockingHook, FARPROC, FARPROC)
FUNCTION(WSAUnhookBlockingHook, int, void)

/* Names and addresses */
FUNCTION(FreeAddrInfoEx, void, PADDRINFOEXA)
FUNCTION(FreeAddrInfoExW, void, PADDRINFOEXW)
FUNCTION(FreeAddrInfoW, void, PADDRINFOW)
FUNCTION(GetAddrInfoExA, INT, PCSTR, PCSTR, DWORD, LPGUID, const ADDRINFOEXA *, PADDRINFOEXA *, struct timeval *,
         LPOVERLAPPED, LPLOOKUPSERVICE_COMPLETION_ROUTINE, LPHANDLE)
FUNCTION(GetAddrInfoExW, INT, PCWSTR, PCWSTR, DWORD, LPGUID, const ADDRINFOEXW *, PADDRINFOEXW *, struct timeval *,
         LPOVERLAPPED, LPLOOKUPSERVICE_COMPLETION_ROUTINE, LPHANDLE)
FUNCTION(SetAddrInfoExA, INT, PCSTR, PCSTR, SOCKET_ADDRESS *, DWORD, LPBLOB, DWORD, DWORD, LPGUID, struct timeval *,
         LPOVERLAPPED, LPLOOKUPSERVICE_COMPLETION_ROUTINE, LPHANDLE)
FUNCTION(SetAddrInfoExW, INT, PCWSTR, PCWSTR, SOCKET_ADDRESS *, DWORD, LPBLOB, DWORD, DWORD, LPGUID, struct timeval *,
         LPOVERLAPPED, LPLOOKUPSERVICE_COMPLETION_ROUTINE, LPHANDLE)
#ifndef __MINGW32__ /* not there yet */
FUNCTION(GetAddrInfoExCancel, INT, LPHANDLE)
FUNCTION(GetAddrInfoExOverlappedResult, INT, LPOVERLAPPED)
#endif
FUNCTION(GetAddrInfoW, INT, PCWSTR, PCWSTR, const ADDRINFOW *, PADDRINFOW *)
FUNCTION(GetHostNameW, int, PWSTR, int)
FUNCTION(GetNameInfoW, INT, const SOCKADDR *, socklen_t, PWCHAR, DWORD, PWCHAR, DWORD, INT)
FUNCTION(InetNtopW, LPCWSTR, INT, const VOID *, LPWSTR, size_t)
FUNCTION(InetPtonW, INT, INT, LPCWSTR, PVOID)
FUNCTION(WSAAddressToStringA, INT, LPSOCKADDR, DWORD, LPWSAPROTOCOL_INFOA, LPSTR, LPDWORD)
FUNCTION(WSAAddressToStringW, INT, LPSOCKADDR, DWORD, LPWSAPROTOCOL_INFOW, LPWSTR, LPDWORD)
FUNCTION(WSAHtonl, int, SOCKET, u_long, u_long *)
FUNCTION(WSAHtons, int, SOCKET, u_short, u_short *)
FUNCTION(WSANtohl, int, SOCKET, u_long, u_long *)
FUNCTION(WSANtohs, int, SOCKET, u_short, u_short *)
FUNCTION(WSAStringToAddressA, INT, LPSTR, INT, LPWSAPROTOCOL_INFOA, LPSOCKADDR, LPINT)
FUNCTION(WSAStringToAddressW, INT, LPWSTR, INT, LPWSAPROTOCOL_INFOW, LPSOCKADDR, LPINT)
FUNCTION(freeaddrinfo, void, PADDRINFOA)
FUNCTION(getaddrinfo, INT, PCSTR, PCSTR, const ADDRINFOA *, PADDRINFOA *)
FUNCTION(gethostbyaddr, struct hostent *, const char *, int, int)
FUNCTION(gethostbyname, struct hostent *, const char *)
FUNCTION(gethostname, int, char *, int)
FUNCTION(getnameinfo, INT, const SOCKADDR *, socklen_t, char *, DWORD, char *, DWORD, INT)
FUNCTION(getprotobyname, struct protoent *, const char *)
FUNCTION(getprotobynumber, struct protoent *, int)
FUNCTION(getservbyname, struct servent *, const char *, const char *)
FUNCTION(getservbyport, struct servent *, int, const char *)
FUNCTION(gai_strerrorA, char *, int)
FUNCTION(gai_strerrorW, WCHAR *, int)

int main(void) {
    /* The C run-time's functions have another calling convention on 32-bit Windows, and so a line of their own. */
    uintptr_t (*start)(void *, unsigned, unsigned(__stdcall *)(void *), void *, unsigned, unsigned *) = _beginthreadex;
    return start == NULL;
}
