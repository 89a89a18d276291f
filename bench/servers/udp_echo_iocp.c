// udp-echo: one socket on a completion port, many slots; each receives a datagram, sends it back, and begins again.
// udp-relay: sends it from another socket.
#include "server.h"

enum { BUFFER_LEN = 16384, SLOTS = 64, RECEIVE_BUFFER = 4 << 20 };

typedef struct {
    OVERLAPPED overlapped;
    struct sockaddr_in peer;
    int peer_len, sending;
    char data[BUFFER_LEN];
} slot;

static SOCKET in, out;
static slot slots[SLOTS];

// Starts the slot's next operation: sends what it holds, or receives. What fails at once brings no packet: again.
static void start(slot* one, DWORD len) {
    for (;;) {
        WSABUF b = {one->sending ? len : BUFFER_LEN, one->data};
        DWORD n, flags = 0;
        int result;
        memset(&one->overlapped, 0, sizeof one->overlapped);
        one->peer_len = sizeof one->peer;
        struct sockaddr* peer = (struct sockaddr*)&one->peer;
        if (one->sending)
            result = WSASendTo(out, &b, 1, &n, 0, peer, sizeof one->peer, &one->overlapped, NULL);
        else
            result = WSARecvFrom(in, &b, 1, &n, &flags, peer, &one->peer_len, &one->overlapped, NULL);
        if (result == 0 || WSAGetLastError() == WSA_IO_PENDING) return;
        one->sending = 0;
    }
}

static DWORD WINAPI worker(void* unused) {
    (void)unused;
    for (;;) {
        DWORD n;
        ULONG_PTR key;
        OVERLAPPED* overlapped = NULL;
        BOOL ok = GetQueuedCompletionStatus(port, &n, &key, &overlapped, INFINITE);
        if (!overlapped) continue;
        slot* one = CONTAINING_RECORD(overlapped, slot, overlapped);
        one->sending = ok && !one->sending;
        start(one, n);
    }
    return 0; // not reached
}

static SOCKET bound_to(int udp_port) {
    SOCKET s = WSASocketW(AF_INET, SOCK_DGRAM, IPPROTO_UDP, NULL, 0, WSA_FLAG_OVERLAPPED);
    int size = RECEIVE_BUFFER;
    setsockopt(s, SOL_SOCKET, SO_RCVBUF, (char*)&size, sizeof size);
    struct sockaddr_in address = {0};
    address.sin_family = AF_INET;
    address.sin_port = htons((u_short)udp_port);
    if (bind(s, (struct sockaddr*)&address, sizeof address)) {
        fprintf(stderr, "cannot bind: error %d\n", WSAGetLastError());
        exit(1);
    }
    CreateIoCompletionPort((HANDLE)s, port, 0, 0);
    return s;
}

int main(int argc, char** argv) {
    start_workers(argc, argv, worker);
    in = bound_to(number(argc, argv, 1, 9000));
    out = strcmp(workload, "udp-relay") ? in : bound_to(0);
    for (int i = 0; i < SLOTS; i++) start(&slots[i], 0);
    Sleep(INFINITE);
    return 0;
}
