/*
 * What Windows does not have: sockets as descriptors of Linux, and the other way. For programs that hand a socket to a
 * library of Linux, or take one from it.
 */
#ifndef WHARF_DESCRIPTOR_H
#define WHARF_DESCRIPTOR_H

#include <winsock2.h>

WHARF_BEGIN_DECLARATIONS

/*
 * A duplicate of the socket's descriptor, which the caller owns and closes; -1 and the last error on failure. It shares the
 * connection with the socket and is non-blocking, and must stay so: on one that was told to block connects block, and so may
 * an accept if the duplicate accepts too.
 */
int wharf_handle_to_fd(SOCKET s);

/*
 * A socket made of a TCP or UDP descriptor, fresh, bound, listening or connected; it owns the descriptor from then on, and
 * makes it non-blocking. INVALID_SOCKET and the last error on failure, when the descriptor stays
 * the caller's (WSAEMFILE alone closes it).
 */
SOCKET wharf_fd_to_socket(int fd);

WHARF_END_DECLARATIONS

#endif
