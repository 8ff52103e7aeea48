/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arena: memory that lives exactly as long as one job (an API request, a transaction, a parsed file). Nothing taken
 * from it is freed one by one. Not thread-safe: one thread at a time.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "base/macro.h"

struct arena_chunk;

struct arena {
        struct arena_chunk *chunks; /* newest first */
        char *next;                 /* free space in the newest chunk */
        char *end;
        size_t total; /* bytes of all chunks, for limits and metrics */
};

/* An empty arena is all zeroes (`struct arena a = {0};`); init only says so aloud. */
void arena_init(struct arena *arena);
/* Frees everything and leaves the arena usable again. */
void arena_done(struct arena *arena);
/* Empties the arena but keeps up to 16 KiB of it, so that a reused arena does not touch malloc. */
void arena_reset(struct arena *arena);

/* Zeroed, aligned to 16 bytes, never NULL. Size 0 gives a valid unique pointer. */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((returns_nonnull));
/* `n` zeroed elements of `size` bytes; aborts on overflow. */
void *arena_calloc(struct arena *arena, size_t n, size_t size) __attribute__((returns_nonnull));
/* Bytes without alignment or zeroing: for strings. */
char *arena_bytes(struct arena *arena, size_t size) __attribute__((returns_nonnull));
void *arena_memdup(struct arena *arena, const void *data, size_t size);
/* NULL stays NULL. */
char *arena_strdup(struct arena *arena, const char *s);
char *arena_strndup(struct arena *arena, const char *s, size_t n);
/* The texts one behind the other; a NULL among them ends them. For what is made a million times: arena_printf costs several times as much. */
#define arena_concat(arena, ...) arena_concat_texts(arena, (const char *const[]){__VA_ARGS__, NULL})
char *arena_concat_texts(struct arena *arena, const char *const *texts) __attribute__((returns_nonnull));
char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3) __attribute__((returns_nonnull));
char *arena_vprintf(struct arena *arena, const char *fmt, va_list args) PRINTF_LIKE(2, 0) __attribute__((returns_nonnull));

#define ARENA_NEW(arena, type) ((type *)arena_alloc(arena, sizeof(type)))
#define CLEANUP_ARENA CLEANUP(arena_done)
