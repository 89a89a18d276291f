/* Sockets as descriptors of Linux, and the other way: libc's calls and Winsock's on one connection. */
#include <unistd.h>
#include <winsock2.h>
#include <wharf/descriptor.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                       \
    do {                                                                                                       \
        if (!(condition)) {                                                                                    \
            printf("%s:%d: %s does not hold, last error %d\n", __FILE__, __LINE__, #condition, WSAGetLastError()); \
            exit(1);                                                                                           \
        }                                                                                                      \
    } while (0)

int main(void) {
    WSADATA data;
    struct sockaddr_in address;
    int length = sizeof address, fd, ends[2];
    SOCKET listener, client, server;
    char b[8];

    CHECK(WSAStartup(MAKEWORD(2, 2), &data) == 0);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    client = socket(AF_INET, SOCK_STREAM, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener, (SOCKADDR *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (SOCKADDR *)&address, &length) == 0);
    CHECK(connect(client, (SOCKADDR *)&address, sizeof address) == 0);
    server = accept(listener, NULL, NULL);

    fd = wharf_handle_to_fd(server);
    CHECK(fd >= 0 && write(fd, "libc", 4) == 4);
    CHECK(recv(client, b, sizeof b, 0) == 4 && memcmp(b, "libc", 4) == 0);
    CHECK(closesocket(server) == 0);

    /* The duplicate keeps the connection open, and becomes a socket again. */
    server = wharf_fd_to_socket(fd);
    CHECK(server != INVALID_SOCKET);
    CHECK(send(server, "wharf", 5, 0) == 5 && recv(client, b, sizeof b, 0) == 5);
    CHECK(getpeername(server, (SOCKADDR *)&address, &length) == 0);

    CHECK(wharf_handle_to_fd(0) == -1 && WSAGetLastError() == WSAENOTSOCK);
    CHECK(pipe(ends) == 0 && wharf_fd_to_socket(ends[0]) == INVALID_SOCKET && WSAGetLastError() == WSAENOTSOCK);
    CHECK(close(ends[0]) == 0 && close(ends[1]) == 0); /* what was refused is still the caller's */
    CHECK(wharf_fd_to_socket(-1) == INVALID_SOCKET && WSAGetLastError() == WSAENOTSOCK);
    closesocket(server);
    CHECK(recv(client, b, sizeof b, 0) == 0);
    closesocket(client);
    closesocket(listener);
    CHECK(WSACleanup() == 0);
    printf("ok\n");
    return 0;
}
