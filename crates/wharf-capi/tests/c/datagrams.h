/* Datagrams as a Windows program exchanges them: with addresses, overlapped, and as messages with control data. */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            printf("line %d: %s, last error %d\n", __LINE__, #condition, WSAGetLastError()); \
            exit(1); \
        } \
    } while (0)

static SOCKET bound(SOCKADDR_IN *address) {
    int length = sizeof(*address);
    SOCKET s = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    memset(address, 0, sizeof(*address));
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(s, (SOCKADDR *)address, sizeof(*address)) == 0);
    CHECK(getsockname(s, (SOCKADDR *)address, &length) == 0);
    return s;
}

static void addresses(SOCKET a, const SOCKADDR_IN *a_address, SOCKET b, const SOCKADDR_IN *b_address) {
    SOCKADDR_IN from;
    int from_length = sizeof(from);
    char buffer[16];
    char text[] = "overlapped";
    WSAOVERLAPPED overlapped;
    WSABUF data = {sizeof(text), text}, room = {sizeof(buffer), buffer};
    DWORD bytes, flags = 0;

    CHECK(sendto(a, "plain", 5, 0, (const SOCKADDR *)b_address, sizeof(*b_address)) == 5);
    CHECK(recvfrom(b, buffer, sizeof(buffer), 0, (SOCKADDR *)&from, &from_length) == 5);
    CHECK(from_length == sizeof(from) && from.sin_port == a_address->sin_port);

    memset(&overlapped, 0, sizeof(overlapped));
    memset(&from, 0, sizeof(from));
    overlapped.hEvent = WSACreateEvent();
    CHECK(WSARecvFrom(b, &room, 1, &bytes, &flags, (SOCKADDR *)&from, &from_length, &overlapped, NULL) == SOCKET_ERROR);
    CHECK(WSAGetLastError() == WSA_IO_PENDING);
    CHECK(WSASendTo(a, &data, 1, &bytes, 0, (const SOCKADDR *)b_address, sizeof(*b_address), NULL, NULL) == 0);
    CHECK(bytes == sizeof(text));
    CHECK(WSAGetOverlappedResult(b, &overlapped, &bytes, TRUE, &flags) && bytes == sizeof(text));
    CHECK(from.sin_port == a_address->sin_port && strcmp(buffer, text) == 0);
    WSACloseEvent(overlapped.hEvent);
}

static void messages(SOCKET a, SOCKADDR_IN *b_address, SOCKET b) {
    GUID guid = WSAID_WSARECVMSG;
    LPFN_WSARECVMSG WSARecvMsg = NULL;
    int on = 1, found = 0;
    DWORD bytes;
    SOCKADDR_IN from;
    char text[] = "message", buffer[16];
    char out_control[WSA_CMSG_SPACE(sizeof(IN_PKTINFO))], in_control[WSA_CMSG_SPACE(sizeof(IN_PKTINFO)) + 64];
    WSABUF data = {sizeof(text), text}, room = {sizeof(buffer), buffer};
    WSAMSG message;
    WSACMSGHDR *record;

    CHECK(WSAIoctl(b, SIO_GET_EXTENSION_FUNCTION_POINTER, &guid, sizeof(guid), &WSARecvMsg, sizeof(WSARecvMsg), &bytes,
                   NULL, NULL) == 0);
    CHECK(setsockopt(b, IPPROTO_IP, IP_PKTINFO, (const char *)&on, sizeof(on)) == 0);

    memset(&message, 0, sizeof(message));
    memset(out_control, 0, sizeof(out_control));
    message.name = (LPSOCKADDR)b_address;
    message.namelen = sizeof(*b_address);
    message.lpBuffers = &data;
    message.dwBufferCount = 1;
    message.Control.buf = out_control;
    message.Control.len = sizeof(out_control);
    record = WSA_CMSG_FIRSTHDR(&message);
    CHECK(record != NULL);
    record->cmsg_level = IPPROTO_IP;
    record->cmsg_type = IP_PKTINFO;
    record->cmsg_len = WSA_CMSG_LEN(sizeof(IN_PKTINFO));
    ((IN_PKTINFO *)WSA_CMSG_DATA(record))->ipi_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(WSA_CMSG_NXTHDR(&message, record) == NULL);
    CHECK(WSASendMsg(a, &message, 0, &bytes, NULL, NULL) == 0 && bytes == sizeof(text));

    memset(&message, 0, sizeof(message));
    message.name = (LPSOCKADDR)&from;
    message.namelen = sizeof(from);
    message.lpBuffers = &room;
    message.dwBufferCount = 1;
    message.Control.buf = in_control;
    message.Control.len = sizeof(in_control);
    CHECK(WSARecvMsg(b, &message, &bytes, NULL, NULL) == 0 && bytes == sizeof(text));
    for (record = WSA_CMSG_FIRSTHDR(&message); record != NULL; record = WSA_CMSG_NXTHDR(&message, record)) {
        if (record->cmsg_level != IPPROTO_IP || record->cmsg_type != IP_PKTINFO)
            continue;
        CHECK(record->cmsg_len == WSA_CMSG_LEN(sizeof(IN_PKTINFO)));
        CHECK(((IN_PKTINFO *)WSA_CMSG_DATA(record))->ipi_addr.s_addr == htonl(INADDR_LOOPBACK));
        found++;
    }
    CHECK(found == 1 && message.Control.len == WSA_CMSG_SPACE(sizeof(IN_PKTINFO)));
    message.Control.len = 0;
    CHECK(WSA_CMSG_FIRSTHDR(&message) == NULL);
}

/* A datagram that was cut: an error, or a flag. */
static void cut(SOCKET a, const SOCKADDR_IN *b_address, SOCKET b) {
    char buffer[4];
    int flags = 0;
    CHECK(sendto(a, "long one", 8, 0, (const SOCKADDR *)b_address, sizeof(*b_address)) == 8);
    CHECK(recv(b, buffer, sizeof(buffer), 0) == SOCKET_ERROR && WSAGetLastError() == WSAEMSGSIZE);
    CHECK(sendto(a, "long one", 8, 0, (const SOCKADDR *)b_address, sizeof(*b_address)) == 8);
    CHECK(WSARecvEx(b, buffer, sizeof(buffer), &flags) == 4 && (flags & MSG_PARTIAL));
}

int main(void) {
    WSADATA wsa;
    SOCKADDR_IN a_address, b_address;
    SOCKET a, b;
    CHECK(WSAStartup(MAKEWORD(2, 2), &wsa) == 0);
    a = bound(&a_address);
    b = bound(&b_address);
    addresses(a, &a_address, b, &b_address);
    messages(a, &b_address, b);
    cut(a, &b_address, b);
    closesocket(a);
    closesocket(b);
    WSACleanup();
    printf("ok\n");
    return 0;
}
