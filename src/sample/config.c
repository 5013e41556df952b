/* config: the sampler's configuration from text, and the file that it may name.
 *
 * One table of names, of ours and of OpenTelemetry's, from which the list in the error text is made too. OpenTelemetry
 * wants an unusable argument to be ignored with a word about it, so that the program samples as if it were not set; an
 * unusable rate in our own form is an error, because nobody promised otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/decimal.h"
#include "sample/sampler.h"

static const struct form {
    const char *name; /* with '=' or ':' at its end: a value follows */
    enum tw__sampler_kind kind;
    bool parent_based;
    double rate;
    bool argument;
} forms[] = {
    {"rate=", TW__SAMPLER_RATE, true, 1, false},
    {"xray:", TW__SAMPLER_LOCAL, true, 1, false},
    {"xray-central:", TW__SAMPLER_CENTRAL, true, 1, false},
    {"xray-central", TW__SAMPLER_CENTRAL, true, 1, false},
    {"xray", TW__SAMPLER_CENTRAL, true, 1, false},
    {"always_on", TW__SAMPLER_RATE, false, 1, false},
    {"always_off", TW__SAMPLER_RATE, false, 0, false},
    {"traceidratio", TW__SAMPLER_RATE, false, 1, true},
    {"parentbased_always_on", TW__SAMPLER_RATE, true, 1, false},
    {"parentbased_always_off", TW__SAMPLER_RATE, true, 0, false},
    {"parentbased_traceidratio", TW__SAMPLER_RATE, true, 1, true},
};

static bool takes_value(const struct form *form)
{
    char last = form->name[strlen(form->name) - 1];
    return last == '=' || last == ':';
}

/* Whether text is the form, or begins with it if a value follows, whatever the case of its letters. */
static bool fits(const struct form *form, const char *text, size_t len)
{
    size_t name_len = strlen(form->name);
    if (takes_value(form) ? len < name_len : len != name_len) return false;
    for (size_t i = 0; i < name_len; i++) {
        char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + ('a' - 'A')) : text[i];
        if (c != form->name[i]) return false;
    }
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct tw_text trimmed(const char *text)
{
    struct tw_text t = {text, strlen(text)};
    for (; t.len && is_space(*t.ptr); t.len--) t.ptr++;
    while (t.len && is_space(t.ptr[t.len - 1])) t.len--;
    return t;
}

static int unknown(struct tw_text text, char *why)
{
    size_t at = (size_t)snprintf(why, TW_WHY_MAX, "no sampler \"%.*s\"; there are",
                                 (int)(text.len < 40 ? text.len : 40), text.ptr);
    for (const struct form *form = forms; form < forms + sizeof forms / sizeof *forms && at < TW_WHY_MAX; form++) {
        if (strcmp(form->name, "xray-central:") == 0) continue;
        const char *value = !takes_value(form) ? "" : strchr(form->name, '=') ? "0.1" : "FILE";
        at += (size_t)snprintf(why + at, TW_WHY_MAX - at, "%s %s%s", form == forms ? "" : ",", form->name, value);
    }
    return TW_ERR_SYNTAX;
}

static bool rate_of(struct tw_text text, double *rate)
{
    double value;
    if (!tw__decimal_parse(text.ptr, text.len, &value) || !(value >= 0 && value <= 1)) return false;
    *rate = value;
    return true;
}

static int take_value(const struct form *form, struct tw_text value, struct tw__sampler_config *config, char *why)
{
    if (form->kind == TW__SAMPLER_RATE) {
        if (rate_of(value, &config->rate)) return 0;
        (void)snprintf(why, TW_WHY_MAX, "the rate must be a number from 0 to 1, not \"%.*s\"",
                       (int)(value.len < 40 ? value.len : 40), value.ptr);
        return TW_ERR_RANGE;
    }
    if (value.len == 0 || value.len >= sizeof config->path) {
        (void)snprintf(why, TW_WHY_MAX, "the path of the rules file is %s", value.len ? "too long" : "missing");
        return value.len ? TW_ERR_SPACE : TW_ERR_SYNTAX;
    }
    memcpy(config->path, value.ptr, value.len);
    config->path[value.len] = 0;
    return 0;
}

int tw__sampler_config_parse(const char *text, const char *argument, struct tw__sampler_config *config, char *why)
{
    struct tw_text t = trimmed(text);
    const struct form *form = forms, *end = forms + sizeof forms / sizeof *forms;
    why[0] = 0;
    while (form < end && !fits(form, t.ptr, t.len)) form++;
    if (form == end) return unknown(t, why);
    struct tw__sampler_config made = {.kind = form->kind, .parent_based = form->parent_based, .rate = form->rate};
    if (takes_value(form)) {
        size_t name_len = strlen(form->name);
        int result = take_value(form, (struct tw_text){t.ptr + name_len, t.len - name_len}, &made, why);
        if (result < 0) return result;
    }
    if (form->argument && argument && *argument && !rate_of(trimmed(argument), &made.rate))
        (void)snprintf(why, TW_WHY_MAX,
                       "OTEL_TRACES_SAMPLER_ARG \"%.40s\" is no number from 0 to 1; everything is sampled", argument);
    *config = made;
    return 0;
}

static int error_of(int error_number)
{
    if (error_number == ENOENT || error_number == ENOTDIR) return TW_ERR_NOT_FOUND;
    return error_number == EACCES || error_number == EPERM ? TW_ERR_PERMISSION : TW_ERR_SYSTEM;
}

/* The whole of a plain file, to be freed. */
static int read_file(const char *path, char **text, size_t *len)
{
    struct stat st;
    int result, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return error_of(errno);
    char *bytes = NULL;
    size_t got = 0, cap = 0;
    result = fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ? TW_ERR_SYSTEM : 0;
    if (result == 0 && st.st_size > TW__XRAY_FILE_MAX) result = TW_ERR_SPACE;
    if (result < 0) goto undo_fd;
    cap = (size_t)st.st_size + 1;
    bytes = malloc(cap);
    result = TW_ERR_MEMORY;
    if (!bytes) goto undo_fd;
    for (ssize_t n = 1; n != 0 && got<cap; got += n> 0 ? (size_t)n : 0) {
        n = read(fd, bytes + got, cap - got);
        result = n < 0 && errno != EINTR ? error_of(errno) : 0;
        if (result < 0) goto undo_fd;
    }
    *text = bytes;
    *len = got;
    bytes = NULL;
undo_fd:
    free(bytes);
    close(fd);
    return result;
}

int tw__sampler_load(struct tw__sampler *sampler, const char *text, const char *argument, char *why)
{
    struct tw__sampler_config config;
    char *rules = NULL, warning[TW_WHY_MAX], detail[TW_WHY_MAX] = "";
    size_t len = 0;
    int saved = errno, result = tw__sampler_config_parse(text, argument, &config, why);
    if (result < 0) return result;
    memcpy(warning, why, sizeof warning);
    if (config.path[0]) result = read_file(config.path, &rules, &len);
    if (result == 0) result = tw__sampler_configure(sampler, &config, rules, len, detail);
    if (result < 0 && config.path[0])
        (void)snprintf(why, TW_WHY_MAX, "%.100s: %.150s", config.path, *detail ? detail : tw_err_text(result));
    else
        memcpy(why, warning, sizeof warning);
    free(rules);
    errno = saved;
    return result;
}
