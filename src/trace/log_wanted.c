/* log_wanted: whether anybody wants a line.
 *
 *     site:  off == generation   nobody wants it: the macro has gone on already
 *            on  == generation   somebody does
 *            else                a new site, or something has changed: tw__log_decide asks once and notes the answer
 *
 * The generation is a word that changes when the level in force, the recording or a live trace does. Noting the answer
 * in the site makes the common question three loads and a compare, whatever there is to decide.
 * Rejected: a list of all sites that a change walks through (one load, but somebody would have to notice a change from
 * outside: a thread in every program); one word for all (a live trace on one module would make every site call).
 */
#include "ring/live.h"
#include "trace/log.h"
#include "trace/site.h"

static uint32_t own_generation = 1; /* before there is a segment, and after */
const uint32_t *tw__log_generation = &own_generation;

enum { UNSET = -2 };
static int level_in_force = TW_LOG_INFO;
static int level_set = UNSET; /* by the program */

/* The word is in the segment, where readers from outside can change it too; before and after there is one, it is ours.
 */
static uint32_t *generation_word(void)
{
    struct tw__segment *segment = tw__load_acquire(&tw__runtime.segment); /* pairs with runtime.c: begin */
    return segment ? &segment->live->generation : &own_generation;
}

void tw__log_changed(void)
{
    uint32_t *word = generation_word();
    const uint32_t *before = tw__load_relaxed(&tw__log_generation);
    /* Another word: go on from where the last one was, so that no site takes an old answer for a new one. */
    if (word != before) tw__store_relaxed(word, tw__load_relaxed(before));
    (void)tw__add_relaxed(word, 1);
    tw__store_release(&tw__log_generation, word); /* pairs with tw__log_decide */
}

void tw__log_configure(int level)
{
    int own = tw__load_relaxed(&level_set);
    tw__store_relaxed(&level_in_force, own == UNSET ? level : own);
    tw__log_changed();
}

void tw_log_set_level(int level)
{
    if (level < TW_LOG_NONE) level = TW_LOG_NONE;
    if (level > TW_LOG_DEBUG) level = TW_LOG_DEBUG;
    tw__store_relaxed(&level_set, level);
    tw__store_relaxed(&level_in_force, level);
    tw__log_changed();
}

int tw_log_get_level(void)
{
    return tw__load_relaxed(&level_in_force);
}

uint64_t tw__log_recheck_tick = UINT64_MAX;

bool tw__log_wants(int level, const char *module, const char *function)
{
    if (level <= tw__load_relaxed(&level_in_force)) return true;
    struct tw__segment *segment = tw__load_acquire(&tw__runtime.segment); /* pairs with runtime.c: begin */
    if (!segment) return false;
    char base[TW__MODULE_CAP];
    uint64_t until;
    if (module) tw__module_of(module, base);
    if (!tw__live_wants(segment, (unsigned)level, module ? base : NULL, function, tw__segment_tick(segment), &until))
        return false;
    if (until < tw__load_relaxed(&tw__log_recheck_tick)) tw__store_relaxed(&tw__log_recheck_tick, until);
    return true;
}

/* A reader may be gone. Who still wants something has promised to be there for longer meanwhile. */
void tw__log_recheck(uint64_t now)
{
    struct tw__segment *segment = tw__load_acquire(&tw__runtime.segment); /* pairs with runtime.c: begin */
    tw__store_relaxed(&tw__log_recheck_tick, UINT64_MAX);
    if (!segment) return;
    tw__live_sweep(segment, now);
    (void)tw__add_relaxed(&segment->live->generation, 1); /* sites ask again, and so find the new tick */
}

bool tw_log_enabled(int level)
{
    if (!tw__load_relaxed(&tw__gate)) return false;
    (void)tw__runtime_ready();
    return tw__log_wants(level < 0 ? 0 : level, NULL, NULL);
}

bool tw__log_decide(struct tw_log_site *site)
{
    bool wanted = false;
    if (tw__load_relaxed(&tw__gate)) {
        if (!tw__runtime_ready()) return false; /* a handler in the middle of attaching: another time */
    }
    /* Read before the question: a change that comes between makes the note out of date, which is what it is then. */
    uint32_t now = tw__load_acquire(
        tw__load_acquire(&tw__log_generation)); /* pairs with whoever changed what the question reads */
    if (tw__load_relaxed(&tw__gate)) wanted = tw__log_wants(site->site.level, site->site.module, site->site.function);
    tw__store_relaxed(wanted ? &site->on : &site->off, now);
    return wanted;
}
