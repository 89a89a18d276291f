/*
 * Connections as Windows sources make, take, share and end them; plain Windows code, so MinGW compiles it too.
 */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                       \
    do {                                                                                                       \
        if (!(condition)) {                                                                                    \
            printf("%s:%d: %s does not hold, last error %d\n", __FILE__, __LINE__, #condition, WSAGetLastError()); \
            exit(1);                                                                                           \
        }                                                                                                      \
    } while (0)

static int CALLBACK only_the_loopback(LPWSABUF caller, LPWSABUF callerData, LPQOS sqos, LPQOS gqos, LPWSABUF callee,
                                      LPWSABUF calleeData, GROUP *group, DWORD_PTR data) {
    struct sockaddr_in from;
    (void)callerData, (void)sqos, (void)gqos, (void)callee, (void)calleeData, (void)group;
    memcpy(&from, caller->buf, sizeof from);
    ++*(int *)data;
    return from.sin_addr.s_addr == htonl(INADDR_LOOPBACK) ? CF_ACCEPT : CF_REJECT;
}

int main(void) {
    WSADATA started;
    WSAPROTOCOL_INFO info, *protocols;
    GUID id = WSAID_DISCONNECTEX;
    LPFN_DISCONNECTEX DisconnectEx = NULL;
    SOCKET listener, client, server, second;
    struct sockaddr_in address;
    struct timeval limit = {30, 0};
    SOCKET_ADDRESS_LIST list;
    DWORD bytes = 0, local_length, remote_length;
    SOCKADDR_STORAGE local, remote;
    int length = sizeof address, asked = 0, wanted[] = {IPPROTO_TCP, 0};
    u_long number;
    char b[8];

    CHECK(WSAStartup(MAKEWORD(2, 2), &started) == 0);
    listener = WSASocket(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    client = WSASocket(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener, (SOCKADDR *)&address, sizeof address) == 0 && listen(listener, SOMAXCONN) == 0);
    CHECK(getsockname(listener, (SOCKADDR *)&address, &length) == 0);
    CHECK(WSAHtonl(listener, INADDR_LOOPBACK, &number) == 0 && number == address.sin_addr.s_addr);

    CHECK(WSAEnumProtocols(wanted, NULL, &bytes) == SOCKET_ERROR && WSAGetLastError() == WSAENOBUFS);
    protocols = (WSAPROTOCOL_INFO *)malloc(bytes);
    CHECK(WSAEnumProtocols(wanted, protocols, &bytes) >= 1);
    CHECK(protocols[0].iProtocol == IPPROTO_TCP && (protocols[0].dwServiceFlags1 & XP1_IFS_HANDLES));
    free(protocols);

    /* By list, so with a time-out, whose type is libc's on Linux. */
    list.iAddressCount = 1;
    list.Address[0].lpSockaddr = (LPSOCKADDR)&address;
    list.Address[0].iSockaddrLength = sizeof address;
    local_length = remote_length = sizeof local;
    CHECK(WSAConnectByList(client, &list, &local_length, (LPSOCKADDR)&local, &remote_length, (LPSOCKADDR)&remote,
                           &limit, NULL));
    CHECK(remote_length == sizeof address && ((struct sockaddr_in *)&remote)->sin_port == address.sin_port);
    CHECK(setsockopt(client, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0) == 0);

    server = WSAAccept(listener, NULL, NULL, only_the_loopback, (DWORD_PTR)&asked);
    CHECK(server != INVALID_SOCKET && asked == 1);

    CHECK(WSADuplicateSocket(server, GetCurrentProcessId(), &info) == 0);
    second = WSASocket(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0, WSA_FLAG_OVERLAPPED);
    CHECK(second != INVALID_SOCKET && second != server && closesocket(server) == 0);
    CHECK(send(client, "shared", 6, 0) == 6 && recv(second, b, sizeof b, 0) == 6 && memcmp(b, "shared", 6) == 0);

    CHECK(WSASendDisconnect(second, NULL) == 0 && recv(client, b, sizeof b, 0) == 0);
    CHECK(WSAIoctl(client, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &DisconnectEx, sizeof DisconnectEx, &bytes,
                   NULL, NULL) == 0);
    CHECK(DisconnectEx(client, NULL, TF_REUSE_SOCKET, 0));
    closesocket(second);
    CHECK(connect(client, (SOCKADDR *)&address, sizeof address) == 0);
    closesocket(client);
    closesocket(listener);
    CHECK(WSACleanup() == 0);
    printf("ok\n");
    return 0;
}
