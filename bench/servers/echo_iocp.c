// Echo (and one-way) on a completion port, in the usual shape: one operation in flight per connection.
// The server that the targets are about. `idle` is the same with a small buffer, so that what grows is not the buffer.
#include "server.h"

typedef struct {
    OVERLAPPED overlapped;
    SOCKET s;
    int sending;
    DWORD sent, len;
    char buffer[];
} connection;

static int one_way;
static DWORD buffer_len = 16384;

static void drop(connection* c) {
    closesocket(c->s);
    free(c);
}

// Starts the next operation. What fails at once brings no packet.
static void start(connection* c) {
    WSABUF b;
    DWORD n, flags = 0;
    int result;
    memset(&c->overlapped, 0, sizeof c->overlapped);
    if (c->sending) {
        b.buf = c->buffer + c->sent;
        b.len = c->len - c->sent;
        result = WSASend(c->s, &b, 1, &n, 0, &c->overlapped, NULL);
    } else {
        b.buf = c->buffer;
        b.len = buffer_len;
        result = WSARecv(c->s, &b, 1, &n, &flags, &c->overlapped, NULL);
    }
    if (result == SOCKET_ERROR && WSAGetLastError() != WSA_IO_PENDING) drop(c);
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
        if (c->sending) {
            c->sent += n;
            if (c->sent == c->len) c->sending = 0;
        } else if (!one_way) {
            c->sending = 1;
            c->sent = 0;
            c->len = n;
        }
        start(c);
    }
    return 0; // not reached
}

int main(int argc, char** argv) {
    start_workers(argc, argv, worker);
    one_way = !strcmp(workload, "one-way");
    if (!strcmp(workload, "idle")) buffer_len = 64;
    if (one_way) buffer_len = 65536;
    SOCKET listener = listen_at(number(argc, argv, 1, 9000));
    printf("connection_bytes=%d\n", (int)(sizeof(connection) + buffer_len));
    fflush(stdout);
    for (;;) {
        connection* c = calloc(1, sizeof *c + buffer_len);
        c->s = accept_from(listener);
        CreateIoCompletionPort((HANDLE)c->s, port, (ULONG_PTR)c, 0);
        start(c);
    }
}
