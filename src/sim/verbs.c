/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that may happen in a story. */
#include "sim/verbs.h"

#include "base/macro.h"
#include "sim/group.h"
#include "sim/load.h"
#include "sim/operator.h"
#include "sim/step.h"

#define C(clause) (UINT64_C(1) << (clause))
#define COUNTS (C(SIM_RUNNING) | C(SIM_AT_LEAST) | C(SIM_AT_MOST))

const struct sim_verb sim_verbs[] = {
        /* The stage. */
        {"nodes", SIM_SUBJECT_NONE, C(SIM_COUNT) | C(SIM_ZONES) | C(SIM_ZONE) | C(SIM_CPU) | C(SIM_MEMORY) | C(SIM_TYPE), C(SIM_COUNT),
         sim_do_nodes, "so many nodes join, numbered on from the last: node-1, node-2 …"},
        {"image *", SIM_SUBJECT_IMAGE,
         C(SIM_PULLS) | C(SIM_STARTS) | C(SIM_STOPS) | C(SIM_EXITS) | C(SIM_CODE) | C(SIM_MISSING) | C(SIM_HEALTHY) | C(SIM_UNHEALTHY), 0,
         sim_do_image, "how containers of this image behave from now on; what is not said becomes ordinary"},
        {"network", SIM_SUBJECT_NONE, C(SIM_DELAY) | C(SIM_LOSS) | C(SIM_REPEATS), 0, sim_do_network,
         "what the network is like from now on; what is not said becomes ordinary", .fault = true},
        /* The operator. */
        {"task *", SIM_SUBJECT_FAMILY, C(SIM_IMAGE) | C(SIM_CPU) | C(SIM_MEMORY) | C(SIM_PORT) | C(SIM_CHECKED), C(SIM_IMAGE), sim_do_task,
         "registers a task definition of one container; the second of a family is FAMILY:2"},
        {"create service *", SIM_SUBJECT_SERVICE,
         C(SIM_TASK) | C(SIM_COUNT) | C(SIM_MIN) | C(SIM_MAX) | C(SIM_BREAKER) | C(SIM_DAEMON) | C(SIM_DISTINCT) | C(SIM_SPREAD) |
                 C(SIM_PACK) | C(SIM_ONLY) | C(SIM_PROVIDER),
         C(SIM_TASK), sim_do_create_service, "creates a service"},
        {"update service *", SIM_SUBJECT_SERVICE, C(SIM_TASK) | C(SIM_COUNT) | C(SIM_FORCE), 0, sim_do_update_service,
         "changes how many or which tasks it has; with force a new deployment of the same"},
        {"delete service *", SIM_SUBJECT_SERVICE, 0, 0, sim_do_delete_service, "deletes it with its tasks"},
        {"run task *", SIM_SUBJECT_FAMILY, C(SIM_COUNT) | C(SIM_PROVIDER), 0, sim_do_run_task,
         "runs tasks that no service owns: FAMILY or FAMILY:REVISION"},
        {"stop task of *", SIM_SUBJECT_SERVICE, C(SIM_COUNT), 0, sim_do_stop_task, "StopTask for running tasks of a service or family"},
        {"protect service *", SIM_SUBJECT_SERVICE, C(SIM_COUNT) | C(SIM_FOR), 0, sim_do_protect,
         "protects running tasks from scale-in, for whole minutes"},
        {"scale service *", SIM_SUBJECT_SERVICE, C(SIM_AT_LEAST) | C(SIM_AT_MOST) | C(SIM_COOLDOWN), C(SIM_AT_LEAST) | C(SIM_AT_MOST),
         sim_do_scale, "within these limits it follows its load from now on, by target tracking"},
        {"group *", SIM_SUBJECT_GROUP,
         C(SIM_AT_LEAST) | C(SIM_AT_MOST) | C(SIM_CPU) | C(SIM_MEMORY) | C(SIM_ZONES) | C(SIM_BOOTS) | C(SIM_FAILS) | C(SIM_IDLE),
         C(SIM_AT_LEAST) | C(SIM_AT_MOST), sim_do_group,
         "an Auto Scaling group and a capacity provider of its name: managed scaling, termination protection, draining"},
        {"terminate *", SIM_SUBJECT_NODE, 0, 0, sim_do_terminate, "its group shall empty the machine and make another"},
        {"drain *", SIM_SUBJECT_NODE, 0, 0, sim_do_drain, "its service tasks move away"},
        {"activate *", SIM_SUBJECT_NODE, 0, 0, sim_do_activate, "ends a drain"},
        {"deregister *", SIM_SUBJECT_NODE, C(SIM_FORCE), 0, sim_do_deregister, "takes the node out of the cluster, and its machine away"},
        /* The world around. */
        {"load on *", SIM_SUBJECT_SERVICE, C(SIM_SHAPE) | C(SIM_FROM) | C(SIM_TO) | C(SIM_EVERY) | C(SIM_NOISE) | C(SIM_BLIND),
         C(SIM_SHAPE) | C(SIM_FROM), sim_do_load, "so much work comes to it from now on, and a sensor tells of it once a second"},
        /* Trouble. */
        {"* dies", SIM_SUBJECT_NODE, C(SIM_FOR), 0, sim_do_die, "the machine is off, its containers are gone", .fault = true},
        {"* boots", SIM_SUBJECT_NODE, 0, 0, sim_do_boot, "the machine is on again; its agent is up 20 s later", .fault = true},
        {"* freezes", SIM_SUBJECT_NODE, C(SIM_FOR), 0, sim_do_freeze, "everything on the machine stands still", .fault = true},
        {"* thaws", SIM_SUBJECT_NODE, 0, 0, sim_do_thaw, "and goes on", .fault = true},
        {"* is cut off", SIM_SUBJECT_NODE, C(SIM_FOR), 0, sim_do_cut, "runs, but nothing reaches it or comes from it", .fault = true},
        {"* is back", SIM_SUBJECT_NODE, 0, 0, sim_do_join, "can be reached again", .fault = true},
        {"* loses its agent", SIM_SUBJECT_NODE, 0, 0, sim_do_agent_crash, "the agent's process is killed, and started again after 2 s",
         .fault = true},
        {"* upgrades its agent", SIM_SUBJECT_NODE, 0, 0, sim_do_agent_upgrade, "the agent ends in an orderly way and a newer one starts",
         .fault = true},
        {"server crashes", SIM_SUBJECT_NONE, C(SIM_FOR), 0, sim_do_crash,
         "the control plane is killed; started again after 1 s unless said", .fault = true},
        {"server crashes before a commit", SIM_SUBJECT_NONE, C(SIM_FOR), 0, sim_do_crash_before,
         "at the next commit: what was to be written is lost", .fault = true},
        {"server crashes after a commit", SIM_SUBJECT_NONE, C(SIM_FOR), 0, sim_do_crash_after,
         "at the next commit: it is on disk, and nobody was told", .fault = true},
        {"server starts", SIM_SUBJECT_NONE, 0, 0, sim_do_start, "it is started by hand", .fault = true},
        {"task of * crashes", SIM_SUBJECT_SERVICE, C(SIM_COUNT), 0, sim_do_task_crash,
         "running containers of a service or family are killed", .fault = true},
        /* What should come of it. */
        {"expect service *", SIM_SUBJECT_SERVICE, COUNTS | C(SIM_TASK) | C(SIM_ZONE) | C(SIM_DEPLOYMENT) | C(SIM_WITHIN), 0,
         sim_do_expect_service, "so many tasks of it run on nodes (of that revision, in that zone)"},
        {"expect task *", SIM_SUBJECT_FAMILY, COUNTS | C(SIM_WITHIN), 0, sim_do_expect_family, "the same for tasks that no service owns"},
        {"expect group *", SIM_SUBJECT_GROUP, COUNTS | C(SIM_WITHIN), 0, sim_do_expect_group, "so many machines of it have joined"},
        {"expect *", SIM_SUBJECT_NODE, COUNTS | C(SIM_WITHIN), 0, sim_do_expect_node, "so many tasks run on the node or in the zone"},
        {"keep service *", SIM_SUBJECT_SERVICE, C(SIM_AT_LEAST) | C(SIM_AT_MOST) | C(SIM_FOR), C(SIM_FOR), sim_do_keep_service,
         "at no moment from now on are there fewer, or more"},
        {"expect rest", SIM_SUBJECT_NONE, C(SIM_WITHIN), 0, sim_do_expect_rest, "everything is as it was asked for, and nothing moves"},
};
const uint32_t sim_n_verbs = ARRAY_SIZE(sim_verbs);
