// Peer: a plain poll() loop for Linux, with nothing of wharf. What the models' echo is compared to.
//
// Command line: PORT.
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ENTRIES_MAX = 16384, BUFFER_LEN = 16384 };

typedef struct {
    char* unsent;
    int unsent_len;
} client;

static struct pollfd entries[ENTRIES_MAX]; // the listener, then the clients
static client clients[ENTRIES_MAX];
static int count = 1;
static char buffer[BUFFER_LEN];

static void accept_one(int listener) {
    int s = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (s < 0 || count == ENTRIES_MAX) return;
    int on = 1;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    entries[count].fd = s;
    entries[count].events = POLLIN;
    clients[count++] = (client){0};
}

static int send_all(int s, client* c, const char* data, int len) {
    int sent = send(s, data, len, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN) return 0;
        sent = 0;
    }
    if (sent == len) return 1;
    c->unsent_len = len - sent;
    c->unsent = malloc(c->unsent_len);
    memcpy(c->unsent, data + sent, c->unsent_len);
    return 1;
}

static int on_readable(int s, client* c) {
    if (c->unsent) return 1;
    int received = recv(s, buffer, sizeof buffer, 0);
    if (received > 0) return send_all(s, c, buffer, received);
    return received < 0 && errno == EAGAIN;
}

static int on_writable(int s, client* c) {
    char* data = c->unsent;
    if (!data) return 1;
    c->unsent = NULL;
    int alive = send_all(s, c, data, c->unsent_len);
    free(data);
    return alive;
}

static int serve(int i) {
    int s = entries[i].fd;
    if (entries[i].revents & POLLOUT && !on_writable(s, &clients[i])) return 0;
    return !(entries[i].revents & (POLLIN | POLLHUP | POLLERR)) || on_readable(s, &clients[i]);
}

int main(int argc, char** argv) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 9000)};
    if (bind(listener, (struct sockaddr*)&address, sizeof address) || listen(listener, SOMAXCONN)) {
        perror("cannot listen");
        return 1;
    }
    entries[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (;;) {
        if (poll(entries, count, -1) < 0) continue;
        for (int i = 1; i < count; i++) {
            if (!entries[i].revents) continue;
            if (serve(i)) {
                entries[i].events = clients[i].unsent ? POLLOUT : POLLIN;
                continue;
            }
            close(entries[i].fd);
            free(clients[i].unsent);
            count--;
            clients[i] = clients[count];
            entries[i--] = entries[count];
        }
        if (entries[0].revents) accept_one(listener);
    }
}
