/* journal: see the header.
 *
 *     magic, version, seq, opened | record | record | ... | what an earlier journal left
 *     record:  magic, length, check | counts | lengths of strings | strings | fields | shapes | ... | rows
 *
 * The check covers counts and everything after, so that a record is whole or is not there. Arrays are written as they
 * lie in memory, by one writev: there is no encoding to pay for. Little-endian machines only, as the segments are.
 * A file is written over by the journal after next: new pages for each would be a third of the time of writing. Checks
 * have the journal's seq as seed, so that a record that was there before is none.
 * Limits: a record is at most RECORD_MAX bytes; the store splits nothing, doors limit what one request may hold.
 */
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <xxhash.h>

#define FILE_MAGIC UINT64_C(0x314c4e524a575422) /* '"TWJRNL1' */
#define RECORD_MAX (UINT64_C(1) << 31)

enum { RECORD_MAGIC = 0x43455254 /* "TREC" */, JOURNAL_VERSION = 2, COUNTS = 10 };
#define SPARE_MAX (64 << 20)

struct file_head {
    uint64_t magic;
    uint32_t version, zero;
    uint64_t seq, opened_ns;
};

struct record_head {
    uint32_t magic, zero;
    uint64_t len, check; /* of all that follows */
};

/* Counts of a record: strings, bytes of strings, then the arrays in their order. */
struct record_counts {
    uint64_t counts[COUNTS];
};

static int error_of(int number)
{
    return number == ENOSPC || number == EDQUOT || number == EFBIG ? TW_ERR_SPACE : TW_ERR_SYSTEM;
}

static int write_all(int fd, struct iovec *parts, int count)
{
    while (count > 0) {
        ssize_t n = writev(fd, parts, count);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return error_of(errno);
        size_t done = (size_t)n;
        while (count > 0 && done >= parts->iov_len) {
            done -= parts->iov_len;
            parts++;
            count--;
        }
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + done;
            parts->iov_len -= done;
        }
    }
    return 0;
}

int tw__journal_new(const char *path, const char *spare, uint64_t seq, uint64_t opened_ns, struct tw__journal *out)
{
    struct file_head head = {FILE_MAGIC, JOURNAL_VERSION, 0, seq, opened_ns};
    struct iovec part = {&head, sizeof head};
    /* Under the new name with the old head it is foreign: a crash between the two leaves nothing to be read. */
    int fd = rename(spare, path) == 0 ? open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd < 0) fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return error_of(errno);
    int error = write_all(fd, &part, 1);
    if (error) {
        (void)close(fd);
        (void)unlink(path);
        return error;
    }
    *out = (struct tw__journal){fd, sizeof head, seq};
    return 0;
}

void tw__journal_retire(const char *path, const char *spare)
{
    struct stat stat_;
    if (stat(path, &stat_) != 0 || stat_.st_size > SPARE_MAX || rename(path, spare) != 0) (void)unlink(path);
}

void tw__journal_close(struct tw__journal *journal)
{
    if (journal->fd >= 0) (void)close(journal->fd);
    journal->fd = -1;
}

static void add_part(struct iovec *parts, int *n, const void *bytes, size_t len)
{
    union {
        const void *in;
        void *out;
    } same = {bytes}; /* writev only reads */
    if (len) parts[(*n)++] = (struct iovec){same.out, len};
}

int tw__journal_append(struct tw__journal *journal, const struct tw__recent *recent,
                       const struct tw__recent_counts *before)
{
    size_t strings = recent->count.strings - before->strings, bytes = recent->count.string_bytes - before->string_bytes;
    char *text = malloc(strings * sizeof(uint32_t) + bytes + 1);
    if (!text) return TW_ERR_MEMORY;
    uint32_t len;
    char *at = text + strings * sizeof len;
    for (size_t i = 0; i < strings; i++) {
        struct tw_text string = recent->strings[before->strings + i];
        len = (uint32_t)string.len;
        memcpy(text + i * sizeof len, &len, sizeof len);
        memcpy(at, string.ptr, string.len);
        at += string.len;
    }
    struct iovec parts[3 + COUNTS];
    int n = 0;
    struct record_head head = {.magic = RECORD_MAGIC};
    struct record_counts counts = {{strings, bytes}};
    size_t which = 2;
    add_part(parts, &n, &head, sizeof head);
    add_part(parts, &n, &counts, sizeof counts);
    add_part(parts, &n, text, (size_t)(at - text));
#define ADD(name, type)                                                                                                \
    counts.counts[which++] = recent->count.name - before->name;                                                        \
    /* An array that is empty has no address to add to. */                                                             \
    if (recent->name)                                                                                                  \
        add_part(parts, &n, recent->name + before->name, (recent->count.name - before->name) * sizeof(type));
    TW__RECENT_ARRAYS(ADD)
#undef ADD
    XXH3_state_t *state = XXH3_createState();
    if (!state) {
        free(text);
        return TW_ERR_MEMORY;
    }
    (void)XXH3_64bits_reset_withSeed(state, journal->seq);
    for (int i = 1; i < n; i++) {
        (void)XXH3_64bits_update(state, parts[i].iov_base, parts[i].iov_len);
        head.len += parts[i].iov_len;
    }
    head.check = XXH3_64bits_digest(state);
    (void)XXH3_freeState(state);
    uint64_t total = sizeof head + head.len;
    int error = head.len > RECORD_MAX ? TW_ERR_SPACE : write_all(journal->fd, parts, n);
    free(text);
    if (error) {
        /* What was written of it is no record, and the next one goes over it. */
        if (lseek(journal->fd, (off_t)journal->len, SEEK_SET) < 0) return TW_ERR_SYSTEM;
        return error;
    }
    journal->len += total;
    return 0;
}

/* -- reading */

static int read_file(const char *path, char **bytes, size_t *len)
{
    struct stat stat_;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno == ENOENT ? TW_ERR_NOT_FOUND : TW_ERR_SYSTEM;
    int error = fstat(fd, &stat_) == 0 && S_ISREG(stat_.st_mode) ? 0 : TW_ERR_SYSTEM;
    size_t size = error ? 0 : (size_t)stat_.st_size, got = 0;
    char *room = error ? NULL : malloc(size + 1);
    if (!error && !room) error = TW_ERR_MEMORY;
    while (!error && got < size) {
        ssize_t n = read(fd, room + got, size - got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) error = TW_ERR_SYSTEM;
        if (n <= 0) break;
        got += (size_t)n;
    }
    /* Another process may have begun to write over it: its head first. */
    char again[sizeof(struct file_head)];
    if (!error && got >= sizeof again &&
        (pread(fd, again, sizeof again, 0) != (ssize_t)sizeof again || memcmp(again, room, sizeof again) != 0))
        error = TW_ERR_NOT_FOUND;
    (void)close(fd);
    if (error) {
        free(room);
        return error;
    }
    *bytes = room;
    *len = got;
    return 0;
}

/* Bytes that the counts ask for; UINT64_MAX: more than there can be. */
static uint64_t bytes_of(const struct record_counts *counts)
{
    uint64_t total = sizeof *counts;
    const size_t sizes[COUNTS] = {sizeof(uint32_t), 1,
#define SIZE(name, type) sizeof(type),
                                  TW__RECENT_ARRAYS(SIZE)
#undef SIZE
    };
    for (size_t i = 0; i < COUNTS; i++) {
        if (counts->counts[i] > RECORD_MAX) return UINT64_MAX;
        total += counts->counts[i] * sizes[i];
    }
    return total;
}

static int take_strings(struct tw__recent *recent, const char *at, const struct record_counts *counts)
{
    const char *text = at + counts->counts[0] * sizeof(uint32_t);
    uint64_t left = counts->counts[1];
    for (uint64_t i = 0; i < counts->counts[0]; i++) {
        uint32_t len;
        memcpy(&len, at + i * sizeof len, sizeof len);
        if (len > left) return TW_ERR_CORRUPT;
        const char *copy = tw__pool_copy(&recent->pool, text, len);
        if (!copy) return TW_ERR_MEMORY;
        recent->strings[recent->count.strings++] = (struct tw_text){copy, len};
        recent->count.string_bytes += len;
        text += len;
        left -= len;
    }
    return left == 0 ? 0 : TW_ERR_CORRUPT;
}

/* A record whose check is right and whose length fits its counts. */
static int take_record(struct tw__recent *recent, const char *at, const struct record_counts *counts)
{
    struct tw__recent_counts before = recent->count, more = {.strings = counts->counts[0]};
    size_t which = 2;
#define MORE(name, type) more.name = counts->counts[which++];
    TW__RECENT_ARRAYS(MORE)
#undef MORE
    int error = tw__recent_reserve(recent, &more);
    if (!error) error = take_strings(recent, at, counts);
    at += counts->counts[0] * sizeof(uint32_t) + counts->counts[1];
#define TAKE(name, type)                                                                                               \
    if (!error && more.name) memcpy(recent->name + recent->count.name, at, more.name * sizeof(type));                  \
    if (!error) recent->count.name += more.name;                                                                       \
    at += more.name * sizeof(type);
    TW__RECENT_ARRAYS(TAKE)
#undef TAKE
    if (!error && !tw__recent_valid(recent, &before)) error = TW_ERR_CORRUPT;
    if (error) recent->count = before;
    return error;
}

int tw__journal_read(const char *path, uint64_t seq, struct tw__recent *recent, uint64_t *opened_ns, uint64_t *damaged)
{
    char *bytes;
    size_t len, at = sizeof(struct file_head);
    struct file_head file;
    int error = read_file(path, &bytes, &len);
    if (error) return error;
    if (len >= sizeof file) memcpy(&file, bytes, sizeof file);
    if (len < sizeof file || file.magic != FILE_MAGIC || file.seq != seq)
        error = TW_ERR_FOREIGN;
    else if (file.version < 1 || file.version > JOURNAL_VERSION)
        error = TW_ERR_VERSION;
    while (!error && at < len) {
        struct record_head head;
        struct record_counts counts;
        if (len - at < sizeof head + sizeof counts) break;
        memcpy(&head, bytes + at, sizeof head);
        memcpy(&counts, bytes + at + sizeof head, sizeof counts);
        if (head.magic != RECORD_MAGIC || head.len > len - at - sizeof head || head.len < sizeof counts ||
            XXH3_64bits_withSeed(bytes + at + sizeof head, head.len, file.version > 1 ? seq : 0) != head.check ||
            bytes_of(&counts) != head.len)
            break;
        int problem = take_record(recent, bytes + at + sizeof head + sizeof counts, &counts);
        if (problem == TW_ERR_CORRUPT) break;
        error = problem;
        at += sizeof head + head.len;
    }
    free(bytes);
    if (error) return error;
    *opened_ns = file.opened_ns;
    *damaged = len - at;
    return 0;
}
