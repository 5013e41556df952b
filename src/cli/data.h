/* data: where the collector keeps its spans unless it is told otherwise. */
#ifndef TW_CLI_DATA_H
#define TW_CLI_DATA_H

#include <stdbool.h>

enum { TW__DATA_MAX = 900 };

/* Below the user's data folder; of root /var/lib/trackway. false: the environment names none. */
bool tw__data_folder(char path[TW__DATA_MAX]);

#endif
