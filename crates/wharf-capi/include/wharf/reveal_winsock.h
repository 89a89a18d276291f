/*
 * Winsock's meaning for the names and numbers that libc uses too. No guard: read by <winsock2.h>, and again after
 * each header of libc that follows it.
 */
#pragma GCC system_header

#define WHARF_WINSOCK

#include <wharf/socket_constants.h>

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
#undef ipv6_mreq
#undef group_filter
#undef group_req
#undef group_source_req
#undef hostent
#undef servent
#undef protoent
#undef addrinfo
#undef pollfd

#undef s_addr
#define s_addr S_un.S_addr
#undef h_addr
#define h_addr h_addr_list[0]
#undef h_errno
#define h_errno WSAGetLastError()
#undef gai_strerror
#ifdef UNICODE
#define gai_strerror gai_strerrorW
#else
#define gai_strerror gai_strerrorA
#endif

#undef IP_MSFILTER /* an option there, a structure here */
#undef IP_MSFILTER_SIZE
#define IP_MSFILTER_SIZE(count) (sizeof(IP_MSFILTER) - sizeof(IN_ADDR) + (count) * sizeof(IN_ADDR))
#undef GROUP_FILTER_SIZE
#define GROUP_FILTER_SIZE(count) \
    (sizeof(GROUP_FILTER) - sizeof(SOCKADDR_STORAGE) + (count) * sizeof(SOCKADDR_STORAGE))

#undef IN_CLASSA
#define IN_CLASSA(address) (((ULONG)(address) & 0x80000000) == 0)
#undef IN_CLASSB
#define IN_CLASSB(address) (((ULONG)(address) & 0xC0000000) == 0x80000000)
#undef IN_CLASSC
#define IN_CLASSC(address) (((ULONG)(address) & 0xE0000000) == 0xC0000000)
#undef IN_CLASSD
#define IN_CLASSD(address) (((ULONG)(address) & 0xF0000000) == 0xE0000000)
#undef IN_MULTICAST
#define IN_MULTICAST(address) IN_CLASSD(address)

#undef s6_addr
#define s6_addr u.Byte
#undef IN6ADDR_ANY_INIT
#define IN6ADDR_ANY_INIT {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}}
#undef IN6ADDR_LOOPBACK_INIT
#define IN6ADDR_LOOPBACK_INIT {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}}
#undef IN6_ARE_ADDR_EQUAL
#define IN6_ARE_ADDR_EQUAL(a, b) (memcmp((a), (b), sizeof(IN6_ADDR)) == 0)
#undef IN6_IS_ADDR_UNSPECIFIED
#define IN6_IS_ADDR_UNSPECIFIED(a) IN6_ARE_ADDR_EQUAL((a), &in6addr_any)
#undef IN6_IS_ADDR_LOOPBACK
#define IN6_IS_ADDR_LOOPBACK(a) IN6_ARE_ADDR_EQUAL((a), &in6addr_loopback)
#undef IN6_IS_ADDR_MULTICAST
#define IN6_IS_ADDR_MULTICAST(a) ((a)->u.Byte[0] == 0xFF)
#undef IN6_IS_ADDR_LINKLOCAL
#define IN6_IS_ADDR_LINKLOCAL(a) ((a)->u.Byte[0] == 0xFE && ((a)->u.Byte[1] & 0xC0) == 0x80)
#undef IN6_IS_ADDR_V4MAPPED
#define IN6_IS_ADDR_V4MAPPED(a) (memcmp((a), "\0\0\0\0\0\0\0\0\0\0\xFF\xFF", 12) == 0)
