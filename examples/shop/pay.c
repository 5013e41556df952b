/* The payment: an entrypoint whose requests and responses are recorded as calls.
 *
 * What it gets and gives is in the recording for everybody who may look at it, but the card's number is not: it is
 * named as sensitive once, here, and then stays out of arguments and headers, and out of the error that quotes it.
 */
#include "pay.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <trackway/trackway.h>

enum { CARD_DIGITS = 16 };

static struct tw_entrypoint entrypoint = {
    .name = "pay", .type = TW_CALL_HTTP, .sensitive = "card.number, request.headers.x_card"};

/* The sum that the last digit of a card's number makes a multiple of ten. */
static bool is_card(const char *number)
{
    unsigned sum = 0;
    if (strlen(number) != CARD_DIGITS) return false;
    for (unsigned i = 0; i < CARD_DIGITS; i++) {
        const char c = number[i];
        if (c < '0' || c > '9') return false;
        const unsigned digit = (unsigned)(c - '0'), twice = 2 * digit;
        sum += i % 2 ? digit : twice > 9 ? twice - 9 : twice;
    }
    return sum % 10 == 0;
}

static void settle(struct tw_call *call, long order, const char *number, struct reply *reply)
{
    if (is_card(number)) {
        const struct tw_value members[] = {TW_ARG("order", order), TW_ARG("paid", (bool)true)};
        const struct tw_value receipt = TW_ARG_MAP(NULL, members, 2);
        tw_call_succeed(call, &receipt);
        reply_print(reply, 200, "order %ld is paid", order);
        return;
    }
    char why[128];
    snprintf(why, sizeof why, "the bank refuses card %.40s", number); /* as libraries of banks do */
    tw_call_fail(call, &(struct tw_failure){
                           .type = "CardRefused", .path = "shop.pay.CardRefused", .message = why, .expected = true});
    reply_print(reply, 402, "the card is refused");
}

void pay(void *data, const struct request *request, struct reply *reply)
{
    static _Thread_local struct tw_call call; /* 8 KB: not for a small stack */
    const char *number = request_header(request, "X-Card"), *agent = request_header(request, "User-Agent");
    char url[64];
    long order;
    (void)data;
    if (!number || !parse_number(request->rest, LONG_MAX, &order)) {
        reply_print(reply, 400, "a payment has an order and a card");
        return;
    }
    snprintf(url, sizeof url, "/pay/%ld", order);
    const struct tw_value headers[] = {TW_ARG("User-Agent", agent), TW_ARG("X-Card", number),
                                       TW_ARG("Authorization", request_header(request, "Authorization"))};
    const struct tw_value card[] = {TW_ARG("number", number), TW_ARG("holder", "Ann Example")};
    const struct tw_value args[] = {TW_ARG("order", order), TW_ARG_MAP("card", card, 2)};
    const struct tw_call_http http = {.url = url, .method = "POST", .headers = headers, .header_count = 3};
    tw_call_begin(&call, &entrypoint, &(struct tw_call_input){.args = args, .arg_count = 2, .http = &http});
    settle(&call, order, number, reply);
}
