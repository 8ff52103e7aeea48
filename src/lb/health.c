/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the proxy's statistics say of targets: passed the first check, up, down and why, drained.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "control/targets.h"
#include "lb/internal.h"
#include "lb/stat_rows.h"

/* All statistics are read that often even when nothing was heard: the proxy's events may be lost, and traffic is counted by the
 * second. A little less, because the timer comes a little early now and then. */
#define FULL_POLL_MS 950

/* ---- What the last check means ---- */

static bool has_passed(const struct lb_server *server)
{
        static const char *const good[] = {"L4OK", "L6OK", "L7OK", "L7OKC"};

        if (!str_starts_with(server->status, "UP"))
                return false;
        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                if (str_eq(server->check, good[i]))
                        return true;
        return false;
}

static enum elbv2_target_health_reason reason_of(const struct lb_server *server)
{
        if (str_eq(server->check, "L7STS"))
                return ELBV2_TARGET_HEALTH_REASON_TARGET_RESPONSECODEMISMATCH;
        if (str_ends_with(server->check, "TOUT"))
                return ELBV2_TARGET_HEALTH_REASON_TARGET_TIMEOUT;
        return ELBV2_TARGET_HEALTH_REASON_TARGET_FAILEDHEALTHCHECKS;
}

static void describe(const struct lb_server *server, char *ret, size_t size)
{
        if (str_eq(server->check, "L7STS") && server->code > 0)
                (void)snprintf(ret, size, "Health checks failed with these codes: [%d]", server->code);
        else if (str_ends_with(server->check, "TOUT"))
                (void)snprintf(ret, size, "Request timed out");
        else if (server->last[0] != '\0')
                (void)snprintf(ret, size, "Health checks failed: %s", server->last);
        else
                (void)snprintf(ret, size, "Health checks failed");
}

/* The proxy's machine is in the networks of VPCs by its agent. Without one every check of such a target fails; said once in the log. */
static bool lacks_agent(struct lb_driver *driver, const struct target *target)
{
        const struct model *model = driver->options.model;

        if (model_balancers_instance(model) != NULL || !lb_is_in_vpc(driver->options.model, target))
                return false;
        if (!driver->said_no_agent)
                log_warn("targets in VPCs cannot be reached, because no agent runs on this machine: start `gantry agent` here, and drain "
                         "it if "
                         "it should run no tasks",
                         LOG_S("target", target->state->id));
        driver->said_no_agent = true;
        return true;
}

static void report(struct lb_driver *driver, struct target *target, const struct lb_server *server, enum elbv2_target_health_state health)
{
        char text[sizeof(target->description)] = "";
        enum elbv2_target_health_reason reason = ELBV2_TARGET_HEALTH_REASON_UNSET;

        if (health == ELBV2_TARGET_HEALTH_STATE_UNHEALTHY) {
                reason = reason_of(server);
                describe(server, text, sizeof(text));
        } else if (health == ELBV2_TARGET_HEALTH_STATE_INITIAL) {
                reason = ELBV2_TARGET_HEALTH_REASON_ELB_INITIALHEALTHCHECKING;
        }
        if (health != ELBV2_TARGET_HEALTH_STATE_HEALTHY && str_starts_with(server->status, "DOWN") && lacks_agent(driver, target))
                (void)snprintf(text, sizeof(text),
                               "Health checks failed: the load balancers' machine has no agent, by which it would reach the VPC. Start "
                               "`gantry agent` there");
        model_set_target_health(driver->options.model, target, health, reason, text);
}

/* ---- Draining ---- */

static void remove_target(struct lb_driver *driver, struct target *target)
{
        struct tx *tx = tx_begin(driver->options.model);

        log_debug("target has drained", LOG_S("target", target->object.key));
        tx_remove(tx, &target->object);
        tx_commit(tx);
}

static bool is_idle(const struct lb_driver *driver, const struct lb_member *member)
{
        if (driver->old_workers)
                return false;
        for (int role = 0; role < LB_ROLE_MAX; role++)
                if (member->servers[role] != NULL && (!member->servers[role]->quiet || member->servers[role]->sessions != 0))
                        return false;
        return true;
}

/* Whether what is still under way after the deregistration delay is cut off. Application balancers always do; connections of network
 * balancers go on, unless the operator says otherwise. */
static bool ends_connections(const struct target_group *group)
{
        const char *value = target_group_attribute(group, "deregistration_delay.connection_termination.enabled");

        return value == NULL || str_eq(value, "true");
}

static void look_at_draining(struct lb_driver *driver, struct lb_member *member, struct target *target)
{
        if (env_now_ms(model_env(driver->options.model)) >= target_drain_deadline(target)) {
                for (int role = 0; role < LB_ROLE_MAX; role++)
                        if (member->servers[role] != NULL && driver->runtime != NULL && ends_connections(target->group))
                                lb_runtime_send(driver->runtime, NULL, NULL, "shutdown sessions server %s", member->servers[role]->key);
                remove_target(driver, target);
        } else if (driver->servers_known && is_idle(driver, member)) {
                remove_target(driver, target);
        }
}

/* ---- Health ---- */

static void look_at_probe(struct lb_driver *driver, struct lb_member *member, struct target *target, const struct lb_server *server)
{
        const struct state_health_check *check = target->group->state->health_check;
        int64_t patience = (int64_t)check->interval * check->unhealthy * 1000;
        bool late = env_now_ms(model_env(driver->options.model)) - target->state->registered_at >= patience;

        if (has_passed(server)) {
                member->passed = true;
                driver->servers_dirty = true;
                lb_driver_wake(driver);
        } else if (!str_starts_with(server->status, "DOWN")) {
                if (target->health != ELBV2_TARGET_HEALTH_STATE_UNHEALTHY)
                        report(driver, target, server, ELBV2_TARGET_HEALTH_STATE_INITIAL);
        } else {
                report(driver, target, server, late ? ELBV2_TARGET_HEALTH_STATE_UNHEALTHY : ELBV2_TARGET_HEALTH_STATE_INITIAL);
        }
}

static void look_at(struct lb_driver *driver, struct lb_member *member)
{
        struct target *target = lb_member_target(driver, member);
        const struct lb_server *main = member->servers[LB_MAIN], *probe = member->servers[LB_PROBE];

        if (target == NULL)
                return;
        if (target->state->draining_since != 0)
                look_at_draining(driver, member, target);
        else if (!member->passed && probe != NULL)
                look_at_probe(driver, member, target, probe);
        else if (main != NULL && str_starts_with(main->status, "UP"))
                report(driver, target, main, ELBV2_TARGET_HEALTH_STATE_HEALTHY);
        else if (main != NULL && str_starts_with(main->status, "DOWN"))
                report(driver, target, main, ELBV2_TARGET_HEALTH_STATE_UNHEALTHY);
}

/* ---- Statistics ---- */

enum column { COL_BACKEND, COL_SERVER, COL_QUEUED, COL_SESSIONS, COL_STATUS, COL_CHECK, COL_CODE, COL_LAST, COL_MAX };
static const char *const columns[COL_MAX] = {"# pxname", "svname", "qcur", "scur", "status", "check_status", "check_code", "last_chk"};

static void take_row(void *data, const char *const *fields)
{
        struct lb_driver *driver = data;
        char key[192];
        struct lb_server *server;

        (void)snprintf(key, sizeof(key), "%s/%s", fields[COL_BACKEND], fields[COL_SERVER]);
        server = map_get(&driver->servers, key, struct lb_server, node);
        if (server == NULL)
                return;
        server->sessions =
                server->quiet_under_way == 0 ? strtoll(fields[COL_SESSIONS], NULL, 10) + strtoll(fields[COL_QUEUED], NULL, 10) : -1;
        (void)snprintf(server->status, sizeof(server->status), "%s", fields[COL_STATUS]);
        /* "* L7OK": a check is under way, and this was the one before, whose code and text are not shown any more. */
        (void)snprintf(server->check, sizeof(server->check), "%s", fields[COL_CHECK] + strspn(fields[COL_CHECK], "* "));
        if (fields[COL_CHECK][0] != '*') {
                server->code = (int)strtol(fields[COL_CODE], NULL, 10);
                (void)snprintf(server->last, sizeof(server->last), "%s", fields[COL_LAST]);
        }
        if (server->member != NULL)
                look_at(driver, server->member);
}

static void take_statistics(struct lb_driver *driver, const char *answer)
{
        lb_stat_rows(answer, columns, COL_MAX, take_row, driver);
}

/* ---- When ---- */

static void on_statistics(void *data, const char *answer)
{
        struct lb_poll *poll = data;

        poll->waiting = false;
        if (answer == NULL)
                return;
        take_statistics(poll->driver, answer);
        if (poll->again) {
                poll->again = false;
                lb_poll_backend(poll->driver, poll->name);
        }
}

void lb_poll_backend(struct lb_driver *driver, const char *name)
{
        struct lb_poll *poll = map_get(&driver->polls, name, struct lb_poll, node);

        if (driver->runtime == NULL || driver->state != LB_UP)
                return;
        if (poll == NULL) {
                poll = xalloc(sizeof(*poll));
                poll->driver = driver;
                (void)snprintf(poll->name, sizeof(poll->name), "%s", name);
                map_insert(&driver->polls, &poll->node, poll->name);
        }
        if (poll->waiting) {
                poll->again = true;
                return;
        }
        poll->waiting = true;
        lb_runtime_send(driver->runtime, on_statistics, poll, "show stat %s 4 -1", name);
}

static void on_all_statistics(void *data, const char *answer)
{
        struct lb_driver *driver = data;

        if (answer == NULL)
                return;
        take_statistics(driver, answer);
        if (driver->traffic == NULL)
                return;
        (void)lb_traffic_take(driver->traffic, &driver->counters, answer);
        lb_traffic_publish(driver->traffic, env_now_ms(model_env(driver->options.model)));
}

void lb_poll_all(struct lb_driver *driver)
{
        driver->last_full_poll = uv_now(driver->options.loop);
        lb_runtime_send(driver->runtime, on_all_statistics, driver, "show stat -1 7 -1");
}

void lb_health_tick(struct lb_driver *driver)
{
        CLEANUP_ARENA struct arena arena = {0};

        if (driver->state != LB_UP || !driver->servers_known || driver->runtime == NULL)
                return;
        map_for_each (node, &driver->members) {
                struct lb_member *member = CONTAINER_OF(node, struct lb_member, node);
                struct target *target = lb_member_target(driver, member);

                if (target == NULL || target->group->n_uses == 0)
                        continue;
                if (target->state->draining_since != 0) {
                        lb_poll_backend(driver, lb_backend_name(&arena, target->group, LB_MAIN));
                        look_at(driver, member);
                } else if (!member->passed) {
                        lb_poll_backend(driver, lb_backend_name(&arena, target->group, LB_PROBE));
                        /* Time for another pace? */
                        driver->servers_dirty |=
                                member->servers[LB_PROBE] == NULL || member->servers[LB_PROBE]->pace < lb_servers_pace(driver, target);
                }
        }
        if (uv_now(driver->options.loop) - driver->last_full_poll >= FULL_POLL_MS)
                lb_poll_all(driver);
}
