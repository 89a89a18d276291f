// An echo server with overlapped operations that report to completion routines.
//
// One thread serves all clients: it starts the first receive of each, and then only waits, alertably. The routine of an
// operation runs in that thread, inside its wait, and starts the next operation. The accepting thread hands new
// sockets over and sets an event.

#include "echo_server.h"

#include <set>
#include <vector>

namespace {

struct Client {
    WSAOVERLAPPED overlapped; // the first member: the routine gets its address
    SOCKET socket;
    char data[4096];
};

class Server {
public:
    bool Open(SOCKET listener) {
        listener_ = listener;
        InitializeCriticalSection(&lock_);
        changed_ = WSACreateEvent();
        return changed_ != WSA_INVALID_EVENT;
    }

    // The accepting thread.
    void Serve() {
        HANDLE worker = echo::StartThread(WorkerThread, this);
        for (;;) {
            SOCKET socket = accept(listener_, NULL, NULL);
            if (socket == INVALID_SOCKET)
                break; // the listener was closed
            echo::NoDelay(socket);
            EnterCriticalSection(&lock_);
            new_.push_back(socket);
            LeaveCriticalSection(&lock_);
            WSASetEvent(changed_);
        }
        EnterCriticalSection(&lock_);
        stopping_ = true;
        LeaveCriticalSection(&lock_);
        WSASetEvent(changed_);
        echo::Join(worker);
    }

    void Stop() { closesocket(listener_); }

private:
    static unsigned __stdcall WorkerThread(void *server);

    // WSA_WAIT_IO_COMPLETION: routines ran, and the wait goes on.
    void Work() {
        for (;;) {
            DWORD why = WSAWaitForMultipleEvents(1, &changed_, FALSE, WSA_INFINITE, TRUE);
            if (why == WSA_WAIT_EVENT_0 && !WelcomeNewOnes())
                break;
        }
        for (Client *client : clients_) {
            closesocket(client->socket); // this ends the operation, whose routine forgets the client
            client->socket = INVALID_SOCKET;
        }
        while (!clients_.empty())
            SleepEx(INFINITE, TRUE);
    }

    bool WelcomeNewOnes() {
        WSAResetEvent(changed_);
        EnterCriticalSection(&lock_);
        std::vector<SOCKET> sockets;
        sockets.swap(new_);
        bool stopping = stopping_;
        LeaveCriticalSection(&lock_);
        for (SOCKET socket : sockets) {
            Client *client = new Client();
            client->socket = socket;
            clients_.insert(client);
            if (!Receive(*client))
                Forget(client);
        }
        return !stopping;
    }

    static void CALLBACK Received(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags);
    static void CALLBACK Sent(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags);

    static bool Started(int result) { return result == 0 || WSAGetLastError() == WSA_IO_PENDING; }

    static bool Receive(Client &client) {
        WSABUF buffer = {sizeof client.data, client.data};
        DWORD flags = 0;
        return Started(WSARecv(client.socket, &buffer, 1, NULL, &flags, &client.overlapped, Received));
    }

    static bool Send(Client &client, DWORD length) {
        WSABUF buffer = {length, client.data};
        return Started(WSASend(client.socket, &buffer, 1, NULL, 0, &client.overlapped, Sent));
    }

    void Forget(Client *client) {
        closesocket(client->socket);
        clients_.erase(client);
        delete client;
    }

    SOCKET listener_ = INVALID_SOCKET;
    WSAEVENT changed_ = WSA_INVALID_EVENT;
    CRITICAL_SECTION lock_;
    std::vector<SOCKET> new_;
    bool stopping_ = false;
    std::set<Client *> clients_; // the worker's own
};

Server server;

unsigned __stdcall Server::WorkerThread(void *) {
    server.Work();
    return 0;
}

void CALLBACK Server::Received(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD) {
    Client *client = CONTAINING_RECORD(overlapped, Client, overlapped);
    if (error != 0 || bytes == 0 || !Send(*client, bytes))
        server.Forget(client);
}

void CALLBACK Server::Sent(DWORD error, DWORD, LPWSAOVERLAPPED overlapped, DWORD) {
    Client *client = CONTAINING_RECORD(overlapped, Client, overlapped);
    if (error != 0 || !Receive(*client))
        server.Forget(client);
}

} // namespace

int main(int argc, char **argv) { return echo::Main(argc, argv, server); }
