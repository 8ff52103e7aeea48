/* SPDX-License-Identifier: Apache-2.0 */
/* The real clock and randomness, and what is drawn from either kind. */
#include "base/env.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int64_t system_now_ms(struct env *env)
{
        struct timespec now;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_mono_us(struct env *env)
{
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* What a thread has drawn ahead: a system call for each of the ids of a task would cost more than all else about them. */
struct drawn {
        unsigned char bytes[1024];
        size_t left; /* at the end of `bytes` */
};
static _Thread_local struct drawn drawn;

/* A child must not draw what its parent draws. Only the thread that forked is in it. */
static void forget_drawn(void)
{
        drawn.left = 0;
}

__attribute__((constructor)) static void watch_forks(void)
{
        (void)pthread_atfork(NULL, NULL, forget_drawn);
}

static void draw(void *bytes, size_t n)
{
        char *at = bytes;
        while (n > 0) {
                ssize_t got = getrandom(at, n, 0);
                if (got < 0)
                        continue; /* EINTR is the only failure of a blocking call */
                at += got;
                n -= (size_t)got;
        }
}

static void system_random(struct env *env, void *bytes, size_t n)
{
        unsigned char *at;
        if (n > sizeof(drawn.bytes) / 2) {
                draw(bytes, n);
                return;
        }
        if (drawn.left < n) {
                draw(drawn.bytes, sizeof(drawn.bytes));
                drawn.left = sizeof(drawn.bytes);
        }
        at = drawn.bytes + sizeof(drawn.bytes) - drawn.left;
        memcpy(bytes, at, n);
        explicit_bzero(at, n); /* it may be a secret */
        drawn.left -= n;
}

struct env *env_system(void)
{
        static struct env env = {.now_ms = system_now_ms, .mono_us = system_mono_us, .random = system_random};
        return &env;
}

static void to_hex(const unsigned char *bytes, size_t digits, char *ret)
{
        static const char hex[] = "0123456789abcdef";
        for (size_t i = 0; i < digits; i++)
                ret[i] = hex[i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15];
        ret[digits] = '\0';
}

void env_random_hex(struct env *env, char *ret, size_t digits)
{
        unsigned char bytes[32];
        while (digits > 2 * sizeof(bytes)) {
                env->random(env, bytes, sizeof(bytes));
                to_hex(bytes, 2 * sizeof(bytes), ret);
                ret += 2 * sizeof(bytes);
                digits -= 2 * sizeof(bytes);
        }
        env->random(env, bytes, (digits + 1) / 2);
        to_hex(bytes, digits, ret);
}

void env_random_uuid(struct env *env, char ret[37])
{
        static const size_t groups[] = {4, 2, 2, 2, 6}; /* bytes */
        unsigned char bytes[16];
        env->random(env, bytes, sizeof(bytes));
        bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40); /* version 4 (RFC 9562 section 5.4) */
        bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80); /* variant */
        size_t from = 0;
        for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
                to_hex(bytes + from, groups[i] * 2, ret);
                from += groups[i];
                ret += groups[i] * 2;
                *ret++ = '-';
        }
        ret[-1] = '\0';
}
