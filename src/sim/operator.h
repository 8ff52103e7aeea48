/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator: sends requests to the API, one after the other for each thing that they are about, and repeats each until it is
 * answered. What an answer promises becomes a want.
 */
#pragma once

#include <stdint.h>

struct sim_step;
struct sim_want;
struct sim_world;

/* What an answer 200 means; `data` as given, freed afterwards. May be NULL. */
typedef void (*sim_promised_fn)(struct sim_world *world, struct sim_want *want, const char *data, const char *answer);

/* Queues a request about `want` (NULL: about nothing that others wait for). `json` and `data` (may be NULL) are taken over. */
void sim_operate(struct sim_world *world, struct sim_want *want, const char *operation, char *json, sim_promised_fn promised, char *data);

/* The verbs, see verbs.c. */
void sim_do_task(struct sim_world *world, const struct sim_step *step);
void sim_do_create_service(struct sim_world *world, const struct sim_step *step);
void sim_do_update_service(struct sim_world *world, const struct sim_step *step);
void sim_do_delete_service(struct sim_world *world, const struct sim_step *step);
void sim_do_run_task(struct sim_world *world, const struct sim_step *step);
void sim_do_stop_task(struct sim_world *world, const struct sim_step *step);
void sim_do_protect(struct sim_world *world, const struct sim_step *step);
void sim_do_drain(struct sim_world *world, const struct sim_step *step);
void sim_do_activate(struct sim_world *world, const struct sim_step *step);
void sim_do_deregister(struct sim_world *world, const struct sim_step *step);
