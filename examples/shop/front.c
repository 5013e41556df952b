/* The front: what customers talk to. It keeps nothing; every answer comes from the back.
 *
 * A handler is plain code. client_call begins the span of the call by itself, and it becomes a child of the request's
 * because both are on one thread.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include <trackway/trackway.h>

#include "client.h"
#include "pay.h"
#include "roles.h"
#include "server.h"

enum { PATH_LEN = 128, BASKET_MAX = 20 };

struct front {
    const char *back;
};

static void get_item(void *data, const struct request *request, struct reply *reply)
{
    const struct front *front = data;
    char path[PATH_LEN];
    long id;
    if (!parse_number(request->rest, LONG_MAX, &id)) {
        reply_print(reply, 400, "an item has a number");
        return;
    }
    snprintf(path, sizeof path, "/item/%ld", id);
    client_call(front->back, "GET", path, reply);
}

/* GET /basket/3,14,15: one call per item, one after the other. Its waterfall shows what that costs. */
static void get_basket(void *data, const struct request *request, struct reply *reply)
{
    const struct front *front = data;
    const char *at = request->rest;
    long count = 0;
    do {
        char path[PATH_LEN], *end;
        const long id = strtol(at, &end, 10);
        if (end == at || id < 1 || (*end && *end != ',') || count == BASKET_MAX) {
            reply_print(reply, 400, "a basket is up to %d item numbers with commas", BASKET_MAX);
            return;
        }
        snprintf(path, sizeof path, "/item/%ld", id);
        client_call(front->back, "GET", path, reply);
        if (reply->status != 200) {
            tw_event_tags("basket.broken", TW_ATTR("item.id", id), TW_ATTR("http.response.status_code", reply->status));
            return;
        }
        count++;
        at = *end ? end + 1 : end;
    } while (*at);
    tw_tag(tw_span_current(), "basket.items", count);
    reply_print(reply, 200, "a basket of %ld", count);
}

static void post_order(void *data, const struct request *request, struct reply *reply)
{
    const struct front *front = data;
    char path[PATH_LEN];
    long id, quantity;
    if (!parse_number(request->rest, LONG_MAX, &id) || !request_number(request, "quantity", 1, 1000000, &quantity)) {
        reply_print(reply, 400, "an order has an item and a quantity");
        return;
    }
    snprintf(path, sizeof path, "/order/%ld?quantity=%ld", id, quantity);
    client_call(front->back, "POST", path, reply);
}

static void get_report(void *data, const struct request *request, struct reply *reply)
{
    const struct front *front = data;
    char path[PATH_LEN];
    long days;
    if (!request_number(request, "days", 30, 3650, &days)) {
        reply_print(reply, 400, "a report covers 1 to 3650 days");
        return;
    }
    snprintf(path, sizeof path, "/report?days=%ld", days);
    client_call(front->back, "GET", path, reply);
}

int front_run(const struct role_options *options)
{
    static const struct route routes[] = {
        {"GET", "/item/", "/item/{id}", get_item},
        {"GET", "/basket/", "/basket/{ids}", get_basket},
        {"POST", "/order/", "/order/{id}", post_order},
        {"POST", "/pay/", "/pay/{order}", pay},
        {"GET", "/report", "/report", get_report},
    };
    struct front front = {.back = options->back};
    const struct server_options serving = {
        .routes = routes, .route_count = sizeof routes / sizeof *routes, .data = &front, .port = options->port};
    struct server *server;
    if (client_init() < 0) return 1;
    if (server_open(&serving, &server) < 0) {
        fprintf(stderr, "shop: the front cannot listen\n");
        client_fini();
        return 1;
    }
    wait_for_end("front", server_port(server));
    server_close(server);
    client_fini();
    return 0;
}
