/* Winsock in a process whose other translation units use libc's sockets: neither sees the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define FD_SETSIZE 1024
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <process.h>
#include "program.h"

int libc_sockets_work(void);
int libc_types_are_libcs(void);

int main(void) {
    CHECK(libc_sockets_work());
    CHECK(libc_types_are_libcs());
    return run();
}
