/* data: see the header. XDG's base directory specification, section 3. */
#include "cli/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
