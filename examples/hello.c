/* The smallest traced program. It needs no set-up: the first span creates the recording.
 *
 *     cc hello.c $(pkg-config --cflags --libs trackway) -o hello && ./hello
 */
#include <stdio.h>
#include <time.h>

#include <trackway/trackway.h>

static int load_cart(int user)
{
    TW_SCOPE(span, "load cart"); /* ends with the block; child of "GET /cart" */
    tw_tag(span, "db.rows", user * 7);
    nanosleep(&(struct timespec){.tv_nsec = user * 1000000}, NULL);
    return user == 4 ? -1 : 0;
}

int main(void)
{
    for (int user = 1; user <= 5; user++) {
        tw_span span = tw_span_begin("GET /cart");
        tw_tag(span, "user.id", user);
        if (load_cart(user) < 0) tw_span_fail(span, "cart not found");
        tw_span_end(span);
    }
    puts("Recorded. Look with `trackway traces` in another terminal, then press Enter.");
    getchar();
    return 0;
}
