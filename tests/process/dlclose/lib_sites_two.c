/* The other: see lib_sites_one.c. */
#define LIB_NAME "two"
#define TW_MODULE "sites.c"
#include "sites.inc"
