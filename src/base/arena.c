/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arena: chunks that double in size. What does not fit well gets a chunk of its own, behind the newest, so that the
 * free space of the newest is not lost.
 */
#include "base/arena.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define CHUNK_MIN ((size_t)4096)
#define CHUNK_MAX ((size_t)256 * 1024)
#define CHUNK_KEPT ((size_t)16 * 1024) /* by arena_reset */
#define ALIGN ((size_t)16)

struct arena_chunk {
        struct arena_chunk *next;
        size_t size; /* of `data` */
        _Alignas(ALIGN) char data[];
};

void arena_init(struct arena *arena)
{
        *arena = (struct arena){0};
}

void arena_done(struct arena *arena)
{
        struct arena_chunk *chunk = arena->chunks;
        while (chunk != NULL) {
                struct arena_chunk *next = chunk->next;
                free(chunk);
                chunk = next;
        }
        arena_init(arena);
}

void arena_reset(struct arena *arena)
{
        /* The largest of those that are small: one large job must not pin its memory. */
        struct arena_chunk *kept = NULL, *next;
        for (struct arena_chunk *chunk = arena->chunks; chunk != NULL; chunk = next) {
                next = chunk->next;
                if (chunk->size > CHUNK_KEPT || (kept != NULL && kept->size >= chunk->size)) {
                        free(chunk);
                        continue;
                }
                free(kept);
                kept = chunk;
        }
        arena_init(arena);
        if (kept == NULL)
                return;
        kept->next = NULL;
        arena->chunks = kept;
        arena->next = kept->data;
        arena->end = kept->data + kept->size;
        arena->total = kept->size;
}

static struct arena_chunk *chunk_new(struct arena *arena, size_t size)
{
        /* malloc, not calloc: what is handed out is zeroed then, and strings need no zeroes. */
        struct arena_chunk *chunk = xrealloc(NULL, sizeof(*chunk) + size);
        chunk->size = size;
        arena->total += size;
        return chunk;
}

/* The slow path: `size` bytes that the newest chunk has no room for. */
static char *arena_grow(struct arena *arena, size_t size)
{
        assert(size <= SIZE_MAX - 2 * CHUNK_MAX);
        size_t usual = CHUNK_MIN - sizeof(struct arena_chunk);
        if (arena->chunks != NULL)
                usual = MIN(MAX(arena->total, CHUNK_MIN), CHUNK_MAX) - sizeof(struct arena_chunk);

        if (arena->chunks != NULL && size > usual / 2) {
                struct arena_chunk *own = chunk_new(arena, size);
                own->next = arena->chunks->next;
                arena->chunks->next = own;
                return own->data;
        }
        struct arena_chunk *chunk = chunk_new(arena, MAX(usual, size));
        chunk->next = arena->chunks;
        arena->chunks = chunk;
        arena->next = chunk->data + size;
        arena->end = chunk->data + chunk->size;
        return chunk->data;
}

char *arena_bytes(struct arena *arena, size_t size)
{
        if (size == 0)
                size = 1;
        if (size <= (size_t)(arena->end - arena->next)) {
                char *p = arena->next;
                arena->next += size;
                return p;
        }
        return arena_grow(arena, size);
}

void *arena_alloc(struct arena *arena, size_t size)
{
        assert(size <= SIZE_MAX - ALIGN);
        size_t need = size > 0 ? (size + ALIGN - 1) & ~(ALIGN - 1) : ALIGN;
        size_t gap = (size_t)(-(uintptr_t)arena->next) & (ALIGN - 1);
        size_t room = (size_t)(arena->end - arena->next);
        char *p;
        if (gap <= room && need <= room - gap) {
                p = arena->next + gap;
                arena->next = p + need;
        } else {
                p = arena_grow(arena, need);
        }
        memset(p, 0, need);
        return p;
}

void *arena_calloc(struct arena *arena, size_t n, size_t size)
{
        size_t bytes;
        bool overflow = __builtin_mul_overflow(n, size, &bytes);
        assert(!overflow);
        return arena_alloc(arena, bytes);
}

void *arena_memdup(struct arena *arena, const void *data, size_t size)
{
        void *copy = arena_alloc(arena, size);
        if (size > 0)
                memcpy(copy, data, size);
        return copy;
}

char *arena_strdup(struct arena *arena, const char *s)
{
        return s != NULL ? arena_strndup(arena, s, strlen(s)) : NULL;
}

char *arena_strndup(struct arena *arena, const char *s, size_t n)
{
        if (s == NULL)
                return NULL;
        size_t len = strnlen(s, n);
        char *copy = arena_bytes(arena, len + 1);
        memcpy(copy, s, len);
        copy[len] = '\0';
        return copy;
}

char *arena_concat_texts(struct arena *arena, const char *const *texts)
{
        size_t len = 0;
        for (const char *const *t = texts; *t != NULL; t++)
                len += strlen(*t);
        char *text = arena_bytes(arena, len + 1), *p = text;
        *p = '\0';
        for (const char *const *t = texts; *t != NULL; t++)
                p = stpcpy(p, *t);
        return text;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
        va_list args;
        va_start(args, fmt);
        char *ret = arena_vprintf(arena, fmt, args);
        va_end(args);
        return ret;
}

char *arena_vprintf(struct arena *arena, const char *fmt, va_list args)
{
        char small[256];
        va_list again;
        va_copy(again, args);
        int len = vsnprintf(small, sizeof(small), fmt, args);
        assert(len >= 0);
        char *text = arena_bytes(arena, (size_t)len + 1);
        if ((size_t)len < sizeof(small))
                memcpy(text, small, (size_t)len + 1);
        else
                (void)vsnprintf(text, (size_t)len + 1, fmt, again);
        va_end(again);
        return text;
}
