/* SPDX-License-Identifier: Apache-2.0 */
/* The list of services. A new service adds one line in services.c. */
#pragma once

struct api;

void services_register(struct api *api);
/* Frees what that made. */
void services_done(struct api *api);
/* What falls due with time. */
void services_housekeeping(struct api *api);
