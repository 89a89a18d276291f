// A thread for each connection, which blocks.
#include "model.h"

static DWORD WINAPI serve(void* argument) {
    client* c = argument;
    char buffer[BUFFER_LEN];
    int received;
    while ((received = recv(c->s, buffer, sizeof buffer, 0)) > 0) {
        int sent = 0, n = 1;
        while (sent < received && n > 0) {
            n = send(c->s, buffer + sent, received - sent, 0);
            sent += n;
        }
        if (n <= 0) break;
    }
    forget(c);
    return 0;
}

int main(int argc, char** argv) {
    SOCKET listener = open_server(argc, argv);
    for (;;) {
        client* c = new_client(accept_from(listener));
        CloseHandle(CreateThread(NULL, 0, serve, c, 0, NULL));
    }
}
