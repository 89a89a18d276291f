// Threads that wait for arrays of events, each for 63 clients: the first event says that new ones are there. The main thread
// accepts.
#ifndef MODEL_ARRAYS_H
#define MODEL_ARRAYS_H

#include "model.h"

typedef struct worker {
    struct worker* next;
    WSAEVENT events[WSA_MAXIMUM_WAIT_EVENTS]; // the first one's own
    void* clients[WSA_MAXIMUM_WAIT_EVENTS];
    DWORD count;
    CRITICAL_SECTION lock; // of what follows
    SOCKET fresh[WSA_MAXIMUM_WAIT_EVENTS];
    DWORD fresh_count;
    DWORD room; // for further clients
} worker;

// A server's own: welcomes a client, which will have this event; serves it once its event is signalled, false when it is
// done or gone; says good-bye to it.
static void* welcome(SOCKET s, WSAEVENT event);
static int serve(void* client, WSAEVENT event);
static void part(void* client);

static void take_fresh(worker* w) {
    WSAResetEvent(w->events[0]);
    EnterCriticalSection(&w->lock);
    for (DWORD i = 0; i < w->fresh_count; i++) {
        w->events[w->count] = WSACreateEvent();
        w->clients[w->count] = welcome(w->fresh[i], w->events[w->count]);
        w->count++;
    }
    w->fresh_count = 0;
    LeaveCriticalSection(&w->lock);
}

static void remove_client(worker* w, DWORD i) {
    part(w->clients[i]);
    WSACloseEvent(w->events[i]);
    w->count--;
    w->clients[i] = w->clients[w->count];
    w->events[i] = w->events[w->count];
    EnterCriticalSection(&w->lock);
    w->room++;
    LeaveCriticalSection(&w->lock);
}

static DWORD WINAPI serve_clients(void* argument) {
    worker* w = argument;
    for (;;) {
        // The lowest index is told; further ones are asked for without waiting.
        DWORD from = 0;
        while (from < w->count) {
            DWORD timeout = from ? 0 : WSA_INFINITE;
            DWORD result = WSAWaitForMultipleEvents(w->count - from, w->events + from, FALSE, timeout, FALSE);
            if (result == WSA_WAIT_TIMEOUT) break;
            if (result == WSA_WAIT_FAILED) return 1;
            DWORD i = from + result - WSA_WAIT_EVENT_0;
            if (i == 0)
                take_fresh(w);
            else if (!serve(w->clients[i], w->events[i])) {
                remove_client(w, i);
                continue; // another one is in its place
            }
            from = i + 1;
        }
    }
}

static worker* new_worker(worker* next) {
    worker* w = calloc(1, sizeof *w);
    w->next = next;
    w->events[0] = WSACreateEvent();
    w->count = 1;
    w->room = WSA_MAXIMUM_WAIT_EVENTS - 1;
    InitializeCriticalSection(&w->lock);
    CloseHandle(CreateThread(NULL, 0, serve_clients, w, 0, NULL));
    return w;
}

static int give(worker* w, SOCKET s) {
    EnterCriticalSection(&w->lock);
    int has_room = w->room > 0;
    if (has_room) {
        w->room--;
        w->fresh[w->fresh_count++] = s;
    }
    LeaveCriticalSection(&w->lock);
    if (has_room) WSASetEvent(w->events[0]);
    return has_room;
}

static void run_arrays(int argc, char** argv) {
    SOCKET listener = open_server(argc, argv);
    worker* workers = NULL;
    for (;;) {
        SOCKET s = accept_from(listener);
        worker* w = workers;
        while (w && !give(w, s)) w = w->next;
        if (!w) {
            workers = new_worker(workers);
            give(workers, s);
        }
    }
}

#endif
