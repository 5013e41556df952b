/* A service without any thought of live traces: it works on requests until it is killed, 200 a second and ten thousand
 * at most; with an argument some thousands a second, for as long. */
#define TW_MODULE "shop/cart.c"
#include <trackway/trackway.h>

#include <stdio.h>
#include <unistd.h>

static int price(int item)
{
    tw_debug("price of %d is %d", item, 3 * item);
    return 3 * item;
}

/* Never called: nobody has heard of it. */
static void refund(int item)
{
    tw_notice("%d comes back", item);
    TW_SCOPE(span, "refund");
}

static void handle(int request)
{
    tw_meta_set(TW_ATTR("request", request), TW_ATTR("zone", request % 2 ? "west" : "east"));
    TW_SCOPE(span, "GET /cart");
    tw_tag(span, "items", price(request));
    if (request % 10 == 0) tw_warning("request %d is slow", request);
    tw_event("done");
}

int main(int argc, char **argv)
{
    const bool flood = argc > 1;
    (void)argv;
    if (argc > 2) refund(argc);
    for (int request = 0; request < (flood ? 500000 : 10000); request++) {
        handle(request);
        if (request == 0) (void)puts("ready");
        (void)fflush(stdout);
        (void)usleep(flood ? 50 : 5000);
    }
    return 0;
}
