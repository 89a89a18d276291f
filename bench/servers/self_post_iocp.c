// self-post: the echo server beside a packet that is posted again whenever it is taken, so that the port's queue is
// never empty. The sockets must not starve.
#include "server.h"

static const ULONG_PTR AGAIN = 1; // the key of that packet; connections' keys are their addresses

static BOOL take_and_post(HANDLE from, DWORD* n, ULONG_PTR* key, OVERLAPPED** overlapped, DWORD timeout_ms) {
    static int is_posted;
    if (!__atomic_exchange_n(&is_posted, 1, __ATOMIC_RELAXED)) PostQueuedCompletionStatus(from, 0, AGAIN, NULL);
    BOOL ok = GetQueuedCompletionStatus(from, n, key, overlapped, timeout_ms);
    if (ok && *key == AGAIN) PostQueuedCompletionStatus(from, 0, AGAIN, NULL);
    return ok;
}

#define GetQueuedCompletionStatus take_and_post
#include "echo_iocp.c"
