/* SPDX-License-Identifier: Apache-2.0 */
/* Frames from the server to a node: one input is a sequence of frames, separated by newlines. */
#include <stdint.h>
#include <string.h>

#include "../unit/agent_idle.h"
#include "../unit/fixed_env.h"
#include "agent/channel/acs_session.h"
#include "agent/channel/report.h"
#include "agent/engine/spec.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_send(struct acs_session *session, const char *text, size_t len)
{
        (void)session;
        (void)text;
        (void)len;
}

static void on_store(struct acs_session *session, struct engine_task *task, struct keeper_wait *wait)
{
        struct buf text CLEANUP_BUF = {0};

        (void)session;
        keeper_write_task(task, "boot", &text);
        keeper_write_state(task, "boot", &text);
        if (wait != NULL)
                wait->done(wait);
}

static void on_nothing(struct acs_session *session)
{
        (void)session;
}

static void on_lease(struct acs_session *session, uint32_t lease_ms, bool only_server)
{
        (void)session;
        (void)lease_ms;
        (void)only_server;
}

/* What they mean is the matter of fuzz_network_message.c. */
static bool on_network(struct acs_session *session, const struct acs_network_message *message)
{
        acs_session_answer(session, message, message->all ? "no" : NULL);
        return true;
}

static const struct acs_session_ops ops = {.send = on_send,
                                           .store = on_store,
                                           .sync = on_store,
                                           .sequence_changed = on_nothing,
                                           .heartbeat = on_nothing,
                                           .network = on_network,
                                           .lease = on_lease};

/* What else is made of a payload. */
static void look_at(struct engine_task *task)
{
        struct arena arena CLEANUP_ARENA = {0};
        const struct spec_context context = {.data_dir = "/data", .cluster = "c", .region = "r"};
        enum report_stage stage;
        bool urgent;

        for (uint32_t i = 0; i < task->n_containers && !task->rejected; i++) {
                struct runtime_container_spec spec;

                spec_make(&task->containers[i], &context, &arena, &spec);
        }
        (void)report_make(task, "c", &arena, &stage, &urgent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fixed_env clock = fixed_env_make();
        struct timers timers;
        struct engine engine;
        struct acs_session session;
        const char *at = (const char *)data, *end = at + size;

        log_setup(LOG_LEVEL_MAX, LOG_FORMAT_TEXT);
        timers_init(&timers, &clock.env);
        engine_init(&engine, &clock.env, &timers, &idle_driver, &idle_limits);
        acs_session_init(&session, &engine, &ops, NULL);
        while (at < end) {
                const char *newline = memchr(at, '\n', (size_t)(end - at));
                size_t len = newline != NULL ? (size_t)(newline - at) : (size_t)(end - at);

                (void)acs_session_message(&session, at, len);
                at += len + 1;
        }
        clock.now_ms += 61000;
        timers_run(&timers);
        list_for_each (task, &engine.order, struct engine_task, link)
                look_at(task);
        acs_session_done(&session);
        engine_done(&engine);
        return 0;
}
