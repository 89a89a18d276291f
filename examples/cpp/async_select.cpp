// An echo server around a window procedure: WSAAsyncSelect.
//
// Network events arrive as messages of a window that is never shown: wParam is the socket, lParam the event and its
// error. A message is posted once; the call that answers it (accept, recv, a send that would block) makes
// the next one possible. FD_CLOSE tells that the client will send no more, and data may still be unread.

#include "echo_server.h"

#include <map>

namespace {

const UINT WM_SOCKET = WM_USER + 1;

struct Client {
    int received; // bytes in `data`
    int sent;     // of these
    char data[4096];
};

class Server {
public:
    bool Open(SOCKET listener) {
        listener_ = listener;
        ready_ = CreateEvent(NULL, TRUE, FALSE, NULL);
        return ready_ != NULL;
    }

    // The window belongs to the thread that makes it, and so do its messages.
    void Serve() {
        if (MakeWindow())
            Loop();
        else
            SetEvent(ready_);
        for (std::map<SOCKET, Client>::iterator i = clients_.begin(); i != clients_.end(); ++i)
            closesocket(i->first);
        clients_.clear();
    }

    void Stop() {
        WaitForSingleObject(ready_, INFINITE);
        PostMessage(window_, WM_CLOSE, 0, 0);
    }

    void OnAccept() {
        SOCKET socket = accept(listener_, NULL, NULL);
        if (socket == INVALID_SOCKET)
            return;
        echo::NoDelay(socket);
        clients_[socket] = Client();
        // It has the listener's events; it wants others.
        if (WSAAsyncSelect(socket, window_, WM_SOCKET, FD_READ | FD_WRITE | FD_CLOSE) != 0)
            Remove(socket);
    }

    void OnReady(SOCKET socket, int error) {
        std::map<SOCKET, Client>::iterator client = clients_.find(socket);
        if (client != clients_.end() && (error != 0 || !Echo(socket, client->second)))
            Remove(socket);
    }

private:
    bool MakeWindow() {
        WNDCLASSA window_class = {};
        window_class.lpfnWndProc = Procedure;
        window_class.lpszClassName = "async_select";
        if (RegisterClassA(&window_class) == 0)
            return echo::Failed("RegisterClass");
        window_ = CreateWindowA("async_select", "", 0, 0, 0, 0, 0, HWND_MESSAGE, NULL, NULL, NULL);
        if (window_ == NULL)
            return echo::Failed("CreateWindow");
        if (WSAAsyncSelect(listener_, window_, WM_SOCKET, FD_ACCEPT) != 0)
            return echo::Failed("WSAAsyncSelect");
        SetEvent(ready_);
        return true;
    }

    void Loop() {
        MSG message;
        while (GetMessage(&message, NULL, 0, 0) > 0) {
            TranslateMessage(&message);
            DispatchMessage(&message);
        }
        closesocket(listener_);
    }

    static LRESULT CALLBACK Procedure(HWND window, UINT message, WPARAM wparam, LPARAM lparam);

    // Receives and sends until one of them would block. False when the client is done or gone.
    bool Echo(SOCKET socket, Client &client) {
        for (;;) {
            if (client.received == client.sent) {
                int received = recv(socket, client.data, sizeof client.data, 0);
                if (received <= 0)
                    return received != 0 && WSAGetLastError() == WSAEWOULDBLOCK;
                client.received = received;
                client.sent = 0;
            }
            int sent = send(socket, client.data + client.sent, client.received - client.sent, 0);
            if (sent == SOCKET_ERROR)
                return WSAGetLastError() == WSAEWOULDBLOCK;
            client.sent += sent;
        }
    }

    void Remove(SOCKET socket) {
        clients_.erase(socket);
        closesocket(socket);
    }

    SOCKET listener_ = INVALID_SOCKET;
    HANDLE ready_ = NULL;
    HWND window_ = NULL;
    std::map<SOCKET, Client> clients_;
};

Server server;

LRESULT CALLBACK Server::Procedure(HWND window, UINT message, WPARAM wparam, LPARAM lparam) {
    switch (message) {
    case WM_SOCKET:
        if (WSAGETSELECTEVENT(lparam) == FD_ACCEPT)
            server.OnAccept();
        else
            server.OnReady(static_cast<SOCKET>(wparam), WSAGETSELECTERROR(lparam));
        return 0;
    case WM_DESTROY:
        PostQuitMessage(0);
        return 0;
    }
    return DefWindowProc(window, message, wparam, lparam); // WM_CLOSE destroys the window
}

} // namespace

int main(int argc, char **argv) { return echo::Main(argc, argv, server); }
