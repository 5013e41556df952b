/* live_functions: names of the functions of a process, by their addresses. */
#ifndef TW_EXPORT_LIVE_FUNCTIONS_H
#define TW_EXPORT_LIVE_FUNCTIONS_H

#include <trackway/read.h>

struct tw__functions;

/* NULL on lack of memory. Nothing is read before somebody asks. */
struct tw__functions *tw__functions_new(uint32_t pid);
void tw__functions_free(struct tw__functions *functions);

/* The function's name, or its address in hexadecimal, and the name of its object without folder and suffix. Valid until
 * freed, the address until the next call. */
void tw__functions_find(struct tw__functions *functions, uint64_t address, struct tw_text *name,
                        struct tw_text *object);

#endif
