/* The back: items, orders and reports out of one SQLite file. Reads are answered on the thread that took the request;
 * orders go through the queue. */
#include <limits.h>
#include <stdio.h>

#include <trackway/trackway.h>

#include "orders.h"
#include "roles.h"
#include "server.h"
#include "store.h"

enum { LOW_STOCK = 100 };

struct back {
    struct store *store;
    struct orders *orders;
};

static void reply_failure(struct reply *reply, enum store_result result, long id)
{
    switch (result) {
    case STORE_NOT_FOUND:
        reply_print(reply, 404, "%s: %ld", store_text(result), id);
        break;
    case STORE_REFUSED:
        reply_print(reply, 409, "%s: item %ld", store_text(result), id);
        break;
    case STORE_STOPPED:
        reply_print(reply, 503, "%s", store_text(result));
        break;
    case STORE_OK:
    case STORE_FAILED:
    default:
        reply_print(reply, 500, "%s", store_text(STORE_FAILED));
        break;
    }
}

static void get_item(void *data, const struct request *request, struct reply *reply)
{
    struct back *back = data;
    struct store_item item;
    long id;
    if (!parse_number(request->rest, LONG_MAX, &id)) {
        reply_print(reply, 400, "an item has a number");
        return;
    }
    const enum store_result result = store_item(back->store, id, &item);
    if (result != STORE_OK) {
        reply_failure(reply, result, id);
        return;
    }
    tw_debug("item %ld: %ld in stock at %ld cents", id, item.stock, item.price_cents);
    if (item.stock < LOW_STOCK) tw_event_tags("stock.low", TW_ATTR("item.id", id), TW_ATTR("stock", item.stock));
    reply_print(reply, 200, "%s costs %ld.%02ld, %ld in stock", item.name, item.price_cents / 100,
                item.price_cents % 100, item.stock);
}

static void post_order(void *data, const struct request *request, struct reply *reply)
{
    struct back *back = data;
    struct order order = {0};
    if (!parse_number(request->rest, LONG_MAX, &order.item) ||
        !request_number(request, "quantity", 1, 1000000, &order.quantity)) {
        reply_print(reply, 400, "an order has an item and a quantity");
        return;
    }
    orders_place(back->orders, &order);
    if (order.result != STORE_OK) {
        tw_warning("no order of %ld of item %ld: %s", order.quantity, order.item, store_text(order.result));
        reply_failure(reply, order.result, order.item);
        return;
    }
    reply_print(reply, 201, "order %lld, in a batch of %zu", (long long)order.id, order.batch_size);
}

static void get_report(void *data, const struct request *request, struct reply *reply)
{
    struct back *back = data;
    int64_t pairs = 0;
    long days;
    if (!request_number(request, "days", 30, 3650, &days)) {
        reply_print(reply, 400, "a report covers 1 to 3650 days");
        return;
    }
    const enum store_result result = store_report(back->store, days, &pairs);
    if (result != STORE_OK)
        reply_failure(reply, result, 0);
    else
        reply_print(reply, 200, "%lld pairs in %ld days", (long long)pairs, days);
}

int back_run(const struct role_options *options)
{
    static const struct route routes[] = {
        {"GET", "/item/", "/item/{id}", get_item},
        {"POST", "/order/", "/order/{id}", post_order},
        {"GET", "/report", "/report", get_report},
    };
    struct back back;
    const struct server_options serving = {
        .routes = routes, .route_count = sizeof routes / sizeof *routes, .data = &back, .port = options->port};
    struct server *server;
    int code = 1;
    if (store_open(options->file, &back.store) < 0) return code;
    if (orders_open(back.store, &back.orders) < 0) goto close_store;
    if (server_open(&serving, &server) < 0) {
        fprintf(stderr, "shop: the back cannot listen\n");
        goto close_orders;
    }
    wait_for_end("back", server_port(server));
    store_stop(back.store);
    server_close(server);
    code = 0;

close_orders:
    orders_close(back.orders);
close_store:
    store_close(back.store);
    return code;
}
