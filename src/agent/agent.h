/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node: registers this machine with a server, runs the tasks that the server sends, reports what becomes of them. One object, on
 * one libuv loop; everything runs on the loop's thread. The verbs `gantry agent` and `gantry up` are thin users of this header.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/env.h"
#include "base/error.h"
#include "codec/shape.h"

struct agent;

struct agent_pair {
        const char *name, *value; /* value may be NULL */
};

/* What to do about an image that is wanted; the words of ECS_IMAGE_PULL_BEHAVIOR. */
enum agent_pull_behavior {
        AGENT_PULL_DEFAULT = 0,   /* ask the registry; use the local copy when that fails */
        AGENT_PULL_ALWAYS,        /* ask the registry; fail when that fails */
        AGENT_PULL_ONCE,          /* ask only when this node never pulled it */
        AGENT_PULL_PREFER_CACHED, /* use the local copy when there is one */
        AGENT_PULL_MAX
};

/* NULL and 0 mean the default that is named. Everything is copied by agent_new. */
struct agent_options {
        uv_loop_t *loop;           /* required */
        struct env *env;           /* the system's */
        const char *data_dir;      /* required: all that the node keeps; made when missing */
        const char *endpoint;      /* required: base URL of the ECS API, "http://127.0.0.1:4327" */
        const char *logs_endpoint; /* base URL of the CloudWatch Logs API; default: `endpoint` */
        const char *cluster;       /* "default" */
        const char *region;        /* "us-east-1" */
        const char *key_id;        /* required */
        const char *secret;        /* required */
        const char *session_token; /* none */
        const char *ca_file;       /* the system's certificate authorities */
        bool insecure;             /* accept any server certificate */

        const char *availability_zone;       /* not announced */
        const char *instance_type;           /* not announced */
        const struct agent_pair *attributes; /* own attributes, sent at the first registration */
        uint32_t n_attributes;
        const struct agent_pair *tags; /* of the container instance */
        uint32_t n_tags;

        /* Takes Fargate tasks, and how it keeps them apart: "sandbox", "microvm" or "auto" (what this machine can); NULL: none. The
         * cluster is then that of the pool, unless another is named. */
        const char *fargate;
        uint32_t warm; /* micro-VMs that wait for a task; 2; UINT32_MAX: none */

        uint32_t total_cpu;             /* CPU units; default: cores x 1024 */
        uint32_t total_memory;          /* MiB; default: what the kernel says */
        uint32_t reserved_cpu;          /* CPU units that the system keeps; 0 */
        uint32_t reserved_memory;       /* MiB that the system keeps; 0 */
        const char *reserved_ports;     /* TCP, "22,2375"; default "22,2375,2376,51678,51679" */
        const char *reserved_ports_udp; /* none */

        enum agent_pull_behavior pull_behavior;
        uint32_t stop_timeout_s;        /* from SIGTERM to SIGKILL; 30 */
        uint32_t start_timeout_s;       /* of one container's creation and start; 180 */
        uint32_t pull_timeout_s;        /* of one image; 7200 */
        uint32_t pull_inactivity_s;     /* how long a registry may be silent; 60 */
        uint32_t cleanup_wait_s;        /* from STOPPED to removal; 10800 */
        uint32_t image_cleanup_s;       /* between two image collections; 1800 */
        uint32_t image_min_age_s;       /* unused images are kept at least so long; 3600 */
        uint32_t disk_pressure_percent; /* above it images and stopped tasks go at once; 85 */
        bool no_metrics;                /* no TCS session */
        uint32_t metrics_interval_s;    /* 20 */
        uint32_t ping_ms;               /* how long the server may be silent before it is pinged; 1000 */
        uint32_t dead_ms;               /* and before the connection is given up; 5000 */

        int metadata_port;                      /* on 127.0.0.1, where 169.254.170.2:80 is sent to; 51679; -1: any free port */
        int introspection_port;                 /* on 127.0.0.1; 51678; -1: none */
        const char *bridge;                     /* name of the containers' bridge and of the nftables table; "gantry0" */
        const char *bridge_range;               /* its addresses, "172.31.240.0/20"; chosen */
        const char *node_address;               /* IPv4, for the tunnels between nodes; chosen, see node_address.h */
        uint16_t port_min, port_max;            /* dynamic host ports; the kernel's range */
        const char *runtime_dir;                /* on tmpfs; chosen by the data directory */
        const char *cgroup_parent;              /* "/gantry" */
        const char *auth_type, *auth_data;      /* logins as ECS_ENGINE_AUTH_TYPE and _DATA; none */
        const char *auth_file;                  /* logins as `skopeo login` writes them; none */
        struct string_list insecure_registries; /* host[:port] */
        const struct agent_pair *mirrors;       /* registry, and the mirror to ask before it; in order */
        uint32_t n_mirrors;
        bool no_network; /* leave the host's network alone: no bridge, no 169.254.170.2 (only host and none mode run) */

        /* The first ACS connection stands: the node can be given tasks. May be NULL. */
        void (*connected)(struct agent *agent, void *data);
        /* The server will never take this node as it is (exit code 5 of the stock agent). The agent has stopped talking; the owner
         * should call agent_stop and end the process. May be NULL. */
        void (*refused)(struct agent *agent, const struct error *error, void *data);
        void *data;
};

/* Makes the object, prepares the data directory, the image store, the runtime and the network, and loads the saved state. Corrupt
 * or newer state is moved aside with a warning and never an error. Does not talk to the server. Blocks for a short while. */
int agent_new(const struct agent_options *options, struct agent **ret, struct error *error) MUST_CHECK;
/* Adopts the running containers, serves the metadata endpoints, registers, connects. Returns at once; what fails later is retried
 * for ever (or ends in `refused`). -errno when a local port cannot be had. */
int agent_start(struct agent *agent, struct error *error) MUST_CHECK;
/* Orderly end: saves the state, closes the connections and calls `stopped` (once, on a later turn of the loop). Containers keep
 * running. After that only agent_free may be called. */
void agent_stop(struct agent *agent, void (*stopped)(struct agent *agent, void *data), void *data);
/* After `stopped`, or instead of agent_start. NULL is fine. Returns NULL. */
struct agent *agent_free(struct agent *agent);

/* NULL before the first registration. */
const char *agent_instance_arn(const struct agent *agent);
bool agent_is_connected(const struct agent *agent);
int agent_metadata_port(const struct agent *agent);

/* "default", "always", "once", "prefer-cached": the value, or -EINVAL. */
int agent_pull_behavior_parse(const char *word);
