/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the log shipper share. */
#pragma once

#include "agent/channel/backoff.h"
#include "agent/logs/journald.h"
#include "agent/logs/batch.h"
#include "agent/logs/options.h"
#include "agent/logs/ship.h"
#include "api/logs.idl.h"

struct log_shipper {
        struct log_shipper_options o;
};

struct read_job;

/* The shipper's part of a container. */
struct shipping {
        struct log_shipper *shipper;
        struct engine_container *c;
        struct arena arena;
        struct log_options options;
        struct log_reader *reader; /* NULL: not followed yet */
        struct read_job *job;      /* the read under way, which then has the reader to itself */
        uv_fs_event_t *watch;
        bool written;   /* since the read under way began */
        bool ended;     /* the container has ended: nothing is written any more */
        bool at_eof;    /* everything was read */
        bool told;      /* the owner, that everything was shipped */
        uint32_t quiet; /* reads in a row without a line */
        struct timer poll_timer, send_timer;
        int journal_fd; /* -1: none */
        /* awslogs */
        struct log_batch batch;
        struct aws_call call; /* one at a time: making the stream, or putting events */
        size_t sent;          /* events in the call under way */
        struct backoff backoff;
        uint32_t open_tries;
        bool group_tried, stream_missing;
        void (*open_done)(struct engine_container *c, const struct error *error, void *data);
        void *open_data;
};

struct shipping *shipping_of(const struct engine_container *c);
int shipping_new(struct log_shipper *shipper, struct engine_container *c, struct shipping **ret, struct error *error) MUST_CHECK;
/* Reads on, now or after the read under way. */
void shipping_read(struct shipping *s);
/* Tells the owner when all is shipped. */
void shipping_check(struct shipping *s);
void shipping_keep_position(struct shipping *s, const struct log_position *position);

/* Makes the stream (and, if wanted, the group), then tells open_done. */
void awslogs_open(struct shipping *s);
/* Sends what waits, unless a call is under way. */
void awslogs_pump(struct shipping *s);
