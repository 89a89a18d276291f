/*
 * How libc's socket names and Winsock's live in one translation unit.
 *
 * Each header of libc that declares such a name has a wrapper here with the same name. It reads this file, then
 * libc's header, then wharf/restore_names.h. Between the two, libc's names are macros for wharf_libc_<name>, so that
 * is what libc's header declares. What happens afterwards depends on whether <winsock2.h> was read:
 *
 * - yes: the names are Winsock's again;
 * - not yet: types stay macros for libc's types, so that headers which use `struct sockaddr` keep compiling until
 *   <winsock2.h> comes; functions stay hidden.
 *
 * A translation unit that wants libc's sockets, and not Winsock's, defines WHARF_LIBC_SOCKETS: the wrappers then
 * do nothing.
 */
#pragma GCC system_header

#define WHARF_LIBC_HIDDEN

#pragma push_macro("FD_SETSIZE")
#undef FD_SETSIZE

#ifdef WHARF_WINSOCK
#include <wharf/undefine_socket_constants.h>
#undef s_addr
#undef h_addr
#undef h_errno
#undef s6_addr
#endif

/* Types */
#undef fd_set
#undef linger
#undef sockaddr
#undef sockaddr_in
#undef sockaddr_in6
#undef sockaddr_storage
#undef in_addr
#undef in6_addr
#undef in_pktinfo
#undef in6_pktinfo
#undef ip_mreq
#undef ip_mreq_source
#undef ip_msfilter
#undef IP_MSFILTER_SIZE
#undef GROUP_FILTER_SIZE
#undef ipv6_mreq
#undef group_filter
#undef group_req
#undef group_source_req
#undef hostent
#undef servent
#undef protoent
#undef addrinfo
#undef pollfd
#define fd_set wharf_libc_fd_set
#define linger wharf_libc_linger
#define sockaddr wharf_libc_sockaddr
#define sockaddr_in wharf_libc_sockaddr_in
#define sockaddr_in6 wharf_libc_sockaddr_in6
#define sockaddr_storage wharf_libc_sockaddr_storage
#define in_addr wharf_libc_in_addr
#define in6_addr wharf_libc_in6_addr
#define in_pktinfo wharf_libc_in_pktinfo
#define in6_pktinfo wharf_libc_in6_pktinfo
#define ip_mreq wharf_libc_ip_mreq
#define ip_mreq_source wharf_libc_ip_mreq_source
#define ip_msfilter wharf_libc_ip_msfilter
#define ipv6_mreq wharf_libc_ipv6_mreq
#define group_filter wharf_libc_group_filter
#define group_req wharf_libc_group_req
#define group_source_req wharf_libc_group_source_req
#define hostent wharf_libc_hostent
#define servent wharf_libc_servent
#define protoent wharf_libc_protoent
#define addrinfo wharf_libc_addrinfo
#define pollfd wharf_libc_pollfd

/* Objects and functions */
#define in6addr_any wharf_libc_in6addr_any
#define in6addr_loopback wharf_libc_in6addr_loopback
#define accept wharf_libc_accept
#define bind wharf_libc_bind
#define connect wharf_libc_connect
#undef gai_strerror
#define freeaddrinfo wharf_libc_freeaddrinfo
#define gai_strerror wharf_libc_gai_strerror
#define getaddrinfo wharf_libc_getaddrinfo
#define gethostbyaddr wharf_libc_gethostbyaddr
#define gethostbyname wharf_libc_gethostbyname
#define getipv4sourcefilter wharf_libc_getipv4sourcefilter
#define getnameinfo wharf_libc_getnameinfo
#define getpeername wharf_libc_getpeername
#define getprotobyname wharf_libc_getprotobyname
#define getprotobynumber wharf_libc_getprotobynumber
#define getservbyname wharf_libc_getservbyname
#define getservbyport wharf_libc_getservbyport
#define getsockname wharf_libc_getsockname
#define getsockopt wharf_libc_getsockopt
#define getsourcefilter wharf_libc_getsourcefilter
#define htonl wharf_libc_htonl
#define htons wharf_libc_htons
#define inet_addr wharf_libc_inet_addr
#define inet_ntoa wharf_libc_inet_ntoa
#define inet_ntop wharf_libc_inet_ntop
#define inet_pton wharf_libc_inet_pton
#define listen wharf_libc_listen
#define ntohl wharf_libc_ntohl
#define ntohs wharf_libc_ntohs
#define recv wharf_libc_recv
#define recvfrom wharf_libc_recvfrom
#define select wharf_libc_select
#define send wharf_libc_send
#define sendto wharf_libc_sendto
#define setipv4sourcefilter wharf_libc_setipv4sourcefilter
#define setsockopt wharf_libc_setsockopt
#define setsourcefilter wharf_libc_setsourcefilter
#define shutdown wharf_libc_shutdown
#define socket wharf_libc_socket
