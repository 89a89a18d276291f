/*
 * A query of the name space of DNS, and the notifications that never come; plain Windows code, so MinGW compiles it too.
 */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <svcguid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tchar.h>

#define CHECK(condition)                                                                                       \
    do {                                                                                                       \
        if (!(condition)) {                                                                                    \
            printf("%s:%d: %s does not hold, last error %d\n", __FILE__, __LINE__, #condition, WSAGetLastError()); \
            exit(1);                                                                                           \
        }                                                                                                      \
    } while (0)

int main(void) {
    WSADATA started;
    GUID service = SVCID_TCP(80);
    TCHAR host[] = _T("127.0.0.1");
    AFPROTOCOLS protocols[] = {{AF_INET, IPPROTO_TCP}};
    WSAQUERYSET query, *found;
    WSACOMPLETION completion;
    WSAOVERLAPPED of_query, of_catalog;
    HANDLE lookup = NULL, catalog = NULL;
    DWORD length = 0, bytes;
    struct sockaddr_in *address;

    CHECK(WSAStartup(MAKEWORD(2, 2), &started) == 0);
    memset(&query, 0, sizeof query);
    query.dwSize = sizeof query;
    query.dwNameSpace = NS_ALL;
    query.lpServiceClassId = &service;
    query.lpszServiceInstanceName = host;
    query.dwNumberOfProtocols = 1;
    query.lpafpProtocols = protocols;
    CHECK(WSALookupServiceBegin(&query, LUP_RETURN_ALL, &lookup) == 0);
    CHECK(WSALookupServiceNext(lookup, LUP_RETURN_ALL, &length, NULL) == SOCKET_ERROR);
    CHECK(WSAGetLastError() == WSAEFAULT && length > sizeof query);
    found = (WSAQUERYSET *)malloc(length);
    CHECK(WSALookupServiceNext(lookup, LUP_RETURN_ALL, &length, found) == 0);
    CHECK(memcmp(found->lpszServiceInstanceName, host, sizeof host) == 0);
    CHECK(memcmp(found->lpServiceClassId, &service, sizeof service) == 0);
    CHECK(found->dwNumberOfCsAddrs == 1 && found->lpcsaBuffer[0].iProtocol == IPPROTO_TCP);
    address = (struct sockaddr_in *)found->lpcsaBuffer[0].RemoteAddr.lpSockaddr;
    CHECK(address->sin_addr.s_addr == htonl(INADDR_LOOPBACK) && address->sin_port == htons(80));
    CHECK(WSALookupServiceNext(lookup, LUP_RETURN_ALL, &length, found) == SOCKET_ERROR);
    CHECK(WSAGetLastError() == WSA_E_NO_MORE);
    free(found);

    CHECK(WSANSPIoctl(lookup, SIO_NSP_NOTIFY_CHANGE, NULL, 0, NULL, 0, &bytes, NULL) == SOCKET_ERROR);
    CHECK(WSAGetLastError() == WSAEWOULDBLOCK);
    memset(&of_query, 0, sizeof of_query);
    of_query.hEvent = WSACreateEvent();
    completion.Type = NSP_NOTIFY_EVENT;
    completion.Parameters.Event.lpOverlapped = &of_query;
    CHECK(WSANSPIoctl(lookup, SIO_NSP_NOTIFY_CHANGE, NULL, 0, NULL, 0, &bytes, &completion) == SOCKET_ERROR);
    CHECK(WSAGetLastError() == WSA_IO_PENDING);
    CHECK(WSALookupServiceEnd(lookup) == 0);
    CHECK(WSAWaitForMultipleEvents(1, &of_query.hEvent, FALSE, 0, FALSE) == WSA_WAIT_EVENT_0);

    CHECK(WSAProviderConfigChange(&catalog, NULL, NULL) == 0 && catalog != NULL);
    memset(&of_catalog, 0, sizeof of_catalog);
    of_catalog.hEvent = of_query.hEvent;
    CHECK(WSAProviderConfigChange(&catalog, &of_catalog, NULL) == SOCKET_ERROR && WSAGetLastError() == WSA_IO_PENDING);
    CHECK(WSAWaitForMultipleEvents(1, &of_catalog.hEvent, FALSE, 0, FALSE) == WSA_WAIT_TIMEOUT);
    CHECK(CloseHandle(catalog));
    CHECK(WSAWaitForMultipleEvents(1, &of_catalog.hEvent, FALSE, 0, FALSE) == WSA_WAIT_EVENT_0);

    WSACloseEvent(of_query.hEvent);
    WSACleanup();
    printf("ok\n");
    return 0;
}
