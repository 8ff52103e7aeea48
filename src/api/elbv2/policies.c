/* SPDX-License-Identifier: Apache-2.0 */
/* What an account has beside its load balancers: SSL policies, limits, reserved capacity. */
#include <string.h>

#include "api/elbv2/common.h"
#include "api/pagination.h"
#include "base/strutil.h"
#include "model/ssl_policies.h"

int elbv2_check_ssl_policy(struct api_call *call, const char *name)
{
        if (ssl_policy_find(name) != NULL)
                return 0;
        return api_fail(call, "SSLPolicyNotFound", "SSL policy '%.100s' not found: `aws elbv2 describe-ssl-policies` lists them", name);
}

/* ---- SSL policies ---- */

static void push_protocols(struct api_call *call, const struct ssl_policy *policy, struct string_list *ret)
{
        static const char *const versions[] = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
        bool within = false;

        for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
                within |= str_eq(versions[i], policy->oldest);
                if (within)
                        string_list_push(call->arena, ret, versions[i]);
                within &= !str_eq(versions[i], policy->newest);
        }
}

static void push_ciphers(struct api_call *call, const char *names, struct elbv2_cipher_list *ret)
{
        while (names != NULL && *names != '\0') {
                size_t len = strcspn(names, ":");
                struct elbv2_cipher *cipher = SHAPE_PUSH(call->arena, ret);

                cipher->name = arena_strndup(call->arena, names, len);
                SHAPE_SET(cipher, elbv2_cipher, priority, (int32_t)ret->n);
                names += len + (names[len] == ':');
        }
}

static void view_policy(struct api_call *call, const struct ssl_policy *policy, struct elbv2_ssl_policy *out)
{
        out->name = policy->name;
        push_protocols(call, policy, &out->ssl_protocols);
        push_ciphers(call, policy->suites, &out->ciphers);
        push_ciphers(call, policy->ciphers, &out->ciphers);
        string_list_push(call->arena, &out->supported_load_balancer_types, "application");
        string_list_push(call->arena, &out->supported_load_balancer_types, "network");
}

static int describe_ssl_policies(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_describe_ssl_policies_input *in = input;
        struct elbv2_describe_ssl_policies_output *out = output;

        for (uint32_t i = 0; i < in->names.n; i++) {
                int r = elbv2_check_ssl_policy(call, in->names.items[i]);

                if (r < 0)
                        return r;
                view_policy(call, ssl_policy_find(in->names.items[i]), SHAPE_PUSH(call->arena, &out->ssl_policies));
        }
        for (const struct ssl_policy *policy = ssl_policies; in->names.n == 0 && policy->name != NULL; policy++)
                view_policy(call, policy, SHAPE_PUSH(call->arena, &out->ssl_policies));
        return 0;
}

/* ---- Limits: what this service enforces ---- */

static int describe_account_limits(struct api_call *call, const void *input, void *output)
{
        static const struct elbv2_limit limits[] = {
                {.name = "application-load-balancers", .max = "1000"},
                {.name = "network-load-balancers", .max = "1000"},
                {.name = "target-groups", .max = "3000"},
                {.name = "listeners-per-application-load-balancer", .max = "50"},
                {.name = "listeners-per-network-load-balancer", .max = "50"},
                {.name = "rules-per-application-load-balancer", .max = "200"},
                {.name = "certificates-per-application-load-balancer", .max = "100"},
                {.name = "targets-per-target-group", .max = "5000"},
                {.name = "target-groups-per-action-on-application-load-balancer", .max = "5"},
                {.name = "target-groups-per-action-on-network-load-balancer", .max = "1"},
                {.name = "condition-values-per-alb-rule", .max = "100"},
                {.name = "condition-wildcards-per-alb-rule", .max = "20"},
        };
        struct elbv2_describe_account_limits_output *out = output;

        (void)input;
        for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
                *SHAPE_PUSH(call->arena, &out->limits) = limits[i];
        return 0;
}

/* ---- Capacity: one proxy has what its machine has, so a reservation is only remembered ---- */

static int describe_capacity_reservation(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_describe_capacity_reservation_input *in = input;
        struct elbv2_describe_capacity_reservation_output *out = output;
        struct load_balancer *balancer;
        int r = elbv2_find_load_balancer(call, in->load_balancer_arn, &balancer);

        if (r < 0 || balancer->state->capacity_units == 0)
                return r;
        out->minimum_load_balancer_capacity = ARENA_NEW(call->arena, struct elbv2_minimum_load_balancer_capacity);
        SHAPE_SET(out->minimum_load_balancer_capacity, elbv2_minimum_load_balancer_capacity, capacity_units,
                  balancer->state->capacity_units);
        return 0;
}

static int modify_capacity_reservation(struct api_call *call, const void *input, void *output)
{
        const struct elbv2_modify_capacity_reservation_input *in = input;
        struct elbv2_modify_capacity_reservation_output *out = output;
        struct state_load_balancer *state;
        struct load_balancer *balancer;
        struct tx *tx;
        int r = elbv2_find_load_balancer(call, in->load_balancer_arn, &balancer);

        if (r < 0)
                return r;
        state = SHAPE_COPY(state_load_balancer, (struct state_load_balancer *)balancer->state, call->arena);
        if (SHAPE_HAS(in, elbv2_modify_capacity_reservation_input, reset_capacity_reservation) && in->reset_capacity_reservation)
                SHAPE_CLEAR(state, state_load_balancer, capacity_units);
        else if (in->minimum_load_balancer_capacity != NULL && in->minimum_load_balancer_capacity->capacity_units > 0)
                SHAPE_SET(state, state_load_balancer, capacity_units, in->minimum_load_balancer_capacity->capacity_units);
        else
                return api_fail(call, "ValidationError", "Say MinimumLoadBalancerCapacity or ResetCapacityReservation");
        tx = tx_begin(call->model);
        tx_put(tx, &balancer->object, state);
        tx_commit(tx);
        out->minimum_load_balancer_capacity = in->minimum_load_balancer_capacity;
        return 0;
}

const struct api_route elbv2_policy_routes[] = {
        {ELBV2_OP_DESCRIBE_SSL_POLICIES, describe_ssl_policies},
        {ELBV2_OP_DESCRIBE_ACCOUNT_LIMITS, describe_account_limits},
        {ELBV2_OP_DESCRIBE_CAPACITY_RESERVATION, describe_capacity_reservation},
        {ELBV2_OP_MODIFY_CAPACITY_RESERVATION, modify_capacity_reservation},
        {0, NULL},
};
