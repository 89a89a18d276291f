// One overlapped operation in flight per client, which receives or sends.
#ifndef MODEL_OVERLAPPED_H
#define MODEL_OVERLAPPED_H

#include "model.h"

typedef struct {
    WSAOVERLAPPED overlapped;
    SOCKET s;
    int sending;
    DWORD sent, len;
    char buffer[BUFFER_LEN];
} overlapped_client;

// Starts the next operation. False when it cannot be: nothing will be reported.
static int start(overlapped_client* c, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    WSABUF b = {BUFFER_LEN, c->buffer};
    DWORD n, flags = 0;
    int result;
    if (c->sending) {
        b.buf += c->sent;
        b.len = c->len - c->sent;
        result = WSASend(c->s, &b, 1, &n, 0, &c->overlapped, routine);
    } else {
        result = WSARecv(c->s, &b, 1, &n, &flags, &c->overlapped, routine);
    }
    return result != SOCKET_ERROR || WSAGetLastError() == WSA_IO_PENDING;
}

// An operation has transferred so much: what comes next.
static void advance(overlapped_client* c, DWORD n) {
    if (c->sending) {
        c->sent += n;
        c->sending = c->sent < c->len;
    } else {
        c->sending = 1;
        c->sent = 0;
        c->len = n;
    }
}

#endif
