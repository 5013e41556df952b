/* mistakes: what is wrong with settings each of which is understood: what --check tells before anything is opened. */
#ifndef TW_SERVE_MISTAKES_H
#define TW_SERVE_MISTAKES_H

#include "serve/settings.h"
#include "store/store.h"

/* Two doors at one address, files that cannot be read or that are of no use alone, limits that let nothing through, a
 * word that is none. Returns 0, or an error with the
 * first of them in why. */
int tw__settings_mistakes(const struct tw__settings *settings, char why[TW_WHY_MAX]);

/* What a write survives. Returns 0 and *level, or an error with why. */
int tw__settings_durability(const struct tw__settings *settings, enum tw__durability *level, char why[TW_WHY_MAX]);

#endif
