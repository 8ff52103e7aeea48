/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers of the proxy: what the model's targets want, what the worker has, and the commands in between.
 *
 * A target begins as a server of the group's P backend, where it is checked often, and as an "open" (backup) server of the T backend.
 * After its first passed check it becomes a checked server of T. A target that drains keeps its servers, in maintenance: they
 * take nothing new and finish what they have. Where servers lose their connections when they go down, maintenance would end them too:
 * there the state is "drain", and maintenance comes when they have none left.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"
#include "lb/internal.h"
#include "control/targets.h"

/* A new target is checked less often after each of them. */
#define PROBE_FIRST_FOR_MS 250
#define PROBE_FIRST_TARGETS 32 /* of the group */
#define PROBE_FAST_FOR_MS 10000

#define OPEN_PREFIX "open:"

/* Bits of srv_admin_state: what an administrator has ordered. */
#define ADMIN_MAINT 0x01
#define ADMIN_DRAIN 0x08

/* ---- Members and servers ---- */

struct target *lb_member_target(struct lb_driver *driver, const struct lb_member *member)
{
        const char *slash = strchr(member->key, '/'), *last = strrchr(member->key, '/');
        char group[32], id[128];
        int64_t port;

        if (slash == NULL || last == slash || str_to_int64(last + 1, &port) < 0 || (size_t)(slash - member->key) >= sizeof(group) ||
            (size_t)(last - slash - 1) >= sizeof(id))
                return NULL;
        (void)snprintf(group, sizeof(group), "%.*s", (int)(slash - member->key), member->key);
        (void)snprintf(id, sizeof(id), "%.*s", (int)(last - slash - 1), slash + 1);
        return model_target(driver->options.model, group, id, (int)port);
}

static struct lb_member *member_of(struct lb_driver *driver, const struct target *target)
{
        struct lb_member *member = map_get(&driver->members, target->object.key, struct lb_member, node);

        if (member != NULL)
                return member;
        member = xalloc(sizeof(*member));
        member->key = xstrdup(target->object.key);
        member->passed = target->health == ELBV2_TARGET_HEALTH_STATE_HEALTHY;
        map_insert(&driver->members, &member->node, member->key);
        return member;
}

static void server_free(struct lb_driver *driver, struct lb_server *server)
{
        if (server->member != NULL && server->member->servers[server->role] == server)
                server->member->servers[server->role] = NULL;
        map_remove(&driver->servers, &server->node);
        free(server->key);
        free(server);
}

static void member_free(struct lb_driver *driver, struct lb_member *member)
{
        for (int role = 0; role < LB_ROLE_MAX; role++)
                if (member->servers[role] != NULL)
                        member->servers[role]->member = NULL;
        map_remove(&driver->members, &member->node);
        free(member->key);
        free(member);
}

static struct lb_server *server_new(struct lb_driver *driver, const char *key, enum lb_role role)
{
        struct lb_server *server = xalloc(sizeof(*server));

        server->key = xstrdup(key);
        server->role = role;
        server->sessions = -1;
        map_insert(&driver->servers, &server->node, server->key);
        return server;
}

void lb_servers_forget(struct lb_driver *driver)
{
        map_for_each (node, &driver->servers)
                server_free(driver, CONTAINER_OF(node, struct lb_server, node));
        map_for_each (node, &driver->polls)
                CONTAINER_OF(node, struct lb_poll, node)->waiting = false;
        driver->servers_known = false;
}

void lb_servers_done(struct lb_driver *driver)
{
        lb_servers_forget(driver);
        map_for_each (node, &driver->members)
                member_free(driver, CONTAINER_OF(node, struct lb_member, node));
        map_for_each (node, &driver->polls)
                free(CONTAINER_OF(node, struct lb_poll, node));
        map_done(&driver->servers);
        map_done(&driver->members);
        map_done(&driver->polls);
}

static const char *server_key(struct arena *arena, const struct target_group *group, const struct lb_member *member, enum lb_role role)
{
        return arena_printf(arena, "%s/%s%s", lb_backend_name(arena, group, role), role == LB_OPEN ? OPEN_PREFIX : "", member->name);
}

/* ---- Commands ---- */

/* Answers are matched by key, because the server may be gone by the time. */
struct command {
        struct lb_driver *driver;
        char *key;
        bool promoted; /* the answer makes the target healthy */
};

static struct command *command_new(struct lb_driver *driver, const char *key)
{
        struct command *command = xalloc(sizeof(*command));

        command->driver = driver;
        command->key = xstrdup(key);
        return command;
}

static void command_free(struct command *command)
{
        free(command->key);
        free(command);
}

static void on_added(void *data, const char *answer)
{
        struct command *command = data;
        struct lb_driver *driver = command->driver;
        struct lb_server *server = map_get(&driver->servers, command->key, struct lb_server, node);

        if (answer != NULL && strstr(answer, "New server registered") == NULL) {
                log_warn("the proxy did not take a server", LOG_S("server", command->key), LOG_S("answer", answer));
                if (server != NULL)
                        server_free(driver, server);
        }
        command_free(command);
}

/* Traffic flows: from now on the target is healthy for everybody. */
static void on_ready(void *data, const char *answer)
{
        struct command *command = data;
        struct lb_driver *driver = command->driver;
        struct lb_server *server = map_get(&driver->servers, command->key, struct lb_server, node);
        struct target *target =
                answer != NULL && server != NULL && server->member != NULL ? lb_member_target(driver, server->member) : NULL;

        if (target != NULL && server->role == LB_MAIN && target->state->draining_since == 0)
                model_set_target_health(driver->options.model, target, ELBV2_TARGET_HEALTH_STATE_HEALTHY, ELBV2_TARGET_HEALTH_REASON_UNSET,
                                        NULL);
        command_free(command);
}

static void on_deleted(void *data, const char *answer)
{
        struct command *command = data;
        struct lb_driver *driver = command->driver;
        struct lb_server *server = map_get(&driver->servers, command->key, struct lb_server, node);

        if (server != NULL && answer != NULL) {
                if (strstr(answer, "Server deleted") != NULL || strstr(answer, "No such server") != NULL) {
                        server_free(driver, server);
                        driver->servers_dirty = true; /* its place may be wanted again */
                } else {
                        server->removing = false; /* connections are still attached: the timer tries again */
                }
        }
        command_free(command);
}

/* Answers come in the order of the commands: statistics from here on are of a server that takes nothing new. */
static void on_quiet(void *data, const char *answer)
{
        struct command *command = data;
        struct lb_server *server = map_get(&command->driver->servers, command->key, struct lb_server, node);

        (void)answer;
        if (server != NULL && server->quiet_under_way > 0)
                server->quiet_under_way--;
        command_free(command);
}

static void send_quiet(struct lb_driver *driver, struct lb_server *server, bool drain)
{
        server->quiet = true;
        server->drain = drain;
        server->quiet_under_way++;
        server->sessions = -1;
        /* A failed check of a server that is going is no reason to end what it still has. */
        if (drain)
                lb_runtime_send(driver->runtime, NULL, NULL, "disable health %s", server->key);
        lb_runtime_send(driver->runtime, on_quiet, command_new(driver, server->key), "set server %s state %s", server->key,
                        drain ? "drain" : "maint");
}

static void send_ready(struct lb_driver *driver, struct lb_server *server)
{
        server->quiet = server->drain = false;
        if (server->role != LB_OPEN)
                lb_runtime_send(driver->runtime, NULL, NULL, "enable health %s", server->key);
        lb_runtime_send(driver->runtime, on_ready, command_new(driver, server->key), "set server %s state ready", server->key);
}

static void send_delete(struct lb_driver *driver, struct lb_server *server)
{
        if (server->removing || (server->drain && server->sessions != 0))
                return; /* the timer tries again */
        server->removing = true;
        if (server->drain) {
                send_quiet(driver, server, false);
        } else if (!server->quiet) {
                send_quiet(driver, server, false);
                /* A target that left without draining loses its connections; a probe or a promoted target has none here. */
                if (server->role != LB_PROBE && server->member == NULL)
                        lb_runtime_send(driver->runtime, NULL, NULL, "shutdown sessions server %s", server->key);
        }
        lb_runtime_send(driver->runtime, on_deleted, command_new(driver, server->key), "del server %s", server->key);
}

/* " source ADDRESS", or nothing. */
static void append_source(struct lb_driver *driver, const struct target *target, struct buf *out)
{
        const char *source = lb_source(driver->options.model, target);

        if (source != NULL)
                buf_printf(out, " source %s", source);
}

static void send_add(struct lb_driver *driver, const struct target *target, struct lb_server *server, const char *name)
{
        CLEANUP_BUF struct buf options = {0};

        append_source(driver, target, &options);
        lb_server_options(target->group, server->role, server->pace, target->state->port, &options);
        lb_runtime_send(driver->runtime, on_added, command_new(driver, server->key), "add server %s %s%s", server->key, name,
                        options.data != NULL ? options.data : "");
        send_ready(driver, server);
        /* New servers are up until a check fails: this one has to earn it. */
        if (server->role == LB_PROBE && server->pace == LB_PACE_RECOVERY)
                lb_runtime_send(driver->runtime, NULL, NULL, "set server %s health down", server->key);
}

/* ---- What should be ---- */

enum lb_pace lb_servers_pace(const struct lb_driver *driver, const struct target *target)
{
        int64_t age;

        if (target->health == ELBV2_TARGET_HEALTH_STATE_UNHEALTHY)
                return LB_PACE_RECOVERY;
        age = env_now_ms(model_env(driver->options.model)) - target->state->registered_at;
        /* Many at once must not take the processor from those that carry traffic, nor be added twice in a moment. */
        if (age < PROBE_FIRST_FOR_MS && target->group->n_targets <= PROBE_FIRST_TARGETS)
                return LB_PACE_FIRST;
        return age < PROBE_FAST_FOR_MS ? LB_PACE_FAST : LB_PACE_SLOW;
}

/* The server of a role, made when `create`; NULL when it is on its way out and must go first. */
static struct lb_server *want(struct lb_driver *driver, const struct target *target, struct lb_member *member, enum lb_role role,
                              bool create, struct arena *arena)
{
        const char *key = server_key(arena, target->group, member, role);
        struct lb_server *server = map_get(&driver->servers, key, struct lb_server, node);

        if (server == NULL && create) {
                server = server_new(driver, key, role);
                server->pace = lb_servers_pace(driver, target);
                server->wanted = true;
                server->member = member;
                member->servers[role] = server;
                send_add(driver, target, server, member->name);
                return server;
        }
        if (server == NULL)
                return NULL;
        server->member = member;
        member->servers[role] = server;
        /* The time of its pace is over: it goes, and comes back with the next one. */
        server->wanted = role != LB_PROBE || server->pace >= lb_servers_pace(driver, target);
        return server;
}

static bool want_target(struct lb_driver *driver, const struct target *target, struct arena *arena)
{
        struct lb_member *member = member_of(driver, target);
        const char *address = target_address(driver->options.model, target, arena);
        bool draining = target->state->draining_since != 0;
        size_t before = driver->servers.count;

        member->seen = true;
        if (address == NULL)
                return false;
        (void)snprintf(member->name, sizeof(member->name), "%s:%d", address, target->state->port);
        for (int role = 0; role < LB_ROLE_MAX; role++) {
                struct lb_server *server;

                if (role == (member->passed ? LB_PROBE : LB_MAIN) || (role == LB_PROBE && draining))
                        continue;
                server = want(driver, target, member, role, !draining, arena);
                if (server == NULL || server->removing)
                        continue;
                if (draining && !server->quiet)
                        send_quiet(driver, server, role == LB_MAIN && lb_ends_sessions_when_down(target->group));
                else if (!draining && server->quiet)
                        send_ready(driver, server);
        }
        return driver->servers.count > before;
}

static void want_group(struct lb_driver *driver, const struct target_group *group, struct arena *arena)
{
        bool added = false;

        list_for_each (target, &group->targets, struct target, in_group)
                added |= want_target(driver, target, arena);
        /* HAProxy gives cookies to the servers that there are when the key is set. */
        if (added && lb_cookie_key(group) != NULL)
                lb_runtime_send(driver->runtime, NULL, NULL, "set dynamic-cookie-key backend %s %s", lb_backend_name(arena, group, LB_MAIN),
                                lb_cookie_key(group));
        if (added || driver->last_full_poll == 0)
                lb_poll_backend(driver, lb_backend_name(arena, group, LB_PROBE));
}

static void forget_members(struct lb_driver *driver)
{
        map_for_each (node, &driver->members) {
                struct lb_member *member = CONTAINER_OF(node, struct lb_member, node);

                struct target *target = !member->seen ? lb_member_target(driver, member) : NULL;

                /* Its group is not used any more: what is known of it is nothing to begin with when it is used again. */
                if (target != NULL)
                        model_set_target_health(driver->options.model, target, ELBV2_TARGET_HEALTH_STATE_INITIAL,
                                                ELBV2_TARGET_HEALTH_REASON_ELB_REGISTRATIONINPROGRESS, NULL);
                if (!member->seen)
                        member_free(driver, member);
                else
                        member->seen = false;
        }
}

void lb_servers_sync(struct lb_driver *driver)
{
        CLEANUP_ARENA struct arena arena = {0};

        if (driver->state != LB_UP || !driver->servers_known || driver->runtime == NULL)
                return;
        driver->servers_dirty = false;
        map_for_each (node, &driver->servers)
                CONTAINER_OF(node, struct lb_server, node)->wanted = false;
        tree_for_each (node, model_objects(driver->options.model, OBJECT_TARGET_GROUP)) {
                const struct target_group *group = MODEL_OBJECT(node, target_group);

                if (group->n_uses > 0)
                        want_group(driver, group, &arena);
        }
        forget_members(driver);
        map_for_each (node, &driver->servers) {
                struct lb_server *server = CONTAINER_OF(node, struct lb_server, node);

                if (!server->wanted)
                        send_delete(driver, server);
        }
}

void lb_servers_write(void *data, const struct target_group *group, struct buf *out)
{
        struct lb_driver *driver = data;
        CLEANUP_ARENA struct arena arena = {0};

        list_for_each (target, &group->targets, struct target, in_group) {
                const struct lb_member *member = map_get(&driver->members, target->object.key, struct lb_member, node);
                const char *address = target_address(driver->options.model, target, &arena);

                if (address == NULL || target->state->draining_since != 0)
                        continue;
                if (member == NULL || !member->passed || target->health != ELBV2_TARGET_HEALTH_STATE_HEALTHY)
                        continue;
                buf_printf(out, "  server %s:%d %s:%d", address, target->state->port, address, target->state->port);
                append_source(driver, target, out);
                buf_append_char(out, '\n');
        }
}

/* ---- What is there ---- */

/* Lines of `show servers state`: be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state … */
static void learn_line(struct lb_driver *driver, char *line)
{
        char *save, *words[7] = {0}, *key;
        struct lb_server *server;
        enum lb_role role;
        size_t n = 0;

        for (char *word = strtok_r(line, " ", &save); word != NULL && n < ARRAY_SIZE(words); word = strtok_r(NULL, " ", &save))
                words[n++] = word;
        if (n < ARRAY_SIZE(words) || (words[1][0] != 'T' && words[1][0] != 'P') || words[1][1] != '-')
                return;
        role = words[1][0] == 'P' ? LB_PROBE : str_starts_with(words[3], OPEN_PREFIX) ? LB_OPEN : LB_MAIN;
        key = xprintf("%s/%s", words[1], words[3]);
        if (map_find(&driver->servers, key) == NULL) {
                server = server_new(driver, key, role);
                server->quiet = (strtol(words[6], NULL, 10) & (ADMIN_MAINT | ADMIN_DRAIN)) != 0;
                server->drain = (strtol(words[6], NULL, 10) & (ADMIN_MAINT | ADMIN_DRAIN)) == ADMIN_DRAIN;
        }
        free(key);
}

/* Targets that the worker has as checked servers have passed before. */
static void learn_places(struct lb_driver *driver)
{
        CLEANUP_ARENA struct arena arena = {0};

        tree_for_each (node, model_objects(driver->options.model, OBJECT_TARGET)) {
                const struct target *target = MODEL_OBJECT(node, target);
                const char *address = target_address(driver->options.model, target, &arena);
                struct lb_member *member = member_of(driver, target);

                if (address == NULL)
                        continue;
                (void)snprintf(member->name, sizeof(member->name), "%s:%d", address, target->state->port);
                member->passed = map_find(&driver->servers, server_key(&arena, target->group, member, LB_MAIN)) != NULL;
        }
}

static void on_servers_state(void *data, const char *answer)
{
        struct lb_driver *driver = data;
        char *copy, *save;

        if (answer == NULL)
                return;
        copy = xstrdup(answer);
        lb_servers_forget(driver);
        for (char *line = strtok_r(copy, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
                learn_line(driver, line);
        free(copy);
        learn_places(driver);
        driver->servers_known = true;
        driver->last_full_poll = 0;
        lb_servers_sync(driver);
        lb_poll_all(driver);
}

void lb_servers_learn(struct lb_driver *driver)
{
        driver->servers_known = false;
        lb_runtime_send(driver->runtime, on_servers_state, driver, "show servers state");
}
