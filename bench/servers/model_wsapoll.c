// WSAPoll over one array.
#include "model.h"

enum { ENTRIES_MAX = 16384 };

static WSAPOLLFD entries[ENTRIES_MAX]; // the listener, then the clients
static client* clients[ENTRIES_MAX];
static int count = 1;

static void accept_one(SOCKET listener) {
    SOCKET s = accept(listener, NULL, NULL);
    if (s == INVALID_SOCKET || count == ENTRIES_MAX) return;
    set_blocking(s, 0);
    entries[count].fd = s;
    entries[count].events = POLLRDNORM;
    clients[count++] = new_client(s);
}

static int serve(client* c, short happened) {
    if (happened & POLLNVAL) return 0;
    if (happened & POLLWRNORM && !on_writable(c)) return 0;
    return !(happened & (POLLRDNORM | POLLHUP | POLLERR)) || on_readable(c);
}

int main(int argc, char** argv) {
    SOCKET listener = open_server(argc, argv);
    set_blocking(listener, 0);
    entries[0].fd = listener;
    entries[0].events = POLLRDNORM;
    for (;;) {
        if (WSAPoll(entries, count, -1) == SOCKET_ERROR) return 1;
        for (int i = 1; i < count; i++) {
            if (!entries[i].revents) continue;
            if (serve(clients[i], entries[i].revents)) {
                entries[i].events = clients[i]->unsent ? POLLWRNORM : POLLRDNORM;
                continue;
            }
            forget(clients[i]);
            count--;
            clients[i] = clients[count];
            entries[i--] = entries[count];
        }
        if (entries[0].revents) accept_one(listener);
    }
}
