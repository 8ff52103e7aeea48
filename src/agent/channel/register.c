/* SPDX-License-Identifier: Apache-2.0 */
/* Registration and discovery of the channels' endpoints. */
#include "agent/channel/register.h"

#include <string.h>

#include "agent/node_address.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strutil.h"

#define REGISTER_TIMEOUT_MS 42000
#define DISCOVER_TIMEOUT_MS 20000
#define ENDPOINTS_AGE_US (INT64_C(12) * 3600 * 1000000)

static void try_register(struct registration *r);

static void replace(char **to, const char *from)
{
        free(*to);
        *to = xstrdup(from);
}

void registration_init(struct registration *r, const struct aws_client *client, const struct agent_options *options, struct timers *timers,
                       struct env *env)
{
        *r = (struct registration){.client = client, .options = options, .timers = timers, .env = env};
        r->backoff = (struct backoff){.min_ms = 500, .max_ms = 5000, .factor = 2, .jitter = 0.2};
        r->discover_backoff = (struct backoff){.min_ms = 500, .max_ms = 15000, .factor = 2, .jitter = 0.2};
}

void registration_done(struct registration *r)
{
        r->closed = true;
        aws_call_cancel(&r->call);
        aws_call_cancel(&r->discover);
        timers_cancel(r->timers, &r->timer);
        timers_cancel(r->timers, &r->discover_timer);
        free(r->instance_arn);
        free(r->availability_zone);
        free(r->acs_endpoint);
        free(r->tcs_endpoint);
}

static void register_fires(struct timer *timer)
{
        try_register(CONTAINER_OF(timer, struct registration, timer));
}

static void retry(struct registration *r, const struct aws_answer *answer)
{
        uint32_t delay = backoff_next(&r->backoff, r->env);

        log_warn("registration failed; trying again", LOG_S("server", r->options->endpoint), LOG_S("code", answer->code),
                 LOG_S("error", answer->message), LOG_I("ms", delay));
        timers_set(r->timers, &r->timer, delay, register_fires);
}

static void on_cluster_made(struct aws_call *call, const struct aws_answer *answer)
{
        struct registration *r = CONTAINER_OF(call, struct registration, call);

        if (answer->result < 0)
                retry(r, answer);
        else
                try_register(r);
}

static void create_cluster(struct registration *r)
{
        const struct ecs_create_cluster_request req = {.cluster_name = r->options->cluster};

        log_info("the cluster is missing; creating it", LOG_S("cluster", r->options->cluster));
        r->call.done = on_cluster_made;
        aws_client_call(r->client, &r->call, r->options->endpoint, &ecs_service, "CreateCluster", &req, REGISTER_TIMEOUT_MS);
}

static void refuse(struct registration *r, const struct aws_answer *answer)
{
        struct error error = {0};

        error_api(&error, str_empty(answer->code) ? "ClientException" : answer->code, "the server refuses this node: %s", answer->message);
        r->on_refused(r, &error);
}

static bool is_final(const struct aws_answer *answer)
{
        return !answer->retryable && (str_eq(answer->code, "InvalidParameterException") || str_eq(answer->code, "ClientException") ||
                                      str_eq(answer->code, "ClusterNotFoundException") || str_eq(answer->code, "AccessDeniedException"));
}

static void on_failure(struct registration *r, const struct aws_answer *answer)
{
        bool no_cluster = str_eq(answer->code, "ClusterNotFoundException") || str_starts_with(answer->message, "Cluster not found");

        if (!is_final(answer)) {
                retry(r, answer);
                return;
        }
        /* As with the stock agent only the default cluster is made. */
        if (no_cluster && str_eq(r->options->cluster, "default")) {
                create_cluster(r);
                return;
        }
        if (r->instance_arn != NULL && !no_cluster) {
                log_warn("the server does not take back this node's earlier registration; registering anew",
                         LOG_S("instance", r->instance_arn), LOG_S("error", answer->message));
                free(TAKE(r->instance_arn));
                try_register(r);
                return;
        }
        refuse(r, answer);
}

/* The stock agent checks that each attribute comes back; a server that drops one would place tasks wrongly. */
static void take_answer(struct registration *r, const struct ecs_container_instance *instance)
{
        for (uint32_t i = 0; i < instance->attributes.n; i++) {
                if (str_eq(instance->attributes.items[i].name, "ecs.availability-zone"))
                        replace(&r->availability_zone, instance->attributes.items[i].value);
        }
        replace(&r->instance_arn, instance->container_instance_arn);
}

static void on_registered(struct aws_call *call, const struct aws_answer *answer)
{
        struct registration *r = CONTAINER_OF(call, struct registration, call);
        const struct ecs_register_container_instance_response *out = answer->output;
        struct aws_answer empty = *answer;

        if (answer->result < 0) {
                on_failure(r, answer);
                return;
        }
        if (out->container_instance == NULL || str_empty(out->container_instance->container_instance_arn)) {
                empty.message = "the answer has no containerInstanceArn";
                retry(r, &empty);
                return;
        }
        take_answer(r, out->container_instance);
        r->registered = true;
        r->token[0] = '\0';
        backoff_reset(&r->backoff);
        log_info("registered", LOG_S("instance", r->instance_arn), LOG_S("cluster", r->options->cluster));
        r->on_registered(r);
}

static void try_register(struct registration *r)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct ecs_register_container_instance_request req = {.cluster = r->options->cluster, .container_instance_arn = r->instance_arn};
        struct machine machine;

        if (r->closed)
                return;
        if (r->token[0] == '\0')
                env_random_uuid(r->env, r->token); /* the same over all tries of one registration */
        req.client_token = r->token;
        capabilities_machine(&machine);
        machine.beside_server = node_address(r->options, r->node_address);
        machine.address = r->node_address[0] != '\0' ? r->node_address : NULL;
        capabilities_request(r->options, &machine, r->instance_arn == NULL, &arena, &req);
        r->call.done = on_registered;
        aws_client_call(r->client, &r->call, r->options->endpoint, &ecs_service, "RegisterContainerInstance", &req, REGISTER_TIMEOUT_MS);
}

void registration_start(struct registration *r)
{
        try_register(r);
}

/* ---- endpoints ---- */

static void discover_fires(struct timer *timer)
{
        registration_discover(CONTAINER_OF(timer, struct registration, discover_timer), true);
}

static void on_discovered(struct aws_call *call, const struct aws_answer *answer)
{
        struct registration *r = CONTAINER_OF(call, struct registration, discover);
        const struct ecs_discover_poll_endpoint_response *out = answer->output;

        if (answer->result == 0 && !str_empty(out->endpoint) && !str_empty(out->telemetry_endpoint)) {
                replace(&r->acs_endpoint, out->endpoint);
                replace(&r->tcs_endpoint, out->telemetry_endpoint);
                r->discovered_us = env_mono_us(r->env);
                backoff_reset(&r->discover_backoff);
                r->on_endpoints(r);
                return;
        }
        if (r->acs_endpoint != NULL) {
                r->on_endpoints(r); /* the old ones may still be right */
                return;
        }
        uint32_t delay = backoff_next(&r->discover_backoff, r->env);
        log_warn("the channels' endpoints could not be had; trying again",
                 LOG_S("error", answer->result < 0 ? answer->message : "the answer names none"), LOG_I("ms", delay));
        timers_set(r->timers, &r->discover_timer, delay, discover_fires);
}

void registration_discover(struct registration *r, bool fresh)
{
        const struct ecs_discover_poll_endpoint_request req = {
                .container_instance = r->instance_arn, .cluster = r->options->cluster, .zone_id = ""};

        if (r->closed || aws_call_is_busy(&r->discover))
                return;
        if (!fresh && r->acs_endpoint != NULL && env_mono_us(r->env) - r->discovered_us < ENDPOINTS_AGE_US) {
                r->on_endpoints(r);
                return;
        }
        r->discover.done = on_discovered;
        aws_client_call(r->client, &r->discover, r->options->endpoint, &ecs_service, "DiscoverPollEndpoint", &req, DISCOVER_TIMEOUT_MS);
}
