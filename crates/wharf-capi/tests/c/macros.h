/* The macros and inline functions of the headers: each means what Microsoft's documentation says. */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <windows.h>
#include <tchar.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                            \
    do {                                                                                            \
        if (!(condition)) {                                                                         \
            printf("line %d: %s, last error %d\n", __LINE__, #condition, (int)GetLastError());       \
            exit(1);                                                                                \
        }                                                                                           \
    } while (0)

static void classes_of_ipv4_addresses(void) {
    CHECK(IN_CLASSA(0x7F000001) && !IN_CLASSA(0x80000000));
    CHECK(IN_CLASSB(0x80000000) && !IN_CLASSB(0x7FFFFFFF) && !IN_CLASSB(0xC0000000));
    CHECK(IN_CLASSC(0xC0A80001) && !IN_CLASSC(0xBFFFFFFF) && !IN_CLASSC(0xE0000000));
    CHECK(IN_CLASSD(0xE0000001) && !IN_CLASSD(0xDFFFFFFF) && !IN_CLASSD(0xF0000000));
    CHECK(IN_MULTICAST(0xEFFFFFFF) && !IN_MULTICAST(0x0A000001));
}

static void kinds_of_ipv6_addresses(void) {
    IN6_ADDR any = IN6ADDR_ANY_INIT, loopback = IN6ADDR_LOOPBACK_INIT, other;
    CHECK(IN6_IS_ADDR_UNSPECIFIED(&any) && !IN6_IS_ADDR_UNSPECIFIED(&loopback));
    CHECK(IN6_IS_ADDR_LOOPBACK(&loopback) && !IN6_IS_ADDR_LOOPBACK(&any));
    CHECK(IN6_ARE_ADDR_EQUAL(&loopback, &in6addr_loopback) && !IN6_ARE_ADDR_EQUAL(&any, &loopback));
    CHECK(inet_pton(AF_INET6, "ff02::1", &other) == 1);
    CHECK(IN6_IS_ADDR_MULTICAST(&other) && !IN6_IS_ADDR_MULTICAST(&loopback));
    CHECK(inet_pton(AF_INET6, "fe80::1", &other) == 1);
    CHECK(IN6_IS_ADDR_LINKLOCAL(&other) && !IN6_IS_ADDR_LINKLOCAL(&loopback));
    CHECK(inet_pton(AF_INET6, "::ffff:1.2.3.4", &other) == 1);
    CHECK(IN6_IS_ADDR_V4MAPPED(&other) && !IN6_IS_ADDR_V4MAPPED(&loopback));
}

static void times_are_compared(void) {
    struct timeval early = {1, 900000}, late = {2, 0};
    CHECK(timerisset(&early) && timercmp(&early, &late, <) && timercmp(&late, &early, !=));
    late.tv_sec = 1;
    CHECK(timercmp(&late, &early, <)); /* by the microseconds, where the seconds are the same */
    timerclear(&early);
    CHECK(!timerisset(&early) && early.tv_sec == 0 && early.tv_usec == 0);
}

static void control_data_is_aligned(void) {
    CHECK(WSA_CMSGHDR_ALIGN(1) == 8 && WSA_CMSGHDR_ALIGN(8) == 8 && WSA_CMSGDATA_ALIGN(9) == 16);
    CHECK(WSA_CMSG_LEN(5) == 16 + 5 && WSA_CMSG_SPACE(5) == 16 + 8 && WSA_CMSG_SPACE(8) == 16 + 8);
}

static void numbers_are_packed(void) {
    int three[3];
    CHECK(ARRAYSIZE(three) == 3 && _countof(three) == 3);
    CHECK(MAKEWPARAM(0x5678, 0x9234) == 0x92345678 && MAKELPARAM(1, 2) == 0x20001);
    CHECK((ULONG_PTR)MAKEINTATOM(0xC001) == 0xC001);
#ifndef __MINGW32__ /* which has these in its library, or not at all */
    CHECK(htonf(1.5f) == 0x0000C03F && ntohf(0x0000C03F) == 1.5f);
    CHECK(htond(1.5) == 0xF83F && ntohd(0xF83F) == 1.5);
    CHECK(SOMAXCONN_HINT(200) == -200);
#endif
}

static void memory_is_filled_and_moved(void) {
    char bytes[4] = {1, 2, 3, 4};
    RtlMoveMemory(bytes + 1, bytes, 3);
    CHECK(bytes[0] == 1 && bytes[1] == 1 && bytes[2] == 2 && bytes[3] == 3);
    RtlCopyMemory(bytes, bytes + 2, 2);
    CHECK(bytes[0] == 2 && bytes[1] == 3);
    RtlFillMemory(bytes, 2, 7);
    CHECK(bytes[0] == 7 && bytes[1] == 7 && bytes[2] == 2);
    RtlZeroMemory(bytes, sizeof bytes);
    CHECK(bytes[0] == 0 && bytes[3] == 0);
}

/* Add gives the new value, the others the old one. */
static void interlocked_functions_of_both_sizes(void) {
    LONG volatile narrow = 12;
    LONG64 volatile wide = 12;
    CHECK(InterlockedAdd(&narrow, 3) == 15);
    CHECK(InterlockedAnd(&narrow, 6) == 15 && InterlockedOr(&narrow, 1) == 6 && InterlockedXor(&narrow, 5) == 7);
    CHECK(narrow == 2);
    CHECK(InterlockedAdd64(&wide, 3) == 15 && InterlockedDecrement64(&wide) == 14);
    CHECK(InterlockedAnd64(&wide, 7) == 14 && InterlockedOr64(&wide, 1) == 6 && InterlockedXor64(&wide, 2) == 7);
    CHECK(InterlockedExchangeAdd64(&wide, 10) == 5 && InterlockedCompareExchange64(&wide, 1LL << 40, 15) == 15);
    CHECK(wide == 1LL << 40);
    MemoryBarrier();
    YieldProcessor();
}

/* Words that only annotate. */
static int annotated(_In_reads_(count) const int *from, _In_reads_bytes_(bytes) const void *raw, _Out_writes_(count) int *to,
                     _Out_writes_bytes_(bytes) void *copy, int count, size_t bytes) {
    __analysis_assume(count > 0);
    memcpy(to, from, (size_t)count * sizeof *to);
    memcpy(copy, raw, bytes);
    return to[0];
}

static void words_that_annotate(void) {
    DECLSPEC_ALIGN(16) int aligned = 5;
    int to = 0, copy = 0;
    CHECK((ULONG_PTR)&aligned % 16 == 0);
    CHECK(annotated(&aligned, &aligned, &to, &copy, 1, sizeof copy) == 5 && copy == 5);
    CHECK(_TEXT("a")[0] == _T('a'));
}

/* Both are CreateWindowEx without an extended style: it fails as that does. */
static void windows_need_a_class(void) {
    SetLastError(0);
    CHECK(CreateWindowA("no such class", "", 0, 0, 0, 1, 1, NULL, NULL, NULL, NULL) == NULL);
    CHECK(GetLastError() == ERROR_CANNOT_FIND_WND_CLASS);
    SetLastError(0);
    CHECK(CreateWindowW(L"no such class", L"", 0, 0, 0, 1, 1, NULL, NULL, NULL, NULL) == NULL);
    CHECK(GetLastError() == ERROR_CANNOT_FIND_WND_CLASS);
}

static void names_of_older_headers(void) {
    struct sockproto protocol = {AF_INET, IPPROTO_TCP};
    CHECK(protocol.sp_protocol == 6);
#ifndef __MINGW32__ /* which does not have these */
    struct __WSABUF buffer = {1, NULL};
    GUID poll = WSAID_WSAPOLL;
    CHECK(buffer.len == 1 && poll.Data1 == 0x18c76f85);
#endif
}

/* What a message says of an asynchronous look-up. */
static void answers_of_lookups_are_packed(void) {
    LPARAM answer = WSAMAKEASYNCREPLY(512, WSAENOBUFS);
    CHECK(WSAGETASYNCBUFLEN(answer) == 512);
    CHECK(WSAGETASYNCERROR(answer) == WSAENOBUFS);
}

static void filters_have_their_sources(void) {
    CHECK(IP_MSFILTER_SIZE(3) == sizeof(struct ip_msfilter) + 2 * sizeof(struct in_addr));
#ifndef __MINGW32__ /* which has neither this nor the functions */
    SOCKET member = socket(AF_INET, SOCK_DGRAM, 0);
    IN_ADDR loopback, group, sources[2];
    SOCKADDR_STORAGE addresses[2];
    struct sockaddr_in *source = (struct sockaddr_in *)&addresses[0], to;
    MULTICAST_MODE_TYPE mode = -1;
    ULONG count;
    CHECK(GROUP_FILTER_SIZE(3) == sizeof(struct group_filter) + 2 * sizeof(struct sockaddr_storage));
    CHECK(SIOCSIPMSFILTER == SIO_SET_MULTICAST_FILTER && SIOCGIPMSFILTER == SIO_GET_MULTICAST_FILTER);
    loopback.s_addr = htonl(INADDR_LOOPBACK);
    group.s_addr = inet_addr("239.255.18.9");
    sources[0].s_addr = inet_addr("192.0.2.1");
    sources[1].s_addr = inet_addr("192.0.2.2");
    CHECK(setipv4sourcefilter(member, loopback, group, MCAST_EXCLUDE, 2, sources) == 0);
    memset(sources, 0, sizeof sources);
    count = 0;
    CHECK(getipv4sourcefilter(member, loopback, group, &mode, &count, NULL) == 0);
    CHECK(mode == MCAST_EXCLUDE && count == 2);
    count = 1;
    CHECK(getipv4sourcefilter(member, loopback, group, &mode, &count, sources) == 0);
    CHECK(count == 2 && sources[0].s_addr == inet_addr("192.0.2.1") && sources[1].s_addr == 0);
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_addr = group;
    memset(addresses, 0, sizeof addresses);
    source->sin_family = AF_INET;
    source->sin_addr = loopback;
    CHECK(setsourcefilter(member, 1, (SOCKADDR *)&to, sizeof to, MCAST_INCLUDE, 1, addresses) == 0);
    memset(addresses, 0, sizeof addresses);
    count = 2;
    CHECK(getsourcefilter(member, 1, (SOCKADDR *)&to, sizeof to, &mode, &count, addresses) == 0);
    CHECK(mode == MCAST_INCLUDE && count == 1 && source->sin_family == AF_INET);
    CHECK(source->sin_addr.s_addr == loopback.s_addr && addresses[1].ss_family == 0);
    CHECK(setsourcefilter(member, 1, (SOCKADDR *)&to, sizeof to, MCAST_INCLUDE, 0, NULL) == 0);
    count = 0;
    CHECK(getsourcefilter(member, 1, (SOCKADDR *)&to, sizeof to, &mode, &count, NULL) == SOCKET_ERROR);
    CHECK(WSAGetLastError() == WSAEADDRNOTAVAIL && count == 0);
    CHECK(setsourcefilter(member, 1, (SOCKADDR *)&to, sizeof to, MCAST_INCLUDE, 0x7FFFFFFF, addresses) == SOCKET_ERROR);
    CHECK(WSAGetLastError() == WSAENOBUFS);
    CHECK(closesocket(member) == 0);
#endif
}

static void connections_have_a_backlog(void) {
#ifndef __MINGW32__
    SOCKET stream = socket(AF_INET, SOCK_STREAM, 0);
    WSAOVERLAPPED overlapped;
    ULONG backlog = 0;
    memset(&overlapped, 0, sizeof overlapped);
    CHECK(idealsendbacklogquery(stream, &backlog) == SOCKET_ERROR && WSAGetLastError() == WSAENOTCONN);
    CHECK(idealsendbacklognotify(stream, &overlapped, NULL) == SOCKET_ERROR && WSAGetLastError() == WSAENOTCONN);
    CHECK(closesocket(stream) == 0);
#endif
}

int main(void) {
    WSADATA data;
    CHECK(WSAStartup(MAKEWORD(2, 2), &data) == 0);
    classes_of_ipv4_addresses();
    kinds_of_ipv6_addresses();
    times_are_compared();
    control_data_is_aligned();
    numbers_are_packed();
    memory_is_filled_and_moved();
    interlocked_functions_of_both_sizes();
    words_that_annotate();
    answers_of_lookups_are_packed();
    filters_have_their_sources();
    connections_have_a_backlog();
    windows_need_a_class();
    names_of_older_headers();
    CHECK(WSACleanup() == 0);
    puts("ok");
    return 0;
}
