// The echo server, counting how many workers run between two calls of GetQueuedCompletionStatus: no more than the
// concurrency value ever may, since these never block. Prints `running_max=N` whenever it grows.
#include "server.h"

static int running, running_max;
static __thread int counted;

static BOOL take_counted(HANDLE from, DWORD* n, ULONG_PTR* key, OVERLAPPED** overlapped, DWORD timeout_ms) {
    if (counted) __atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
    BOOL ok = GetQueuedCompletionStatus(from, n, key, overlapped, timeout_ms);
    counted = 1;
    int now = __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
    int max = __atomic_load_n(&running_max, __ATOMIC_SEQ_CST);
    while (now > max) {
        if (!__atomic_compare_exchange_n(&running_max, &max, now, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) continue;
        printf("running_max=%d\n", now);
        fflush(stdout);
        break;
    }
    return ok;
}

#define GetQueuedCompletionStatus take_counted
#include "echo_iocp.c"
