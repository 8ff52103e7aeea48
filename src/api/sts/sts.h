/* SPDX-License-Identifier: Apache-2.0 */
/* The Security Token Service: who am I, and temporary keys. */
#pragma once

struct api;

void sts_register(struct api *api);
