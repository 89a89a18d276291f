// An echo server with a thread for every connection and blocking calls.
//
// The simplest model: a thread accepts, and each client has a thread that receives and sends until the client is
// done. Nothing is ever not ready; threads wait instead.

#include "echo_server.h"

#include <set>

namespace {

class Server {
public:
    bool Open(SOCKET listener) {
        listener_ = listener;
        InitializeCriticalSection(&lock_);
        all_gone_ = CreateEvent(NULL, TRUE, TRUE, NULL);
        return all_gone_ != NULL;
    }

    void Serve() {
        for (;;) {
            SOCKET client = accept(listener_, NULL, NULL);
            if (client == INVALID_SOCKET)
                break; // the listener was closed
            if (!Welcome(client))
                closesocket(client);
        }
        WaitForSingleObject(all_gone_, INFINITE);
    }

    // A closed listener ends accept, and a socket that was shut down ends recv and send.
    void Stop() {
        EnterCriticalSection(&lock_);
        stopping_ = true;
        for (SOCKET client : clients_)
            shutdown(client, SD_BOTH);
        LeaveCriticalSection(&lock_);
        closesocket(listener_);
    }

private:
    struct Client {
        Server *server;
        SOCKET socket;
    };

    bool Welcome(SOCKET socket) {
        Client *client = new Client{this, socket};
        bool welcome = Enter(socket);
        HANDLE thread = welcome ? echo::StartThread(ClientThread, client) : NULL;
        if (thread == NULL) {
            if (welcome)
                Leave(socket);
            delete client;
            return false;
        }
        CloseHandle(thread); // it ends on its own
        return true;
    }

    static unsigned __stdcall ClientThread(void *argument) {
        Client *client = static_cast<Client *>(argument);
        echo::NoDelay(client->socket);
        Echo(client->socket);
        client->server->Leave(client->socket);
        closesocket(client->socket);
        delete client;
        return 0;
    }

    static void Echo(SOCKET socket) {
        char data[4096];
        for (;;) {
            int received = recv(socket, data, sizeof data, 0);
            if (received <= 0)
                return; // the client is done, or gone
            if (send(socket, data, received, 0) != received)
                return;
        }
    }

    bool Enter(SOCKET client) {
        EnterCriticalSection(&lock_);
        bool welcome = !stopping_;
        if (welcome) {
            clients_.insert(client);
            ResetEvent(all_gone_);
        }
        LeaveCriticalSection(&lock_);
        return welcome;
    }

    void Leave(SOCKET client) {
        EnterCriticalSection(&lock_);
        clients_.erase(client);
        if (clients_.empty())
            SetEvent(all_gone_);
        LeaveCriticalSection(&lock_);
    }

    SOCKET listener_ = INVALID_SOCKET;
    CRITICAL_SECTION lock_;
    std::set<SOCKET> clients_;
    HANDLE all_gone_ = NULL;
    bool stopping_ = false;
};

Server server;

} // namespace

int main(int argc, char **argv) { return echo::Main(argc, argv, server); }
