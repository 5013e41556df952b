/* shop: a small web shop in two processes, traced with Trackway. An example to read; `make demo` drives it.
 *
 *     shop back  --db FILE [--port N]          items, orders and reports from a SQLite file
 *     shop front --back URL [--port N]         what customers talk to; asks the back
 *
 * main.c      the command line, the recording, the end          server.c   HTTP in: one span per request
 * front.c     the front's pages                                 client.c   HTTP out: hands the trace on
 * back.c      the back's pages                                  store.c    SQLite: one span per statement
 *                                                               orders.c   a queue and batches: many parents, messages
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <trackway/trackway.h>

#include "roles.h"

enum { SHUTDOWN_NS = 1000000000 };

static int usage(void)
{
    fputs("usage: shop back --db FILE [--port N]\n"
          "       shop front --back URL [--port N]\n",
          stderr);
    return 2;
}

static sigset_t end_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    return signals;
}

void wait_for_end(const char *role, uint16_t port)
{
    const sigset_t signals = end_signals();
    int signal_number;
    printf("%s: http://127.0.0.1:%u\n", role, (unsigned)port);
    fflush(stdout);
    while (sigwait(&signals, &signal_number) != 0) continue;
}

/* Without this call the first span would set up the same, under the program's name. */
static void start_recording(const char *service)
{
    char why[TW_WHY_MAX];
    const struct tw_config config = {.struct_size = sizeof config, .service = service};
    if (tw_init(&config) == 0) return;
    tw_recorder_error(why, sizeof why);
    fprintf(stderr, "shop: serving without a recording: %s\n", why); /* a reason to say so, never one to stop */
}

static int parse_options(int argc, char **argv, struct role_options *out)
{
    static const struct option options[] = {{"back", required_argument, NULL, 'b'},
                                            {"db", required_argument, NULL, 'd'},
                                            {"port", required_argument, NULL, 'p'},
                                            {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        char *end;
        long port;
        switch (option) {
        case 'b':
            out->back = optarg;
            break;
        case 'd':
            out->file = optarg;
            break;
        case 'p':
            errno = 0;
            port = strtol(optarg, &end, 10);
            if (errno || *end || end == optarg || port < 0 || port > UINT16_MAX) return -1;
            out->port = (uint16_t)port;
            break;
        default:
            return -1;
        }
    }
    return optind == argc - 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct role_options options = {0};
    if (parse_options(argc, argv, &options) < 0) return usage();
    const char *role = argv[optind];
    const bool front = !strcmp(role, "front") && options.back, back = !strcmp(role, "back") && options.file;
    if (!front && !back) return usage();

    /* Blocked before any thread exists, so that every thread inherits it and only sigwait sees them. */
    const sigset_t signals = end_signals();
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);

    start_recording(front ? "shop-front" : "shop-back");
    const int code = front ? front_run(&options) : back_run(&options);
    tw_shutdown(SHUTDOWN_NS);
    return code;
}
