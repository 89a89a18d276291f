// select, with sets of as many sockets as there may be.
#include "model.h"

static client* clients[FD_SETSIZE];
static int count;
static fd_set readable, writable;

static void accept_one(SOCKET listener) {
    SOCKET s = accept(listener, NULL, NULL);
    if (s == INVALID_SOCKET) return;
    set_blocking(s, 0);
    clients[count++] = new_client(s);
}

static int serve(client* c) {
    if (FD_ISSET(c->s, &readable)) return on_readable(c);
    if (c->unsent && FD_ISSET(c->s, &writable)) return on_writable(c);
    return 1;
}

int main(int argc, char** argv) {
    SOCKET listener = open_server(argc, argv);
    set_blocking(listener, 0);
    for (;;) {
        FD_ZERO(&readable);
        FD_ZERO(&writable);
        if (count < FD_SETSIZE - 1) FD_SET(listener, &readable);
        for (int i = 0; i < count; i++) {
            // What FD_SET does, but for its search for a socket that is there already.
            fd_set* set = clients[i]->unsent ? &writable : &readable;
            set->fd_array[set->fd_count++] = clients[i]->s;
        }
        if (select(0, &readable, &writable, NULL, NULL) == SOCKET_ERROR) return 1;
        int accepts = FD_ISSET(listener, &readable);
        for (int i = 0; i < count; i++) {
            if (serve(clients[i])) continue;
            forget(clients[i]);
            clients[i--] = clients[--count];
        }
        if (accepts) accept_one(listener);
    }
}
