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

/* Foundation */
FUNCTION(CloseHandle, BOOL, HANDLE)
FUNCTION(DuplicateHandle, BOOL, HANDLE, HANDLE, HANDLE, LPHANDLE, DWORD, BOOL, DWORD)
FUNCTION(GetLastError, DWORD, void)
FUNCTION(SetLastError, void, DWORD)

/* System.IO */
FUNCTION(CancelIo, BOOL, HANDLE)
FUNCTION(CancelIoEx, BOOL, HANDLE, LPOVERLAPPED)
FUNCTION(CreateIoCompletionPort, HANDLE, HANDLE, HANDLE, ULONG_PTR, DWORD)
FUNCTION(GetOverlappedResult, BOOL, HANDLE, LPOVERLAPPED, LPDWORD, BOOL)
FUNCTION(GetOverlappedResultEx, BOOL, HANDLE, LPOVERLAPPED, LPDWORD, DWORD, BOOL)
FUNCTION(GetQueuedCompletionStatus, BOOL, HANDLE, LPDWORD, PULONG_PTR, LPOVERLAPPED *, DWORD)
FUNCTION(GetQueuedCompletionStatusEx, BOOL, HANDLE, LPOVERLAPPED_ENTRY, ULONG, PULONG, DWORD, BOOL)
FUNCTION(PostQueuedCompletionStatus, BOOL, HANDLE, DWORD, ULONG_PTR, LPOVERLAPPED)

/* Storage.FileSystem */
FUNCTION(SetFileCompletionNotificationModes, BOOL, HANDLE, UCHAR)

/* System.Threading */
FUNCTION(CreateEventA, HANDLE, LPSECURITY_ATTRIBUTES, BOOL, BOOL, LPCSTR)
FUNCTION(CreateEventW, HANDLE, LPSECURITY_ATTRIBUTES, BOOL, BOOL, LPCWSTR)
FUNCTION(CreateThread, HANDLE, LPSECURITY_ATTRIBUTES, SIZE_T, LPTHREAD_START_ROUTINE, LPVOID, DWORD, LPDWORD)
FUNCTION(DeleteCriticalSection, void, LPCRITICAL_SECTION)
FUNCTION(EnterCriticalSection, void, LPCRITICAL_SECTION)
FUNCTION(ExitThread, void, DWORD)
FUNCTION(GetCurrentProcess, HANDLE, void)
FUNCTION(GetCurrentThread, HANDLE, void)
FUNCTION(GetCurrentThreadId, DWORD, void)
FUNCTION(GetExitCodeThread, BOOL, HANDLE, LPDWORD)
FUNCTION(GetThreadId, DWORD, HANDLE)
FUNCTION(InitializeCriticalSection, void, LPCRITICAL_SECTION)
FUNCTION(InitializeCriticalSectionAndSpinCount, BOOL, LPCRITICAL_SECTION, DWORD)
FUNCTION(InitializeCriticalSectionEx, BOOL, LPCRITICAL_SECTION, DWORD, DWORD)
FUNCTION(LeaveCriticalSection, void, LPCRITICAL_SECTION)
FUNCTION(QueueUserAPC, DWORD, PAPCFUNC, HANDLE, ULONG_PTR)
FUNCTION(ResetEvent, BOOL, HANDLE)
FUNCTION(ResumeThread, DWORD, HANDLE)
FUNCTION(SetEvent, BOOL, HANDLE)
FUNCTION(Sleep, void, DWORD)
FUNCTION(SleepEx, DWORD, DWORD, BOOL)
FUNCTION(SwitchToThread, BOOL, void)
FUNCTION(TryEnterCriticalSection, BOOL, LPCRITICAL_SECTION)
FUNCTION(WaitForMultipleObjects, DWORD, DWORD, const HANDLE *, BOOL, DWORD)
FUNCTION(WaitForMultipleObjectsEx, DWORD, DWORD, const HANDLE *, BOOL, DWORD, BOOL)
FUNCTION(WaitForSingleObject, DWORD, HANDLE, DWORD)
FUNCTION(WaitForSingleObjectEx, DWORD, HANDLE, DWORD, BOOL)

/* System.SystemInformation */
FUNCTION(GetSystemInfo, void, LPSYSTEM_INFO)
FUNCTION(GetTickCount, DWORD, void)
FUNCTION(GetTickCount64, ULONGLONG, void)

/* Networking.WinSock */
FUNCTION(__WSAFDIsSet, int, SOCKET, fd_set *)
FUNCTION(AcceptEx, BOOL, SOCKET, SOCKET, PVOID, DWORD, DWORD, DWORD, LPDWORD, LPOVERLAPPED)
FUNCTION(GetAcceptExSockaddrs, void, PVOID, DWORD, DWORD, DWORD, struct sockaddr **, LPINT, struct sockaddr **, LPINT)
FUNCTION(WSACleanup, int, void)
FUNCTION(WSACloseEvent, BOOL, WSAEVENT)
FUNCTION(WSACreateEvent, WSAEVENT, void)
FUNCTION(WSAGetLastError, int, void)
FUNCTION(WSAGetOverlappedResult, BOOL, SOCKET, LPWSAOVERLAPPED, LPDWORD, BOOL, LPDWORD)
FUNCTION(WSAIoctl, int, SOCKET, DWORD, LPVOID, DWORD, LPVOID, DWORD, LPDWORD, LPWSAOVERLAPPED,
         LPWSAOVERLAPPED_COMPLETION_ROUTINE)
FUNCTION(WSARecv, int, SOCKET, LPWSABUF, DWORD, LPDWORD, LPDWORD, LPWSAOVERLAPPED, LPWSAOVERLAPPED_COMPLETION_ROUTINE)
FUNCTION(WSAResetEvent, BOOL, WSAEVENT)
FUNCTION(WSASend, int, SOCKET, LPWSABUF, DWORD, LPDWORD, DWORD, LPWSAOVERLAPPED, LPWSAOVERLAPPED_COMPLETION_ROUTINE)
FUNCTION(WSASetEvent, BOOL, WSAEVENT)
FUNCTION(WSASetLastError, void, int)
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
#ifdef __MINGW32__ /* the pointer is const there, where Microsoft's points to const */
FUNCTION(select, int, int, fd_set *, fd_set *, fd_set *, const PTIMEVAL)
#else
FUNCTION(select, int, int, fd_set *, fd_set *, fd_set *, const struct timeval *)
#endif
FUNCTION(send, int, SOCKET, const char *, int, int)
FUNCTION(setsockopt, int, SOCKET, int, int, const char *, int)
FUNCTION(shutdown, int, SOCKET, int)
FUNCTION(socket, SOCKET, int, int, int)

int main(void) {
    /* The C run-time's functions have another calling convention on 32-bit Windows, and so a line of their own. */
    uintptr_t (*start)(void *, unsigned, unsigned(__stdcall *)(void *), void *, unsigned, unsigned *) = _beginthreadex;
    return start == NULL;
}
