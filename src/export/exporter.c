/* exporter: what they all do the same way. Part of libtrackway-otlp, too: no state of its own. */
#include "export/exporter.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/atomics.h"
#include "base/os.h"

void tw__exporter_problem(struct tw__exporter *self, const char *what, int error_number)
{
    tw__os_problem_text(self->stats.problem, sizeof self->stats.problem, what, error_number);
    tw__count(&self->stats.errors);
}

void tw__exporter_say(struct tw__exporter *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(self->stats.problem, sizeof self->stats.problem, format, arguments);
    va_end(arguments);
    tw__count(&self->stats.errors);
}

void tw__exporter_drop(struct tw__exporter *self, uint64_t *cause, uint64_t count)
{
    tw__store_relaxed(&self->stats.dropped, self->stats.dropped + count);
    if (cause) tw__store_relaxed(cause, *cause + count);
}
