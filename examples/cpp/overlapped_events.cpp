// An echo server with overlapped operations that report to events.
//
// Each client has one operation under way, a receive or a send, whose OVERLAPPED names the client's event. A thread
// waits for at most 64 events: the first of its array tells that there are new clients, or that it is time to go.
// The accepting thread starts another worker when every one has 63 clients.

#include "echo_server.h"

#include <vector>

namespace {

struct Client {
    WSAOVERLAPPED overlapped; // hEvent is the client's event
    SOCKET socket;
    bool pending; // an operation is under way
    bool sending; // it is a send
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
                WSAResetEvent(events_[i]);
                if (i == 0 && !WelcomeNewOnes())
                    return;
                if (i > 0 && !OnFinished(*clients_[i]))
                    Remove(i--);
            }
        }
    }

    // False when it is time to go.
    bool WelcomeNewOnes() {
        EnterCriticalSection(&lock_);
        std::vector<SOCKET> sockets;
        sockets.swap(new_);
        for (SOCKET socket : sockets) {
            Client *client = new Client();
            client->socket = socket;
            client->overlapped.hEvent = events_[count_] = WSACreateEvent();
            clients_[count_++] = client;
        }
        bool stopping = stopping_;
        LeaveCriticalSection(&lock_);
        for (DWORD i = count_ - static_cast<DWORD>(sockets.size()); i < count_ && !stopping;) {
            if (Receive(*clients_[i]))
                i++;
            else
                Remove(i);
        }
        while (stopping && count_ > 1)
            Remove(count_ - 1);
        return !stopping;
    }

    // The client's operation is over: starts the next. False when the client is done or gone.
    static bool OnFinished(Client &client) {
        DWORD bytes = 0, flags = 0;
        BOOL succeeded = WSAGetOverlappedResult(client.socket, &client.overlapped, &bytes, FALSE, &flags);
        client.pending = false;
        if (!succeeded)
            return false;
        if (client.sending)
            return Receive(client);
        if (bytes == 0)
            return false;
        return Send(client, bytes);
    }

    // An operation that is done at once signals the event as well.
    static bool Started(Client &client, int result) {
        client.pending = result == 0 || WSAGetLastError() == WSA_IO_PENDING;
        return client.pending;
    }

    static bool Receive(Client &client) {
        WSABUF buffer = {sizeof client.data, client.data};
        DWORD bytes = 0, flags = 0;
        client.sending = false;
        return Started(client, WSARecv(client.socket, &buffer, 1, &bytes, &flags, &client.overlapped, NULL));
    }

    static bool Send(Client &client, DWORD length) {
        WSABUF buffer = {length, client.data};
        DWORD bytes = 0;
        client.sending = true;
        return Started(client, WSASend(client.socket, &buffer, 1, &bytes, 0, &client.overlapped, NULL));
    }

    // Closing ends what is under way; the memory is given back when it has ended. The last one takes the place.
    void Remove(DWORD i) {
        Client *client = clients_[i];
        closesocket(client->socket);
        while (client->pending && !HasOverlappedIoCompleted(&client->overlapped))
            WSAWaitForMultipleEvents(1, &events_[i], TRUE, 1, FALSE);
        WSACloseEvent(events_[i]);
        delete client;
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
