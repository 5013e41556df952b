/* json_lines: see the header. One thread with poll; lines gather (ingest/lines.h) while connections have more to read.
 *
 * Invariant: when the thread sleeps, nothing has gathered: every whole line was stored or counted, or is an event or a
 * request that waits for what belongs to it.
 * Limits: LINE_MAX_BYTES a line, a longer one is passed over and counted; CONNECTIONS at a time.
 */
#include "ingest/json_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/line_in.h"
#include "base/os.h"
#include "ingest/lines.h"
#include "wire/human.h"

enum { LINE_MAX_BYTES = 1 << 20, CONNECTIONS = 64, READ_BYTES = 64 << 10, TICK_MS = 500 };
static const uint64_t TIMEOUT_NS = 60000000000, SPARE_NS = 10000000;

struct connection {
    int fd;
    struct tw__line_in in;
};

struct state {
    struct tw__open_door *door;
    struct tw__intake *intake;
    int fd, wake[2];
    char path[TW__BOUND_MAX];
    pthread_t thread;
    uint32_t draining, done; /* atomic */
    struct connection connections[CONNECTIONS];
    size_t connection_count;
    struct tw__lines *lines;
    struct tw__lines_counts told; /* what the door's counters have of them */
    char bytes[READ_BYTES];
};

static int store(void *data, struct tw__spans *spans)
{
    struct state *state = data;
    tw__intake_offer(state->intake, spans, &state->door->stats);
    return 0;
}

/* code: of what was just done with the lines. */
static void count(struct state *state, int code)
{
    struct tw__door_stats *stats = &state->door->stats;
    struct tw__lines_counts now = tw__lines_counts(state->lines);
    tw__stat_add(&stats->requests, now.lines - state->told.lines);
    tw__stat_add(&stats->bad, now.bad - state->told.bad);
    tw__stat_add(&stats->rejected_spans, now.rejected - state->told.rejected);
    tw__stat_add(&stats->lost_events, now.lost_events - state->told.lost_events);
    if (code == TW_ERR_MEMORY) tw__stat_add(&stats->failures, 1);
    state->told = now;
}

static void take_bytes(struct state *state, struct connection *connection, const char *bytes, size_t len)
{
    const char *line;
    size_t line_len;
    int code;
    while ((code = tw__line_in_next(&connection->in, &bytes, &len, &line, &line_len)) != 0) {
        if (code == TW_ERR_RANGE)
            tw__stat_add(&state->door->stats.too_large, 1);
        else
            count(state, code > 0 ? tw__lines_take(state->lines, line, line_len) : code);
    }
}

/* Returns false when the connection has ended. Its last line need not have an end. */
static bool read_some(struct state *state, struct connection *connection)
{
    ssize_t got = read(connection->fd, state->bytes, sizeof state->bytes);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got > 0) {
        tw__stat_add(&state->door->stats.bytes, got);
        take_bytes(state, connection, state->bytes, (size_t)got);
        return true;
    }
    const char *line;
    size_t len;
    if (tw__line_in_last(&connection->in, &line, &len)) count(state, tw__lines_take(state->lines, line, len));
    tw__line_in_fini(&connection->in);
    (void)close(connection->fd);
    return false;
}

static void take_connection(struct state *state)
{
    int fd = accept(state->fd, NULL, NULL);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
        tw__stat_add(&state->door->stats.refused_connections, 1);
        tw__os_sleep_ns(SPARE_NS); /* the socket stays readable: do not spin */
    }
    if (fd < 0) return;
    if (state->connection_count == CONNECTIONS) {
        tw__stat_add(&state->door->stats.refused_connections, 1);
        (void)close(fd);
        return;
    }
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    tw__stat_add(&state->door->stats.connections, 1);
    state->connections[state->connection_count++] = (struct connection){.fd = fd, .in = {.max_bytes = LINE_MAX_BYTES}};
}

static int look(struct state *state, bool draining, int timeout_ms)
{
    struct pollfd fds[CONNECTIONS + 2];
    size_t count = state->connection_count;
    fds[0] = (struct pollfd){.fd = draining ? -1 : state->fd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = draining ? -1 : state->wake[0], .events = POLLIN};
    for (size_t i = 0; i < count; i++) fds[i + 2] = (struct pollfd){.fd = state->connections[i].fd, .events = POLLIN};
    int ready = poll(fds, count + 2, timeout_ms);
    if (ready <= 0) return 0;
    if (fds[0].revents) take_connection(state);
    for (size_t i = count; i-- > 0;)
        if (fds[i + 2].revents && !read_some(state, &state->connections[i]))
            state->connections[i] = state->connections[--state->connection_count];
    return ready;
}

static void *run(void *data)
{
    struct state *state = data;
    uint64_t next_ns = 0;
    tw__os_name_thread("json-lines");
    for (;;) {
        bool draining = tw__load_acquire(&state->draining) != 0; /* pairs with ask; read before the sockets */
        bool busy = look(state, draining, draining || tw__lines_waiting(state->lines) ? 0 : TICK_MS) > 0;
        if (!busy && tw__lines_waiting(state->lines)) count(state, tw__lines_flush(state->lines));
        uint64_t now_ns = tw__clock_mono_ns();
        if (now_ns >= next_ns) {
            count(state, tw__lines_tick(state->lines));
            next_ns = now_ns + (uint64_t)TICK_MS * 1000000u;
        }
        if (draining && (!busy || tw__load_acquire(&state->draining) > 1)) break; /* pairs with ask */
    }
    count(state, tw__lines_end(state->lines, false));
    tw__store_release(&state->done, 1); /* pairs with idle */
    return NULL;
}

/* -- the door */

static void ask(struct state *state, uint32_t how)
{
    tw__store_release(&state->draining, how);     /* pairs with run */
    if (write(state->wake[1], "", 1) < 0) return; /* it is awake already */
}

static int bind_path(struct state *state, const char *path, char why[TW_WHY_MAX])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path || strlen(path) >= sizeof state->path) {
        (void)snprintf(why, TW_WHY_MAX, "the path of the socket is too long");
        return TW_ERR_SPACE;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    memcpy(state->path, path, strlen(path) + 1);
    state->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    const struct sockaddr *to = (const void *)&address;
    if (state->fd >= 0 && connect(state->fd, to, sizeof address) == 0) {
        (void)snprintf(why, TW_WHY_MAX, "%.180s: somebody listens there already", path);
        return TW_ERR_SYSTEM;
    }
    struct stat there;
    if (lstat(path, &there) == 0 && S_ISSOCK(there.st_mode)) (void)unlink(path); /* of one who has gone */
    if (state->fd < 0 || bind(state->fd, to, sizeof address) < 0 || chmod(path, 0600) < 0 ||
        listen(state->fd, 64) < 0) {
        (void)snprintf(why, TW_WHY_MAX, "%.180s: no socket could be made there", path);
        return TW_ERR_SYSTEM;
    }
    (void)fcntl(state->fd, F_SETFL, O_NONBLOCK);
    (void)fcntl(state->fd, F_SETFD, FD_CLOEXEC);
    return 0;
}

static void free_state(struct state *state)
{
    for (size_t i = 0; i < state->connection_count; i++) {
        tw__line_in_fini(&state->connections[i].in);
        (void)close(state->connections[i].fd);
    }
    if (state->fd >= 0) (void)close(state->fd);
    if (state->wake[0] >= 0) (void)close(state->wake[0]);
    if (state->wake[1] >= 0) (void)close(state->wake[1]);
    tw__lines_free(state->lines);
    free(state);
}

static int open_door(struct tw__open_door *door, const struct tw__door_config *config, char why[TW_WHY_MAX])
{
    struct state *state = calloc(1, sizeof *state);
    const char *timeout = config->setting ? config->setting(config->settings, "json-timeout") : NULL;
    (void)snprintf(why, TW_WHY_MAX, "out of memory");
    if (!state) return TW_ERR_MEMORY;
    state->door = door;
    state->intake = config->intake;
    state->fd = state->wake[0] = state->wake[1] = -1;
    struct tw__lines_config lines = {
        .door = TW__DOOR_JSON, .timeout_ns = TIMEOUT_NS, .waits = true, .take = store, .data = state};
    if (timeout) (void)tw__human_parse_duration(timeout, &lines.timeout_ns);
    state->lines = tw__lines_new(&lines);
    int code = state->lines ? bind_path(state, config->address, why) : TW_ERR_MEMORY;
    if (code == 0 && (pipe(state->wake) < 0 || pthread_create(&state->thread, NULL, run, state) != 0)) {
        (void)snprintf(why, TW_WHY_MAX, "no pipe or no thread could be made");
        code = TW_ERR_SYSTEM;
    }
    if (code < 0) {
        free_state(state);
        return code;
    }
    (void)snprintf(door->bound, sizeof door->bound, "%s", state->path);
    door->state = state;
    return 0;
}

static void drain(struct tw__open_door *door)
{
    ask(door->state, 1);
}

static bool idle(struct tw__open_door *door)
{
    struct state *state = door->state;
    return tw__load_acquire(&state->done) != 0; /* pairs with run */
}

static void close_door(struct tw__open_door *door)
{
    struct state *state = door->state;
    ask(state, 2);
    (void)pthread_join(state->thread, NULL);
    (void)unlink(state->path);
    free_state(state);
}

const struct tw__door_kind tw__door_json_lines = {.number = TW__DOOR_JSON,
                                                  .name = "json-socket",
                                                  .open = open_door,
                                                  .drain = drain,
                                                  .idle = idle,
                                                  .close = close_door};
