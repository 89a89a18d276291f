/*
 * A program as Windows sources are written, for every include order: each .c and .cpp beside this file includes the
 * headers in its own order and then this. It is plain Windows code, so MinGW compiles it too, and it speaks only to
 * itself over the loopback interface.
 */

#define CHECK(condition)                                                                                       \
    do {                                                                                                       \
        if (!(condition)) {                                                                                    \
            printf("%s:%d: %s does not hold, last error %d\n", __FILE__, __LINE__, #condition, WSAGetLastError()); \
            exit(1);                                                                                           \
        }                                                                                                      \
    } while (0)

/* The numbers are Windows' and not libc's, whichever header came last. */
static void constants_are_those_of_windows(void) {
    CHECK(AF_INET6 == 23);
    CHECK(SOL_SOCKET == 0xFFFF && SO_REUSEADDR == 4 && SO_ERROR == 0x1007);
    CHECK(MSG_WAITALL == 8 && MSG_PEEK == 2);
    CHECK((DWORD)FIONBIO == 0x8004667E && (DWORD)FIONREAD == 0x4004667F);
    CHECK(POLLIN == 0x300 && IPPROTO_IPV6 == 41 && IPV6_V6ONLY == 27 && TCP_NODELAY == 1);
    CHECK(SOMAXCONN == 0x7FFFFFFF && INADDR_LOOPBACK == 0x7F000001);
    CHECK(sizeof(u_long) == 4 && sizeof(DWORD) == 4 && sizeof(SOCKET) == 8);
    CHECK(sizeof(WSABUF) == 16 && sizeof(OVERLAPPED) == 32 && sizeof(struct sockaddr_in6) == 28);
    CHECK((socklen_t)-1 < 0);
    CHECK(FD_SETSIZE == 1024 && sizeof(fd_set) == 8 + 1024 * sizeof(SOCKET));
}

/* The documentation of MAKEWORD, LOWORD and CONTAINING_RECORD. */
static void macros_pack_and_unpack(void) {
    struct operation {
        int kind;
        OVERLAPPED overlapped;
    } operation;
    LPOVERLAPPED overlapped = &operation.overlapped;

    CHECK(MAKEWORD(2, 1) == 0x0102 && LOBYTE(0x0102) == 2 && HIBYTE(0x0102) == 1);
    CHECK(LOWORD(0x12345678) == 0x5678 && HIWORD(0x12345678) == 0x1234);
    CHECK(MAKELONG(0x5678, 0x1234) == 0x12345678);
    CHECK(CONTAINING_RECORD(overlapped, struct operation, overlapped) == &operation);

    ZeroMemory(&operation, sizeof operation);
    operation.overlapped.Internal = STATUS_PENDING;
    CHECK(!HasOverlappedIoCompleted(overlapped));
    operation.overlapped.Internal = 0;
    CHECK(HasOverlappedIoCompleted(overlapped));
}

/* Interlocked functions: the new value for Increment and Decrement, the old one for the rest. */
static void interlocked_functions_return_what_windows_returns(void) {
    LONG volatile count = 5;
    LONG64 volatile wide = 1;
    int a, b;
    PVOID volatile pointer = &a;

    CHECK(InterlockedIncrement(&count) == 6 && InterlockedDecrement(&count) == 5);
    CHECK(InterlockedExchangeAdd(&count, 2) == 5 && InterlockedExchange(&count, -1) == 7);
    CHECK(InterlockedCompareExchange(&count, 9, -1) == -1 && count == 9);
    CHECK(InterlockedCompareExchange(&count, 1, 2) == 9 && count == 9);
    CHECK(InterlockedIncrement64(&wide) == 2 && InterlockedExchange64(&wide, 1LL << 40) == 2 && wide == 1LL << 40);
    CHECK(InterlockedExchangePointer(&pointer, &b) == &a);
    CHECK(InterlockedCompareExchangePointer(&pointer, &a, &b) == &b && pointer == &a);
}

/* FD_SET appends once, FD_CLR moves the rest down, FD_ISSET asks __WSAFDIsSet. */
static void fd_sets_are_arrays_of_handles(void) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(4096, &set);
    FD_SET((SOCKET)8, &set);
    FD_SET(4096, &set);
    CHECK(set.fd_count == 2 && FD_ISSET(4096, &set) && FD_ISSET(8, &set) && !FD_ISSET(12, &set));
    FD_CLR(4096, &set);
    CHECK(set.fd_count == 1 && set.fd_array[0] == 8);
}

static void addresses_convert(void) {
    struct in_addr four;
    struct in6_addr six = IN6ADDR_LOOPBACK_INIT;
    char text[INET6_ADDRSTRLEN];

    CHECK(htons(0x1234) == 0x3412 && ntohl(htonl(0x12345678)) == 0x12345678);
    four.s_addr = inet_addr("127.0.0.1");
    CHECK(four.s_addr == htonl(INADDR_LOOPBACK) && four.S_un.S_un_b.s_b1 == 127);
    CHECK(strcmp(inet_ntoa(four), "127.0.0.1") == 0);
    CHECK(strcmp(inet_ntop(AF_INET6, &six, text, sizeof text), "::1") == 0);
    CHECK(inet_pton(AF_INET, "10.0.0.255", &four) == 1 && four.s_addr == htonl(0x0A0000FF));
    CHECK(IN6_IS_ADDR_LOOPBACK(&six) && memcmp(&six, &in6addr_loopback, sizeof six) == 0);
}

/* The structures of names are Windows', whatever <netdb.h> has beside them. */
#ifdef UNICODE
static void names_are_resolved_meanwhile(void) {
    struct timeval limit = {60, 0};
    OVERLAPPED overlapped;
    ADDRINFOEX hints, *list = NULL;
    HANDLE cancel = NULL;

    ZeroMemory(&overlapped, sizeof overlapped);
    ZeroMemory(&hints, sizeof hints);
    hints.ai_flags = AI_CANONNAME;
    overlapped.hEvent = CreateEvent(NULL, TRUE, FALSE, NULL);
    CHECK(GetAddrInfoEx(TEXT("127.0.0.1"), TEXT("80"), NS_DNS, NULL, &hints, &list, &limit, &overlapped, NULL,
                        &cancel) == WSA_IO_PENDING);
    CHECK(cancel != NULL && WaitForSingleObject(overlapped.hEvent, INFINITE) == WAIT_OBJECT_0);
    CHECK(GetAddrInfoExOverlappedResult(&overlapped) == 0 && list != NULL && list->ai_next == NULL);
    CHECK(list->ai_canonname[8] == '1' && list->ai_canonname[9] == 0 && list->ai_addr->sa_family == AF_INET);
    CHECK(GetAddrInfoExCancel(&cancel) == WSA_INVALID_HANDLE);
    FreeAddrInfoEx(list);
    CloseHandle(overlapped.hEvent);
}
#endif

static void names_are_looked_up(void) {
    struct addrinfo hints, *list = NULL;
    struct hostent *host;
    struct servent *service;
    struct protoent *protocol;
    ADDRINFOT wide_hints, *wide_list = NULL;
    TCHAR wide_node[NI_MAXHOST], wide_port[NI_MAXSERV], wide_text[INET6_ADDRSTRLEN];
    char node[NI_MAXHOST], port[NI_MAXSERV], name[256];
    struct sockaddr_storage address;
    TCHAR text[] = TEXT("[fe80::1%7]:80");
    INT length = sizeof address;
    DWORD room = INET6_ADDRSTRLEN;
    u_long loopback = htonl(INADDR_LOOPBACK);

    CHECK(INET_ADDRSTRLEN == 22 && INET6_ADDRSTRLEN == 65 && AI_NUMERICSERV == 8 && NI_NUMERICHOST == 2);
    CHECK(EAI_NONAME == 11001 && EAI_SERVICE == WSATYPE_NOT_FOUND && sizeof(struct addrinfo) == 48);
    ZeroMemory(&hints, sizeof hints);
    hints.ai_family = AF_INET6;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_CANONNAME;
    CHECK(getaddrinfo("::1", "80", &hints, &list) == 0 && list != NULL && list->ai_next == NULL);
    CHECK(list->ai_family == AF_INET6 && list->ai_socktype == SOCK_STREAM && strcmp(list->ai_canonname, "::1") == 0);
    CHECK(list->ai_addrlen == sizeof(struct sockaddr_in6) && list->ai_addr->sa_family == AF_INET6);
    CHECK(((struct sockaddr_in6 *)list->ai_addr)->sin6_port == htons(80));
    CHECK(getnameinfo(list->ai_addr, (socklen_t)list->ai_addrlen, node, sizeof node, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV) == 0);
    CHECK(strcmp(node, "::1") == 0 && strcmp(port, "80") == 0);
    freeaddrinfo(list);
    CHECK(getaddrinfo(NULL, NULL, NULL, &list) == EAI_NONAME && WSAGetLastError() == WSAHOST_NOT_FOUND);
    CHECK(strlen(gai_strerrorA(EAI_NONAME)) > 0 && gai_strerror(EAI_FAIL)[0] != 0);

    ZeroMemory(&wide_hints, sizeof wide_hints);
    wide_hints.ai_flags = AI_NUMERICHOST | AI_CANONNAME;
    CHECK(GetAddrInfo(TEXT("127.0.0.1"), TEXT("http"), &wide_hints, &wide_list) == 0 && wide_list != NULL);
    CHECK(wide_list->ai_family == AF_INET && wide_list->ai_canonname[9] == 0 && wide_list->ai_canonname[8] == '1');
    CHECK(GetNameInfo(wide_list->ai_addr, (socklen_t)wide_list->ai_addrlen, wide_node, NI_MAXHOST, wide_port,
                      NI_MAXSERV, NI_NUMERICHOST) == 0);
    CHECK(wide_node[0] == '1' && wide_node[9] == 0 && wide_port[0] == 'h' && wide_port[4] == 0);
    FreeAddrInfo(wide_list);

#ifdef UNICODE
    names_are_resolved_meanwhile();
#endif

    CHECK(WSAStringToAddress(text, AF_INET6, NULL, (LPSOCKADDR)&address, &length) == 0 && length == 28);
    CHECK(((struct sockaddr_in6 *)&address)->sin6_scope_id == 7);
    CHECK(WSAAddressToString((LPSOCKADDR)&address, (DWORD)length, NULL, wide_text, &room) == 0);
    CHECK(room == sizeof text / sizeof text[0] && memcmp(wide_text, text, sizeof text) == 0);
    CHECK(InetPton(AF_INET, TEXT("10.0.0.255"), &address) == 1);
    CHECK(InetNtop(AF_INET, &address, wide_text, INET6_ADDRSTRLEN) == wide_text && wide_text[10] == 0);

    CHECK(gethostname(name, sizeof name) == 0 && strlen(name) > 0);
    CHECK((host = gethostbyname(name)) != NULL && host->h_addrtype == AF_INET && host->h_length == 4);
    CHECK(host->h_addr != NULL && sizeof host->h_length == 2);
    CHECK((host = gethostbyaddr((char *)&loopback, 4, AF_INET)) != NULL && *(u_long *)host->h_addr == loopback);
    CHECK((service = getservbyname("http", "tcp")) != NULL && service->s_port == (short)htons(80));
    CHECK(strcmp(service->s_proto, "tcp") == 0 && getservbyport(htons(80), "tcp") == service);
    CHECK((protocol = getprotobyname("udp")) != NULL && protocol->p_proto == 17);
    CHECK(getprotobynumber(6) != NULL && getprotobynumber(255) == NULL && h_errno == WSANO_DATA);
    CHECK(htonll(0x0102030405060708ULL) == 0x0807060504030201ULL && ntohll(htonll(5)) == 5);
}

static unsigned __stdcall set_the_event(void *event) {
    SetEvent((HANDLE)event);
    return 7;
}

static void threads_run(void) {
    DWORD code = 0;
    unsigned id = 0;
    HANDLE event = CreateEvent(NULL, TRUE, FALSE, TEXT("wharf headers: threads_run"));
    HANDLE thread = (HANDLE)_beginthreadex(NULL, 0, set_the_event, event, 0, &id);
    CHECK(event != NULL && thread != NULL && id != 0);
    CHECK(WaitForSingleObject(event, INFINITE) == WAIT_OBJECT_0);
    CHECK(WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0);
    CHECK(GetExitCodeThread(thread, &code) && code == 7);
    CHECK(CreateEventA(NULL, TRUE, FALSE, "wharf headers: threads_run") != NULL); /* one name, whatever the width */
    CHECK(GetLastError() == ERROR_ALREADY_EXISTS);
    CloseHandle(thread);
    CloseHandle(event);
}

/* A server in the oldest style, with handles in `int` and lengths by `sizeof`. */
static void berkeley_calls_are_winsocks(void) {
    struct sockaddr_in address;
    int length = sizeof address;
    struct timeval wait = {30, 0};
    u_long unread = 0;
    fd_set readable;
    char b[8];
    int listener = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    int s;

    CHECK(listener != (int)INVALID_SOCKET && client != (int)INVALID_SOCKET);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener, (SOCKADDR *)&address, sizeof address) == 0);
    CHECK(listen(listener, SOMAXCONN) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    CHECK(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
    s = accept(listener, NULL, NULL);
    CHECK(s != (int)INVALID_SOCKET);

    CHECK(send(client, "hello", 5, 0) == 5);
    FD_ZERO(&readable);
    FD_SET(s, &readable);
    CHECK(select(0, &readable, NULL, NULL, &wait) == 1 && FD_ISSET(s, &readable));
    CHECK(ioctlsocket(s, FIONREAD, &unread) == 0 && unread == 5);
    CHECK(recv(s, b, sizeof b, 0) == 5 && memcmp(b, "hello", 5) == 0);
    CHECK(shutdown(client, SD_SEND) == 0 && recv(s, b, sizeof b, 0) == 0);

    CHECK(closesocket(s) == 0 && closesocket(client) == 0 && closesocket(listener) == 0);
    CHECK(recv(s, b, sizeof b, 0) == SOCKET_ERROR && WSAGetLastError() == WSAENOTSOCK);
}

/* No set at all is WSAEINVAL at once (select); libc's select would sleep. */
static void select_is_winsocks(void) {
    struct timeval tv = {30, 0};
    CHECK(select(0, NULL, NULL, NULL, &tv) == SOCKET_ERROR && WSAGetLastError() == WSAEINVAL);
}

/* Network events: packed in a message's lParam, recorded for an event, and as WSAPoll sees them. */
static void network_events_are_told(void) {
    WSANETWORKEVENTS happened;
    WSAPOLLFD entry;
    WSAEVENT event = WSACreateEvent();
    SOCKET s = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    LPARAM lparam = WSAMAKESELECTREPLY(FD_CLOSE, WSAECONNABORTED);
    struct sockaddr_in address;

    CHECK(WSAGETSELECTEVENT(lparam) == FD_CLOSE && WSAGETSELECTERROR(lparam) == WSAECONNABORTED);
    CHECK(event != WSA_INVALID_EVENT && s != INVALID_SOCKET);
    ZeroMemory(&address, sizeof address);
    address.sin_family = AF_INET;
    CHECK(bind(s, (SOCKADDR *)&address, sizeof address) == 0);
    CHECK(WSAEventSelect(s, event, FD_READ | FD_WRITE) == 0);
    CHECK(WSAWaitForMultipleEvents(1, &event, FALSE, 30000, FALSE) == WSA_WAIT_EVENT_0);
    CHECK(WSAEnumNetworkEvents(s, event, &happened) == 0);
    CHECK(happened.lNetworkEvents == FD_WRITE && happened.iErrorCode[FD_WRITE_BIT] == 0);
    CHECK(WSAAsyncSelect(s, NULL, 0, 0) == 0);
    entry.fd = s;
    entry.events = POLLIN | POLLOUT;
    entry.revents = 0;
    CHECK(WSAPoll(&entry, 1, 0) == 1 && entry.revents == POLLOUT);
    CHECK(closesocket(s) == 0 && WSACloseEvent(event));
}

/* One overlapped receive through a port: the classic loop, once around. */
static void a_port_delivers(void) {
    OVERLAPPED overlapped, *delivered = NULL;
    ULONG_PTR key = 0;
    DWORD bytes = 0, flags = 0;
    struct sockaddr_in address;
    int length = sizeof address;
    char data[16];
    WSABUF buffer = {sizeof data, data};
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    SOCKET listener = WSASocket(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    SOCKET client = WSASocket(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    SOCKET s;

    CHECK(port != NULL && listener != INVALID_SOCKET && client != INVALID_SOCKET);
    ZeroMemory(&address, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = inet_addr("127.0.0.1");
    CHECK(bind(listener, (SOCKADDR *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (SOCKADDR *)&address, &length) == 0);
    CHECK(connect(client, (SOCKADDR *)&address, sizeof address) == 0);
    s = accept(listener, NULL, NULL);
    CHECK(s != INVALID_SOCKET);
    CHECK(CreateIoCompletionPort((HANDLE)s, port, (ULONG_PTR)&address, 0) == port);

    ZeroMemory(&overlapped, sizeof overlapped);
    CHECK(WSARecv(s, &buffer, 1, &bytes, &flags, &overlapped, NULL) == SOCKET_ERROR);
    CHECK(WSAGetLastError() == WSA_IO_PENDING);
    CHECK(send(client, "through the port", 16, 0) == 16);
    CHECK(GetQueuedCompletionStatus(port, &bytes, &key, &delivered, INFINITE));
    CHECK(delivered == &overlapped && key == (ULONG_PTR)&address && bytes == 16);
    CHECK(HasOverlappedIoCompleted(&overlapped) && memcmp(data, "through the port", 16) == 0);

    closesocket(s);
    closesocket(client);
    closesocket(listener);
    CloseHandle(port);
}

static int run(void) {
    WSADATA data;
    CHECK(WSAStartup(MAKEWORD(2, 2), &data) == 0 && data.wVersion == 0x0202);
    constants_are_those_of_windows();
    macros_pack_and_unpack();
    interlocked_functions_return_what_windows_returns();
    fd_sets_are_arrays_of_handles();
    addresses_convert();
    names_are_looked_up();
    threads_run();
    berkeley_calls_are_winsocks();
    select_is_winsocks();
    network_events_are_told();
    a_port_delivers();
    CHECK(WSACleanup() == 0);
    printf("ok\n");
    return 0;
}
