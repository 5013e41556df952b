/* out: stdout, stderr, and what the terminal can do.
 *
 * Output is gathered and written with write(2): one place sees a closed pipe or a full disk. stdio would notice at
 * exit, when nobody asks any more. Messages quote what the user typed and paths of files, so they are made harmless
 * like everything else.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"

enum { WRITE_FROM = 65536, WIDTH_MIN = 20, WIDTH_MAX = 10000 };

int tw__out_write(struct tw__buf *buf)
{
    if (buf->failed) {
        tw__complain("out of memory");
        return TW__EXIT_FAILED;
    }
    for (size_t at = 0; at < buf->len;) {
        ssize_t n = write(STDOUT_FILENO, buf->ptr + at, buf->len - at);
        if (n >= 0) {
            at += (size_t)n;
        } else if (errno == EPIPE) {
            _exit(TW__EXIT_OK);
        } else if (errno != EINTR) {
            tw__complain("cannot write: %s", strerror(errno));
            return TW__EXIT_FAILED;
        }
    }
    tw__buf_reset(buf);
    return TW__EXIT_OK;
}

int tw__out_write_some(struct tw__buf *buf)
{
    return buf->len >= WRITE_FROM || buf->failed ? tw__out_write(buf) : TW__EXIT_OK;
}

void tw__complain(const char *format, ...)
{
    char text[1024];
    static const struct tw__look plain = {.utf8 = true};
    struct tw__buf line = {0};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tw__buf_cstr(&line, "trackway: ");
    (void)tw__term_text(&line, &plain, tw__text_of(text), UINT_MAX / 2, TW__CUT_MARK);
    tw__buf_char(&line, '\n');
    /* Nothing can be done about a stderr that does not take it. */
    if (!line.failed && write(STDERR_FILENO, line.ptr, line.len) < 0) errno = 0;
    tw__buf_fini(&line);
}

static bool locale_is_utf8(void)
{
    const char *value = getenv("LC_ALL");
    if (!value || !*value) value = getenv("LC_CTYPE");
    if (!value || !*value) value = getenv("LANG");
    if (!value) return false;
    const char *dot = strchr(value, '.');
    return dot && (strncasecmp(dot, ".UTF-8", 6) == 0 || strncasecmp(dot, ".UTF8", 5) == 0);
}

static unsigned find_width(void)
{
    const char *columns = getenv("COLUMNS");
    unsigned long width = columns ? strtoul(columns, NULL, 10) : 0;
    if (width == 0 || width > WIDTH_MAX) {
        struct winsize size;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0) return 0;
        width = size.ws_col;
    }
    return width < WIDTH_MIN ? WIDTH_MIN : (unsigned)width;
}

struct tw__look tw__look_find(const char *color)
{
    struct tw__look look = {.width = find_width(), .utf8 = locale_is_utf8()};
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    bool automatic = isatty(STDOUT_FILENO) && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
    look.colour = strcmp(color, "always") == 0 || (strcmp(color, "never") != 0 && automatic);
    return look;
}
