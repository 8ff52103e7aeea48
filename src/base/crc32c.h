/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli), which processors compute themselves. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Goes on from `crc` (0 at the start). */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
