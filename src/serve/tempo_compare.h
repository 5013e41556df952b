/* tempo_compare: compare() as Tempo answers it. */
#ifndef TW_SERVE_TEMPO_COMPARE_H
#define TW_SERVE_TEMPO_COMPARE_H

#include "query/series.h"
#include "serve/ask.h"

/* Writes the series; of list its range is read, and more set. */
void tw__tempo_compare(struct tw__ask *ask, struct tw__search *search, struct tw__series_list *list, bool instant);

#endif
