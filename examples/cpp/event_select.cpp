// An echo server around arrays of events: WSAEventSelect.
//
// A thread waits for at most 64 events. Here a thread serves 63 clients: the first event of its array tells that there are
// new ones, or that it is time to go. The accepting thread gives a client to the first thread that has room, and
// starts another when none has.

#include "echo_server.h"

#include <vector>

namespace {

struct Client {
    SOCKET socket;
    int received; // bytes in `data`
    int sent;     // of these
    char data[4096];
};

// One thread and its clients. Client i belongs to event i; there is no client 0.
class Worker {
public:
    Worker() : count_(1) {
        InitializeCriticalSection(&lock_);
        events_[0] = WSACreateEvent();
        thread_ = echo::StartThread(Thread, this);
    }

    ~Worker() {
        EnterCriticalSection(&lock_);
        stopping_ = true;
        LeaveCriticalSection(&lock_);
        WSASetEvent(events_[0]);
        echo::Join(thread_);
        WSACloseEvent(events_[0]);
        DeleteCriticalSection(&lock_);
    }

    // False if the thread has as many as it can wait for.
    bool Take(SOCKET socket) {
        EnterCriticalSection(&lock_);
        bool room = count_ + new_.size() < WSA_MAXIMUM_WAIT_EVENTS;
        if (room)
            new_.push_back(socket);
        LeaveCriticalSection(&lock_);
        if (room)
            WSASetEvent(events_[0]);
        return room;
    }

private:
    static unsigned __stdcall Thread(void *worker) {
        static_cast<Worker *>(worker)->Serve();
        return 0;
    }

    void Serve() {
        for (;;) {
            DWORD first = WSAWaitForMultipleEvents(count_, events_, FALSE, WSA_INFINITE, FALSE);
            if (first == WSA_WAIT_FAILED) {
                echo::Failed("WSAWaitForMultipleEvents");
                break;
            }
            // The lowest index is told; the others may be signalled too.
            for (DWORD i = first - WSA_WAIT_EVENT_0; i < count_; i++) {
                if (WSAWaitForMultipleEvents(1, &events_[i], TRUE, 0, FALSE) != WSA_WAIT_EVENT_0)
                    continue;
                if (i == 0 && !WelcomeNewOnes())
                    return;
                if (i > 0 && !OnEvent(*clients_[i], events_[i]))
                    Remove(i--);
            }
        }
    }

    // False when it is time to go.
    bool WelcomeNewOnes() {
        WSAResetEvent(events_[0]);
        EnterCriticalSection(&lock_);
        std::vector<SOCKET> sockets;
        sockets.swap(new_);
        for (SOCKET socket : sockets) {
            events_[count_] = WSACreateEvent();
            clients_[count_] = new Client{socket, 0, 0, {}};
            WSAEventSelect(socket, events_[count_], FD_READ | FD_WRITE | FD_CLOSE);
            count_++;
        }
        bool stopping = stopping_;
        LeaveCriticalSection(&lock_);
        while (stopping && count_ > 1)
            Remove(count_ - 1);
        return !stopping;
    }

    // False when the client is done or gone.
    static bool OnEvent(Client &client, WSAEVENT event) {
        WSANETWORKEVENTS happened;
        if (WSAEnumNetworkEvents(client.socket, event, &happened) != 0)
            return echo::Failed("WSAEnumNetworkEvents");
        if ((happened.lNetworkEvents & FD_CLOSE) && happened.iErrorCode[FD_CLOSE_BIT] != 0)
            return false;
        return Echo(client);
    }

    // Receives and sends until one of them would block. False when the client is done or gone.
    static bool Echo(Client &client) {
        for (;;) {
            if (client.received == client.sent) {
                int received = recv(client.socket, client.data, sizeof client.data, 0);
                if (received <= 0)
                    return received != 0 && WSAGetLastError() == WSAEWOULDBLOCK;
                client.received = received;
                client.sent = 0;
            }
            int sent = send(client.socket, client.data + client.sent, client.received - client.sent, 0);
            if (sent == SOCKET_ERROR)
                return WSAGetLastError() == WSAEWOULDBLOCK;
            client.sent += sent;
        }
    }

    // The last one takes the place of the one that goes.
    void Remove(DWORD i) {
        closesocket(clients_[i]->socket);
        WSACloseEvent(events_[i]);
        delete clients_[i];
        EnterCriticalSection(&lock_);
        count_--;
        clients_[i] = clients_[count_];
        events_[i] = events_[count_];
        LeaveCriticalSection(&lock_);
    }

    WSAEVENT events_[WSA_MAXIMUM_WAIT_EVENTS];
    Client *clients_[WSA_MAXIMUM_WAIT_EVENTS];
    DWORD count_; // of events in use; changed under the lock, since Take looks at it
    CRITICAL_SECTION lock_;
    std::vector<SOCKET> new_;
    bool stopping_ = false;
    HANDLE thread_;
};

echo::Pool<Worker> server;

} // namespace

int main(int argc, char **argv) { return echo::Main(argc, argv, server); }
