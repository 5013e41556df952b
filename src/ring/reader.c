/* reader: opens a segment file, checks its shape, and holds the mapping.
 *
 *     file bytes (hostile) -> pread of the header -> check -> mmap up to the end of the arena, read-only
 *
 * Invariant: shape.end <= length of the mapping, and header <= dictionary <= blocks <= arena <= end, each aligned to 8.
 * All later code takes offsets from the shape, never from the file, and clamps every count that it loads from the file
 * to it.
 *
 * A file that is cut while it is mapped would kill the reader with SIGBUS. Its length is asked for before each read, so
 * what is left is a file that is cut in the middle of one read, some ms long. Only the segment's owner can do that, and
 * the recorder never does.
 * Rejected: pread of each chunk (8192 system calls, three times as slow, and the window is what a look at a hostile
 * neighbour costs anyway); a SIGBUS handler (this runs inside other people's programs).
 */
#include "ring/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomics.h"
#include "base/os.h"
#include "ring/view.h"

static int explain(char *why, int error, const char *path, const char *text)
{
    if (why) (void)snprintf(why, TW_WHY_MAX, "%.100s: %s", path ? path : "segment", text);
    return error;
}

static int explain_errno(char *why, const char *path, int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return explain(why, TW_ERR_NOT_FOUND, path,
                       "no such file; the process may have ended and taken its segment along");
    case EACCES:
    case EPERM:
        return explain(why, TW_ERR_PERMISSION, path,
                       "permission denied; read it as the user of that process, or as root");
    case ELOOP:
        return explain(why, TW_ERR_FOREIGN, path, "a symbolic link; name the segment file itself");
    case ENOMEM:
        return explain(why, TW_ERR_MEMORY, path, "not enough memory to open it");
    default:
        if (why) (void)snprintf(why, TW_WHY_MAX, "%.100s: cannot be read: %.60s", path, strerror(number));
        return TW_ERR_SYSTEM;
    }
}

/* Whether count pieces of size bytes from off on end within limit; *end says where. None of the numbers is trusted. */
static bool part_fits(uint64_t off, uint64_t count, uint64_t size, uint64_t limit, uint64_t *end)
{
    if (off % 8 != 0 || off > limit || count > (limit - off) / size) return false;
    *end = off + count * size;
    return true;
}

static int check_shape(const struct tw__header *h, uint64_t file_len, struct tw__shape *shape, const char *path,
                       char *why)
{
    uint64_t dict_end = 0, blocks_end = 0, arena_end = 0;

    if (memcmp(h->magic, TW__MAGIC, sizeof h->magic) != 0)
        return explain(why, TW_ERR_FOREIGN, path, "not a Trackway segment (no magic)");
    if (h->version > TW__VERSION)
        return explain(why, TW_ERR_VERSION, path, "made by a newer Trackway; read it with a trackway of that version");
    if (h->version < TW__VERSION_OLDEST || h->header_bytes != TW__HEADER_BYTES || h->block_bytes != TW__BLOCK_BYTES ||
        h->slot_bytes != TW__SLOT_BYTES || h->slots_per_block != TW__SLOTS || h->chunk_bytes != TW__CHUNK_BYTES)
        return explain(why, TW_ERR_CORRUPT, path,
                       "its header does not hold the sizes of its version; the file is damaged");
    if (h->file_bytes > file_len)
        return explain(why, TW_ERR_CORRUPT, path,
                       "shorter than its header says; the copy is incomplete, copy it again");
    if (h->block_max > TW__READ_BLOCKS_MAX || h->chunk_max > TW__READ_CHUNKS_MAX ||
        !part_fits(h->dict_off, h->dict_bytes, 1, h->file_bytes, &dict_end) || h->dict_off < TW__HEADER_BYTES ||
        !part_fits(h->blocks_off, h->block_max, TW__BLOCK_BYTES, h->file_bytes, &blocks_end) ||
        h->blocks_off < dict_end ||
        !part_fits(h->arena_off, h->chunk_max, TW__CHUNK_BYTES, h->file_bytes, &arena_end) ||
        h->arena_off < blocks_end || arena_end - h->arena_off > h->arena_reserve_bytes)
        return explain(why, TW_ERR_CORRUPT, path, "its parts do not fit into the file; the file is damaged");

    if (h->live_off && (h->live_off % TW__PAGE != 0 || h->live_off < TW__HEADER_BYTES || h->live_off > h->dict_off ||
                        h->dict_off - h->live_off < TW__LIVE_BYTES))
        return explain(why, TW_ERR_CORRUPT, path, "its live traces do not fit into the file; the file is damaged");
    *shape = (struct tw__shape){.live_off = h->live_off, .dict_off = h->dict_off, .dict_bytes = h->dict_bytes,
                                .blocks_off = h->blocks_off, .arena_off = h->arena_off, .end = arena_end,
                                .map_addr = h->map_addr, .block_max = h->block_max, .chunk_max = h->chunk_max};
    return 0;
}

static void end_text(char *text, size_t cap)
{
    text[cap - 1] = 0;
}

static void reader_free(struct tw_reader *reader)
{
    free(reader->path);
    free(reader);
}

static struct tw_reader *reader_new(const char *path, char *why)
{
    struct tw_reader *reader = calloc(1, sizeof *reader);
    if (!reader) goto failed;
    reader->fd = -1;
    reader->path = strdup(path ? path : "");
    if (reader->path) return reader;
    free(reader);
failed:
    (void)explain(why, TW_ERR_MEMORY, path, "not enough memory to open it");
    return NULL;
}

/* Makes sense of reader->head. */
static int accept_header(struct tw_reader *reader, uint64_t file_len, const char *path, char *why)
{
    static const uint8_t none[16] = {0};
    struct tw__header *head = &reader->head;
    uint8_t boot[16] = {0};

    int result = check_shape(head, file_len, &reader->shape, path, why);
    if (result < 0) return result;
    end_text(head->service, sizeof head->service);
    end_text(head->host, sizeof head->host);
    end_text(head->command, sizeof head->command);
    tw__os_boot_id(boot);
    reader->same_boot = memcmp(boot, none, sizeof boot) != 0 && memcmp(boot, head->boot_id, sizeof boot) == 0;
    return 0;
}

int tw__reader_over(const void *map, size_t len, const char *path, struct tw_reader **out, char *why)
{
    if (len < TW__HEADER_BYTES)
        return explain(why, TW_ERR_FOREIGN, path, "not a Trackway segment (shorter than a header)");
    struct tw_reader *reader = reader_new(path, why);
    if (!reader) return TW_ERR_MEMORY;
    tw__words_copy_from(&reader->head, map, sizeof reader->head);
    int result = accept_header(reader, len, path, why);
    if (result < 0) {
        reader_free(reader);
        return result;
    }
    reader->map = map;
    *out = reader;
    return 0;
}

static int read_header(int fd, struct tw__header *head, const char *path, char *why)
{
    ssize_t n;
    do {
        n = pread(fd, head, sizeof *head, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return explain_errno(why, path, errno);
    if ((size_t)n < sizeof *head)
        return explain(why, TW_ERR_FOREIGN, path, "not a Trackway segment (shorter than a header)");
    return 0;
}

static int map_file(struct tw_reader *reader, int fd, const char *path, char *why)
{
    struct stat st;
    if (fstat(fd, &st) < 0) return explain_errno(why, path, errno);
    if (!S_ISREG(st.st_mode)) return explain(why, TW_ERR_FOREIGN, path, "not a file; name a segment file");
    int result = read_header(fd, &reader->head, path, why);
    if (result == 0) result = accept_header(reader, (uint64_t)st.st_size, path, why);
    if (result < 0) return result;
    void *map = mmap(NULL, (size_t)reader->shape.end, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) return explain_errno(why, path, errno);
    reader->map = map;
    reader->fd = fd;
    reader->inode = (uint64_t)st.st_ino;
    reader->device = (uint64_t)st.st_dev;
    return 0;
}

int tw_reader_open(const char *path, struct tw_reader **out, char *why)
{
    struct tw_reader *reader = reader_new(path, why);
    if (!reader) return TW_ERR_MEMORY;
    /* NONBLOCK: a pipe of that name must not hold us up; NOFOLLOW: others may write to the folders that are searched */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    int result = fd < 0 ? explain_errno(why, path, errno) : map_file(reader, fd, path, why);
    if (result < 0) {
        if (fd >= 0) (void)close(fd);
        reader_free(reader);
        return result;
    }
    *out = reader;
    return 0;
}

void tw_reader_close(struct tw_reader *reader)
{
    if (!reader) return;
    if (reader->fd >= 0) {
        union {
            const uint8_t *read_only;
            void *any;
        } map = {.read_only = reader->map}; /* munmap takes no const */
        (void)munmap(map.any, (size_t)reader->shape.end);
        (void)close(reader->fd);
    }
    reader_free(reader);
}

bool tw__view_is_whole(const struct tw_reader *reader)
{
    struct stat st;
    if (reader->fd < 0) return true;
    return fstat(reader->fd, &st) == 0 && (uint64_t)st.st_size >= reader->shape.end;
}

uint32_t tw__view_blocks(const struct tw_reader *reader)
{
    uint32_t high = tw__load_acquire(&tw__view_header(reader)->block_high); /* pairs with block.c: take */
    return high < reader->shape.block_max ? high : reader->shape.block_max;
}

uint32_t tw__view_chunks(const struct tw_reader *reader)
{
    uint32_t high = tw__load_acquire(&tw__view_header(reader)->chunk_high); /* pairs with segment.c: resize */
    return high < reader->shape.chunk_max ? high : reader->shape.chunk_max;
}
