/*
 * Habits of ordinary Windows sources that a compiler for Linux meets with suspicion: it may warn (each habit here
 * warns under MinGW too), but it must compile and mean the same.
 */
#pragma comment(lib, "ws2_32.lib")
#pragma warning(disable : 4996)

#define _WINSOCK_DEPRECATED_NO_WARNINGS
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <mstcpip.h>
#include <process.h>
#include <tchar.h>
#include <stdio.h>
#include <stdlib.h>

typedef enum { OP_RECEIVE, OP_SEND } OP;

typedef struct _PER_IO {
    OVERLAPPED overlapped;
    WSABUF wsabuf;
    CHAR buffer[512];
    OP op;
} PER_IO, FAR *LPPER_IO;

#ifdef __MINGW32__ /* which knows fewer of Microsoft's words */
LONG volatile g_lock = 0;
static int t_index = 3;
#else
__declspec(align(16)) LONG volatile g_lock = 0;
static __declspec(thread) int t_index = 3;
static __forceinline int Twice(int n) { return 2 * n; }
#endif
static unsigned __int64 g_total = 0;

static VOID CALLBACK OnComplete(IN DWORD dwError, IN DWORD cbTransferred, IN LPWSAOVERLAPPED lpOverlapped,
                                              IN DWORD dwFlags) {
    UNREFERENCED_PARAMETER(dwError);
    UNREFERENCED_PARAMETER(lpOverlapped);
    UNREFERENCED_PARAMETER(dwFlags);
    g_total += cbTransferred;
}

DWORD WINAPI Worker(_In_ LPVOID lpParam) {
    HANDLE hPort = (HANDLE)lpParam;
    DWORD dwBytes;
    ULONG_PTR key;
    LPOVERLAPPED lpOverlapped = NULL;
    while (GetQueuedCompletionStatus(hPort, &dwBytes, &key, &lpOverlapped, INFINITE) == TRUE) {
        if (lpOverlapped == NULL)
            break;
        OnComplete(NO_ERROR, dwBytes, lpOverlapped, 0);
    }
    return (DWORD)g_total;
}

/* ConnectEx is reached by its identifier. */
static LPFN_CONNECTEX ConnectExOf(SOCKET s) {
    GUID guid = WSAID_CONNECTEX;
    LPFN_CONNECTEX fn = NULL;
    DWORD dwBytes = 0;
    if (WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &guid, sizeof(guid), &fn, sizeof(fn), &dwBytes, NULL, NULL))
        return NULL;
    return fn;
}

static void Fail(LPCTSTR what) {
    _tprintf(_T("%d: %") _T("s\n"), WSAGetLastError(), what);
    exit(1);
}

int _tmain(int argc, CHAR *argv[]) {
    WSADATA wsaData;
    DWORD dwId;
    HANDLE hPort, hThread;
    PER_IO io;
    LINGER lingerOpt = {1, 0};
    int nSend = 8192;
    BOOL bNoDelay = TRUE;
    u_long ulMode = 1;
    SOCKET s;

    (void)argc, (void)argv;
#ifndef __MINGW32__
    if (Twice(21) != 42)
        return 1;
#endif
    if (WSAStartup((2, 2), &wsaData) != 0)
        return 1;
    hPort = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, NULL, 4);
    hThread = CreateThread(NULL, 0, Worker, hPort, 0, &dwId);

    s = WSASocket(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, NULL, WSA_FLAG_OVERLAPPED);
    if (s == INVALID_SOCKET || t_index != 3)
        Fail(_T("WSASocket"));
    if (setsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&lingerOpt, sizeof(lingerOpt)) == SOCKET_ERROR ||
        setsockopt(s, SOL_SOCKET, SO_SNDBUF, (const char *)&nSend, sizeof nSend) == SOCKET_ERROR ||
        setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (const char *)&bNoDelay, sizeof bNoDelay) == SOCKET_ERROR)
        Fail(_T("setsockopt"));
    if (ioctlsocket(s, FIONBIO, &ulMode) == SOCKET_ERROR)
        Fail(_T("ioctlsocket"));
    if (ConnectExOf(s) == NULL)
        Fail(_T("WSAIoctl"));
    closesocket(s);

    ZeroMemory(&io, sizeof(PER_IO));
    io.op = OP_SEND;
    PostQueuedCompletionStatus(hPort, 40, (ULONG_PTR)&io, &io.overlapped);
    PostQueuedCompletionStatus(hPort, 2, NULL, &io.overlapped);
    PostQueuedCompletionStatus(hPort, 0, NULL, NULL);
    WaitForSingleObject(hThread, INFINITE);
    if (GetExitCodeThread(hThread, &dwId) == FALSE || dwId != 42)
        Fail(_T("GetExitCodeThread"));
    while (InterlockedCompareExchange(&g_lock, 1, 0) != 0)
        YieldProcessor();
    MemoryBarrier();
    CloseHandle(hThread);
    CloseHandle(hPort);
    WSACleanup();
    _tprintf(_T("ok\n"));
    return 0;
}
