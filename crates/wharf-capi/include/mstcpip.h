/* Winsock 2: TCP's keep-alive settings. */
#ifndef _MSTCPIP_
#define _MSTCPIP_
#pragma GCC system_header

#include <winsock2.h>

/* The input of WSAIoctl(SIO_KEEPALIVE_VALS); times in milliseconds. */
struct tcp_keepalive {
    ULONG onoff;
    ULONG keepalivetime;
    ULONG keepaliveinterval;
};

#endif
