// send-then-compute: an echo whose handler goes on after its send for as long as the message orders.
//
// A message: stamp (8 bytes), µs to compute (4), µs to sleep outside the library (4), and room for the time at which
// the handler sent the answer, in ns of CLOCK_REALTIME (8).
#include "server.h"
#include <stdint.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_LEN = 16384, ORDERS_LEN = 24 };

typedef struct {
    OVERLAPPED overlapped;
    SOCKET s;
    int sending;
    DWORD len;
    char buffer[BUFFER_LEN];
} connection;

static void drop(connection* c) {
    closesocket(c->s);
    free(c);
}

static void start(connection* c) {
    WSABUF b = {c->sending ? c->len : BUFFER_LEN, c->buffer};
    DWORD n, flags = 0;
    memset(&c->overlapped, 0, sizeof c->overlapped);
    int result = c->sending ? WSASend(c->s, &b, 1, &n, 0, &c->overlapped, NULL)
                            : WSARecv(c->s, &b, 1, &n, &flags, &c->overlapped, NULL);
    if (result == SOCKET_ERROR && WSAGetLastError() != WSA_IO_PENDING) drop(c);
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void compute(uint32_t us) {
    uint64_t until = now_ns() + (uint64_t)us * 1000;
    while (now_ns() < until) continue;
}

// Answers and then goes on. Once started the send may be over, and `c` somebody else's, at any moment.
static void handle(connection* c) {
    uint32_t compute_us = 0, sleep_us = 0;
    if (c->len >= ORDERS_LEN) {
        memcpy(&compute_us, c->buffer + 8, 4);
        memcpy(&sleep_us, c->buffer + 12, 4);
        uint64_t now = now_ns();
        memcpy(c->buffer + 16, &now, 8);
    }
    start(c);
    if (compute_us) compute(compute_us);
    if (sleep_us) usleep(sleep_us);
}

static DWORD WINAPI worker(void* unused) {
    (void)unused;
    for (;;) {
        DWORD n;
        ULONG_PTR key;
        OVERLAPPED* overlapped = NULL;
        BOOL ok = GetQueuedCompletionStatus(port, &n, &key, &overlapped, INFINITE);
        if (!overlapped) continue;
        connection* c = CONTAINING_RECORD(overlapped, connection, overlapped);
        if (!ok || n == 0) {
            drop(c);
            continue;
        }
        c->sending = !c->sending;
        c->len = n;
        if (c->sending)
            handle(c);
        else
            start(c);
    }
    return 0; // not reached
}

int main(int argc, char** argv) {
    start_workers(argc, argv, worker);
    SOCKET listener = listen_at(number(argc, argv, 1, 9000));
    for (;;) {
        connection* c = calloc(1, sizeof *c);
        c->s = accept_from(listener);
        CreateIoCompletionPort((HANDLE)c->s, port, (ULONG_PTR)c, 0);
        start(c);
    }
}
