// What the servers share: plain Win32, for MinGW and Wine as much as for wharf.
//
// Command line of each: PORT [WORKLOAD [WORKERS [CONCURRENCY]]]; the concurrency value is the number of workers
// unless given.
#ifndef SERVER_H
#define SERVER_H

#include <winsock2.h>
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char* workload = "echo";
static HANDLE port;

typedef DWORD(WINAPI* worker_routine)(void*);

static inline int number(int argc, char** argv, int at, int otherwise) {
    return argc > at ? atoi(argv[at]) : otherwise;
}

static inline void start_workers(int argc, char** argv, worker_routine routine) {
    WSADATA data;
    WSAStartup(MAKEWORD(2, 2), &data);
    if (argc > 2) workload = argv[2];
    int workers = number(argc, argv, 3, 1);
    if (workers < 1) workers = 1;
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, number(argc, argv, 4, workers));
    for (int i = 0; i < workers; i++) CloseHandle(CreateThread(NULL, 0, routine, NULL, 0, NULL));
}

static inline SOCKET listen_at(int tcp_port) {
    SOCKET listener = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    struct sockaddr_in address = {0};
    address.sin_family = AF_INET;
    address.sin_port = htons((u_short)tcp_port);
    if (bind(listener, (struct sockaddr*)&address, sizeof address) || listen(listener, SOMAXCONN)) {
        fprintf(stderr, "cannot listen at port %d: error %d\n", tcp_port, WSAGetLastError());
        exit(1);
    }
    return listener;
}

// The next connection, without Nagle's delay.
static inline SOCKET accept_from(SOCKET listener) {
    SOCKET s;
    do s = accept(listener, NULL, NULL);
    while (s == INVALID_SOCKET);
    BOOL on = TRUE;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (char*)&on, sizeof on);
    return s;
}

#endif
