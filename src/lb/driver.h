/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries the traffic of the model's load balancers: drives one HAProxy.
 *
 * An observer of the model marks what has changed; once that is durable, what should be is compared with what the proxy has, and
 * the differences are sent. Targets come, go and drain through the runtime socket. Listeners, rules and health checks need a reload,
 * which hands the listening sockets over and drops no connection. The proxy runs only while there is a listener.
 *
 * HAProxy is a process of its own: it survives the server, and a server that starts again finds it by its files in `dir` and carries
 * on. When it dies it is started again. Everything on the loop's thread.
 *
 * What comes back: health of targets and the end of draining, as HAProxy says it (its log events within milliseconds, and a look at
 * its statistics now and then), into the model with model_set_target_health; a target that has drained is removed.
 */
#pragma once

#include <uv.h>

#include "base/error.h"
#include "model/balancer.h"

struct lb_driver;
struct metrics;

struct lb_driver_options {
        uv_loop_t *loop;
        struct model *model;
        const char *dir;           /* of its own, made when it is missing */
        const char *program;       /* NULL: "haproxy" */
        struct string_list shared; /* addresses that all balancers listen on; empty: 127.0.0.1 */
        struct metrics *metrics;   /* where traffic is counted; outlives the driver. NULL: it is not */
        const char *access_logs;   /* folder for access logs; NULL: DIR/access-logs */
};

/* Begins at once; says nothing until something is wrong. Options are copied. -errno when the folder or sockets cannot be made. */
int lb_driver_new(const struct lb_driver_options *options, struct lb_driver **ret, struct error *error) MUST_CHECK;
/* Lets go of the proxy, which goes on. Before model_close; the loop must turn once more. NULL is fine. Returns NULL. */
struct lb_driver *lb_driver_free(struct lb_driver *driver);
