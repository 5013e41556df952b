/* mistakes: what is wrong with settings each of which is understood: what --check tells before anything is opened. */
#ifndef TW_SERVE_MISTAKES_H
#define TW_SERVE_MISTAKES_H

#include "serve/settings.h"

/* Two doors at one address, files that cannot be read, limits that let nothing through. Returns 0, or an error with the
 * first of them in why. */
int tw__settings_mistakes(const struct tw__settings *settings, char why[TW_WHY_MAX]);

#endif
