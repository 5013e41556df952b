/* os: the operating system as the recorder needs it, behind about twenty functions.
 *
 * Nothing here knows what a span is. Results are 0 or a negative enum tw_err; errno is left as the caller found it,
 * because these run inside other people's programs. */
#ifndef TW_BASE_OS_H
#define TW_BASE_OS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <trackway/err.h>

uint32_t tw__os_pid(void);
uint32_t tw__os_tid(void);
uint32_t tw__os_uid(void);

/* This thread's name; NUL-terminated, at most 15 bytes. */
void tw__os_thread_name(char name[16]);

/* Random bytes from the kernel; from the clocks and addresses where the kernel has none to give. */
void tw__os_random(void *bytes, size_t len);

/* Field 22 of /proc/self/stat, the inode of the pid namespace, the boot id; zero where /proc is not there. */
uint64_t tw__os_start_ticks(void);
uint64_t tw__os_pid_ns(void);
void tw__os_boot_id(uint8_t id[16]);

/* When this process began, CLOCK_REALTIME ns. */
uint64_t tw__os_started_ns(uint64_t start_ticks);

/* Host name and command line, cut to cap and NUL-terminated. Arguments are separated by spaces. */
void tw__os_host(char *text, size_t cap);
void tw__os_command(char *text, size_t cap);

/* The program's name without its folder; never NULL or empty. */
const char *tw__os_program(void);

/* Whether the program has rights that whoever started it has not: setuid, setgid, capabilities of its file (AT_SECURE).
 * Its environment then says what that other wants. */
bool tw__os_is_privileged(void);

/* Makes dir (mode 0700) if it is not there. TW_ERR_PERMISSION when it is there and belongs to somebody else, or others
 * may write to it; TW_ERR_SYSTEM otherwise. Only the last component is made. */
int tw__os_make_private_dir(const char *dir);

/* An errno as an enum tw_err: TW_ERR_SPACE, TW_ERR_PERMISSION, else TW_ERR_SYSTEM. */
int tw__os_error_of(int error_number);

/* Gives memory to a part of a shared mapping of a file, so that touching it can neither fail nor fault. at and len are
 * multiples of the page size. The file is fd, or, when that is -1, at path. TW_ERR_SPACE when there is none.
 * [async-signal-safe] */
int tw__os_back(int fd, const char *path, const uint8_t *map, size_t at, size_t len);

/* Gives the memory of a part of the file back; it reads as zero afterwards. */
void tw__os_unback(uint8_t *map, size_t at, size_t len);

/* Puts private zero memory in the place of a mapping: whoever still writes there harms nobody. */
void tw__os_replace_with_zero(uint8_t *map, size_t len);

/* Puts private zero memory where nothing is mapped; what somebody else has mapped there meanwhile is left alone. */
void tw__os_fill_with_zero(uint8_t *at, size_t len);

void tw__os_unmap(uint8_t *map, size_t len);

void tw__os_unlink(const char *path);

/* Gives memory that was freed back to the system, where malloc would keep it: after something large. About 1 ms for 50
 * MB. */
void tw__os_trim_memory(void);

/* Names this thread. */
void tw__os_name_thread(const char *name);

/* Waits on cond for at most ns. */
void tw__os_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t ns);

/* "what: text of the error", cut to cap. */
void tw__os_problem_text(char *text, size_t cap, const char *what, int error_number);

/* CLOCK_REALTIME seconds, cheap and a few ms late. */
uint32_t tw__os_seconds(void);

/* Keeps this thread from being cancelled: opening and reading files are places where it could be, and it may hold a
 * lock. tw__os_cancel_again takes what tw__os_cancel_not gave. */
int tw__os_cancel_not(void);
void tw__os_cancel_again(int before);

/* Gives the processor away for about ns. */
void tw__os_sleep_ns(uint64_t ns);

#endif
