/* A translation unit that includes libc's headers, and not Winsock's, has libc's types without asking. */
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>

_Static_assert(AF_INET6 == 10 && SOL_SOCKET == 1 && SO_REUSEADDR == 2 && POLLIN == 1, "constants of libc");
_Static_assert(sizeof(struct linger) == 8 && sizeof(struct pollfd) == 8, "sizes of libc");
_Static_assert(sizeof(fd_set) == 128 && sizeof(u_long) == 8, "sizes of libc");
_Static_assert(offsetof(struct addrinfo, ai_addr) == 24 && sizeof(socklen_t) == 4, "layout of libc");

int libc_types_are_libcs(void) {
    struct pollfd nothing = {-1, POLLIN, 0};
    struct sockaddr_storage address = {.ss_family = AF_INET};
    return poll(&nothing, 1, 0) == 0 && ((struct sockaddr *)&address)->sa_family == AF_INET;
}
