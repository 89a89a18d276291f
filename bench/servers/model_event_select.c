// WSAEventSelect: an event for each client's network events.
#include "model_arrays.h"

static void* welcome(SOCKET s, WSAEVENT event) {
    WSAEventSelect(s, event, FD_READ | FD_WRITE | FD_CLOSE);
    return new_client(s);
}

static int serve(void* argument, WSAEVENT event) {
    client* c = argument;
    WSANETWORKEVENTS happened;
    if (WSAEnumNetworkEvents(c->s, event, &happened)) return 0;
    if (happened.lNetworkEvents & FD_WRITE && !on_writable(c)) return 0;
    if (happened.lNetworkEvents & FD_READ && !on_readable(c)) return 0;
    return !(happened.lNetworkEvents & FD_CLOSE);
}

static void part(void* client) { forget(client); }

int main(int argc, char** argv) {
    run_arrays(argc, argv);
    return 0; // not reached
}
