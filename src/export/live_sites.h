/* live_sites: the sites that a process will have come to, or not, found in the files it has loaded. */
#ifndef TW_EXPORT_LIVE_SITES_H
#define TW_EXPORT_LIVE_SITES_H

#include <stdbool.h>
#include <stdint.h>

#include <trackway/read.h>

/* Calls fn for each site of each file that the process executes, until it returns false; texts are valid during the
 * call. Some may come more than once. Of a process that is not there, or that is somebody else's, there are none. */
void tw__live_sites(uint32_t pid, bool (*fn)(const struct tw_site_value *site, void *data), void *data);

#endif
