// posted: packets through one port, no sockets. Command line: POSTERS posted WORKERS MILLISECONDS.
//
// Threads that post go on as long as no more than BACKLOG packets wait, so that memory stays bounded; the same rule
// holds for the queues of the peers. Prints `packets_per_s=N`.
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS_MAX = 64, BACKLOG = 16384, POSTED_AT_ONCE = 64 };

// Each thread's count has a cache line of its own.
typedef struct {
    _Alignas(128) unsigned long long packets;
} count;

static HANDLE port;
static count posted[THREADS_MAX], taken[THREADS_MAX];

static unsigned long long sum(count* counts) {
    unsigned long long sum = 0;
    for (int i = 0; i < THREADS_MAX; i++) sum += __atomic_load_n(&counts[i].packets, __ATOMIC_RELAXED);
    return sum;
}

static void add(count* of, unsigned long long packets) {
    __atomic_store_n(&of->packets, of->packets + packets, __ATOMIC_RELAXED);
}

static DWORD WINAPI post(void* own) {
    for (;;) {
        for (int i = 0; i < POSTED_AT_ONCE; i++) PostQueuedCompletionStatus(port, 1, 7, NULL);
        add(own, POSTED_AT_ONCE);
        while (sum(posted) > sum(taken) + BACKLOG) SwitchToThread();
    }
    return 0; // not reached
}

static DWORD WINAPI take(void* own) {
    for (;;) {
        DWORD n;
        ULONG_PTR key;
        OVERLAPPED* overlapped;
        if (GetQueuedCompletionStatus(port, &n, &key, &overlapped, INFINITE)) add(own, 1);
    }
    return 0; // not reached
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

int main(int argc, char** argv) {
    if (argc < 5) return 1;
    int posters = atoi(argv[1]), workers = atoi(argv[3]), milliseconds = atoi(argv[4]);
    if (posters > THREADS_MAX || workers > THREADS_MAX) return 1;
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, workers);
    for (int i = 0; i < workers; i++) CloseHandle(CreateThread(NULL, 0, take, &taken[i], 0, NULL));
    for (int i = 0; i < posters; i++) CloseHandle(CreateThread(NULL, 0, post, &posted[i], 0, NULL));
    Sleep(200);
    unsigned long long before = sum(taken);
    double begin_s = now_s();
    Sleep(milliseconds);
    printf("packets_per_s=%.0f\n", (sum(taken) - before) / (now_s() - begin_s));
    return 0;
}
