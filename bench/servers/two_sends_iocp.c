// request-two-sends: each answer leaves in two sends, both under way at once: the first eight bytes, then the rest.
#include "server.h"

enum { BUFFER_LEN = 16384, HEAD_LEN = 8 };

typedef struct {
    OVERLAPPED receiving, head, body;
    SOCKET s;
    LONG under_way; // operations whose packet is yet to come; who takes the last one goes on
    int failed;
    char buffer[BUFFER_LEN];
} connection;

static void finish(connection* c);

static int started(int result) {
    return result != SOCKET_ERROR || WSAGetLastError() == WSA_IO_PENDING;
}

static void receive(connection* c) {
    WSABUF b = {BUFFER_LEN, c->buffer};
    DWORD n, flags = 0;
    c->under_way = 1;
    memset(&c->receiving, 0, sizeof c->receiving);
    if (!started(WSARecv(c->s, &b, 1, &n, &flags, &c->receiving, NULL))) {
        c->failed = 1;
        finish(c);
    }
}

static void send_part(connection* c, OVERLAPPED* overlapped, char* data, DWORD len) {
    WSABUF b = {len, data};
    DWORD n;
    memset(overlapped, 0, sizeof *overlapped);
    if (!started(WSASend(c->s, &b, 1, &n, 0, overlapped, NULL))) {
        c->failed = 1;
        finish(c);
    }
}

static void answer(connection* c, DWORD len) {
    DWORD head_len = len < HEAD_LEN ? len : HEAD_LEN;
    c->under_way = len > head_len ? 2 : 1;
    send_part(c, &c->head, c->buffer, head_len);
    if (len > head_len) send_part(c, &c->body, c->buffer + head_len, len - head_len);
}

// One operation less. After both sends comes the next receive, or the end.
static void finish(connection* c) {
    if (__atomic_sub_fetch(&c->under_way, 1, __ATOMIC_ACQ_REL) > 0) return;
    if (!c->failed) {
        receive(c);
        return;
    }
    closesocket(c->s);
    free(c);
}

static DWORD WINAPI worker(void* unused) {
    (void)unused;
    for (;;) {
        DWORD n;
        ULONG_PTR key;
        OVERLAPPED* overlapped = NULL;
        BOOL ok = GetQueuedCompletionStatus(port, &n, &key, &overlapped, INFINITE);
        if (!overlapped) continue;
        connection* c = (connection*)key;
        if (!ok || n == 0) c->failed = 1;
        if (overlapped == &c->receiving && !c->failed)
            answer(c, n);
        else
            finish(c);
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
        receive(c);
    }
}
