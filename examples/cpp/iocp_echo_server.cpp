// An echo server on a completion port, in the shape in which servers for Windows are usually taught.
//
//     iocp_echo_server PORT [CLIENTS]        PORT 0: any free one
//
// It prints `listening on PORT`, serves at most CLIENTS clients at once (10000 unless told), and stops when it reads
// a line or the end of its standard input. README.md beside this file tells how to build it for Linux and Windows.
//
// One thread accepts: it takes an empty slot, waits for a connection, associates the socket with the port, and posts
// the first receive. A few workers wait at the port: what was received is sent back, and what was sent makes room for
// the next receive.
//
// The rule that keeps slots from being lost or given back twice: a connected client has exactly one operation under
// way, a receive or a send, and the packet of that operation is the right to touch the slot. Whoever cannot start the
// next operation gives the slot back. Closing a socket from elsewhere takes nothing away from the rule: the operation
// then ends with an error, and its packet still arrives.

#include <winsock2.h>
#include <windows.h>
#include <process.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

const DWORD kStopDeadlineMs = 10000;

enum class Operation { Receive, Send };

// An OVERLAPPED with what the worker needs to know about its operation. Used again and again without clearing: the
// system writes Internal and InternalHigh, and nothing else of it matters to a socket.
struct OverlappedEx {
    OVERLAPPED overlapped;
    Operation operation;
};

// One client's slot. Its address is the key of its packets, so slots never move.
struct Client {
    std::atomic<SOCKET> socket{INVALID_SOCKET};
    OverlappedEx receiving{{}, Operation::Receive};
    OverlappedEx sending{{}, Operation::Send};
    char data[4096];

    Client() {} // leaves `data` untouched: memory that no client needed yet costs nothing
};

class CriticalSection {
public:
    CriticalSection() { InitializeCriticalSection(&section_); }
    ~CriticalSection() { DeleteCriticalSection(&section_); }
    void Enter() { EnterCriticalSection(&section_); }
    void Leave() { LeaveCriticalSection(&section_); }

private:
    CRITICAL_SECTION section_;
};

// The slots and which of them are empty.
class Slots {
public:
    explicit Slots(size_t count) : all_(count) {
        for (Client &client : all_)
            empty_.push_back(&client);
    }
    ~Slots() { CloseHandle(given_back_); }

    std::vector<Client> &All() { return all_; }

    size_t Occupied() {
        lock_.Enter();
        size_t occupied = all_.size() - empty_.size();
        lock_.Leave();
        return occupied;
    }

    // An empty slot, or null if there is none.
    Client *Take() {
        Client *client = nullptr;
        lock_.Enter();
        if (!empty_.empty()) {
            client = empty_.back();
            empty_.pop_back();
        }
        lock_.Leave();
        return client;
    }

    void GiveBack(Client *client) {
        lock_.Enter();
        empty_.push_back(client);
        lock_.Leave();
        SetEvent(given_back_);
    }

    // Waits until a slot was given back since the last wait, or until somebody interrupts.
    bool WaitForOne(DWORD timeout_ms) { return WaitForSingleObject(given_back_, timeout_ms) == WAIT_OBJECT_0; }
    void InterruptWait() { SetEvent(given_back_); }

private:
    CriticalSection lock_;
    std::vector<Client> all_;
    std::vector<Client *> empty_;
    HANDLE given_back_ = CreateEvent(NULL, FALSE, FALSE, NULL);
};

class EchoServer {
public:
    explicit EchoServer(size_t clients) : slots_(clients) {}

    bool Open();
    bool Listen(u_short port);
    bool Start();
    bool Stop();

    u_short Port() const { return port_number_; }
    size_t Connected();
    LONG Accepted() const { return accepted_; }

private:
    static unsigned __stdcall AcceptThread(void *server);
    static unsigned __stdcall WorkerThread(void *server);
    void AcceptClients();
    Client *WaitForEmptySlot();
    bool Welcome(Client &client, SOCKET socket);
    void Work();
    void Finish(Client &client, Operation operation, DWORD bytes);
    bool BindRecv(Client &client);
    bool SendMsg(Client &client, DWORD bytes);
    void Release(Client &client, bool abortive);

    Slots slots_;
    HANDLE port_ = NULL;
    SOCKET listener_ = INVALID_SOCKET;
    u_short port_number_ = 0;
    HANDLE accepter_ = NULL;
    std::vector<HANDLE> workers_;
    std::atomic<bool> stopping_{false};
    std::atomic<LONG> accepted_{0};
};

bool Failed(const char *call) {
    std::fprintf(stderr, "%s: error %d\n", call, WSAGetLastError());
    return false;
}

// Whether an overlapped call was accepted: finished at once or pending, its packet comes either way.
bool Started(int result) { return result == 0 || WSAGetLastError() == WSA_IO_PENDING; }

HANDLE StartThread(unsigned(__stdcall *routine)(void *), void *argument) {
    return reinterpret_cast<HANDLE>(_beginthreadex(NULL, 0, routine, argument, 0, NULL));
}

void Join(HANDLE thread) {
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

// Ends a connection. Abortive: whatever was not sent yet is thrown away and the client sees a reset.
void CloseSocket(SOCKET socket, bool abortive) {
    LINGER linger = {};
    linger.l_onoff = abortive;
    shutdown(socket, SD_BOTH);
    setsockopt(socket, SOL_SOCKET, SO_LINGER, reinterpret_cast<const char *>(&linger), sizeof linger);
    closesocket(socket);
}

// Phase 1: Winsock, the completion port and the listening socket.
bool EchoServer::Open() {
    WSADATA data;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return Failed("WSAStartup");
    port_ = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    if (port_ == NULL)
        return Failed("CreateIoCompletionPort");
    listener_ = WSASocket(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    if (listener_ == INVALID_SOCKET)
        return Failed("WSASocket");
    return true;
}

// Phase 2: the address.
bool EchoServer::Listen(u_short port) {
    SOCKADDR_IN address = {};
    int length = sizeof address;
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(listener_, reinterpret_cast<SOCKADDR *>(&address), sizeof address) != 0)
        return Failed("bind");
    if (listen(listener_, SOMAXCONN) != 0)
        return Failed("listen");
    if (getsockname(listener_, reinterpret_cast<SOCKADDR *>(&address), &length) != 0)
        return Failed("getsockname");
    port_number_ = ntohs(address.sin_port);
    return true;
}

// Phase 3: the threads. Two workers per processor, so that one that blocks leaves another to run.
bool EchoServer::Start() {
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    for (DWORD i = 0; i < 2 * system.dwNumberOfProcessors; i++) {
        HANDLE worker = StartThread(WorkerThread, this);
        if (worker == NULL)
            return Failed("_beginthreadex");
        workers_.push_back(worker);
    }
    accepter_ = StartThread(AcceptThread, this);
    return accepter_ != NULL || Failed("_beginthreadex");
}

// Phase 4: no more clients, then no clients, then no threads. True if every slot came back.
bool EchoServer::Stop() {
    stopping_ = true;
    closesocket(listener_);
    slots_.InterruptWait();
    if (accepter_ != NULL)
        Join(accepter_);

    for (Client &client : slots_.All()) {
        SOCKET socket = client.socket.exchange(INVALID_SOCKET);
        if (socket != INVALID_SOCKET)
            CloseSocket(socket, false);
    }
    while (slots_.Occupied() > 0 && slots_.WaitForOne(kStopDeadlineMs)) {
    }

    // A worker that waits takes one of the empty packets; one that does not finds the port closed.
    for (size_t i = 0; i < workers_.size(); i++)
        PostQueuedCompletionStatus(port_, 0, 0, NULL);
    CloseHandle(port_);
    for (HANDLE worker : workers_)
        Join(worker);
    WSACleanup();
    return slots_.Occupied() == 0;
}

size_t EchoServer::Connected() {
    size_t connected = 0;
    for (Client &client : slots_.All())
        connected += client.socket != INVALID_SOCKET;
    return connected;
}

unsigned __stdcall EchoServer::AcceptThread(void *server) {
    static_cast<EchoServer *>(server)->AcceptClients();
    return 0;
}

unsigned __stdcall EchoServer::WorkerThread(void *server) {
    static_cast<EchoServer *>(server)->Work();
    return 0;
}

void EchoServer::AcceptClients() {
    while (Client *client = WaitForEmptySlot()) {
        SOCKET socket = accept(listener_, NULL, NULL);
        if (socket == INVALID_SOCKET) {
            slots_.GiveBack(client);
            Sleep(stopping_ ? 0 : 10); // out of sockets, say: some will be closed soon
        } else if (!Welcome(*client, socket)) {
            Release(*client, true);
        }
    }
}

// While every slot is occupied, new clients wait in the listener's backlog. Null once the server stops.
Client *EchoServer::WaitForEmptySlot() {
    while (!stopping_) {
        if (Client *client = slots_.Take())
            return client;
        slots_.WaitForOne(INFINITE);
    }
    return nullptr;
}

bool EchoServer::Welcome(Client &client, SOCKET socket) {
    client.socket = socket;
    accepted_++;
    BOOL no_delay = TRUE;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, reinterpret_cast<const char *>(&no_delay), sizeof no_delay);
    ULONG_PTR key = reinterpret_cast<ULONG_PTR>(&client);
    if (CreateIoCompletionPort(reinterpret_cast<HANDLE>(socket), port_, key, 0) != port_)
        return Failed("CreateIoCompletionPort");
    return BindRecv(client);
}

void EchoServer::Work() {
    for (;;) {
        DWORD bytes = 0;
        ULONG_PTR key = 0;
        LPOVERLAPPED overlapped = NULL;
        BOOL succeeded = GetQueuedCompletionStatus(port_, &bytes, &key, &overlapped, INFINITE);
        if (overlapped == NULL)
            return; // an empty packet, or the port was closed
        Client &client = *reinterpret_cast<Client *>(key);
        if (succeeded)
            Finish(client, CONTAINING_RECORD(overlapped, OverlappedEx, overlapped)->operation, bytes);
        else
            Release(client, true);
    }
}

// One operation has succeeded: starts the next one, or releases the client.
void EchoServer::Finish(Client &client, Operation operation, DWORD bytes) {
    if (operation == Operation::Receive && bytes == 0)
        Release(client, false); // the client has nothing more to say, and everything was answered
    else if (!(operation == Operation::Receive ? SendMsg(client, bytes) : BindRecv(client)))
        Release(client, true);
}

bool EchoServer::BindRecv(Client &client) {
    WSABUF buffer = {sizeof client.data, client.data};
    DWORD bytes = 0, flags = 0;
    return Started(WSARecv(client.socket, &buffer, 1, &bytes, &flags, &client.receiving.overlapped, NULL));
}

bool EchoServer::SendMsg(Client &client, DWORD length) {
    WSABUF buffer = {length, client.data};
    DWORD bytes = 0;
    return Started(WSASend(client.socket, &buffer, 1, &bytes, 0, &client.sending.overlapped, NULL));
}

// Closes the client's socket, unless Stop was faster, and gives the slot back.
void EchoServer::Release(Client &client, bool abortive) {
    SOCKET socket = client.socket.exchange(INVALID_SOCKET);
    if (socket != INVALID_SOCKET)
        CloseSocket(socket, abortive);
    slots_.GiveBack(&client);
}

void WaitForLine() {
    for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar()) {
    }
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: iocp_echo_server PORT [CLIENTS]\n");
        return 2;
    }
    u_short port = static_cast<u_short>(std::atoi(argv[1]));
    size_t clients = argc > 2 ? std::strtoul(argv[2], NULL, 10) : 10000;

    EchoServer server(clients);
    if (!server.Open() || !server.Listen(port) || !server.Start())
        return 1;
    std::printf("listening on %u\n", server.Port());
    std::fflush(stdout);

    WaitForLine();
    std::printf("stopping with %lu clients\n", static_cast<unsigned long>(server.Connected()));
    bool complete = server.Stop();
    std::printf("%ld clients served, %s\n", static_cast<long>(server.Accepted()),
                complete ? "every slot came back" : "slots are missing");
    return complete ? 0 : 1;
}
