#ifndef SHOP_STORE_H
#define SHOP_STORE_H

/* The shop's SQLite file: items, their stock, orders, and ten years of sales to report on. */

#include <stddef.h>
#include <stdint.h>

enum store_result {
    STORE_OK = 0,
    STORE_NOT_FOUND, /* no such item */
    STORE_REFUSED,   /* not enough in stock */
    STORE_STOPPED,   /* interrupted by store_stop */
    STORE_FAILED     /* SQLite said no; the reason is in the span */
};
const char *store_text(enum store_result result);

struct store;
struct store_item {
    char name[64];
    long price_cents, stock;
};

/* Opens the file and fills it if it is new. Returns 0 and *out, or -1 and a line on standard error. */
int store_open(const char *file, struct store **out);
void store_close(struct store *store); /* after every thread that used it has ended */
/* Makes queries in progress end soon with STORE_STOPPED. */
void store_stop(struct store *store);

/* Reading, by any thread: each has its own connection. */
enum store_result store_item(struct store *store, long id, struct store_item *out);
/* Pairs of different items sold within a day of each other, in the first `days` days. Time grows with the square. */
enum store_result store_report(struct store *store, long days, int64_t *pairs);

/* Writing, by one thread: any number of applies in one transaction. A refused apply leaves the others as they are. */
enum store_result store_begin(struct store *store);
enum store_result store_apply(struct store *store, long item, long quantity, int64_t *order);
enum store_result store_commit(struct store *store);

#endif
