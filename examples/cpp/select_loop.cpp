// An echo server in one thread around select.
//
// Every round fills two sets: the sockets that something is to be received from, and those that have something left to
// be sent. select leaves the ready ones in them. FD_SETSIZE is raised before the headers are read: a set holds
// 64 sockets otherwise.

#define FD_SETSIZE 1024
#include "echo_server.h"

#include <vector>

namespace {

struct Client {
    SOCKET socket;
    int received; // bytes in `data`
    int sent;     // of these
    char data[4096];
};

class Server {
public:
    bool Open(SOCKET listener) {
        listener_ = listener;
        u_long on = 1;
        return ioctlsocket(listener, FIONBIO, &on) == 0 || echo::Failed("ioctlsocket");
    }

    void Serve() {
        for (;;) {
            fd_set readable, writable;
            FD_ZERO(&readable);
            FD_ZERO(&writable);
            if (clients_.size() < FD_SETSIZE - 1)
                FD_SET(listener_, &readable);
            for (Client *client : clients_)
                FD_SET(client->socket, client->received > client->sent ? &writable : &readable);
            if (select(0, &readable, &writable, NULL, NULL) == SOCKET_ERROR)
                break; // the listener was closed
            if (FD_ISSET(listener_, &readable) && !Accept())
                break;
            for (size_t i = 0; i < clients_.size();) {
                SOCKET socket = clients_[i]->socket;
                bool ready = FD_ISSET(socket, &readable) || FD_ISSET(socket, &writable);
                if (ready && !Echo(*clients_[i]))
                    Remove(i);
                else
                    i++;
            }
        }
        while (!clients_.empty())
            Remove(0);
    }

    // A closed listener is readable for the select that waits for it.
    void Stop() { closesocket(listener_); }

private:
    bool Accept() {
        SOCKET socket = accept(listener_, NULL, NULL);
        if (socket == INVALID_SOCKET)
            return WSAGetLastError() == WSAEWOULDBLOCK;
        u_long on = 1;
        ioctlsocket(socket, FIONBIO, &on);
        echo::NoDelay(socket);
        clients_.push_back(new Client{socket, 0, 0, {}});
        return true;
    }

    // One receive, or what is left to be sent. False when the client is done or gone.
    bool Echo(Client &client) {
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
        return true;
    }

    void Remove(size_t index) {
        closesocket(clients_[index]->socket);
        delete clients_[index];
        clients_[index] = clients_.back();
        clients_.pop_back();
    }

    SOCKET listener_ = INVALID_SOCKET;
    std::vector<Client *> clients_;
};

Server server;

} // namespace

int main(int argc, char **argv) { return echo::Main(argc, argv, server); }
