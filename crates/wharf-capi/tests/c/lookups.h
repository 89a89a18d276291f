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

/* Classes of services: that of a program's own, and one of svcguid.h. */
static void classes_of_services(LPGUID provider) {
    GUID own = {0x77617266, 1, 2, {3, 4, 5, 6, 7, 8, 9, 10}}, telnet = SVCID_TCP(23);
    TCHAR name[] = _T("Lighthouse"), value_name[] = SERVICE_TYPE_VALUE_TCPPORT, told[32];
    DWORD port = 4711, length = 0, characters = 32;
    WSANSCLASSINFO value;
    WSASERVICECLASSINFO class_info, *found;
    WSAQUERYSET service;

    value.lpszName = value_name;
    value.dwNameSpace = NS_DNS;
    value.dwValueType = REG_DWORD;
    value.dwValueSize = sizeof port;
    value.lpValue = &port;
    class_info.lpServiceClassId = &own;
    class_info.lpszServiceClassName = name;
    class_info.dwCount = 1;
    class_info.lpClassInfos = &value;
    CHECK(WSAInstallServiceClass(&class_info) == 0);
    CHECK(WSAInstallServiceClass(&class_info) == SOCKET_ERROR && WSAGetLastError() == WSAEALREADY);
    CHECK(WSAGetServiceClassInfo(provider, &own, &length, &class_info) == SOCKET_ERROR);
    CHECK(WSAGetLastError() == WSAEFAULT && length > sizeof *found);
    found = (WSASERVICECLASSINFO *)malloc(length);
    CHECK(WSAGetServiceClassInfo(provider, &own, &length, found) == 0);
    CHECK(memcmp(found->lpszServiceClassName, name, sizeof name) == 0 && found->dwCount == 1);
    CHECK(memcmp(found->lpClassInfos->lpszName, value_name, sizeof value_name) == 0);
    CHECK(found->lpClassInfos->dwValueType == REG_DWORD && *(DWORD *)found->lpClassInfos->lpValue == port);
    free(found);
    CHECK(WSAGetServiceClassNameByClassId(&own, told, &characters) == 0 && characters == 11);
    CHECK(memcmp(told, name, sizeof name) == 0);
    CHECK(WSARemoveServiceClass(&own) == 0);
    CHECK(WSARemoveServiceClass(&own) == SOCKET_ERROR && WSAGetLastError() == WSATYPE_NOT_FOUND);
    characters = 32;
    CHECK(WSAGetServiceClassNameByClassId(&telnet, told, &characters) == 0 && characters == 7);
    CHECK(memcmp(told, _T("telnet"), 7 * sizeof(TCHAR)) == 0);

    memset(&service, 0, sizeof service);
    service.dwSize = sizeof service;
    service.dwNameSpace = NS_DNS;
    service.lpszServiceInstanceName = name;
    service.lpServiceClassId = &telnet;
    CHECK(WSASetService(&service, RNRSERVICE_REGISTER, SERVICE_MULTIPLE) == 0);
    CHECK(WSASetService(&service, RNRSERVICE_DEREGISTER, 0) == 0);
    CHECK(WSASetService(&service, RNRSERVICE_DELETE, 0) == SOCKET_ERROR && WSAGetLastError() == WSASERVICE_NOT_FOUND);
}

/* The name spaces there are, and the classes of services that the one of DNS knows. */
static void name_spaces(void) {
    char buffer[1000];
    WSANAMESPACE_INFO *info = (WSANAMESPACE_INFO *)buffer;
    WSANAMESPACE_INFOEX *more = (WSANAMESPACE_INFOEX *)buffer;
    GUID provider;
    DWORD length = 0;
    CHECK(WSAEnumNameSpaceProviders(&length, NULL) == SOCKET_ERROR && WSAGetLastError() == WSAEFAULT);
    CHECK(length > sizeof *info && length <= sizeof buffer);
    CHECK(WSAEnumNameSpaceProviders(&length, info) == 1);
    CHECK(info->dwNameSpace == NS_DNS && info->fActive);
    CHECK(memcmp(info->lpszIdentifier, _T("Tcpip"), 6 * sizeof(TCHAR)) == 0);
    provider = info->NSProviderId;
    length = sizeof buffer;
    CHECK(WSAEnumNameSpaceProvidersEx(&length, more) == 1);
    CHECK(memcmp(&more->NSProviderId, &provider, sizeof provider) == 0);
    CHECK(memcmp(more->lpszIdentifier, _T("Tcpip"), 6 * sizeof(TCHAR)) == 0 && more->ProviderSpecific.cbSize == 0);
    classes_of_services(&provider);
}

#ifndef __MINGW32__ /* which has no later versions */
/* Hints of a version, and what it adds to an entry. */
static void hints_of_a_version(void) {
    ADDRINFOEX5 hints, *found = NULL;
    memset(&hints, 0, sizeof hints);
    hints.ai_flags = AI_EXTENDED | AI_CANONNAME | AI_FQDN | AI_RETURN_TTL;
    hints.ai_version = ADDRINFOEX_VERSION_5;
    hints.ai_interfaceindex = 1;
    CHECK(GetAddrInfoExW(L"127.0.0.1", NULL, NS_DNS, NULL, (ADDRINFOEXW *)&hints, (PADDRINFOEXW *)&found, NULL, NULL, NULL,
                         NULL) == 0);
    CHECK(found->ai_version == ADDRINFOEX_VERSION_5 && found->ai_interfaceindex == 1 && found->ai_ttl == 0);
    CHECK(memcmp(found->ai_fqdn, L"127.0.0.1", 10 * sizeof(WCHAR)) == 0);
    CHECK(memcmp(found->ai_canonname, L"127.0.0.1", 10 * sizeof(WCHAR)) == 0);
    CHECK(found->ai_resolutionhandle == NULL && found->ai_next == NULL);
    FreeAddrInfoExW((PADDRINFOEXW)found);
}
#endif

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
    name_spaces();
#ifndef __MINGW32__
    hints_of_a_version();
#endif
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
