#ifndef TRACKWAY_TRACKWAY_H
#define TRACKWAY_TRACKWAY_H

/* Everything an application uses. Readers of segments include <trackway/read.h> alone. */

#include <trackway/call.h>
#include <trackway/context.h>
#include <trackway/err.h>
#include <trackway/log.h>
#include <trackway/recorder.h>
#include <trackway/span.h>

#endif
