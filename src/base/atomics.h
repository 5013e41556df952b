/* atomics: the only spelling of memory orders beside src/ring.
 *
 * Words that another thread or process may touch are plain integers in memory and are accessed only through these. The
 * order is in the name:
 *
 *   relaxed   the word is whole, nothing is promised about its neighbours.
 *   release   what this thread wrote before is visible to whoever reads this word with acquire. The caller names that
 *             reader.
 *   acquire   what the writer wrote before its release is visible from here on.
 *   seq_cst   for the one pattern that needs it: I announce myself and then look, you change and then look for me. One
 *             of us sees the other. The caller says which other line is its partner.
 *
 * Built on the compilers' __atomic builtins, not <stdatomic.h>: the words live in a file format and in headers that C++
 * includes, where _Atomic types do not belong.
 *
 * tw__words_copy_* move records. On x86 every aligned 8-byte half of a plain or SSE move is whole and stores become
 * visible in order, so the plain moves are release stores and acquire loads there; elsewhere, and under
 * ThreadSanitizer, they are loops over atomic words.
 */
#ifndef TW_BASE_ATOMICS_H
#define TW_BASE_ATOMICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_THREAD__)
#define TW__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TW__TSAN 1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)
#define TW__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TW__ASAN 1
#endif
#endif

#if defined(__x86_64__) && !defined(TW__TSAN)
#define TW__PLAIN_MOVES 1
#include <emmintrin.h>
#endif

#define tw__load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define tw__load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define tw__store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define tw__store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define tw__add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define tw__or_relaxed(p, v) __atomic_fetch_or((p), (v), __ATOMIC_RELAXED)
#define tw__add_seq_cst(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define tw__load_seq_cst(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define tw__swap_seq_cst(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define tw__sub_release(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_RELEASE)
#define tw__swap_acq_rel(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)

/* Compare and swap. On failure *expected holds what is there. */
#define tw__cas_acq_rel(p, expected, v) \
    __atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)

/* Orders against a signal handler of this thread only: no instruction. */
#define tw__signal_fence() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* A counter that only its owner thread adds to: no locked instruction, but whole for readers. */
static inline void tw__count(uint64_t *counter)
{
    tw__store_relaxed(counter, tw__load_relaxed(counter) + 1);
}

/* Moves 16 bytes (two words). Neither side need be 16-byte aligned; both are 8-byte aligned. */
static inline void tw__words_copy2(void *to, const void *from)
{
#if defined(TW__PLAIN_MOVES)
    _mm_storeu_si128((__m128i *)to, _mm_loadu_si128((const __m128i *)from));
#else
    uint64_t *t = to;
    const uint64_t *f = from;
    tw__store_release(t, tw__load_acquire(f));
    tw__store_release(t + 1, tw__load_acquire(f + 1));
#endif
}

/* Stores two words side by side. For words that may have been stored one by one just before: a load of 16 bytes would
 * wait until both stores have reached the cache, loads of 8 bytes get them out of the store buffer. */
static inline void tw__words_gather2(void *to, const uint64_t *first, const uint64_t *second)
{
#if defined(TW__PLAIN_MOVES)
    __m128d low = _mm_load_sd((const double *)(const void *)first);
    __asm__("" : "+x"(low)); /* else gcc makes one load of two neighbours */
    _mm_storeu_pd(to, _mm_loadh_pd(low, (const double *)(const void *)second));
#else
    uint64_t *t = to;
    tw__store_release(t, tw__load_acquire(first));
    tw__store_release(t + 1, tw__load_acquire(second));
#endif
}

/* Clears 32 bytes (four words). */
static inline void tw__words_clear4(uint64_t *to)
{
#if defined(TW__PLAIN_MOVES)
    __m128i zero = _mm_setzero_si128();
    for (int i = 0; i < 4; i += 2) _mm_storeu_si128((__m128i *)(void *)(to + i), zero);
#else
    for (int i = 0; i < 4; i++) tw__store_relaxed(to + i, 0);
#endif
}

/* Copies len bytes, a multiple of 8, from memory that is being overwritten by others (reader side). */
static inline void tw__words_copy_from(void *to, const void *from, size_t len)
{
#if defined(TW__PLAIN_MOVES)
    __builtin_memcpy(to, from, len);
    __asm__ volatile("" : : : "memory"); /* the re-check that follows stays behind; loads are in order on x86 */
#else
    uint64_t *t = to;
    const uint64_t *f = from;
    for (size_t i = 0; i < len / 8; i++) t[i] = tw__load_acquire(f + i);
#endif
}

/* Copies len bytes, a multiple of 8, into memory that others read (writer side). */
static inline void tw__words_copy_to(void *to, const void *from, size_t len)
{
#if defined(TW__PLAIN_MOVES)
    __builtin_memcpy(to, from, len);
    __asm__ volatile("" : : : "memory");
#else
    uint64_t *t = to;
    const uint64_t *f = from;
    for (size_t i = 0; i < len / 8; i++) tw__store_release(t + i, f[i]);
#endif
}

#endif
