// two-receives: an echo with two receives posted on each socket, so that one buffer waits while the other is sent.
// For one worker: the order of packets is the order of the data only for who takes them alone.
#include "server.h"

enum { BUFFER_LEN = 16384, BUFFERS = 2 };

typedef struct {
    OVERLAPPED overlapped;
    int sending;
    char data[BUFFER_LEN];
} buffer;

typedef struct {
    SOCKET s;
    int under_way, failed;
    buffer buffers[BUFFERS];
} connection;

// Starts the buffer's next operation: sends what it holds, or receives.
static void start(connection* c, buffer* buf, DWORD len) {
    WSABUF b = {buf->sending ? len : BUFFER_LEN, buf->data};
    DWORD n, flags = 0;
    memset(&buf->overlapped, 0, sizeof buf->overlapped);
    int result = buf->sending ? WSASend(c->s, &b, 1, &n, 0, &buf->overlapped, NULL)
                              : WSARecv(c->s, &b, 1, &n, &flags, &buf->overlapped, NULL);
    if (result == SOCKET_ERROR && WSAGetLastError() != WSA_IO_PENDING)
        c->failed = 1;
    else
        c->under_way++;
}

static DWORD WINAPI worker(void* unused) {
    (void)unused;
    for (;;) {
        DWORD n;
        ULONG_PTR key;
        OVERLAPPED* overlapped = NULL;
        BOOL ok = GetQueuedCompletionStatus(port, &n, &key, &overlapped, INFINITE);
        connection* c = (connection*)key;
        if (!overlapped) { // posted by the accepting thread: a new connection
            for (int i = 0; i < BUFFERS; i++) start(c, &c->buffers[i], 0);
        } else {
            buffer* buf = CONTAINING_RECORD(overlapped, buffer, overlapped);
            c->under_way--;
            if (!ok || n == 0) c->failed = 1;
            buf->sending = !buf->sending;
            if (!c->failed) start(c, buf, n);
        }
        if (!c->failed) continue;
        if (c->s != INVALID_SOCKET) closesocket(c->s);
        c->s = INVALID_SOCKET;
        if (c->under_way == 0) free(c);
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
        PostQueuedCompletionStatus(port, 0, (ULONG_PTR)c, NULL); // the worker alone touches it from now on
    }
}
