/* Libc's own sockets, asked for with WHARF_LIBC_SOCKETS although Winsock's headers are on the include path. */
#define WHARF_LIBC_SOCKETS
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

int libc_sockets_work(void) {
    struct timeval wait = {30, 0};
    int pair[2];
    char text[8];
    fd_set readable;
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(80)};

    if (AF_INET6 != 10 || SOL_SOCKET != 1 || address.sin6_port != 0x5000)
        return 0;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || send(pair[0], "libc", 4, MSG_NOSIGNAL) != 4)
        return 0;
    FD_ZERO(&readable);
    FD_SET(pair[1], &readable);
    if (select(pair[1] + 1, &readable, NULL, NULL, &wait) != 1 || !FD_ISSET(pair[1], &readable))
        return 0;
    if (recv(pair[1], text, sizeof text, 0) != 4 || memcmp(text, "libc", 4) != 0)
        return 0;
    return close(pair[0]) == 0 && close(pair[1]) == 0;
}
