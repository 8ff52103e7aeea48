/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C: with the processor's instruction where there is one, else four bits at a time. */
#include "base/crc32c.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc_instruction(uint32_t crc, const unsigned char *p, size_t len)
{
        uint64_t wide = crc;

        for (; len >= 8; len -= 8, p += 8) {
                uint64_t word;

                memcpy(&word, p, sizeof word);
                wide = _mm_crc32_u64(wide, word);
        }
        crc = (uint32_t)wide;
        for (; len > 0; len--)
                crc = _mm_crc32_u8(crc, *p++);
        return crc;
}

static int has_instruction(void)
{
        return __builtin_cpu_supports("sse4.2");
}
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

static uint32_t crc_instruction(uint32_t crc, const unsigned char *p, size_t len)
{
        for (; len >= 8; len -= 8, p += 8) {
                uint64_t word;

                memcpy(&word, p, sizeof word);
                crc = __crc32cd(crc, word);
        }
        for (; len > 0; len--)
                crc = __crc32cb(crc, *p++);
        return crc;
}

static int has_instruction(void)
{
        return 1;
}
#else
static uint32_t crc_instruction(uint32_t crc, const unsigned char *p, size_t len)
{
        (void)p;
        (void)len;
        return crc;
}

static int has_instruction(void)
{
        return 0;
}
#endif

/* Remainders of the 16 values of four bits, for the reflected polynomial 0x82f63b78. */
static const uint32_t remainders[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static uint32_t crc_table(uint32_t crc, const unsigned char *p, size_t len)
{
        for (; len > 0; len--) {
                crc ^= *p++;
                crc = (crc >> 4) ^ remainders[crc & 15];
                crc = (crc >> 4) ^ remainders[crc & 15];
        }
        return crc;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
        return ~(has_instruction() ? crc_instruction(~crc, data, len) : crc_table(~crc, data, len));
}
