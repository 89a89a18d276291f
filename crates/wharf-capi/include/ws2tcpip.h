/* Winsock 2: IPv6, multicast membership, address text and name resolution's types. */
#ifndef _WS2TCPIP_H_
#define _WS2TCPIP_H_
#pragma GCC system_header

#include <winsock2.h>

#include <stdlib.h>

/* libc's socklen_t is unsigned. Its typedef is made here first, since <unistd.h> would make it later. */
#ifndef __socklen_t_defined
typedef __socklen_t socklen_t;
#define __socklen_t_defined
#endif
typedef int wharf_socklen_t;
#define socklen_t wharf_socklen_t

typedef struct in6_addr {
    union {
        UCHAR Byte[16];
        USHORT Word[8];
    } u;
} IN6_ADDR, *PIN6_ADDR, *LPIN6_ADDR;

typedef struct sockaddr_in6 {
    ADDRESS_FAMILY sin6_family;
    USHORT sin6_port;
    ULONG sin6_flowinfo;
    IN6_ADDR sin6_addr;
    ULONG sin6_scope_id;
} SOCKADDR_IN6, *PSOCKADDR_IN6, *LPSOCKADDR_IN6;

struct sockaddr_in6_old {
    SHORT sin6_family;
    USHORT sin6_port;
    ULONG sin6_flowinfo;
    IN6_ADDR sin6_addr;
};

typedef union sockaddr_gen {
    struct sockaddr Address;
    struct sockaddr_in AddressIn;
    struct sockaddr_in6_old AddressIn6;
} sockaddr_gen;

typedef struct _INTERFACE_INFO {
    u_long iiFlags;
    sockaddr_gen iiAddress;
    sockaddr_gen iiBroadcastAddress;
    sockaddr_gen iiNetmask;
} INTERFACE_INFO, *LPINTERFACE_INFO;

typedef union _SOCKADDR_INET {
    SOCKADDR_IN Ipv4;
    SOCKADDR_IN6 Ipv6;
    ADDRESS_FAMILY si_family;
} SOCKADDR_INET, *PSOCKADDR_INET;

typedef struct ip_mreq {
    IN_ADDR imr_multiaddr;
    IN_ADDR imr_interface;
} IP_MREQ, *PIP_MREQ;

typedef struct ip_mreq_source {
    IN_ADDR imr_multiaddr;
    IN_ADDR imr_sourceaddr;
    IN_ADDR imr_interface;
} IP_MREQ_SOURCE, *PIP_MREQ_SOURCE;

typedef INT MULTICAST_MODE_TYPE; /* MCAST_INCLUDE, MCAST_EXCLUDE */

typedef struct ip_msfilter {
    IN_ADDR imsf_multiaddr;
    IN_ADDR imsf_interface;
    MULTICAST_MODE_TYPE imsf_fmode;
    ULONG imsf_numsrc;
    IN_ADDR imsf_slist[1];
} IP_MSFILTER, *PIP_MSFILTER;

typedef struct ipv6_mreq {
    IN6_ADDR ipv6mr_multiaddr;
    ULONG ipv6mr_interface;
} IPV6_MREQ, *PIPV6_MREQ;

typedef struct group_req {
    ULONG gr_interface;
    SOCKADDR_STORAGE gr_group;
} GROUP_REQ, *PGROUP_REQ;

typedef struct group_source_req {
    ULONG gsr_interface;
    SOCKADDR_STORAGE gsr_group;
    SOCKADDR_STORAGE gsr_source;
} GROUP_SOURCE_REQ, *PGROUP_SOURCE_REQ;

typedef struct group_filter {
    ULONG gf_interface;
    SOCKADDR_STORAGE gf_group;
    MULTICAST_MODE_TYPE gf_fmode;
    ULONG gf_numsrc;
    SOCKADDR_STORAGE gf_slist[1];
} GROUP_FILTER, *PGROUP_FILTER;

typedef struct in_pktinfo {
    IN_ADDR ipi_addr;
    ULONG ipi_ifindex;
} IN_PKTINFO, *PIN_PKTINFO;

typedef struct in6_pktinfo {
    IN6_ADDR ipi6_addr;
    ULONG ipi6_ifindex;
} IN6_PKTINFO, *PIN6_PKTINFO;

typedef struct addrinfo {
    int ai_flags;
    int ai_family;
    int ai_socktype;
    int ai_protocol;
    size_t ai_addrlen;
    char *ai_canonname;
    struct sockaddr *ai_addr;
    struct addrinfo *ai_next;
} ADDRINFOA, *PADDRINFOA;

typedef struct addrinfoW {
    int ai_flags;
    int ai_family;
    int ai_socktype;
    int ai_protocol;
    size_t ai_addrlen;
    PWSTR ai_canonname;
    struct sockaddr *ai_addr;
    struct addrinfoW *ai_next;
} ADDRINFOW, *PADDRINFOW;

#ifndef _tagBLOB_DEFINED
#define _tagBLOB_DEFINED
typedef struct _BLOB {
    ULONG cbSize;
    BYTE *pBlobData;
} BLOB, *LPBLOB;
#endif

typedef struct addrinfoexA {
    int ai_flags;
    int ai_family;
    int ai_socktype;
    int ai_protocol;
    size_t ai_addrlen;
    char *ai_canonname;
    struct sockaddr *ai_addr;
    void *ai_blob;
    size_t ai_bloblen;
    LPGUID ai_provider;
    struct addrinfoexA *ai_next;
} ADDRINFOEXA, *PADDRINFOEXA, *LPADDRINFOEXA;

typedef struct addrinfoexW {
    int ai_flags;
    int ai_family;
    int ai_socktype;
    int ai_protocol;
    size_t ai_addrlen;
    PWSTR ai_canonname;
    struct sockaddr *ai_addr;
    void *ai_blob;
    size_t ai_bloblen;
    LPGUID ai_provider;
    struct addrinfoexW *ai_next;
} ADDRINFOEXW, *PADDRINFOEXW, *LPADDRINFOEXW;

typedef struct addrinfoex2A {
    int ai_flags;
    int ai_family;
    int ai_socktype;
    int ai_protocol;
    size_t ai_addrlen;
    char *ai_canonname;
    struct sockaddr *ai_addr;
    void *ai_blob;
    size_t ai_bloblen;
    LPGUID ai_provider;
    struct addrinfoex2A *ai_next;
    int ai_version;
    char *ai_fqdn;
} ADDRINFOEX2A, *PADDRINFOEX2A, *LPADDRINFOEX2A;

typedef struct addrinfoex2W {
    int ai_flags;
    int ai_family;
    int ai_socktype;
    int ai_protocol;
    size_t ai_addrlen;
    PWSTR ai_canonname;
    struct sockaddr *ai_addr;
    void *ai_blob;
    size_t ai_bloblen;
    LPGUID ai_provider;
    struct addrinfoex2W *ai_next;
    int ai_version;
    PWSTR ai_fqdn;
} ADDRINFOEX2W, *PADDRINFOEX2W, *LPADDRINFOEX2W;

/* Later versions have wide characters only. */

typedef struct addrinfoex3 {
    int ai_flags;
    int ai_family;
    int ai_socktype;
    int ai_protocol;
    size_t ai_addrlen;
    PWSTR ai_canonname;
    struct sockaddr *ai_addr;
    void *ai_blob;
    size_t ai_bloblen;
    LPGUID ai_provider;
    struct addrinfoex3 *ai_next;
    int ai_version;
    PWSTR ai_fqdn;
    int ai_interfaceindex;
} ADDRINFOEX3, *PADDRINFOEX3, *LPADDRINFOEX3;

typedef struct addrinfoex4 {
    int ai_flags;
    int ai_family;
    int ai_socktype;
    int ai_protocol;
    size_t ai_addrlen;
    PWSTR ai_canonname;
    struct sockaddr *ai_addr;
    void *ai_blob;
    size_t ai_bloblen;
    LPGUID ai_provider;
    struct addrinfoex4 *ai_next;
    int ai_version;
    PWSTR ai_fqdn;
    int ai_interfaceindex;
    HANDLE ai_resolutionhandle;
} ADDRINFOEX4, *PADDRINFOEX4, *LPADDRINFOEX4;

typedef struct addrinfoex5 {
    int ai_flags;
    int ai_family;
    int ai_socktype;
    int ai_protocol;
    size_t ai_addrlen;
    PWSTR ai_canonname;
    struct sockaddr *ai_addr;
    void *ai_blob;
    size_t ai_bloblen;
    LPGUID ai_provider;
    struct addrinfoex5 *ai_next;
    int ai_version;
    PWSTR ai_fqdn;
    int ai_interfaceindex;
    HANDLE ai_resolutionhandle;
    unsigned int ai_ttl;
} ADDRINFOEX5, *PADDRINFOEX5, *LPADDRINFOEX5;

typedef struct addrinfo_dns_server {
    ULONG ai_servertype;
    ULONG64 ai_flags;
    ULONG ai_addrlen;
    struct sockaddr *ai_addr;
    union {
        PWSTR ai_template;
    };
} ADDRINFO_DNS_SERVER;

typedef struct addrinfoex6 {
    int ai_flags;
    int ai_family;
    int ai_socktype;
    int ai_protocol;
    size_t ai_addrlen;
    PWSTR ai_canonname;
    struct sockaddr *ai_addr;
    void *ai_blob;
    size_t ai_bloblen;
    LPGUID ai_provider;
    struct addrinfoex5 *ai_next;
    int ai_version;
    PWSTR ai_fqdn;
    int ai_interfaceindex;
    HANDLE ai_resolutionhandle;
    unsigned int ai_ttl;
    unsigned int ai_numservers;
    ADDRINFO_DNS_SERVER *ai_servers;
    ULONG64 ai_responseflags;
} ADDRINFOEX6, *PADDRINFOEX6;

#ifdef UNICODE
typedef ADDRINFOW ADDRINFOT, *PADDRINFOT;
typedef ADDRINFOEXW ADDRINFOEX, *PADDRINFOEX, *LPADDRINFOEX;
typedef ADDRINFOEX2W ADDRINFOEX2, *PADDRINFOEX2, *LPADDRINFOEX2;
#else
typedef ADDRINFOA ADDRINFOT, *PADDRINFOT;
typedef ADDRINFOEXA ADDRINFOEX, *PADDRINFOEX, *LPADDRINFOEX;
typedef ADDRINFOEX2A ADDRINFOEX2, *PADDRINFOEX2, *LPADDRINFOEX2;
#endif
typedef ADDRINFOA ADDRINFO, *LPADDRINFO;

/* Told that an asynchronous GetAddrInfoExW is over, on a thread of the library. */
typedef void(CALLBACK *LPLOOKUPSERVICE_COMPLETION_ROUTINE)(DWORD dwError, DWORD dwBytes, LPWSAOVERLAPPED lpOverlapped);

WHARF_BEGIN_DECLARATIONS

/* libc's objects: sixteen bytes in network order there too. */
extern const IN6_ADDR in6addr_any;
extern const IN6_ADDR in6addr_loopback;

INT inet_pton(INT Family, LPCSTR pszAddrString, PVOID pAddrBuf) WHARF_SYMBOL(inet_pton);
LPCSTR inet_ntop(INT Family, const VOID *pAddr, LPSTR pStringBuf, size_t StringBufSize) WHARF_SYMBOL(inet_ntop);
INT InetPtonW(INT Family, LPCWSTR pszAddrString, PVOID pAddrBuf) WHARF_WIDE_SYMBOL(InetPtonW);
LPCWSTR InetNtopW(INT Family, const VOID *pAddr, LPWSTR pStringBuf, size_t StringBufSize)
    WHARF_WIDE_SYMBOL(InetNtopW);

INT getaddrinfo(PCSTR pNodeName, PCSTR pServiceName, const ADDRINFOA *pHints, PADDRINFOA *ppResult)
    WHARF_SYMBOL(getaddrinfo);
INT GetAddrInfoW(PCWSTR pNodeName, PCWSTR pServiceName, const ADDRINFOW *pHints, PADDRINFOW *ppResult)
    WHARF_WIDE_SYMBOL(GetAddrInfoW);
VOID freeaddrinfo(PADDRINFOA pAddrInfo) WHARF_SYMBOL(freeaddrinfo);
VOID FreeAddrInfoW(PADDRINFOW pAddrInfo); /* for names of any width */

INT GetAddrInfoExA(PCSTR pName, PCSTR pServiceName, DWORD dwNameSpace, LPGUID lpNspId, const ADDRINFOEXA *hints,
                   PADDRINFOEXA *ppResult, struct timeval *timeout, LPOVERLAPPED lpOverlapped,
                   LPLOOKUPSERVICE_COMPLETION_ROUTINE lpCompletionRoutine, LPHANDLE lpNameHandle);
INT GetAddrInfoExW(PCWSTR pName, PCWSTR pServiceName, DWORD dwNameSpace, LPGUID lpNspId, const ADDRINFOEXW *hints,
                   PADDRINFOEXW *ppResult, struct timeval *timeout, LPOVERLAPPED lpOverlapped,
                   LPLOOKUPSERVICE_COMPLETION_ROUTINE lpCompletionRoutine, LPHANDLE lpHandle)
    WHARF_WIDE_SYMBOL(GetAddrInfoExW);
INT GetAddrInfoExCancel(LPHANDLE lpHandle);
INT GetAddrInfoExOverlappedResult(LPOVERLAPPED lpOverlapped);
VOID FreeAddrInfoEx(PADDRINFOEXA pAddrInfoEx);
VOID FreeAddrInfoExW(PADDRINFOEXW pAddrInfoEx); /* for names of any width */
INT SetAddrInfoExA(PCSTR pName, PCSTR pServiceName, SOCKET_ADDRESS *pAddresses, DWORD dwAddressCount, LPBLOB lpBlob,
                   DWORD dwFlags, DWORD dwNameSpace, LPGUID lpNspId, struct timeval *timeout, LPOVERLAPPED lpOverlapped,
                   LPLOOKUPSERVICE_COMPLETION_ROUTINE lpCompletionRoutine, LPHANDLE lpNameHandle);
INT SetAddrInfoExW(PCWSTR pName, PCWSTR pServiceName, SOCKET_ADDRESS *pAddresses, DWORD dwAddressCount, LPBLOB lpBlob,
                   DWORD dwFlags, DWORD dwNameSpace, LPGUID lpNspId, struct timeval *timeout, LPOVERLAPPED lpOverlapped,
                   LPLOOKUPSERVICE_COMPLETION_ROUTINE lpCompletionRoutine,
                   LPHANDLE lpNameHandle); /* reads no names */

INT getnameinfo(const SOCKADDR *pSockaddr, socklen_t SockaddrLength, PCHAR pNodeBuffer, DWORD NodeBufferSize,
                PCHAR pServiceBuffer, DWORD ServiceBufferSize, INT Flags) WHARF_SYMBOL(getnameinfo);
INT GetNameInfoW(const SOCKADDR *pSockaddr, socklen_t SockaddrLength, PWCHAR pNodeBuffer, DWORD NodeBufferSize,
                 PWCHAR pServiceBuffer, DWORD ServiceBufferSize, INT Flags) WHARF_WIDE_SYMBOL(GetNameInfoW);

WHARF_END_DECLARATIONS

#define InetPtonA inet_pton
#define InetNtopA inet_ntop
#define GetAddrInfoA getaddrinfo
#define FreeAddrInfoA freeaddrinfo
#define GetNameInfoA getnameinfo
#define FreeAddrInfoExA FreeAddrInfoEx
#ifdef UNICODE
#define GetAddrInfoEx GetAddrInfoExW
#define SetAddrInfoEx SetAddrInfoExW
#define FreeAddrInfoEx FreeAddrInfoExW
#define InetPton InetPtonW
#define InetNtop InetNtopW
#define GetAddrInfo GetAddrInfoW
#define FreeAddrInfo FreeAddrInfoW
#define GetNameInfo GetNameInfoW
#else
#define GetAddrInfoEx GetAddrInfoExA
#define SetAddrInfoEx SetAddrInfoExA
#define InetPton InetPtonA
#define InetNtop InetNtopA
#define GetAddrInfo GetAddrInfoA
#define FreeAddrInfo FreeAddrInfoA
#define GetNameInfo GetNameInfoA
#endif

/* The codes of getaddrinfo and getnameinfo in words. The texts are constant, so threads need not take turns. */
#define GAI_STRERROR_BUFFER_SIZE 1024
#define WHARF_GAI_STRERROR(ecode, Text)                                   \
    switch (ecode) {                                                      \
    case EAI_AGAIN:                                                       \
        return Text("The name cannot be resolved for the moment.");       \
    case EAI_BADFLAGS:                                                    \
        return Text("A flag or an argument is not valid.");               \
    case EAI_FAIL:                                                        \
        return Text("The name cannot be resolved for good.");             \
    case EAI_FAMILY:                                                      \
        return Text("The address family is not supported.");              \
    case EAI_MEMORY:                                                      \
        return Text("There is not enough memory.");                       \
    case EAI_NODATA:                                                      \
        return Text("The name has no address of the kind asked for.");    \
    case EAI_NONAME:                                                      \
        return Text("There is no such host.");                            \
    case EAI_SERVICE:                                                     \
        return Text("There is no such service for this type of socket."); \
    case EAI_SOCKTYPE:                                                    \
        return Text("The type of socket is not supported.");              \
    default:                                                              \
        return Text("Unknown error.");                                    \
    }
#define WHARF_GAI_ANSI(text) ((char *)(text))
#define WHARF_GAI_WIDE(text) ((WCHAR *)(L##text))
static inline char *gai_strerrorA(int ecode) { WHARF_GAI_STRERROR(ecode, WHARF_GAI_ANSI) }
static inline WCHAR *gai_strerrorW(int ecode) { WHARF_GAI_STRERROR(ecode, WHARF_GAI_WIDE) }

/* How much of what is sent over a connection should be on its way, and a wait for a change of that. */

static inline int idealsendbacklogquery(SOCKET s, ULONG *pISB) {
    DWORD returned;
    return WSAIoctl(s, SIO_IDEAL_SEND_BACKLOG_QUERY, NULL, 0, pISB, sizeof *pISB, &returned, NULL, NULL);
}

static inline int idealsendbacklognotify(SOCKET s, LPWSAOVERLAPPED lpOverlapped,
                                         LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) {
    DWORD returned;
    return WSAIoctl(s, SIO_IDEAL_SEND_BACKLOG_CHANGE, NULL, 0, NULL, 0, &returned, lpOverlapped, lpCompletionRoutine);
}

/* The filter of a multicast membership as a whole, by the control codes. A list that is read has as many sources as
   *SourceCount has room for; afterwards *SourceCount is how many there are. */

#define WHARF_SOURCES_MAX 0xFFFF /* more than any filter has */

static inline int wharf_no_buffers(void) {
    WSASetLastError(WSAENOBUFS);
    return SOCKET_ERROR;
}

static inline int setipv4sourcefilter(SOCKET Socket, IN_ADDR Interface, IN_ADDR Group, MULTICAST_MODE_TYPE FilterMode,
                                      ULONG SourceCount, const IN_ADDR *SourceList) {
    int result;
    DWORD size, returned;
    IP_MSFILTER *filter;
    if (SourceCount > WHARF_SOURCES_MAX)
        return wharf_no_buffers();
    size = IP_MSFILTER_SIZE(SourceCount);
    filter = (IP_MSFILTER *)malloc(sizeof *filter + size);
    if (filter == NULL)
        return wharf_no_buffers();
    filter->imsf_multiaddr = Group;
    filter->imsf_interface = Interface;
    filter->imsf_fmode = FilterMode;
    filter->imsf_numsrc = SourceCount;
    if (SourceCount != 0)
        memcpy(filter->imsf_slist, SourceList, SourceCount * sizeof *SourceList);
    result = WSAIoctl(Socket, SIOCSIPMSFILTER, filter, size, NULL, 0, &returned, NULL, NULL);
    free(filter);
    return result;
}

static inline int getipv4sourcefilter(SOCKET Socket, IN_ADDR Interface, IN_ADDR Group, MULTICAST_MODE_TYPE *FilterMode,
                                      ULONG *SourceCount, IN_ADDR *SourceList) {
    int result;
    ULONG room = *SourceCount < WHARF_SOURCES_MAX ? *SourceCount : WHARF_SOURCES_MAX;
    DWORD size = IP_MSFILTER_SIZE(room), returned;
    IP_MSFILTER *filter = (IP_MSFILTER *)malloc(sizeof *filter + size);
    if (filter == NULL)
        return wharf_no_buffers();
    filter->imsf_multiaddr = Group;
    filter->imsf_interface = Interface;
    filter->imsf_numsrc = room;
    result = WSAIoctl(Socket, SIOCGIPMSFILTER, filter, size, filter, size, &returned, NULL, NULL);
    if (result == 0) {
        *FilterMode = filter->imsf_fmode;
        *SourceCount = filter->imsf_numsrc;
        room = room < *SourceCount ? room : *SourceCount;
        if (room != 0)
            memcpy(SourceList, filter->imsf_slist, room * sizeof *SourceList);
    }
    free(filter);
    return result;
}

static inline int setsourcefilter(SOCKET Socket, ULONG Interface, const SOCKADDR *Group, int GroupLength,
                                  MULTICAST_MODE_TYPE FilterMode, ULONG SourceCount,
                                  const SOCKADDR_STORAGE *SourceList) {
    int result;
    DWORD size, returned;
    GROUP_FILTER *filter;
    if (SourceCount > WHARF_SOURCES_MAX || (size_t)GroupLength > sizeof filter->gf_group)
        return wharf_no_buffers();
    size = GROUP_FILTER_SIZE(SourceCount);
    filter = (GROUP_FILTER *)calloc(1, sizeof *filter + size);
    if (filter == NULL)
        return wharf_no_buffers();
    filter->gf_interface = Interface;
    memcpy(&filter->gf_group, Group, (size_t)GroupLength);
    filter->gf_fmode = FilterMode;
    filter->gf_numsrc = SourceCount;
    if (SourceCount != 0)
        memcpy(filter->gf_slist, SourceList, SourceCount * sizeof *SourceList);
    result = WSAIoctl(Socket, SIOCSMSFILTER, filter, size, NULL, 0, &returned, NULL, NULL);
    free(filter);
    return result;
}

static inline int getsourcefilter(SOCKET Socket, ULONG Interface, const SOCKADDR *Group, int GroupLength,
                                  MULTICAST_MODE_TYPE *FilterMode, ULONG *SourceCount, SOCKADDR_STORAGE *SourceList) {
    int result;
    ULONG room = *SourceCount < WHARF_SOURCES_MAX ? *SourceCount : WHARF_SOURCES_MAX;
    DWORD size = GROUP_FILTER_SIZE(room), returned;
    GROUP_FILTER *filter;
    if ((size_t)GroupLength > sizeof filter->gf_group)
        return wharf_no_buffers();
    filter = (GROUP_FILTER *)calloc(1, sizeof *filter + size);
    if (filter == NULL)
        return wharf_no_buffers();
    filter->gf_interface = Interface;
    memcpy(&filter->gf_group, Group, (size_t)GroupLength);
    filter->gf_numsrc = room;
    result = WSAIoctl(Socket, SIOCGMSFILTER, filter, size, filter, size, &returned, NULL, NULL);
    if (result == 0) {
        *FilterMode = filter->gf_fmode;
        *SourceCount = filter->gf_numsrc;
        room = room < *SourceCount ? room : *SourceCount;
        if (room != 0)
            memcpy(SourceList, filter->gf_slist, room * sizeof *SourceList);
    }
    free(filter);
    return result;
}

#endif
