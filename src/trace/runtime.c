/* runtime: start, stop, fork, exit.
 *
 *     not begun --first use or tw_init--> recording --tw_shutdown--> ended --tw_init--> recording ...
 *                                   \--> failed, or off by configuration
 *
 * The lock is for these steps only; no span call takes it but a thread's first, while nothing has begun. A segment that
 * has ended stays mapped: another thread may be inside a call, and handles from then must stay harmless. Its arena's
 * memory is given back; what remains is 16 KiB a thread.
 *
 * Sites and keys remember their dictionary ids for ever, so each next segment takes the dictionary of the one before
 * over.
 *
 * fork: of the mapping the child gets header and dictionary only (MADV_DONTFORK); zero memory is put in the place of
 * the rest, so that handles from before the fork read as ended, and its first record begins a new segment. exec: the
 * mapping goes, the file stays, and readers see that the process no longer maps it.
 */
#include "trace/runtime.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/os.h"
#include "propagate/config.h"
#include "ring/control.h"
#include "trace/attach.h"
#include "trace/call_rules.h"
#include "trace/diagnose.h"
#include "trace/env.h"
#include "trace/export_hook.h"
#include "trace/log.h"

uint32_t tw__gate = 1;
struct tw__runtime tw__runtime;

enum phase { NOT_BEGUN, RECORDING, FAILED, ENDED };

enum { TEXT_MAX = 256, NEWS_MAX = 5 }; /* one beginning has five at most */

struct news {
    int error;
    char text[TEXT_MAX];
};

/* Under lock. */
static struct {
    pthread_mutex_t lock;
    int cancel; /* what tw__os_cancel_not gave the holder */
    enum phase phase;
    bool switched_off; /* by tw_recorder_disable */
    bool kept_settings;
    struct tw__segment *newest;   /* and by its older all before it: never freed, see above */
    struct tw__segment *previous; /* ended, or the parent's: its dictionary goes on in the next */
    struct tw__settings settings;
    int error;
    char error_text[TEXT_MAX];
    unsigned news_count; /* is told when the lock is free: who writes a line may wait for a disk */
    struct news news[NEWS_MAX];
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* A thread that is cancelled while it opens a file would take the lock along. */
static void lock_state(void)
{
    int before = tw__os_cancel_not();
    pthread_mutex_lock(&state.lock);
    state.cancel = before;
}

static void unlock_state(void)
{
    struct news news[NEWS_MAX];
    unsigned count = state.news_count;
    int before = state.cancel;
    memcpy(news, state.news, count * sizeof *news);
    state.news_count = 0;
    pthread_mutex_unlock(&state.lock);
    for (unsigned i = 0; i < count; i++) tw__diagnose(news[i].error, news[i].text);
    tw__os_cancel_again(before);
}

/* Under lock. Told once, until something else is wrong. */
static void is_wrong(int error, const char text[TEXT_MAX])
{
    if (strcmp(text, state.error_text) == 0) return;
    state.error = error;
    memcpy(state.error_text, text, TEXT_MAX);
    if (state.news_count == NEWS_MAX) return;
    struct news *news = &state.news[state.news_count++];
    news->error = error;
    memcpy(news->text, text, TEXT_MAX);
}

/* dir: the folder that was configured; empty: none, or it has nothing to do with it. */
static void problem(int error, const char *what, const char *dir)
{
    char text[TEXT_MAX];
    if (error == TW_ERR_OFF)
        (void)snprintf(text, sizeof text, "recording is off: %s", what);
    else
        (void)snprintf(text, sizeof text, "recording is off: %s%s%.150s: %s", what, *dir ? " in " : "", dir,
                       tw_err_text(error));
    is_wrong(error, text);
}

/* Recording is on, but something else that was asked for is not. */
static void notice(struct tw__segment *segment, int error, const char *area, const char *what, const char *reason)
{
    char text[TEXT_MAX];
    (void)snprintf(text, sizeof text, "%s: %s%s%s", area, what, *reason ? ": " : "", reason);
    tw__control_notice(segment, text + strlen(area) + 2);
    is_wrong(error, text);
}

void tw__runtime_notice(int error, const char *what)
{
    char text[TEXT_MAX];
    (void)snprintf(text, sizeof text, "calls: %.120s: %s", what, tw_err_text(error));
    lock_state();
    is_wrong(error, text);
    unlock_state();
}

/* What is sent without being asked for: the sampler, and the exporters. */
static void begin_export(struct tw__segment *segment)
{
    static struct tw__sampler sampler;
    static bool made;
    const char *what = "", *argument = tw__setting(&state.settings, TW__SETTING_SAMPLER_ARG);
    char why[TW_WHY_MAX] = "";
    bool configured = state.settings.sampler[0] != 0;
    if (configured) {
        if (!made) tw__sampler_init(&sampler, NULL, NULL);
        made = true;
        int loaded = tw__sampler_load(&sampler, state.settings.sampler, argument, why);
        if (loaded < 0 || why[0]) notice(segment, loaded < 0 ? loaded : TW_ERR_RANGE, "export", why, "");
    }
    tw__control_sampler(segment, state.settings.sampler);
    tw__runtime.service = (struct tw_text){state.settings.service, strlen(state.settings.service)};
    /* None: everything is sampled, which is most programs, and roots cost 17 ns less. Pairs with slow.c. */
    tw__store_release(&tw__runtime.sampler, configured ? &sampler : NULL);
    int result = tw__export_begin(segment, &state.settings, configured ? &sampler : NULL, &what);
    if (result < 0) {
        /* What was not found says so itself. */
        notice(segment, result, "export", what, result == TW_ERR_NOT_FOUND ? "" : tw_err_text(result));
    } else if (configured && result > 0 && !tw__sampler_can_sample(&sampler)) {
        notice(segment, TW_ERR_STATE, "export", "there is an exporter, but the configured sample rate is 0", "");
    } else if (configured && result == 0) {
        notice(segment, TW_ERR_STATE, "export", "there is a sampler, but no exporter", "");
    }
}

/* What of the configuration is not used. */
static void tell_settings(struct tw__segment *segment, bool given)
{
    if (state.settings.ignored)
        notice(segment, TW_ERR_PERMISSION, "environment",
               "TRACKWAY... is not read: the program is setuid or has capabilities", "");
    if (strlen(tw__setting(&state.settings, TW__SETTING_DIAGNOSTICS)) >= TW__DIAGNOSE_PATH_MAX)
        notice(segment, TW_ERR_RANGE, "diagnostics", "TRACKWAY_DIAGNOSTICS", "longer than 511 bytes");
    if (tw__propagators_apply(&state.settings, given) != 0)
        notice(segment, TW_ERR_RANGE, "propagation", "TRACKWAY_PROPAGATORS", "not all formats are known");
}

static void set_gate(void)
{
    bool on = state.phase == NOT_BEGUN || state.phase == RECORDING;
    tw__store_relaxed(&tw__gate, on && !state.switched_off ? 1u : 0u);
    tw__log_changed();
    if (state.phase == RECORDING)
        tw__store_relaxed(&tw__load_relaxed(&tw__runtime.segment)->header->recording, state.switched_off ? 0u : 1u);
}

static void before_fork(void)
{
    lock_state();
    if (tw__runtime.sampler) tw__sampler_before_fork(tw__runtime.sampler);
}

static void after_fork_in_parent(void)
{
    if (tw__runtime.sampler) tw__sampler_after_fork(tw__runtime.sampler, false, tw__clock_wall_ns());
    unlock_state();
}

/* In the child: no segment, no thread, same settings. */
static void forget_parent(void)
{
    struct tw__segment *segment = tw__runtime.segment;
    for (struct tw__segment *s = state.newest; s; s = s->older) tw__segment_forget(s);
    if (segment) state.previous = segment;
    state.news_count = 0; /* the parent tells them */
    tw__diagnose_after_fork();
    tw__export_forget();
    tw__live_own_forget();
    tw__attach_forget();
    tw__recorder_after_fork();
    tw__call_rules_after_fork();
    tw__process_drops_forget();
    tw__runtime.segment = NULL;
    tw__log_changed();
    if (state.phase == RECORDING || state.phase == FAILED) state.phase = NOT_BEGUN;
    set_gate();
}

static void after_fork_in_child(void)
{
    if (tw__runtime.sampler) tw__sampler_after_fork(tw__runtime.sampler, true, tw__clock_wall_ns());
    forget_parent();
    unlock_state();
}

/* When the library is loaded, not when recording begins: a fork may come while another thread is about to begin it. */
__attribute__((constructor)) static void at_load(void)
{
    (void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void tw_after_fork(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    state.lock = fresh; /* its holder, if any, is in the parent */
    forget_parent();
}

__attribute__((destructor)) static void at_exit(void)
{
    struct tw__segment *segment = tw__load_acquire(&tw__runtime.segment);
    if (!segment || segment->header->pid != tw__os_pid()) return;
    tw__export_end(TW__EXIT_TIMEOUT_NS);
    tw__live_own_end(TW__EXIT_TIMEOUT_NS);
    tw__segment_close(segment);
}

/* Under lock, phase is not RECORDING. */
static int begin(const struct tw_config *config)
{
    const char *what = "", *dir = "";
    int result = 0;
    if (config || !state.kept_settings) result = tw__settings_read(&state.settings, config, &what);
    if (result == 0) state.kept_settings = true;
    if (result == 0 && state.settings.off) {
        result = TW_ERR_OFF;
        what = "switched off by configuration";
    }
    struct tw__segment *segment = NULL;
    if (result == 0) {
        segment = calloc(1, sizeof *segment);
        what = "memory";
        result = segment ? 0 : TW_ERR_MEMORY;
    }
    if (result == 0) {
        dir = tw__setting(&state.settings, TW__SETTING_DIR);
        const struct tw__segment_options options = {
            .dir = *dir ? dir : NULL,
            .service = state.settings.service,
            .arena_bytes = state.settings.arena_bytes,
            .payload_max = state.settings.payload_max,
            .keep_file = state.settings.keep_file,
            .keep_dead = state.settings.keep_dead,
            .previous = state.previous,
            .force_monotonic = state.settings.no_tsc,
        };
        result = tw__segment_open(segment, &options, &what);
    }
    if (result < 0) {
        free(segment); /* never published */
        state.phase = FAILED;
        problem(result, what, result == TW_ERR_RANGE ? "" : dir);
        set_gate();
        return result;
    }
    segment->older = state.newest;
    state.newest = segment;
    if (state.previous) tw__segment_drop_dict(state.previous);
    state.previous = NULL;
    state.error = 0;
    state.error_text[0] = 0;
    tw__store_relaxed(&tw__runtime.random_trace_ids, state.settings.random_trace_ids ? 1u : 0u);
    tw__store_relaxed(&tw__runtime.slow_clock, !segment->tsc);
    tw__store_relaxed(&tw__runtime.payload_max, state.settings.payload_max);
    tw__store_relaxed(&tw__runtime.context_missing, (uint32_t)state.settings.context_missing);
    tw__store_relaxed(&tw__runtime.generation, tw__runtime.generation + 1);
    segment->generation = tw__runtime.generation;
    tw__process_drops_to(&segment->header->drops);
    tw__store_release(&tw__runtime.segment, segment); /* pairs with tw__runtime_segment */
    state.phase = RECORDING;
    tw__log_configure(state.settings.log_level);
    set_gate();
    tell_settings(segment, config && config->variables);
    begin_export(segment);
    return 0;
}

struct tw__segment *tw__runtime_segment(void)
{
    struct tw__segment *segment = tw__load_acquire(&tw__runtime.segment); /* pairs with begin */
    if (segment) return segment;
    lock_state();
    if (state.phase == NOT_BEGUN) (void)begin(NULL);
    segment = state.phase == RECORDING ? tw__runtime.segment : NULL;
    unlock_state();
    return segment;
}

int tw_init(const struct tw_config *config)
{
    struct tw_config whole = {0};
    if (config) {
        size_t size = config->struct_size && config->struct_size < sizeof whole ? config->struct_size : sizeof whole;
        memcpy(&whole, config, size);
    }
    tw__attach_hold(true);
    lock_state();
    int result = TW_ERR_STATE;
    if (state.phase != RECORDING) {
        tw__diagnose_to(whole.diagnostic, whole.diagnostic_data);
        state.kept_settings = false; /* those of an attempt that failed are not the environment's */
        result = begin(config ? &whole : NULL);
    }
    unlock_state();
    tw__attach_hold(false);
    return result;
}

/* Waits until no thread is inside a call. */
static int wait_quiet(struct tw__segment *segment, uint64_t timeout_ns)
{
    const uint64_t step_ns = 100000;
    uint32_t high = tw__load_acquire(&segment->header->block_high);
    tw__os_sleep_ns(step_ns); /* the poison of who looked at the generation before it changed is on its way: attach.c */
    for (uint64_t waited = step_ns;; waited += step_ns) {
        bool busy = false;
        for (uint32_t i = 0; i < high && !busy; i++) {
            struct tw__block *block = tw__block_at(segment, i);
            busy =
                tw__load_acquire(&block->state) == TW__BLOCK_USED && tw__load_acquire(&block->current) == &tw__poison;
        }
        if (!busy) return 0;
        if (waited >= timeout_ns) return TW_ERR_TIMEOUT;
        tw__os_sleep_ns(step_ns);
    }
}

int tw_shutdown(uint64_t timeout_ns)
{
    lock_state();
    struct tw__segment *segment = tw__runtime.segment;
    if (state.phase != RECORDING) {
        unlock_state();
        return TW_ERR_STATE;
    }
    state.phase = ENDED;
    state.kept_settings = false;
    state.switched_off = false;
    set_gate();
    tw__export_end(timeout_ns);
    tw__live_own_end(timeout_ns);
    /* From here on no thread gets anything from the old segment: a new generation, no chunk, no slot. Who is inside a
     * call now may put its own values back; it notices at its next chunk (attach.c). */
    tw__store_relaxed(&tw__runtime.generation, tw__runtime.generation + 1);
    tw__store_release(&tw__runtime.segment, NULL);
    tw__log_changed();
    int result = wait_quiet(segment, timeout_ns);
    uint64_t now = tw__segment_tick(segment);
    uint32_t high = tw__load_acquire(&segment->header->block_high); /* pairs with block.c: take */
    for (uint32_t i = 0; i < high; i++) {
        struct tw__block *block = tw__block_at(segment, i);
        if (result == 0) tw__arena_close(segment, block, now);
        tw__store_relaxed(&block->limit, NULL);
        tw__store_relaxed(&block->free, NULL);
    }
    tw__segment_close(segment);
    tw__segment_drop_arena(segment);
    state.previous = segment;
    unlock_state();
    return result;
}

int tw_recorder_enable(void)
{
    lock_state();
    state.switched_off = false;
    if (state.phase == NOT_BEGUN) (void)begin(NULL);
    set_gate();
    int result = state.phase == RECORDING ? 0 : TW_ERR_OFF;
    unlock_state();
    return result;
}

int tw_recorder_disable(void)
{
    lock_state();
    state.switched_off = true;
    set_gate();
    unlock_state();
    return 0;
}

bool tw_recorder_is_enabled(void)
{
    return tw__load_relaxed(&tw__gate) != 0;
}

int tw_recorder_error(char *text, size_t cap)
{
    lock_state();
    int error = state.error;
    if (text && cap) {
        size_t len = strlen(state.error_text);
        if (len >= cap) len = cap - 1;
        memcpy(text, state.error_text, len);
        text[len] = 0;
    }
    unlock_state();
    return error;
}

int tw_recorder_path(char *path, size_t cap)
{
    const struct tw__segment *segment = tw__load_acquire(&tw__runtime.segment);
    size_t len = segment ? strlen(segment->path) : 0;
    if (len >= cap) return TW_ERR_SPACE;
    memcpy(path, segment ? segment->path : "", len + 1);
    return (int)len;
}
