/* oracle_filter: src/filter and src/wire/line_format behind stdin and stdout, for test_lager.py and test_regex.py.
 *
 *     event TEXT          keeps an event (filter/event.h); answers its number
 *     filter TEXT         the numbers of the events it lets through, or: error BYTE TEXT
 *     levels TEXT         the mask, or: error
 *     format N TEXT       event N in that format, in hexadecimal, or: error BYTE TEXT. \n in TEXT is a newline
 *     regex HEX HEX       whether the first, an expression, matches the second, and whether at its start: two words,
 *                         each yes or no, or: error BYTE TEXT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "filter/event.h"
#include "filter/filter.h"
#include "filter/regex.h"
#include "wire/line_format.h"

enum { EVENTS_MAX = 64, LINE_MAX = 65536 };

static struct event events[EVENTS_MAX];
static size_t count;

static void refuse(size_t at, const char *why)
{
    printf("error %zu %s\n", at, why);
}

static void filter(const char *text)
{
    struct tw__filter *made;
    struct tw__refusal why;
    const char *blank = "";
    if (tw__filter_compile(text, strlen(text), NULL, &made, &why) < 0) {
        refuse(why.at, why.text);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!tw__filter_match(made, event_get, &events[i])) continue;
        printf("%s%zu", blank, i);
        blank = " ";
    }
    printf("\n");
    tw__filter_free(made);
}

static void format(char *text)
{
    struct tw__line_format *made;
    struct tw__refusal why;
    struct tw__buf out = {0};
    char *rest;
    size_t n = strtoul(text, &rest, 10);
    rest += *rest == ' ';
    if (n >= count) exit(1);
    if (tw__line_format_compile(rest, strlen(rest), NULL, NULL, &made, &why) < 0) {
        refuse(why.at, why.text);
        return;
    }
    struct tw__line_source source = {&events[n], event_get, event_each};
    tw__line_format_write(made, &source, &(struct tw__line_options){.utc = false}, &out);
    for (size_t i = 0; i < out.len; i++) printf("%02x", (uint8_t)out.ptr[i]);
    printf("\n");
    tw__buf_fini(&out);
    tw__line_format_free(made);
}

/* Hexadecimal digits to the blank or the end; they are replaced by what they mean. */
static size_t unhex(char *text, char **rest)
{
    size_t len = strcspn(text, " ") / 2;
    *rest = text + 2 * len + (text[2 * len] == ' ');
    if (!tw__hex_dec(text, (uint8_t *)text, len)) exit(1);
    return len;
}

static void regex(char *text)
{
    struct tw__regex *made;
    const char *why;
    size_t at;
    char *subject, *rest;
    size_t len = unhex(text, &subject);
    size_t subject_len = unhex(subject, &rest);
    if (tw__regex_compile(text, len, &made, &at, &why) < 0) {
        refuse(at, why);
        return;
    }
    printf("%s %s\n", tw__regex_match(made, subject, subject_len) ? "yes" : "no",
           tw__regex_match_start(made, subject, subject_len) ? "yes" : "no");
    tw__regex_free(made);
}

int main(void)
{
    static char line[LINE_MAX];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        char *rest = strchr(line, ' ');
        if (!rest || count == EVENTS_MAX) return 1;
        *rest++ = '\0';
        if (strcmp(line, "event") == 0) {
            event_read(&events[count], rest);
            printf("%zu\n", count++);
        } else if (strcmp(line, "filter") == 0) {
            filter(rest);
        } else if (strcmp(line, "format") == 0) {
            format(rest);
        } else if (strcmp(line, "regex") == 0) {
            regex(rest);
        } else {
            int levels = tw__levels_parse(rest, strlen(rest));
            if (levels < 0)
                printf("error\n");
            else
                printf("%d\n", levels);
        }
        (void)fflush(stdout);
    }
    return 0;
}
