/* Functions that are compiled with -finstrument-functions (tests/meson.build): test_trace.py watches them. */
#include <trackway/trackway.h>

#include <stdio.h>
#include <unistd.h>

int inner_work(int n);
int outer_work(int n);
static int hidden_work(int n);

static int hidden_work(int n)
{
    __asm__ volatile("" : "+r"(n));
    return n + 1;
}

int inner_work(int n)
{
    return 2 * hidden_work(n);
}

int outer_work(int n)
{
    TW_SCOPE(span, "outer");
    return inner_work(n) + inner_work(n + 1);
}

int main(void)
{
    int sum = 0;
    for (int i = 0; i < 10000; i++) {
        sum += outer_work(i);
        if (i == 0) (void)puts("ready");
        (void)fflush(stdout);
        (void)usleep(5000);
    }
    return sum == 0;
}
