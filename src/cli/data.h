/* data: where the collector keeps its spans unless it is told otherwise, and writing there without it. */
#ifndef TW_CLI_DATA_H
#define TW_CLI_DATA_H

#include <stdbool.h>

#include "store/store.h"

enum { TW__DATA_MAX = 900 };

/* Below the user's data folder; of root /var/lib/trackway. false: the environment names none. */
bool tw__data_folder(char path[TW__DATA_MAX]);

/* tw__store_write, tried for a minute while there is no room, which is told. */
int tw__data_write(struct tw__store *store, const struct tw__spans *spans);

#endif
