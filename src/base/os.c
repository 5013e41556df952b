/* os: see the header. One of the few files that may ask for GNU extensions. */
#define _GNU_SOURCE
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hex.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

uint32_t tw__os_pid(void)
{
    return (uint32_t)getpid();
}

uint32_t tw__os_tid(void)
{
    return (uint32_t)syscall(SYS_gettid);
}

uint32_t tw__os_uid(void)
{
    return (uint32_t)geteuid();
}

bool tw__os_is_privileged(void)
{
    return getauxval(AT_SECURE) != 0;
}

void tw__os_thread_name(char name[16])
{
    memset(name, 0, 16);
    prctl(PR_GET_NAME, name);
    name[15] = 0;
}

void tw__os_random(void *bytes, size_t len)
{
    int saved = errno;
    ssize_t got = getrandom(bytes, len, GRND_NONBLOCK);
    if (got < (ssize_t)len) {
        uint8_t *b = bytes;
        uint64_t mix = tw__clock_mono_ns() ^ tw__clock_wall_ns() << 20 ^ (uint64_t)(uintptr_t)bytes ^ tw__os_tid();
        for (size_t i = 0; i < len; i++) {
            mix = (mix ^ mix >> 31) * 0x9E3779B97F4A7C15u;
            b[i] = (uint8_t)(mix >> 56);
        }
    }
    errno = saved;
}

/* Reads a small file whole, NUL-terminated; its length, or -1. */
static ssize_t read_small(const char *path, char *text, size_t cap)
{
    int saved = errno;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    if (fd >= 0) {
        n = read(fd, text, cap - 1);
        close(fd);
    }
    text[n > 0 ? n : 0] = 0;
    errno = saved;
    return n;
}

uint64_t tw__os_start_ticks(void)
{
    char text[1024];
    if (read_small("/proc/self/stat", text, sizeof text) <= 0) return 0;
    char *at = strrchr(text, ')'); /* the command's name may hold anything */
    if (!at) return 0;
    at++;
    for (int field = 3; field <= 22; field++) {
        while (*at == ' ') at++;
        if (field == 22) return strtoull(at, NULL, 10);
        while (*at && *at != ' ') at++;
    }
    return 0;
}

uint64_t tw__os_pid_ns(void)
{
    int saved = errno;
    struct stat st;
    uint64_t inode = stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
    errno = saved;
    return inode;
}

void tw__os_boot_id(uint8_t id[16])
{
    char text[64], digits[33];
    size_t n = 0;
    memset(id, 0, 16);
    if (read_small("/proc/sys/kernel/random/boot_id", text, sizeof text) <= 0) return;
    for (const char *c = text; *c && n < 32; c++)
        if (*c != '-' && *c != '\n') digits[n++] = *c;
    if (n == 32) (void)tw__hex_dec(digits, id, 16);
}

uint64_t tw__os_started_ns(uint64_t start_ticks)
{
    struct timespec boot;
    long hz = sysconf(_SC_CLK_TCK);
    if (hz <= 0 || start_ticks == 0 || clock_gettime(CLOCK_BOOTTIME, &boot) != 0) return tw__clock_wall_ns();
    uint64_t now = (uint64_t)boot.tv_sec * 1000000000u + (uint64_t)boot.tv_nsec;
    uint64_t began = start_ticks * (1000000000u / (uint64_t)hz);
    return tw__clock_wall_ns() - (now > began ? now - began : 0);
}

void tw__os_host(char *text, size_t cap)
{
    int saved = errno;
    if (gethostname(text, cap) != 0) text[0] = 0;
    text[cap - 1] = 0;
    errno = saved;
}

void tw__os_command(char *text, size_t cap)
{
    ssize_t n = read_small("/proc/self/cmdline", text, cap);
    for (ssize_t i = 0; i + 1 < n; i++)
        if (text[i] == 0) text[i] = ' ';
    /* A program that writes a title of its own over it, as nginx does, fills the rest with blanks. */
    for (size_t len = strlen(text); len > 0 && text[len - 1] == ' ';) text[--len] = 0;
}

const char *tw__os_program(void)
{
    const char *name = program_invocation_short_name;
    return name && *name ? name : "unknown";
}

int tw__os_error_of(int number)
{
    if (number == ENOSPC || number == ENOMEM || number == EDQUOT || number == EFBIG) return TW_ERR_SPACE;
    if (number == EACCES || number == EPERM || number == EROFS) return TW_ERR_PERMISSION;
    return TW_ERR_SYSTEM;
}

int tw__os_make_private_dir(const char *dir)
{
    int saved = errno, result = 0;
    struct stat st;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        result = tw__os_error_of(errno);
    } else if (lstat(dir, &st) != 0) {
        result = tw__os_error_of(errno);
    } else if (!S_ISDIR(st.st_mode)) {
        result = TW_ERR_SYSTEM;
    } else if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        result = TW_ERR_PERMISSION; /* somebody may be waiting there with a link or a file of ours */
    }
    errno = saved;
    return result;
}

/* For kernels before 5.14: memory through the file, then a touch of every page. */
static int back_by_file(int given, const char *path, uint8_t *map, size_t at, size_t len)
{
    int fd = given >= 0 ? given : open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return tw__os_error_of(errno);
    int failed = posix_fallocate(fd, (off_t)at, (off_t)len);
    if (fd != given) close(fd);
    if (failed) return tw__os_error_of(failed);
    for (size_t i = 0; i < len; i += 4096) {
        volatile uint8_t *page = map + at + i;
        *page = *page;
    }
    return 0;
}

int tw__os_back(int fd, const char *path, const uint8_t *map, size_t at, size_t len)
{
    int saved = errno, result = 0;
    uint8_t *begin = (uint8_t *)(uintptr_t)map;
    if (madvise(begin + at, len, MADV_POPULATE_WRITE) != 0)
        result = errno == EINVAL ? back_by_file(fd, path, begin, at, len) : TW_ERR_SPACE;
    errno = saved;
    return result;
}

void tw__os_unback(uint8_t *map, size_t at, size_t len)
{
    int saved = errno;
    madvise(map + at, len, MADV_REMOVE);
    errno = saved;
}

void tw__os_replace_with_zero(uint8_t *map, size_t len)
{
    int saved = errno;
    mmap(map, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    errno = saved;
}

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

void tw__os_fill_with_zero(uint8_t *at, size_t len)
{
    enum { LEAST = 65536 };
    int saved = errno;
    void *got =
        mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != at) { /* taken, all or some; kernels before 4.17 give another place instead */
        if (got != MAP_FAILED) munmap(got, len);
        if (len > LEAST) {
            size_t half = len / 2 / LEAST * LEAST;
            if (half == 0) half = LEAST;
            tw__os_fill_with_zero(at, half);
            tw__os_fill_with_zero(at + half, len - half);
        }
    }
    errno = saved;
}

void tw__os_unmap(uint8_t *map, size_t len)
{
    int saved = errno;
    munmap(map, len);
    errno = saved;
}

void tw__os_unlink(const char *path)
{
    int saved = errno;
    unlink(path);
    errno = saved;
}

uint32_t tw__os_seconds(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_REALTIME_COARSE, &t) == 0 ? (uint32_t)t.tv_sec : 0;
}

int tw__os_cancel_not(void)
{
    int before = PTHREAD_CANCEL_ENABLE;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}

void tw__os_cancel_again(int before)
{
    (void)pthread_setcancelstate(before, NULL);
}

void tw__os_sleep_ns(uint64_t ns)
{
    int saved = errno;
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    nanosleep(&t, NULL);
    errno = saved;
}

void tw__os_trim_memory(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

void tw__os_name_thread(const char *name)
{
    prctl(PR_SET_NAME, name);
}

void tw__os_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t ns)
{
    uint64_t until = tw__clock_mono_ns() + ns;
    const struct timespec t = {(time_t)(until / 1000000000u), (long)(until % 1000000000u)};
    (void)pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, &t);
}

void tw__os_problem_text(char *text, size_t cap, const char *what, int error_number)
{
    /* Not strerror: no locale, no shared buffer. */
    const char *error = error_number ? strerrordesc_np(error_number) : NULL;
    (void)snprintf(text, cap, "%s%s%s", what, error ? ": " : "", error ? error : "");
}
