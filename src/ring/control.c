/* control: see the header.
 *
 * One word of a segment may be written by others than its process: sample_asked. Whoever may open the file for writing
 * could as well debug the process, so it needs no other permission, and no value of the word can do more than change
 * what is sampled. The file is opened without following links and must be a plain one with our magic; nothing but that
 * word is touched.
 */
#include "ring/control.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomics.h"

/* Text into a field that others may be reading: a reader finds the old, the new or a mixture, and always an end. */
static void put_text(char *field, size_t cap, const char *text)
{
    size_t len = strlen(text);
    if (len >= cap) len = cap - 1;
    if (memcmp(field, text, len) == 0 && field[len] == 0) return;
    for (size_t i = 0; i < len; i++) tw__store_relaxed(&field[i], text[i]);
    for (size_t i = len; i < cap; i++) tw__store_relaxed(&field[i], (char)0);
}

void tw__control_sampler(struct tw__segment *segment, const char *sampler)
{
    put_text(segment->header->sampler, sizeof segment->header->sampler, sampler);
}

void tw__control_notice(struct tw__segment *segment, const char *notice)
{
    put_text(segment->header->notice, sizeof segment->header->notice, notice);
}

void tw__control_exporter(struct tw__segment *segment, uint32_t index, const struct tw_export_stats *stats)
{
    if (index >= TW__EXPORT_WORDS) return;
    struct tw__export_words *words = &segment->header->exporters[index];
    struct tw__export_causes *causes = &segment->header->causes[index];
    tw__store_relaxed(&words->records, stats->records);
    tw__store_relaxed(&words->sent, stats->sent);
    tw__store_relaxed(&words->bytes, stats->bytes);
    tw__store_relaxed(&words->dropped, stats->dropped);
    tw__store_relaxed(&words->errors, stats->errors);
    tw__store_relaxed(&words->missed, stats->missed);
    tw__store_relaxed(&causes->backing_off, stats->backing_off);
    tw__store_relaxed(&causes->too_long, stats->too_long);
    tw__store_relaxed(&causes->cut, stats->cut);
    put_text(words->problem, sizeof words->problem, stats->problem);
    put_text(words->name, sizeof words->name, stats->name);
}

static uint64_t word_of(uint64_t threshold)
{
    return threshold == TW__AS_CONFIGURED ? 0 : TW__SAMPLE_ASKED | threshold;
}

void tw__control_rate(struct tw__segment *segment, uint64_t threshold)
{
    tw__store_relaxed(&segment->header->sample_asked, word_of(threshold));
}

static int error_of(int error_number)
{
    if (error_number == ENOENT || error_number == ENOTDIR) return TW_ERR_NOT_FOUND;
    if (error_number == ELOOP) return TW_ERR_FOREIGN;
    return error_number == EACCES || error_number == EPERM ? TW_ERR_PERMISSION : TW_ERR_SYSTEM;
}

/* Maps the header of an open segment. */
static int map_header(int fd, struct tw__header **header)
{
    struct stat st;
    if (fstat(fd, &st) < 0) return TW_ERR_SYSTEM;
    if (!S_ISREG(st.st_mode) || st.st_size < TW__HEADER_BYTES) return TW_ERR_FOREIGN;
    struct tw__header *map = mmap(NULL, TW__HEADER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) return TW_ERR_SYSTEM;
    int result = 0;
    if (memcmp(map->magic, TW__MAGIC, sizeof map->magic) != 0)
        result = TW_ERR_FOREIGN;
    else if (map->version < TW__VERSION_OLDEST || map->version > TW__VERSION)
        result = TW_ERR_VERSION;
    else if (tw__load_acquire(&map->state) != TW__SEGMENT_OPEN) /* pairs with tw__segment_close */
        result = TW_ERR_STATE;
    if (result < 0)
        (void)munmap(map, TW__HEADER_BYTES);
    else
        *header = map;
    return result;
}

int tw__control_rate_of(const char *path, uint64_t threshold)
{
    struct tw__header *header = NULL;
    int saved = errno, fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int result = fd < 0 ? error_of(errno) : map_header(fd, &header);
    if (result == 0 && header) {
        tw__store_relaxed(&header->sample_asked, word_of(threshold));
        (void)munmap(header, TW__HEADER_BYTES);
    }
    if (fd >= 0) close(fd);
    errno = saved;
    return result;
}
