// Overlapped operations, each client's with an event.
#include "model_arrays.h"
#include "model_overlapped.h"

static void* welcome(SOCKET s, WSAEVENT event) {
    overlapped_client* c = calloc(1, sizeof *c);
    c->s = s;
    c->overlapped.hEvent = event;
    // What cannot be started brings no event of its own: the client goes with this one.
    if (!start(c, NULL)) {
        c->s = INVALID_SOCKET;
        closesocket(s);
        WSASetEvent(event);
    }
    return c;
}

static int serve(void* argument, WSAEVENT event) {
    overlapped_client* c = argument;
    DWORD n, flags;
    if (!WSAGetOverlappedResult(c->s, &c->overlapped, &n, FALSE, &flags) || n == 0) return 0;
    WSAResetEvent(event);
    advance(c, n);
    return start(c, NULL);
}

static void part(void* argument) {
    overlapped_client* c = argument;
    closesocket(c->s);
    free(c);
}

int main(int argc, char** argv) {
    run_arrays(argc, argv);
    return 0; // not reached
}
