/* stop: signals that end what goes on until it is told to: a word that the loop looks at, so that what was read is
 * printed and what was begun is taken back. No SA_RESTART: what waits is interrupted.
 */
#include <signal.h>

#include "cli/cli.h"

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

void tw__stop_on_signals(bool hangup)
{
    struct sigaction action = {.sa_handler = stop};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    if (hangup) (void)sigaction(SIGHUP, &action, NULL);
}

bool tw__stopped(void)
{
    return stopped;
}
