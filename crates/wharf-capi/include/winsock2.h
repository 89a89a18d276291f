/*
 * Winsock 2.
 *
 * libc has functions, types and constants of the same names with other meanings. Here the names are Winsock's:
 * functions carry the symbol wharf_<name>, so libc's own stay what they are for the rest of the process, and what
 * libc's headers declare, before or after this one, is moved out of the way (wharf/hide_libc.h).
 *
 * One type is libc's: `struct timeval`, since programs take it from <sys/time.h> as well.
 */
#ifndef _WINSOCK2API_
#define _WINSOCK2API_
#ifndef _WINSOCKAPI_
#define _WINSOCKAPI_
#endif
#pragma GCC system_header

#ifdef WHARF_LIBC_SOCKETS
#error "WHARF_LIBC_SOCKETS keeps libc's sockets in this translation unit: <winsock2.h> cannot be had too"
#endif

#include <windows.h>

#include <sys/select.h>
#include <sys/time.h>
#include <sys/types.h>

#include <wharf/reveal_winsock.h>

/* The symbol of a function whose name libc uses too. */
#define WHARF_SYMBOL(name) __asm__("wharf_" #name)

#define WINSOCK_VERSION MAKEWORD(2, 2)

typedef UINT_PTR SOCKET;
#define INVALID_SOCKET (~(SOCKET)0)

typedef unsigned int GROUP;
typedef HANDLE WSAEVENT, *LPWSAEVENT;
#define WSA_INVALID_EVENT ((WSAEVENT)NULL)

typedef unsigned char u_char;
typedef unsigned short u_short;
typedef unsigned int u_int;
/* libc's u_long has 64 bits. */
typedef UINT32 wharf_u_long;
#define u_long wharf_u_long
typedef unsigned long long u_int64;

typedef struct timeval TIMEVAL, *PTIMEVAL, *LPTIMEVAL;
#ifndef timerisset
#define timerisset(tvp) ((tvp)->tv_sec || (tvp)->tv_usec)
#endif
#ifndef timercmp
#define timercmp(tvp, uvp, cmp) \
    ((tvp)->tv_sec == (uvp)->tv_sec ? (tvp)->tv_usec cmp(uvp)->tv_usec : (tvp)->tv_sec cmp(uvp)->tv_sec)
#endif
#ifndef timerclear
#define timerclear(tvp) ((tvp)->tv_sec = (tvp)->tv_usec = 0)
#endif

/* Start-up */

typedef struct WSAData {
    WORD wVersion;
    WORD wHighVersion;
    unsigned short iMaxSockets;
    unsigned short iMaxUdpDg;
    char *lpVendorInfo;
    char szDescription[WSADESCRIPTION_LEN + 1];
    char szSystemStatus[WSASYS_STATUS_LEN + 1];
} WSADATA, *LPWSADATA;

WHARF_BEGIN_DECLARATIONS
int WSAStartup(WORD wVersionRequested, LPWSADATA lpWSAData);
int WSACleanup(void);
int WSAGetLastError(void);
void WSASetLastError(int iError);
WHARF_END_DECLARATIONS

/* Addresses */

typedef USHORT ADDRESS_FAMILY;

typedef struct sockaddr {
    ADDRESS_FAMILY sa_family;
    CHAR sa_data[14];
} SOCKADDR, *PSOCKADDR, *LPSOCKADDR;

typedef struct in_addr {
    union {
        struct {
            UCHAR s_b1, s_b2, s_b3, s_b4;
        } S_un_b;
        struct {
            USHORT s_w1, s_w2;
        } S_un_w;
        ULONG S_addr;
    } S_un;
} IN_ADDR, *PIN_ADDR, *LPIN_ADDR;

typedef struct sockaddr_in {
    ADDRESS_FAMILY sin_family;
    USHORT sin_port;
    IN_ADDR sin_addr;
    CHAR sin_zero[8];
} SOCKADDR_IN, *PSOCKADDR_IN, *LPSOCKADDR_IN;

typedef struct sockaddr_storage {
    ADDRESS_FAMILY ss_family;
    CHAR __ss_pad1[6];
    INT64 __ss_align;
    CHAR __ss_pad2[112];
} SOCKADDR_STORAGE, *PSOCKADDR_STORAGE, *LPSOCKADDR_STORAGE;

struct sockproto {
    USHORT sp_family;
    USHORT sp_protocol;
};

typedef struct _SOCKET_ADDRESS {
    LPSOCKADDR lpSockaddr;
    INT iSockaddrLength;
} SOCKET_ADDRESS, *PSOCKET_ADDRESS, *LPSOCKET_ADDRESS;

typedef struct _SOCKET_ADDRESS_LIST {
    INT iAddressCount;
    SOCKET_ADDRESS Address[1];
} SOCKET_ADDRESS_LIST, *PSOCKET_ADDRESS_LIST, *LPSOCKET_ADDRESS_LIST;

typedef struct _CSADDR_INFO {
    SOCKET_ADDRESS LocalAddr;
    SOCKET_ADDRESS RemoteAddr;
    INT iSocketType;
    INT iProtocol;
} CSADDR_INFO, *PCSADDR_INFO, *LPCSADDR_INFO;

WHARF_BEGIN_DECLARATIONS
u_long htonl(u_long hostlong) WHARF_SYMBOL(htonl);
u_short htons(u_short hostshort) WHARF_SYMBOL(htons);
u_long ntohl(u_long netlong) WHARF_SYMBOL(ntohl);
u_short ntohs(u_short netshort) WHARF_SYMBOL(ntohs);
u_long inet_addr(const char *cp) WHARF_SYMBOL(inet_addr);
char *inet_ntoa(struct in_addr in) WHARF_SYMBOL(inet_ntoa);
int WSAHtonl(SOCKET s, u_long hostlong, u_long *lpnetlong);
int WSAHtons(SOCKET s, u_short hostshort, u_short *lpnetshort);
int WSANtohl(SOCKET s, u_long netlong, u_long *lphostlong);
int WSANtohs(SOCKET s, u_short netshort, u_short *lphostshort);
WHARF_END_DECLARATIONS

/* The wider ones are macros too, for programs that bring their own where these are missing. */
#define htonll htonll
#define ntohll ntohll
#define htonf htonf
#define ntohf ntohf
#define htond htond
#define ntohd ntohd
static inline UINT64 htonll(UINT64 Value) {
    UINT64 net;
    UCHAR *bytes = (UCHAR *)&net;
    int i;
    for (i = 7; i >= 0; i--, Value >>= 8)
        bytes[i] = (UCHAR)Value;
    return net;
}
static inline UINT64 ntohll(UINT64 Value) { return htonll(Value); }
static inline UINT32 htonf(float Value) {
    UINT32 bits;
    memcpy(&bits, &Value, sizeof bits);
    return htonl(bits);
}
static inline float ntohf(UINT32 Value) {
    UINT32 bits = ntohl(Value);
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}
static inline UINT64 htond(double Value) {
    UINT64 bits;
    memcpy(&bits, &Value, sizeof bits);
    return htonll(bits);
}
static inline double ntohd(UINT64 Value) {
    UINT64 bits = ntohll(Value);
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* Names */

typedef struct hostent {
    char *h_name;
    char **h_aliases;
    short h_addrtype;
    short h_length;
    char **h_addr_list;
} HOSTENT, *PHOSTENT, *LPHOSTENT;

typedef struct servent {
    char *s_name;
    char **s_aliases;
    char *s_proto;
    short s_port;
} SERVENT, *PSERVENT, *LPSERVENT;

typedef struct protoent {
    char *p_name;
    char **p_aliases;
    short p_proto;
} PROTOENT, *PPROTOENT, *LPPROTOENT;

/*
 * gethostname is a macro: libc declares its own in <unistd.h>, which a program may have read already. The wrapper of
 * that header keeps the two apart when it comes later.
 */
#define gethostname wharf_gethostname

WHARF_BEGIN_DECLARATIONS
struct hostent *gethostbyaddr(const char *addr, int len, int type) WHARF_SYMBOL(gethostbyaddr);
struct hostent *gethostbyname(const char *name) WHARF_SYMBOL(gethostbyname);
int gethostname(char *name, int namelen) WHARF_SYMBOL(gethostname);
int GetHostNameW(PWSTR name, int namelen) WHARF_WIDE_SYMBOL(GetHostNameW);
struct servent *getservbyport(int port, const char *proto) WHARF_SYMBOL(getservbyport);
struct servent *getservbyname(const char *name, const char *proto) WHARF_SYMBOL(getservbyname);
struct protoent *getprotobynumber(int number) WHARF_SYMBOL(getprotobynumber);
struct protoent *getprotobyname(const char *name) WHARF_SYMBOL(getprotobyname);
WHARF_END_DECLARATIONS

/* A socket's life */

/* A backlog that listen takes as it is, instead of as a number of its own choice. */
#define SOMAXCONN_HINT(backlog) (-(backlog))

typedef struct _WSAPROTOCOLCHAIN {
    int ChainLen;
    DWORD ChainEntries[MAX_PROTOCOL_CHAIN];
} WSAPROTOCOLCHAIN, *LPWSAPROTOCOLCHAIN;

#define WHARF_WSAPROTOCOL_INFO(Char)     \
    {                                    \
        DWORD dwServiceFlags1;           \
        DWORD dwServiceFlags2;           \
        DWORD dwServiceFlags3;           \
        DWORD dwServiceFlags4;           \
        DWORD dwProviderFlags;           \
        GUID ProviderId;                 \
        DWORD dwCatalogEntryId;          \
        WSAPROTOCOLCHAIN ProtocolChain;  \
        int iVersion;                    \
        int iAddressFamily;              \
        int iMaxSockAddr;                \
        int iMinSockAddr;                \
        int iSocketType;                 \
        int iProtocol;                   \
        int iProtocolMaxOffset;          \
        int iNetworkByteOrder;           \
        int iSecurityScheme;             \
        DWORD dwMessageSize;             \
        DWORD dwProviderReserved;        \
        Char szProtocol[WSAPROTOCOL_LEN + 1]; \
    }
typedef struct _WSAPROTOCOL_INFOA WHARF_WSAPROTOCOL_INFO(CHAR) WSAPROTOCOL_INFOA, *LPWSAPROTOCOL_INFOA;
typedef struct _WSAPROTOCOL_INFOW WHARF_WSAPROTOCOL_INFO(WCHAR) WSAPROTOCOL_INFOW, *LPWSAPROTOCOL_INFOW;
#ifdef UNICODE
typedef WSAPROTOCOL_INFOW WSAPROTOCOL_INFO;
typedef LPWSAPROTOCOL_INFOW LPWSAPROTOCOL_INFO;
#define SO_PROTOCOL_INFO SO_PROTOCOL_INFOW
#define WSASocket WSASocketW
#define WSAAddressToString WSAAddressToStringW
#define WSAStringToAddress WSAStringToAddressW
#define WSADuplicateSocket WSADuplicateSocketW
#define WSAEnumProtocols WSAEnumProtocolsW
#define WSAConnectByName WSAConnectByNameW
#else
typedef WSAPROTOCOL_INFOA WSAPROTOCOL_INFO;
typedef LPWSAPROTOCOL_INFOA LPWSAPROTOCOL_INFO;
#define SO_PROTOCOL_INFO SO_PROTOCOL_INFOA
#define WSASocket WSASocketA
#define WSAAddressToString WSAAddressToStringA
#define WSAStringToAddress WSAStringToAddressA
#define WSADuplicateSocket WSADuplicateSocketA
#define WSAEnumProtocols WSAEnumProtocolsA
#define WSAConnectByName WSAConnectByNameA
#endif

typedef struct linger {
    u_short l_onoff;
    u_short l_linger;
} LINGER, *PLINGER, *LPLINGER;

WHARF_BEGIN_DECLARATIONS
SOCKET socket(int af, int type, int protocol) WHARF_SYMBOL(socket);
SOCKET WSASocketA(int af, int type, int protocol, LPWSAPROTOCOL_INFOA lpProtocolInfo, GROUP g, DWORD dwFlags);
SOCKET WSASocketW(int af, int type, int protocol, LPWSAPROTOCOL_INFOW lpProtocolInfo, GROUP g, DWORD dwFlags)
    WHARF_WIDE_SYMBOL(WSASocketW);
int bind(SOCKET s, const struct sockaddr *name, int namelen) WHARF_SYMBOL(bind);
int listen(SOCKET s, int backlog) WHARF_SYMBOL(listen);
SOCKET accept(SOCKET s, struct sockaddr *addr, int *addrlen) WHARF_SYMBOL(accept);
int connect(SOCKET s, const struct sockaddr *name, int namelen) WHARF_SYMBOL(connect);
int shutdown(SOCKET s, int how) WHARF_SYMBOL(shutdown);
int closesocket(SOCKET s);
int getsockname(SOCKET s, struct sockaddr *name, int *namelen) WHARF_SYMBOL(getsockname);
int getpeername(SOCKET s, struct sockaddr *name, int *namelen) WHARF_SYMBOL(getpeername);
int getsockopt(SOCKET s, int level, int optname, char *optval, int *optlen) WHARF_SYMBOL(getsockopt);
int setsockopt(SOCKET s, int level, int optname, const char *optval, int optlen) WHARF_SYMBOL(setsockopt);
int ioctlsocket(SOCKET s, LONG cmd, u_long *argp);
INT WSAAddressToStringA(LPSOCKADDR lpsaAddress, DWORD dwAddressLength, LPWSAPROTOCOL_INFOA lpProtocolInfo,
                        LPSTR lpszAddressString, LPDWORD lpdwAddressStringLength);
INT WSAAddressToStringW(LPSOCKADDR lpsaAddress, DWORD dwAddressLength, LPWSAPROTOCOL_INFOW lpProtocolInfo,
                        LPWSTR lpszAddressString, LPDWORD lpdwAddressStringLength)
    WHARF_WIDE_SYMBOL(WSAAddressToStringW);
INT WSAStringToAddressA(LPSTR AddressString, INT AddressFamily, LPWSAPROTOCOL_INFOA lpProtocolInfo,
                        LPSOCKADDR lpAddress, LPINT lpAddressLength);
INT WSAStringToAddressW(LPWSTR AddressString, INT AddressFamily, LPWSAPROTOCOL_INFOW lpProtocolInfo,
                        LPSOCKADDR lpAddress, LPINT lpAddressLength) WHARF_WIDE_SYMBOL(WSAStringToAddressW);
int WSAEnumProtocolsA(LPINT lpiProtocols, LPWSAPROTOCOL_INFOA lpProtocolBuffer, LPDWORD lpdwBufferLength);
int WSAEnumProtocolsW(LPINT lpiProtocols, LPWSAPROTOCOL_INFOW lpProtocolBuffer, LPDWORD lpdwBufferLength)
    WHARF_WIDE_SYMBOL(WSAEnumProtocolsW);
WHARF_END_DECLARATIONS

/* Data */

typedef struct _WSABUF {
    ULONG len;
    CHAR *buf;
} WSABUF, *LPWSABUF;

#define __WSABUF _WSABUF /* the tag in older headers */

#define WSAOVERLAPPED OVERLAPPED
#define _WSAOVERLAPPED _OVERLAPPED
typedef struct _OVERLAPPED *LPWSAOVERLAPPED;
typedef void(CALLBACK *LPWSAOVERLAPPED_COMPLETION_ROUTINE)(DWORD dwError, DWORD cbTransferred,
                                                           LPWSAOVERLAPPED lpOverlapped, DWORD dwFlags);

typedef struct _WSAMSG {
    LPSOCKADDR name;
    INT namelen;
    LPWSABUF lpBuffers;
    DWORD dwBufferCount;
    WSABUF Control;
    DWORD dwFlags;
} WSAMSG, *PWSAMSG, *LPWSAMSG;

/* Control data is a row of records: a header, its data, and what aligns the next header. */
typedef struct _WSACMSGHDR {
    SIZE_T cmsg_len;
    INT cmsg_level;
    INT cmsg_type;
} WSACMSGHDR, *PWSACMSGHDR, *LPWSACMSGHDR;

#define WSA_CMSGHDR_ALIGN(length) (((length) + sizeof(SIZE_T) - 1) & ~(sizeof(SIZE_T) - 1))
#define WSA_CMSGDATA_ALIGN(length) WSA_CMSGHDR_ALIGN(length)
#define WSA_CMSG_LEN(length) (WSA_CMSGDATA_ALIGN(sizeof(WSACMSGHDR)) + (length))
#define WSA_CMSG_SPACE(length) WSA_CMSGDATA_ALIGN(sizeof(WSACMSGHDR) + WSA_CMSGHDR_ALIGN(length))
#define WSA_CMSG_DATA(cmsg) ((UCHAR *)(cmsg) + WSA_CMSGDATA_ALIGN(sizeof(WSACMSGHDR)))
#define WSA_CMSG_FIRSTHDR(msg) wharf_next_control(msg, NULL)
#define WSA_CMSG_NXTHDR(msg, cmsg) wharf_next_control(msg, cmsg)

/* The record behind one, or the first; NULL when there is no more. */
static inline WSACMSGHDR *wharf_next_control(const WSAMSG *msg, const WSACMSGHDR *cmsg) {
    SIZE_T offset = 0;
    if (cmsg != NULL)
        offset = (SIZE_T)((const char *)cmsg - msg->Control.buf) + WSA_CMSGHDR_ALIGN(cmsg->cmsg_len);
    if (msg->Control.buf == NULL || offset + sizeof(WSACMSGHDR) > msg->Control.len)
        return NULL;
    return (WSACMSGHDR *)(void *)(msg->Control.buf + offset);
}

typedef struct _FLOWSPEC {
    ULONG TokenRate;
    ULONG TokenBucketSize;
    ULONG PeakBandwidth;
    ULONG Latency;
    ULONG DelayVariation;
    ULONG ServiceType;
    ULONG MaxSduSize;
    ULONG MinimumPolicedSize;
} FLOWSPEC, *PFLOWSPEC, *LPFLOWSPEC;

typedef struct _QualityOfService {
    FLOWSPEC SendingFlowspec;
    FLOWSPEC ReceivingFlowspec;
    WSABUF ProviderSpecific;
} QOS, *LPQOS;

/* Connections: made with a list, by name, taken under a condition, shared */

typedef int(CALLBACK *LPCONDITIONPROC)(LPWSABUF lpCallerId, LPWSABUF lpCallerData, LPQOS lpSQOS, LPQOS lpGQOS,
                                       LPWSABUF lpCalleeId, LPWSABUF lpCalleeData, GROUP *g, DWORD_PTR dwCallbackData);

WHARF_BEGIN_DECLARATIONS
SOCKET WSAAccept(SOCKET s, struct sockaddr *addr, LPINT addrlen, LPCONDITIONPROC lpfnCondition, DWORD_PTR dwCallbackData);
int WSAConnect(SOCKET s, const struct sockaddr *name, int namelen, LPWSABUF lpCallerData, LPWSABUF lpCalleeData,
               LPQOS lpSQOS, LPQOS lpGQOS);
BOOL WSAConnectByList(SOCKET s, PSOCKET_ADDRESS_LIST SocketAddress, LPDWORD LocalAddressLength, LPSOCKADDR LocalAddress,
                      LPDWORD RemoteAddressLength, LPSOCKADDR RemoteAddress, const struct timeval *timeout,
                      LPWSAOVERLAPPED Reserved);
BOOL WSAConnectByNameA(SOCKET s, LPCSTR nodename, LPCSTR servicename, LPDWORD LocalAddressLength,
                       LPSOCKADDR LocalAddress, LPDWORD RemoteAddressLength, LPSOCKADDR RemoteAddress,
                       const struct timeval *timeout, LPWSAOVERLAPPED Reserved);
BOOL WSAConnectByNameW(SOCKET s, LPWSTR nodename, LPWSTR servicename, LPDWORD LocalAddressLength,
                       LPSOCKADDR LocalAddress, LPDWORD RemoteAddressLength, LPSOCKADDR RemoteAddress,
                       const struct timeval *timeout, LPWSAOVERLAPPED Reserved) WHARF_WIDE_SYMBOL(WSAConnectByNameW);
SOCKET WSAJoinLeaf(SOCKET s, const struct sockaddr *name, int namelen, LPWSABUF lpCallerData, LPWSABUF lpCalleeData,
                   LPQOS lpSQOS, LPQOS lpGQOS, DWORD dwFlags);
BOOL WSAGetQOSByName(SOCKET s, LPWSABUF lpQOSName, LPQOS lpQOS);
int WSADuplicateSocketA(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOA lpProtocolInfo);
int WSADuplicateSocketW(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOW lpProtocolInfo)
    WHARF_WIDE_SYMBOL(WSADuplicateSocketW);
int WSASendDisconnect(SOCKET s, LPWSABUF lpOutboundDisconnectData);
int WSARecvDisconnect(SOCKET s, LPWSABUF lpInboundDisconnectData);
WHARF_END_DECLARATIONS

WHARF_BEGIN_DECLARATIONS
int send(SOCKET s, const char *buf, int len, int flags) WHARF_SYMBOL(send);
int recv(SOCKET s, char *buf, int len, int flags) WHARF_SYMBOL(recv);
int WSASend(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent, DWORD dwFlags,
            LPWSAOVERLAPPED lpOverlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
int WSARecv(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags,
            LPWSAOVERLAPPED lpOverlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
int sendto(SOCKET s, const char *buf, int len, int flags, const struct sockaddr *to, int tolen) WHARF_SYMBOL(sendto);
int recvfrom(SOCKET s, char *buf, int len, int flags, struct sockaddr *from, int *fromlen) WHARF_SYMBOL(recvfrom);
int WSASendTo(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent, DWORD dwFlags,
              const struct sockaddr *lpTo, int iTolen, LPWSAOVERLAPPED lpOverlapped,
              LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
int WSARecvFrom(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags,
                struct sockaddr *lpFrom, LPINT lpFromlen, LPWSAOVERLAPPED lpOverlapped,
                LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
int WSASendMsg(SOCKET Handle, LPWSAMSG lpMsg, DWORD dwFlags, LPDWORD lpNumberOfBytesSent,
               LPWSAOVERLAPPED lpOverlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
BOOL WSAGetOverlappedResult(SOCKET s, LPWSAOVERLAPPED lpOverlapped, LPDWORD lpcbTransfer, BOOL fWait,
                            LPDWORD lpdwFlags);
int WSAIoctl(SOCKET s, DWORD dwIoControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer, LPVOID lpvOutBuffer,
             DWORD cbOutBuffer, LPDWORD lpcbBytesReturned, LPWSAOVERLAPPED lpOverlapped,
             LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
WHARF_END_DECLARATIONS

/* Name spaces and providers */

#ifndef _tagBLOB_DEFINED
#define _tagBLOB_DEFINED
typedef struct _BLOB {
    ULONG cbSize;
    BYTE *pBlobData;
} BLOB, *LPBLOB;
#endif

typedef struct _AFPROTOCOLS {
    INT iAddressFamily;
    INT iProtocol;
} AFPROTOCOLS, *PAFPROTOCOLS, *LPAFPROTOCOLS;

typedef INT WSAECOMPARATOR, *PWSAECOMPARATOR, *LPWSAECOMPARATOR; /* COMP_ */

typedef struct _WSAVersion {
    DWORD dwVersion;
    WSAECOMPARATOR ecHow;
} WSAVERSION, *PWSAVERSION, *LPWSAVERSION;

#define WHARF_WSAQUERYSET(String)       \
    {                                   \
        DWORD dwSize;                   \
        String lpszServiceInstanceName; \
        LPGUID lpServiceClassId;        \
        LPWSAVERSION lpVersion;         \
        String lpszComment;             \
        DWORD dwNameSpace;              \
        LPGUID lpNSProviderId;          \
        String lpszContext;             \
        DWORD dwNumberOfProtocols;      \
        LPAFPROTOCOLS lpafpProtocols;   \
        String lpszQueryString;         \
        DWORD dwNumberOfCsAddrs;        \
        LPCSADDR_INFO lpcsaBuffer;      \
        DWORD dwOutputFlags;            \
        LPBLOB lpBlob;                  \
    }
typedef struct _WSAQuerySetA WHARF_WSAQUERYSET(LPSTR) WSAQUERYSETA, *PWSAQUERYSETA, *LPWSAQUERYSETA;
typedef struct _WSAQuerySetW WHARF_WSAQUERYSET(LPWSTR) WSAQUERYSETW, *PWSAQUERYSETW, *LPWSAQUERYSETW;
#ifdef UNICODE
typedef WSAQUERYSETW WSAQUERYSET, *PWSAQUERYSET, *LPWSAQUERYSET;
#define WSALookupServiceBegin WSALookupServiceBeginW
#define WSALookupServiceNext WSALookupServiceNextW
#define WSASetService WSASetServiceW
#else
typedef WSAQUERYSETA WSAQUERYSET, *PWSAQUERYSET, *LPWSAQUERYSET;
#define WSALookupServiceBegin WSALookupServiceBeginA
#define WSALookupServiceNext WSALookupServiceNextA
#define WSASetService WSASetServiceA
#endif

#define WHARF_WSANAMESPACE_INFO(String) \
    {                                   \
        GUID NSProviderId;              \
        DWORD dwNameSpace;              \
        BOOL fActive;                   \
        DWORD dwVersion;                \
        String lpszIdentifier;          \
    }
typedef struct _WSANAMESPACE_INFOA WHARF_WSANAMESPACE_INFO(LPSTR) WSANAMESPACE_INFOA, *PWSANAMESPACE_INFOA,
    *LPWSANAMESPACE_INFOA;
typedef struct _WSANAMESPACE_INFOW WHARF_WSANAMESPACE_INFO(LPWSTR) WSANAMESPACE_INFOW, *PWSANAMESPACE_INFOW,
    *LPWSANAMESPACE_INFOW;

#define WHARF_WSANAMESPACE_INFOEX(String) \
    {                                     \
        GUID NSProviderId;                \
        DWORD dwNameSpace;                \
        BOOL fActive;                     \
        DWORD dwVersion;                  \
        String lpszIdentifier;            \
        BLOB ProviderSpecific;            \
    }
typedef struct _WSANAMESPACE_INFOEXA WHARF_WSANAMESPACE_INFOEX(LPSTR) WSANAMESPACE_INFOEXA, *PWSANAMESPACE_INFOEXA,
    *LPWSANAMESPACE_INFOEXA;
typedef struct _WSANAMESPACE_INFOEXW WHARF_WSANAMESPACE_INFOEX(LPWSTR) WSANAMESPACE_INFOEXW, *PWSANAMESPACE_INFOEXW,
    *LPWSANAMESPACE_INFOEXW;

#define WHARF_WSANSCLASSINFO(String) \
    {                                \
        String lpszName;             \
        DWORD dwNameSpace;           \
        DWORD dwValueType;           \
        DWORD dwValueSize;           \
        LPVOID lpValue;              \
    }
typedef struct _WSANSClassInfoA WHARF_WSANSCLASSINFO(LPSTR) WSANSCLASSINFOA, *PWSANSCLASSINFOA, *LPWSANSCLASSINFOA;
typedef struct _WSANSClassInfoW WHARF_WSANSCLASSINFO(LPWSTR) WSANSCLASSINFOW, *PWSANSCLASSINFOW, *LPWSANSCLASSINFOW;

#define WHARF_WSASERVICECLASSINFO(String, Infos) \
    {                                            \
        LPGUID lpServiceClassId;                 \
        String lpszServiceClassName;             \
        DWORD dwCount;                           \
        Infos lpClassInfos;                      \
    }
typedef struct _WSAServiceClassInfoA WHARF_WSASERVICECLASSINFO(LPSTR, LPWSANSCLASSINFOA) WSASERVICECLASSINFOA,
    *PWSASERVICECLASSINFOA, *LPWSASERVICECLASSINFOA;
typedef struct _WSAServiceClassInfoW WHARF_WSASERVICECLASSINFO(LPWSTR, LPWSANSCLASSINFOW) WSASERVICECLASSINFOW,
    *PWSASERVICECLASSINFOW, *LPWSASERVICECLASSINFOW;

typedef INT WSAESETSERVICEOP, *PWSAESETSERVICEOP, *LPWSAESETSERVICEOP; /* RNRSERVICE_ */

/* Names of values of a class of services */
#define SERVICE_TYPE_VALUE_TCPPORTA "TcpPort"
#define SERVICE_TYPE_VALUE_TCPPORTW L"TcpPort"
#define SERVICE_TYPE_VALUE_UDPPORTA "UdpPort"
#define SERVICE_TYPE_VALUE_UDPPORTW L"UdpPort"
#ifdef UNICODE
#define SERVICE_TYPE_VALUE_TCPPORT SERVICE_TYPE_VALUE_TCPPORTW
#define SERVICE_TYPE_VALUE_UDPPORT SERVICE_TYPE_VALUE_UDPPORTW
typedef WSANAMESPACE_INFOW WSANAMESPACE_INFO, *PWSANAMESPACE_INFO, *LPWSANAMESPACE_INFO;
typedef WSANAMESPACE_INFOEXW WSANAMESPACE_INFOEX, *PWSANAMESPACE_INFOEX, *LPWSANAMESPACE_INFOEX;
typedef WSANSCLASSINFOW WSANSCLASSINFO, *PWSANSCLASSINFO, *LPWSANSCLASSINFO;
typedef WSASERVICECLASSINFOW WSASERVICECLASSINFO, *PWSASERVICECLASSINFO, *LPWSASERVICECLASSINFO;
#define WSAEnumNameSpaceProviders WSAEnumNameSpaceProvidersW
#define WSAEnumNameSpaceProvidersEx WSAEnumNameSpaceProvidersExW
#define WSAGetServiceClassInfo WSAGetServiceClassInfoW
#define WSAGetServiceClassNameByClassId WSAGetServiceClassNameByClassIdW
#define WSAInstallServiceClass WSAInstallServiceClassW
#else
#define SERVICE_TYPE_VALUE_TCPPORT SERVICE_TYPE_VALUE_TCPPORTA
#define SERVICE_TYPE_VALUE_UDPPORT SERVICE_TYPE_VALUE_UDPPORTA
typedef WSANAMESPACE_INFOA WSANAMESPACE_INFO, *PWSANAMESPACE_INFO, *LPWSANAMESPACE_INFO;
typedef WSANAMESPACE_INFOEXA WSANAMESPACE_INFOEX, *PWSANAMESPACE_INFOEX, *LPWSANAMESPACE_INFOEX;
typedef WSANSCLASSINFOA WSANSCLASSINFO, *PWSANSCLASSINFO, *LPWSANSCLASSINFO;
typedef WSASERVICECLASSINFOA WSASERVICECLASSINFO, *PWSASERVICECLASSINFO, *LPWSASERVICECLASSINFO;
#define WSAEnumNameSpaceProviders WSAEnumNameSpaceProvidersA
#define WSAEnumNameSpaceProvidersEx WSAEnumNameSpaceProvidersExA
#define WSAGetServiceClassInfo WSAGetServiceClassInfoA
#define WSAGetServiceClassNameByClassId WSAGetServiceClassNameByClassIdA
#define WSAInstallServiceClass WSAInstallServiceClassA
#endif

typedef INT WSACOMPLETIONTYPE, *PWSACOMPLETIONTYPE, *LPWSACOMPLETIONTYPE; /* NSP_NOTIFY_ */

typedef struct _WSACOMPLETION {
    WSACOMPLETIONTYPE Type;
    union {
        struct {
            HWND hWnd;
            UINT uMsg;
            WPARAM context;
        } WindowMessage;
        struct {
            LPWSAOVERLAPPED lpOverlapped;
        } Event;
        struct {
            LPWSAOVERLAPPED lpOverlapped;
            LPWSAOVERLAPPED_COMPLETION_ROUTINE lpfnCompletionProc;
        } Apc;
        struct {
            LPWSAOVERLAPPED lpOverlapped;
            HANDLE hPort;
            ULONG_PTR Key;
        } Port;
    } Parameters;
} WSACOMPLETION, *PWSACOMPLETION, *LPWSACOMPLETION;

WHARF_BEGIN_DECLARATIONS
INT WSALookupServiceBeginA(LPWSAQUERYSETA lpqsRestrictions, DWORD dwControlFlags, LPHANDLE lphLookup);
INT WSALookupServiceBeginW(LPWSAQUERYSETW lpqsRestrictions, DWORD dwControlFlags, LPHANDLE lphLookup)
    WHARF_WIDE_SYMBOL(WSALookupServiceBeginW);
INT WSALookupServiceNextA(HANDLE hLookup, DWORD dwControlFlags, LPDWORD lpdwBufferLength, LPWSAQUERYSETA lpqsResults);
INT WSALookupServiceNextW(HANDLE hLookup, DWORD dwControlFlags, LPDWORD lpdwBufferLength, LPWSAQUERYSETW lpqsResults)
    WHARF_WIDE_SYMBOL(WSALookupServiceNextW);
INT WSALookupServiceEnd(HANDLE hLookup);
INT WSANSPIoctl(HANDLE hLookup, DWORD dwControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer, LPVOID lpvOutBuffer,
                DWORD cbOutBuffer, LPDWORD lpcbBytesReturned, LPWSACOMPLETION lpCompletion);
INT WSAEnumNameSpaceProvidersA(LPDWORD lpdwBufferLength, LPWSANAMESPACE_INFOA lpnspBuffer);
INT WSAEnumNameSpaceProvidersW(LPDWORD lpdwBufferLength, LPWSANAMESPACE_INFOW lpnspBuffer)
    WHARF_WIDE_SYMBOL(WSAEnumNameSpaceProvidersW);
INT WSAEnumNameSpaceProvidersExA(LPDWORD lpdwBufferLength, LPWSANAMESPACE_INFOEXA lpnspBuffer);
INT WSAEnumNameSpaceProvidersExW(LPDWORD lpdwBufferLength, LPWSANAMESPACE_INFOEXW lpnspBuffer)
    WHARF_WIDE_SYMBOL(WSAEnumNameSpaceProvidersExW);
INT WSASetServiceA(LPWSAQUERYSETA lpqsRegInfo, WSAESETSERVICEOP essoperation, DWORD dwControlFlags);
INT WSASetServiceW(LPWSAQUERYSETW lpqsRegInfo, WSAESETSERVICEOP essoperation, DWORD dwControlFlags)
    WHARF_WIDE_SYMBOL(WSASetServiceW);
INT WSAInstallServiceClassA(LPWSASERVICECLASSINFOA lpServiceClassInfo);
INT WSAInstallServiceClassW(LPWSASERVICECLASSINFOW lpServiceClassInfo) WHARF_WIDE_SYMBOL(WSAInstallServiceClassW);
INT WSARemoveServiceClass(LPGUID lpServiceClassId);
INT WSAGetServiceClassInfoA(LPGUID lpProviderId, LPGUID lpServiceClassId, LPDWORD lpdwBufSize,
                            LPWSASERVICECLASSINFOA lpServiceClassInfo);
INT WSAGetServiceClassInfoW(LPGUID lpProviderId, LPGUID lpServiceClassId, LPDWORD lpdwBufSize,
                            LPWSASERVICECLASSINFOW lpServiceClassInfo) WHARF_WIDE_SYMBOL(WSAGetServiceClassInfoW);
INT WSAGetServiceClassNameByClassIdA(LPGUID lpServiceClassId, LPSTR lpszServiceClassName, LPDWORD lpdwBufferLength);
INT WSAGetServiceClassNameByClassIdW(LPGUID lpServiceClassId, LPWSTR lpszServiceClassName, LPDWORD lpdwBufferLength)
    WHARF_WIDE_SYMBOL(WSAGetServiceClassNameByClassIdW);
INT WSAProviderConfigChange(LPHANDLE lpNotificationHandle, LPWSAOVERLAPPED lpOverlapped,
                            LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
WHARF_END_DECLARATIONS

/* Events */

typedef struct _WSANETWORKEVENTS {
    LONG lNetworkEvents;
    int iErrorCode[FD_MAX_EVENTS];
} WSANETWORKEVENTS, *LPWSANETWORKEVENTS;

typedef struct pollfd {
    SOCKET fd;
    SHORT events;
    SHORT revents;
} WSAPOLLFD, *PWSAPOLLFD, *LPWSAPOLLFD;

#define WSAGETSELECTEVENT(lParam) LOWORD(lParam)
#define WSAGETSELECTERROR(lParam) HIWORD(lParam)
#define WSAMAKESELECTREPLY(event, error) MAKELONG(event, error)
#define WSAGETASYNCBUFLEN(lParam) LOWORD(lParam)
#define WSAGETASYNCERROR(lParam) HIWORD(lParam)
#define WSAMAKEASYNCREPLY(buflen, error) MAKELONG(buflen, error)

WHARF_BEGIN_DECLARATIONS
WSAEVENT WSACreateEvent(void);
BOOL WSACloseEvent(WSAEVENT hEvent);
BOOL WSASetEvent(WSAEVENT hEvent);
BOOL WSAResetEvent(WSAEVENT hEvent);
DWORD WSAWaitForMultipleEvents(DWORD cEvents, const WSAEVENT *lphEvents, BOOL fWaitAll, DWORD dwTimeout,
                               BOOL fAlertable);
int WSAEventSelect(SOCKET s, WSAEVENT hEventObject, LONG lNetworkEvents);
int WSAEnumNetworkEvents(SOCKET s, WSAEVENT hEventObject, LPWSANETWORKEVENTS lpNetworkEvents);
int WSAAsyncSelect(SOCKET s, HWND hWnd, u_int wMsg, LONG lEvent);
HANDLE WSAAsyncGetServByName(HWND hWnd, u_int wMsg, const char *name, const char *proto, char *buf, int buflen);
HANDLE WSAAsyncGetServByPort(HWND hWnd, u_int wMsg, int port, const char *proto, char *buf, int buflen);
HANDLE WSAAsyncGetProtoByName(HWND hWnd, u_int wMsg, const char *name, char *buf, int buflen);
HANDLE WSAAsyncGetProtoByNumber(HWND hWnd, u_int wMsg, int number, char *buf, int buflen);
HANDLE WSAAsyncGetHostByName(HWND hWnd, u_int wMsg, const char *name, char *buf, int buflen);
HANDLE WSAAsyncGetHostByAddr(HWND hWnd, u_int wMsg, const char *addr, int len, int type, char *buf, int buflen);
int WSACancelAsyncRequest(HANDLE hAsyncTaskHandle);
BOOL WSAIsBlocking(void);
int WSAUnhookBlockingHook(void);
FARPROC WSASetBlockingHook(FARPROC lpBlockFunc);
int WSACancelBlockingCall(void);
int WSAPoll(LPWSAPOLLFD fdArray, ULONG fds, INT timeout);
WHARF_END_DECLARATIONS

/* select: a set is a count and an array of handles. FD_SETSIZE is the program's choice, 64 unless it made one. */

#ifndef FD_SETSIZE
#define FD_SETSIZE 64
#endif

typedef struct fd_set {
    u_int fd_count;
    SOCKET fd_array[FD_SETSIZE];
} fd_set, FD_SET, *PFD_SET, *LPFD_SET;

WHARF_BEGIN_DECLARATIONS
int __WSAFDIsSet(SOCKET fd, fd_set *set);
int select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds, const struct timeval *timeout)
    WHARF_SYMBOL(select);
WHARF_END_DECLARATIONS

static inline void wharf_fd_set_add(SOCKET fd, fd_set *set) {
    if (set->fd_count < FD_SETSIZE && !__WSAFDIsSet(fd, set))
        set->fd_array[set->fd_count++] = fd;
}

static inline void wharf_fd_set_remove(SOCKET fd, fd_set *set) {
    u_int found = 0;
    while (found < set->fd_count && set->fd_array[found] != fd)
        found++;
    if (found == set->fd_count)
        return;
    set->fd_count--;
    memmove(&set->fd_array[found], &set->fd_array[found + 1], (set->fd_count - found) * sizeof(SOCKET));
}

#undef FD_ZERO
#undef FD_SET
#undef FD_CLR
#undef FD_ISSET
#define FD_ZERO(set) ((void)(((fd_set *)(set))->fd_count = 0))
#define FD_SET(fd, set) wharf_fd_set_add((SOCKET)(fd), (fd_set *)(set))
#define FD_CLR(fd, set) wharf_fd_set_remove((SOCKET)(fd), (fd_set *)(set))
#define FD_ISSET(fd, set) __WSAFDIsSet((SOCKET)(fd), (fd_set *)(set))

#endif
