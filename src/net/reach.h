/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the machine behind a URL answers at all, be it by refusing the connection. One thread: the loop's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

struct reach;

/*
 * Tries a TCP connection and drops it at once. `done` is called once, never from within the call: `answers` is true when the
 * connection was accepted or refused, false when nothing came back in time or the address could not be found. NULL only for a bad URL.
 */
struct reach *reach_new(uv_loop_t *loop, const char *url, uint32_t timeout_ms, void (*done)(void *data, bool answers), void *data,
                        struct error *error);
/* `done` is not called any more. NULL is fine. Returns NULL. */
struct reach *reach_cancel(struct reach *reach);
