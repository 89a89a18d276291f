// What the echo servers beside this file share: the command line, the listening socket and how the program stops.
//
//     NAME PORT        PORT 0: any free one
//
// Each prints `listening on PORT`, serves every client until the client ends its sending side, and stops when it
// reads a line or the end of its standard input. A server is two functions: Serve returns when Stop was called.

#ifndef ECHO_SERVER_H
#define ECHO_SERVER_H

#include <winsock2.h>
#include <windows.h>
#include <process.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace echo {

inline bool Failed(const char *call) {
    std::fprintf(stderr, "%s: error %d\n", call, WSAGetLastError());
    return false;
}

inline HANDLE StartThread(unsigned(__stdcall *routine)(void *), void *argument) {
    return reinterpret_cast<HANDLE>(_beginthreadex(NULL, 0, routine, argument, 0, NULL));
}

inline void Join(HANDLE thread) {
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

inline void NoDelay(SOCKET socket) {
    BOOL no_delay = TRUE;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, reinterpret_cast<const char *>(&no_delay), sizeof no_delay);
}

// A listening socket on that port; `port` becomes its number.
inline SOCKET Listen(u_short &port) {
    SOCKET listener = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    SOCKADDR_IN address = {};
    int length = sizeof address;
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    if (listener == INVALID_SOCKET)
        Failed("socket");
    else if (bind(listener, reinterpret_cast<SOCKADDR *>(&address), sizeof address) != 0)
        Failed("bind");
    else if (listen(listener, SOMAXCONN) != 0)
        Failed("listen");
    else if (getsockname(listener, reinterpret_cast<SOCKADDR *>(&address), &length) != 0)
        Failed("getsockname");
    else {
        port = ntohs(address.sin_port);
        return listener;
    }
    return INVALID_SOCKET;
}

inline void WaitForLine() {
    for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar()) {
    }
}

// The whole program around a server with `bool Open(SOCKET listener)`, `void Serve()` and `void Stop()`. Serve runs in a
// thread of its own, Stop in another while it runs.
template <class Server> unsigned __stdcall ServeThread(void *server) {
    static_cast<Server *>(server)->Serve();
    return 0;
}

template <class Server> int Main(int argc, char **argv, Server &server) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: %s PORT\n", argv[0]);
        return 2;
    }
    WSADATA data;
    u_short port = static_cast<u_short>(std::atoi(argv[1]));
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return 1;
    SOCKET listener = Listen(port);
    if (listener == INVALID_SOCKET || !server.Open(listener))
        return 1;
    HANDLE serving = StartThread(ServeThread<Server>, &server);
    std::printf("listening on %u\n", port);
    std::fflush(stdout);
    WaitForLine();
    server.Stop();
    Join(serving);
    WSACleanup();
    std::printf("stopped\n");
    return 0;
}

// A server whose workers have room for a few clients each: `bool Worker::Take(SOCKET)`. One that is full makes another.
template <class Worker> class Pool {
public:
    bool Open(SOCKET listener) {
        listener_ = listener;
        return true;
    }

    void Serve() {
        std::vector<Worker *> workers;
        for (;;) {
            SOCKET socket = accept(listener_, NULL, NULL);
            if (socket == INVALID_SOCKET)
                break; // the listener was closed
            NoDelay(socket);
            bool taken = false;
            for (size_t i = 0; i < workers.size() && !taken; i++)
                taken = workers[i]->Take(socket);
            if (!taken) {
                workers.push_back(new Worker);
                workers.back()->Take(socket);
            }
        }
        for (Worker *worker : workers)
            delete worker;
    }

    void Stop() { closesocket(listener_); }

private:
    SOCKET listener_ = INVALID_SOCKET;
};

} // namespace echo

#endif
