/* prog_call_chain: a service in C in the middle of a chain of nameko's. Of each message it is given the headers, a line
 * "name<TAB>value" each (of a list one line for each element, as a client of AMQP walks it), then an empty line; it
 * answers with the headers of the message that it sends on, in the same form. Ends with its input. */
#include <stdio.h>
#include <string.h>

#include <trackway/trackway.h>

enum { HEADERS_MAX = 64, LINE_MAX_ = 2048 };

static struct {
    char names[HEADERS_MAX][128], values[HEADERS_MAX][LINE_MAX_];
    unsigned count;
} came;

static bool get(void *carrier, const char *name, unsigned index, const char **value, size_t *len)
{
    (void)carrier;
    for (unsigned i = 0; i < came.count; i++) {
        if (strcmp(came.names[i], name) != 0 || index-- > 0) continue;
        *value = came.values[i];
        *len = strlen(came.values[i]);
        return true;
    }
    return false;
}

static void send_on(void *carrier, const char *name, const char *value, size_t len)
{
    if (strcmp(name, TW_CALL_HEADER_STACK) != 0) { /* that one is a list */
        (void)printf("%s\t%.*s\n", name, (int)len, value);
        return;
    }
    const struct tw_call_chain *chain = carrier;
    for (size_t i = 0; tw_call_chain_at(chain, i); i++) (void)printf("%s\t%s\n", name, tw_call_chain_at(chain, i));
}

static bool read_message(void)
{
    char line[LINE_MAX_];
    came.count = 0;
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        char *tab = strchr(line, '\t');
        if (!tab) return true;
        if (came.count == HEADERS_MAX) continue;
        *tab = 0;
        (void)snprintf(came.names[came.count], sizeof came.names[0], "%.*s", (int)sizeof came.names[0] - 1, line);
        (void)snprintf(came.values[came.count++], sizeof came.values[0], "%.*s", LINE_MAX_ - 1, tab + 1);
    }
    return false;
}

int main(void)
{
    static struct tw_entrypoint total = {.service = "shop", .name = "total", .type = TW_CALL_RPC};
    static struct tw_call call;
    struct tw_call_chain chain;
    struct tw_value data[4];
    while (read_message()) {
        struct tw_context from, here;
        memset(&from, 0, sizeof from);
        (void)tw_call_chain_extract(get, NULL, &chain, &from);
        size_t count = tw_call_context_extract(get, NULL, data, 4);
        const struct tw_call_input input = {.chain = &chain,
                                            .context_data = data,
                                            .context_count = count,
                                            .context = from.span_id[7] || from.trace_id[15] ? &from : NULL};
        tw_call_begin(&call, &total, &input);
        bool known = tw_span_context(call.span, &here);
        (void)tw_call_chain_inject(&call.chain, known ? &here : NULL, send_on, &call.chain);
        (void)tw_call_context_inject(data, count, send_on, &call.chain);
        (void)puts("");
        (void)fflush(stdout);
        tw_call_succeed(&call, &TW_RESULT(17));
    }
    return 0;
}
