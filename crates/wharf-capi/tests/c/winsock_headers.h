/* Winsock's headers, spelled as programs spell them. */
#define FD_SETSIZE 1024
#ifdef __linux__
#include <WinSock2.h>
#include <WS2tcpip.h>
#include <MSWSock.h>
#else
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#endif
#include <process.h>
