/* api_lists: what there is to ask for: services, operations, tags and their values, and the store itself.
 *
 *     GET /api/tw/services                       GET /api/tw/tags?scope=span|resource|event
 *     GET /api/tw/operations?service=            GET /api/tw/tags/KEY?scope=&since=&until=&limit=
 *     GET /api/tw/info
 */
#include <string.h>

#include "serve/ask.h"

static void put_names(struct tw__ask *ask, const char *list, const struct tw__store_names *names, bool kinds)
{
    if (ask->failed) return;
    struct tw__json *json = &ask->json;
    tw__json_open(json, NULL, '{');
    tw__json_open(json, list, '[');
    for (size_t i = 0; i < names->count; i++) {
        tw__json_open(json, NULL, '{');
        tw__json_text(json, "name", names->items[i].name);
        if (kinds) tw__json_cstr(json, "kind", tw__ask_kind_name(names->items[i].kind));
        tw__json_u64(json, "spans", names->items[i].spans);
        tw__json_close(json, '}');
    }
    tw__json_close(json, ']');
    tw__json_bool(json, "more", names->more);
    tw__json_close(json, '}');
}

static void services(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__store_names names = {0};
    tw__ask_begin(&ask, context, request, reply);
    (void)tw__ask_failed(&ask, tw__store_services(ask.api->store, &ask.pool, &names));
    put_names(&ask, "services", &names, false);
    tw__ask_end(&ask);
}

static void operations(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__store_names names = {0};
    tw__ask_begin(&ask, context, request, reply);
    struct tw_text service = tw__ask_as_text(tw__ask_text(&ask, "service"));
    (void)tw__ask_failed(&ask, tw__store_operations(ask.api->store, service, &ask.pool, &names));
    put_names(&ask, "operations", &names, true);
    tw__ask_end(&ask);
}

static unsigned scopes_of(struct tw__ask *ask)
{
    const char *scope = tw__ask_text(ask, "scope");
    if (!scope) return TW__SCOPE_ANY;
    if (strcmp(scope, "span") == 0) return TW__SCOPE_SPAN;
    if (strcmp(scope, "resource") == 0) return TW__SCOPE_RESOURCE;
    if (strcmp(scope, "event") == 0) return TW__SCOPE_EVENT;
    tw__ask_refuse(ask, 400, "scope: span, resource or event");
    return TW__SCOPE_ANY;
}

static void tags(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__store_names names = {0};
    tw__ask_begin(&ask, context, request, reply);
    unsigned scopes = scopes_of(&ask);
    if (!ask.failed) (void)tw__ask_failed(&ask, tw__store_tag_keys(ask.api->store, scopes, &ask.pool, &names));
    put_names(&ask, "tags", &names, false);
    tw__ask_end(&ask);
}

static void values(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__store_names names = {0};
    tw__ask_begin(&ask, context, request, reply);
    unsigned scopes = scopes_of(&ask);
    uint64_t since_ns = tw__ask_time(&ask, "since"), until_ns = tw__ask_time(&ask, "until");
    size_t limit = (size_t)tw__ask_number(&ask, "limit", 100, 5000);
    if (!ask.failed)
        (void)tw__ask_failed(&ask, tw__store_tag_values(ask.api->store, scopes, tw__ask_as_text(request->rest),
                                                        since_ns, until_ns, limit, &ask.pool, &names));
    put_names(&ask, "values", &names, false);
    tw__ask_end(&ask);
}

static void info(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__store_info found = {0};
    tw__ask_begin(&ask, context, request, reply);
    if (!tw__ask_failed(&ask, tw__store_info(ask.api->store, &found))) {
        struct tw__json *json = &ask.json;
        tw__json_open(json, NULL, '{');
        tw__json_u64(json, "spans", found.spans);
        tw__json_u64(json, "blocks", found.blocks);
        tw__json_u64(json, "partitions", found.partitions);
        tw__json_u64(json, "disk_bytes", found.disk_bytes);
        tw__ask_put_time(json, "oldest_ns", found.oldest_ns);
        tw__ask_put_time(json, "newest_ns", found.newest_ns);
        tw__ask_put_time(json, "now_ns", ask.now_ns);
        tw__json_close(json, '}');
    }
    tw__ask_end(&ask);
}

const struct tw__route tw__list_routes[] = {
    {"GET", "/api/tw/services", TW__ROLE_READ, 0, services},
    {"GET", "/api/tw/operations", TW__ROLE_READ, 0, operations},
    {"GET", "/api/tw/tags", TW__ROLE_READ, 0, tags},
    {"GET", "/api/tw/tags/*", TW__ROLE_READ, 0, values},
    {"GET", "/api/tw/info", TW__ROLE_READ, 0, info},
    {0},
};
