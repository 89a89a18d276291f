/* What C++ adds to program.h: the standard library beside Winsock, and `using namespace std`. */

using namespace std;

struct Worker {
    int total;
    void add(int n) { total += n; }
};

/* `bind` is Winsock's for a socket, std::bind for a callable, and `::bind` always Winsock's. */
static void bind_is_two_functions() {
    Worker worker = {0};
    auto add = bind(&Worker::add, &worker, placeholders::_1);
    add(3);
    CHECK(worker.total == 3);

    SOCKET s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    SOCKADDR_IN address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int first = bind(s, (SOCKADDR *)&address, sizeof(address));
    CHECK(first == 0);
    CHECK(::bind(s, reinterpret_cast<sockaddr *>(&address), sizeof(address)) == SOCKET_ERROR);
    CHECK(WSAGetLastError() == WSAEINVAL);
    closesocket(s);
}

/* min and max take mixed types, as the macros of Windows' headers do. */
static void min_and_max_are_there() {
    CHECK(max(3, 2) == 3 && min(string("a"), string("b")) == "a");
#ifdef __linux__
    DWORD count = 10;
    CHECK(min(count, 4) == 4 && max<int>(1, 2) == 2);
    long processors = 0;
    CHECK(InterlockedIncrement(&processors) == 1);
#endif
}

static void the_standard_library_works() {
    mutex lock;
    unordered_map<SOCKET, string> names;
    {
        lock_guard<mutex> guard(lock);
        names[INVALID_SOCKET] = "none";
    }
    thread([&] { names[0] = "set by a std::thread"; }).join();
    CHECK(names.size() == 2);
}

int main() {
    WSADATA data;
    CHECK(WSAStartup(WINSOCK_VERSION, &data) == 0);
    bind_is_two_functions();
    min_and_max_are_there();
    the_standard_library_works();
    WSACleanup();
    return run();
}
