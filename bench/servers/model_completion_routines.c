// Overlapped operations that report to completion routines, all in one thread's alertable sleep. The main thread accepts.
#include "model_overlapped.h"

static void part(overlapped_client* c) {
    closesocket(c->s);
    free(c);
}

static void CALLBACK completed(DWORD error, DWORD n, LPWSAOVERLAPPED overlapped, DWORD flags) {
    (void)flags;
    overlapped_client* c = CONTAINING_RECORD(overlapped, overlapped_client, overlapped);
    if (error || n == 0) {
        part(c);
        return;
    }
    advance(c, n);
    if (!start(c, completed)) part(c);
}

static void CALLBACK welcome(ULONG_PTR argument) {
    overlapped_client* c = (overlapped_client*)argument;
    if (!start(c, completed)) part(c);
}

static DWORD WINAPI worker(void* unused) {
    (void)unused;
    for (;;) SleepEx(INFINITE, TRUE);
    return 0; // not reached
}

int main(int argc, char** argv) {
    SOCKET listener = open_server(argc, argv);
    HANDLE thread = CreateThread(NULL, 0, worker, NULL, 0, NULL);
    for (;;) {
        overlapped_client* c = calloc(1, sizeof *c);
        c->s = accept_from(listener);
        QueueUserAPC(welcome, thread, (ULONG_PTR)c);
    }
}
