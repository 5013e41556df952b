#ifndef TRACKWAY_CALL_H
#define TRACKWAY_CALL_H

/* Calls: what an entrypoint was asked, and what became of it.
 *
 * A call is a span and two records: the request, written when the entrypoint begins and readable at once (a crash
 * leaves it), and the response.
 *
 *     static struct tw_entrypoint login = {.name = "login", .type = TW_CALL_RPC, .sensitive = "password, card.number"};
 *     struct tw_value args[] = {TW_ARG("user", user), TW_ARG("password", password)};
 *     struct tw_call call;
 *     tw_call_begin(&call, &login, &(struct tw_call_input){.args = args, .arg_count = 2});
 *     ...
 *     if (done) tw_call_succeed(&call, &TW_RESULT("welcome"));
 *     else tw_call_fail(&call, &(struct tw_failure){.type = "NoSuchUser", .message = why});
 *
 * What is sensitive is replaced by ******** before it reaches the segment: in arguments, results, errors, context data
 * and headers alike. It fails closed: what the rules cannot be followed in is replaced whole, and the record is kept.
 * The values that were hidden in the arguments are also looked for, from three bytes on, in the texts of the response:
 * a message that quotes a password is not a way around.
 *
 * Environment (each has a field in tw_calls_config, which wins; sensitive paths of all places add up):
 *     TRACKWAY_CALLS_SENSITIVE     paths for every entrypoint: "password, **.token"
 *     TRACKWAY_CALLS_TRUNCATE      regular expressions on names of entrypoints whose arguments are cut; default none
 *     TRACKWAY_CALLS_TRUNCATE_LEN  to how many characters; default 100
 *     TRACKWAY_CALLS_TRUNCATE_RESPONSE  and whose responses are; default ^get_|^list_|^query_; "none": none
 *     TRACKWAY_CALLS_TRUNCATE_RESPONSE_LEN  to how many characters; default 100
 *     TRACKWAY_CALLS_DROP          regular expressions on names of entrypoints that write no records
 *     TRACKWAY_CALLS_DROP_URLS     paths of URLs that write none: "/health-check /internal/"; a / at the end: all below
 *     TRACKWAY_CALLS_DENY_HEADERS  headers never shown, besides the usual ones; -name shows one, -* all
 *     TRACKWAY_CALLS_PARENTS       how many calls above are named in a call's stack; default 10, at most 31
 *     TRACKWAY_CALLS_FILE          a JSON file with all of that, see docs/calls.md
 *
 * Threads  A call is used by one thread at a time. Not from a signal handler.
 * Cost     docs/calls.md has the numbers. No lock, allocation or system call after the first call of an entrypoint, but
 * for JSON texts of more than 170 bytes.
 * Source   nameko-tracer 1.4 and nameko 2: names, redaction marker, call ids, truncation. */

#include <trackway/propagate.h>
#include <trackway/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Types of entrypoints, as nameko names them. Any other text will do. */
#define TW_CALL_RPC      "Rpc"
#define TW_CALL_HTTP     "HttpRequestHandler"
#define TW_CALL_CONSUMER "Consumer"
#define TW_CALL_EVENT    "EventHandler"
#define TW_CALL_TIMER    "Timer"

enum {
    TW_CALL_ID_MAX = 255, /* bytes of a call id: service.entrypoint.uuid */
    TW_CALL_PARENTS_MAX = 31,
    TW_CALL_PARENTS_USUAL = 10,
    TW_CALL_CHAIN_BYTES = 1536, /* of all ids of a stack; the oldest are left out beyond */
    TW_CALL_SPACE = 2200, /* bytes of arguments and context data that are kept, as JSON; the rest is cut */
    TW__CALL_STORE = 5440
};

/* The chain of calls that led to this one, oldest first. A plain value without pointers.
 * Shape    ids are printable ASCII without spaces, quotes, backslashes, brackets and commas. */
struct tw_call_chain {
    uint16_t count, len;
    char origin[TW_CALL_ID_MAX + 1]; /* the first call of all, also when the stack no longer has it; "" none */
    char text[TW_CALL_CHAIN_BYTES];  /* each with a NUL */
};

void tw_call_chain_init(struct tw_call_chain *chain);
/* The id at index, from 0; NULL behind the last. */
const char *tw_call_chain_at(const struct tw_call_chain *chain, size_t index);
/* Puts an id on top; of more than max, and beyond the room there is, the oldest go.
 * Returns  0 or TW_ERR_SYNTAX, TW_ERR_RANGE (longer than TW_CALL_ID_MAX, or empty). */
int tw_call_chain_add(struct tw_call_chain *chain, const char *id, size_t len, size_t max);

/* Headers of nameko's messages. nameko hands on whatever begins with "nameko.", so the origin and our context come
 * through services that know nothing of them. */
#define TW_CALL_HEADER_STACK       "nameko.call_id_stack"
#define TW_CALL_HEADER_ORIGIN      "nameko.origin_call_id"
#define TW_CALL_HEADER_TRACEPARENT "nameko.traceparent"

/* Reads a stack out of a carrier.
 * Shape    the header's values in turn (a list of an AMQP table: index counts its elements), or one value that is a
 * JSON list or has commas. *context is set when there is a traceparent; may be NULL.
 * Returns  how many ids there are; 0 also when anything of them is malformed. */
size_t tw_call_chain_extract(tw_carrier_get get, void *carrier, struct tw_call_chain *chain,
                             struct tw_context *context);
/* Writes it: the stack as a JSON list, the origin, and the context where one is given. Returns how many values were
 * set. */
size_t tw_call_chain_inject(const struct tw_call_chain *chain, const struct tw_context *context, tw_carrier_set set,
                            void *carrier);

/* Context data that travels beside it: nameko.auth_token, language, user_id, user_agent.
 * Shape    values gets up to cap texts that point into the carrier, keys without the prefix. Returns how many. */
size_t tw_call_context_extract(tw_carrier_get get, void *carrier, struct tw_value *values, size_t cap);
/* Sets nameko.<key> for each text. Returns how many; what is no printable text, and null, is left out. */
size_t tw_call_context_inject(const struct tw_value *values, size_t count, tw_carrier_set set, void *carrier);

/* A place where calls enter. One static object each, zero where nothing is said; must stay there. Looked at when it is
 * first used, and again after tw_calls_configure. */
struct tw_entrypoint {
    const char *service;   /* NULL: the process's */
    const char *name;      /* of the method */
    const char *type;      /* TW_CALL_RPC or another text; decides the kind of the span */
    const char *sensitive; /* paths, see docs/calls.md; NULL none. One that cannot be understood hides everything */
    bool expected_fails;   /* an expected error marks the span as failed too */
    const void *own;       /* the library's */
};

/* What came in by HTTP: becomes the argument "request", as nameko-tracer shows it. */
struct tw_call_http {
    const char *url, *method;
    struct tw_value data;           /* a body text, a form, a JSON text; zero: null */
    const struct tw_value *headers; /* TW_ARG("Content-Type", "text/plain") */
    size_t header_count;
    const char *remote_addr, *server_name;
    unsigned server_port;
};

struct tw_call_input {
    const struct tw_value *args; /* with names; or one TW_ARG_JSON(NULL, text, len): an object */
    size_t arg_count;
    const struct tw_value *context_data; /* likewise */
    size_t context_count;
    const struct tw_call_http *http;
    const struct tw_call_chain *chain; /* that came with the request; NULL: this is the first call */
    const struct tw_context *context;  /* parent of the span; NULL: what is current on this thread, or a new trace */
};

struct tw_failure {
    const char *type;            /* "NoSuchUser" */
    const char *path;            /* "shop.errors.NoSuchUser"; NULL: the type */
    const struct tw_value *args; /* of the error; a list */
    size_t arg_count;
    const char *message;
    const char *stack; /* a text of any form; NULL none */
    bool expected;     /* part of the contract: the span does not count as failed */
};

/* A call in progress: caller's storage of 8 KB, beside the request and not on a small stack. No need to zero it. */
struct tw_call {
    tw_span span;
    const struct tw_entrypoint *entrypoint;
    struct tw_call_chain chain; /* its own id is the last */
    uint64_t own[100];
    char space[TW__CALL_STORE];
};

/* Begins a call: a span that becomes current, and the request record. input may be NULL: nothing is known of it. */
void tw_call_begin(struct tw_call *call, struct tw_entrypoint *entrypoint, const struct tw_call_input *input);

/* Ends it with a result (NULL: null), or an error. Writes the response record and ends the span. Once: again is counted
 * as stale. */
void tw_call_succeed(struct tw_call *call, const struct tw_value *result);
void tw_call_fail(struct tw_call *call, const struct tw_failure *failure);

/* A result as a value in place: tw_call_succeed(&call, &TW_RESULT(17)). In C++ name it first. */
#ifndef __cplusplus
#define TW_RESULT(value) ((const struct tw_value[]){TW_VALUE(value)}[0])
#endif

/* The call's id, "" while nothing is recorded. The chain to hand on is call->chain. Valid as long as the call. */
const char *tw_call_id(const struct tw_call *call);

struct tw_calls_config {
    size_t struct_size; /* sizeof(struct tw_calls_config); 0 is taken as the whole */
    const char *sensitive, *truncate, *truncate_response, *drop, *drop_urls,
        *deny_headers;   /* NULL: from the environment */
    size_t truncate_len; /* 0: from the environment */
    size_t parents;      /* 0: from the environment */
    const char *file;
    size_t truncate_response_len; /* 0: from the environment */
};

/* Sets rules for all calls from now on. config NULL: from the environment, which also is what holds without this call.
 * Returns  0, or TW_ERR_SYNTAX, TW_ERR_RANGE, TW_ERR_MEMORY, TW_ERR_NOT_FOUND and so on for a file that cannot be read;
 * then the rules are those given as far as they can be used, and where paths are in doubt everything is hidden. why
 * (TW_WHY_MAX bytes, may be NULL) says what is wrong.
 * Owns     what was in force before is kept, as somebody may be reading it: not for calling every minute. */
int tw_calls_configure(const struct tw_calls_config *config, char *why);

#ifdef __cplusplus
}
#endif
#endif
