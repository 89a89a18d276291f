/* Winsock 2: TCP's keep-alive settings and statistics. */
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

typedef INT TCPSTATE; /* TCPSTATE_ */

/* The output of WSAIoctl(SIO_TCP_INFO), whose input is the version: a DWORD of 0. */
typedef struct _TCP_INFO_v0 {
    TCPSTATE State;
    ULONG Mss;
    ULONG64 ConnectionTimeMs;
    BOOLEAN TimestampsEnabled;
    ULONG RttUs;
    ULONG MinRttUs;
    ULONG BytesInFlight;
    ULONG Cwnd;
    ULONG SndWnd;
    ULONG RcvWnd;
    ULONG RcvBuf;
    ULONG64 BytesOut;
    ULONG64 BytesIn;
    ULONG BytesReordered;
    ULONG BytesRetrans;
    ULONG FastRetrans;
    ULONG DupAcksIn;
    ULONG TimeoutEpisodes;
    UCHAR SynRetrans;
} TCP_INFO_v0, *PTCP_INFO_v0;

#endif
