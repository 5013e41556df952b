/* data: see the header. XDG's base directory specification, section 3. */
#include "cli/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/os.h"
#include "cli/cli.h"

enum { TRIES = 120 };
static const uint64_t TRY_NS = 500000000;

bool tw__data_folder(char path[TW__DATA_MAX])
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    int len = -1;
    if (geteuid() == 0)
        len = snprintf(path, TW__DATA_MAX, "/var/lib/trackway");
    else if (data && data[0] == '/')
        len = snprintf(path, TW__DATA_MAX, "%s/trackway", data);
    else if (home && home[0] == '/')
        len = snprintf(path, TW__DATA_MAX, "%s/.local/share/trackway", home);
    return len > 0 && len < TW__DATA_MAX;
}

int tw__data_write(struct tw__store *store, const struct tw__spans *spans)
{
    int code = tw__store_write(store, spans);
    if (code == TW_ERR_SPACE) tw__complain("the data folder has no room; it is tried again for a minute");
    for (int i = 0; i < TRIES && code == TW_ERR_SPACE; i++) {
        tw__os_sleep_ns(TRY_NS);
        code = tw__store_write(store, spans);
    }
    return code;
}
