/* Ends what wharf/hide_libc.h began. */
#pragma GCC system_header

#undef WHARF_LIBC_HIDDEN

#undef FD_SETSIZE
#pragma pop_macro("FD_SETSIZE")

#undef in6addr_any
#undef in6addr_loopback
#undef accept
#undef bind
#undef connect
#undef freeaddrinfo
#undef gai_strerror
#undef getaddrinfo
#undef gethostbyaddr
#undef gethostbyname
#undef getipv4sourcefilter
#undef getnameinfo
#undef getpeername
#undef getprotobyname
#undef getprotobynumber
#undef getservbyname
#undef getservbyport
#undef getsockname
#undef getsockopt
#undef getsourcefilter
#undef htonl
#undef htons
#undef inet_addr
#undef inet_ntoa
#undef inet_ntop
#undef inet_pton
#undef listen
#undef ntohl
#undef ntohs
#undef recv
#undef recvfrom
#undef select
#undef send
#undef sendto
#undef setipv4sourcefilter
#undef setsockopt
#undef setsourcefilter
#undef shutdown
#undef socket

#ifdef WHARF_WINSOCK
#include <wharf/reveal_winsock.h>
#endif
