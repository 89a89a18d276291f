// WSAAsyncSelect: network events as messages to a window that is never shown. One thread.
#include "model.h"

enum { WM_SOCKET = WM_USER + 1, PLACES = 32768 };

static SOCKET listener;
static client* clients[PLACES]; // by socket: open addressing, at most half full

static client** place_of(SOCKET s) {
    size_t i = (size_t)s / 4 * 2654435761u % PLACES;
    while (clients[i] && clients[i]->s != s) i = (i + 1) % PLACES;
    return &clients[i];
}

static void remove_client(client** place) {
    forget(*place);
    *place = NULL;
    // Those behind it that were pushed away by it move up.
    for (size_t i = (place - clients + 1) % PLACES; clients[i]; i = (i + 1) % PLACES) {
        client* c = clients[i];
        clients[i] = NULL;
        *place_of(c->s) = c;
    }
}

static void on_accept(HWND window) {
    SOCKET s = accept(listener, NULL, NULL);
    if (s == INVALID_SOCKET) return;
    *place_of(s) = new_client(s);
    WSAAsyncSelect(s, window, WM_SOCKET, FD_READ | FD_WRITE | FD_CLOSE);
}

static LRESULT CALLBACK procedure(HWND window, UINT message, WPARAM wparam, LPARAM lparam) {
    if (message != WM_SOCKET) return DefWindowProcA(window, message, wparam, lparam);
    client** place = place_of((SOCKET)wparam);
    int alive = !WSAGETSELECTERROR(lparam);
    switch (WSAGETSELECTEVENT(lparam)) {
    case FD_ACCEPT:
        on_accept(window);
        return 0;
    case FD_READ:
        alive = alive && *place && on_readable(*place);
        break;
    case FD_WRITE:
        alive = alive && *place && on_writable(*place);
        break;
    default:
        alive = 0;
    }
    if (*place && !alive) remove_client(place);
    return 0;
}

int main(int argc, char** argv) {
    listener = open_server(argc, argv);
    WNDCLASSA window_class = {0};
    window_class.lpfnWndProc = procedure;
    window_class.lpszClassName = "server";
    RegisterClassA(&window_class);
    HWND window = CreateWindowA("server", "", 0, 0, 0, 0, 0, HWND_MESSAGE, NULL, NULL, NULL);
    WSAAsyncSelect(listener, window, WM_SOCKET, FD_ACCEPT);
    MSG message;
    while (GetMessageA(&message, NULL, 0, 0) > 0) {
        TranslateMessage(&message);
        DispatchMessageA(&message);
    }
    return 0;
}
