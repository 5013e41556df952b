/* Log lines: levels, metadata, and a program's own logger handed on.
 *
 *     cc logs.c $(pkg-config --cflags --libs trackway) && TRACKWAY_KEEP=1 TRACKWAY_LOG_LEVEL=debug ./a.out
 *     trackway traces
 *     trackway show TRACE
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include <trackway/trackway.h>

static void every_level(void)
{
    tw_debug("the cache holds %zu of %d entries", (size_t)17, 100);
    tw_info("user %d logged in from %s", 7, "10.0.0.9");
    tw_notice("the configuration was read again");
    tw_warning("the queue is %.1f %% full", 91.25);
    errno = ENOENT;
    tw_error("cannot open %s: %s", "/srv/cart", strerror(errno));
    tw_critical("%u of %u replicas answer", 1u, 3u);
    tw_alert("the disk is full");
    tw_emergency("giving up");
}

static void metadata(void)
{
    tw_meta_set(TW_ATTR("request", 4711), TW_ATTR("zone", "west")); /* on every line of this thread from now on */
    tw_info("looking for the cart");
    tw_meta_add("zone", "east");
    tw_log_with(TW_LOG_WARNING, (TW_ATTR("attempt", 2)), "the passwords did not match for %s", "ann");
    tw_meta_clear();
}

/* A logger that the program had before. It makes its text itself. */
typedef void (*log_callback)(void *data, int priority, const char *text);

static void old_logger(log_callback to, void *data)
{
    to(data, LOG_WARNING, "from a library that has a callback for its log");
}

/* In the place of vsyslog. */
static void old_syslog(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void old_syslog(int priority, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tw_vsyslog(priority, format, args);
    va_end(args);
}

static void bridges(void)
{
    static char library[] = "billing"; /* shown as the module */
    static const char ready[] = "a text that is ready, of which 20 bytes are meant";
    old_logger(tw_log_hook, library);
    old_syslog(LOG_USER | LOG_ERR, "child %d exited with %d", 17, 1);
    tw_log_text(TW_LOG_NOTICE, ready, 20);
    tw_log_format(TW_LOG_INFO, "level and format are known only at run time: %d", 1);
    tw_log_at(&(struct tw_log_place){.module = "src/shop/pay.c", .function = "charge", .line = 99}, TW_LOG_CRITICAL,
              "from elsewhere", 14, NULL, 0);
}

int main(void)
{
    TW_SCOPE(span, "GET /cart");
    every_level();
    metadata();
    bridges();
    return 0;
}
