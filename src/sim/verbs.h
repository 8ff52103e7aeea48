/* SPDX-License-Identifier: Apache-2.0 */
/* What may happen in a story besides the operator's doings, and what may be expected: see the table in verbs.c. */
#pragma once

struct sim_step;
struct sim_world;

/* verbs_world.c */
void sim_do_nodes(struct sim_world *world, const struct sim_step *step);
void sim_do_image(struct sim_world *world, const struct sim_step *step);
void sim_do_network(struct sim_world *world, const struct sim_step *step);
void sim_do_die(struct sim_world *world, const struct sim_step *step);
void sim_do_boot(struct sim_world *world, const struct sim_step *step);
void sim_do_freeze(struct sim_world *world, const struct sim_step *step);
void sim_do_thaw(struct sim_world *world, const struct sim_step *step);
void sim_do_cut(struct sim_world *world, const struct sim_step *step);
void sim_do_join(struct sim_world *world, const struct sim_step *step);
void sim_do_agent_crash(struct sim_world *world, const struct sim_step *step);
void sim_do_agent_upgrade(struct sim_world *world, const struct sim_step *step);
void sim_do_crash(struct sim_world *world, const struct sim_step *step);
void sim_do_crash_before(struct sim_world *world, const struct sim_step *step);
void sim_do_crash_after(struct sim_world *world, const struct sim_step *step);
void sim_do_start(struct sim_world *world, const struct sim_step *step);
void sim_do_task_crash(struct sim_world *world, const struct sim_step *step);

/* verbs_expect.c */
void sim_do_expect_service(struct sim_world *world, const struct sim_step *step);
void sim_do_expect_family(struct sim_world *world, const struct sim_step *step);
void sim_do_expect_node(struct sim_world *world, const struct sim_step *step);
void sim_do_keep_service(struct sim_world *world, const struct sim_step *step);
void sim_do_expect_group(struct sim_world *world, const struct sim_step *step);
void sim_do_expect_rest(struct sim_world *world, const struct sim_step *step);
