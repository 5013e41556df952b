/* One of two libraries that are loaded in turn. */
#define LIB_NAME "one"
#define TW_MODULE "sites.c"
#include "sites.inc"
