// What the echo servers of the other models share: one file for each of the classical ways to serve sockets under Windows, as
// textbooks have it. See server.h for the command line; the number of workers says nothing here.
//
// The servers that receive without blocking have one buffer for each thread; a connection keeps only what its socket did
// not take, which in an echo is nothing.
#ifndef MODEL_H
#define MODEL_H

#ifndef FD_SETSIZE
#define FD_SETSIZE 16384
#endif
#include "server.h"

enum { BUFFER_LEN = 16384 };

typedef struct {
    SOCKET s;
    char* unsent;
    int unsent_len;
} client;

static __thread char shared_buffer[BUFFER_LEN];

static inline SOCKET open_server(int argc, char** argv) {
    WSADATA data;
    WSAStartup(MAKEWORD(2, 2), &data);
    return listen_at(number(argc, argv, 1, 9000));
}

static inline void set_blocking(SOCKET s, int blocking) {
    u_long on = !blocking;
    ioctlsocket(s, FIONBIO, &on);
}

static inline void no_delay(SOCKET s) {
    BOOL on = TRUE;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (char*)&on, sizeof on);
}

// Sends, and keeps what the socket does not take. False when the client is gone.
static inline int send_all(client* c, const char* data, int len) {
    int sent = send(c->s, data, len, 0);
    if (sent == SOCKET_ERROR) {
        if (WSAGetLastError() != WSAEWOULDBLOCK) return 0;
        sent = 0;
    }
    if (sent == len) return 1;
    c->unsent_len = len - sent;
    c->unsent = malloc(c->unsent_len);
    memcpy(c->unsent, data + sent, c->unsent_len);
    return 1;
}

// There is something to receive: echoes it. False when the client is done or gone.
static inline int on_readable(client* c) {
    if (c->unsent) return 1; // first things first
    int received = recv(c->s, shared_buffer, BUFFER_LEN, 0);
    if (received > 0) return send_all(c, shared_buffer, received);
    return received == SOCKET_ERROR && WSAGetLastError() == WSAEWOULDBLOCK;
}

// There is room to send. False when the client is gone.
static inline int on_writable(client* c) {
    if (!c->unsent) return 1;
    char* data = c->unsent;
    c->unsent = NULL;
    int alive = send_all(c, data, c->unsent_len);
    free(data);
    return alive && (c->unsent || on_readable(c));
}

static inline void forget(client* c) {
    closesocket(c->s);
    free(c->unsent);
    free(c);
}

static inline client* new_client(SOCKET s) {
    client* c = calloc(1, sizeof *c);
    c->s = s;
    no_delay(s);
    return c;
}

#endif
