/* dead: recordings of processes that are gone do not pile up. */
#ifndef TW_RING_DEAD_H
#define TW_RING_DEAD_H

#include <stddef.h>

/* Removes the oldest recordings of dead processes in a folder, at most `most` of them, and none of the newest `keep`.
 * Returns  how many; 0 also when the folder cannot be read or there is no memory.
 * Cost     a look at each name; where there are more than keep, the system's answer for each process, and for those
 *          that are not there a look at the file. */
size_t tw__dead_remove(const char *dir, size_t keep, size_t most);

#endif
