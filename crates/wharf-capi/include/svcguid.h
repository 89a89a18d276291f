/* Winsock 2: the classes of services that queries of a name space name. */
#ifndef _SVCGUID_
#define _SVCGUID_
#pragma GCC system_header

#include <windows.h>

#define WHARF_SVCID(number, record) {(number), 0, (record), {0xC0, 0, 0, 0, 0, 0, 0, 0x46}}

#define SVCID_HOSTNAME WHARF_SVCID(0x0002a800, 0)
#define SVCID_INET_HOSTADDRBYINETSTRING WHARF_SVCID(0x0002a801, 0)
#define SVCID_INET_SERVICEBYNAME WHARF_SVCID(0x0002a802, 0)
#define SVCID_INET_HOSTADDRBYNAME WHARF_SVCID(0x0002a803, 0)
#define SVCID_TCP_RR(port, record) WHARF_SVCID((0x0009 << 16) | (port), record)
#define SVCID_TCP(port) SVCID_TCP_RR(port, 0)
#define SVCID_UDP_RR(port, record) WHARF_SVCID((0x000A << 16) | (port), record)
#define SVCID_UDP(port) SVCID_UDP_RR(port, 0)
#define SVCID_DNS(record) SVCID_TCP_RR(53, record)
#define SVCID_DNS_TYPE_A SVCID_DNS(0x0001)
#define SVCID_DNS_TYPE_AAAA SVCID_DNS(0x001c)

#endif
