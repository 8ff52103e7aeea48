/* SPDX-License-Identifier: Apache-2.0 */
/* See reach.h. */
#include "net/reach.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "net/dial.h"
#include "net/url.h"

struct reach {
        struct net_loop *net;
        struct dial *dial;
        void (*done)(void *data, bool answers);
        void *data;
};

static void reach_free(struct reach *reach)
{
        net_loop_unref(reach->net);
        free(reach);
}

static void on_dialled(void *data, struct conn *conn, int r, const char *why)
{
        struct reach *reach = data;

        if (conn != NULL) {
                conn_set_owner(conn, NULL, NULL);
                conn_abort(conn);
        }
        reach->done(reach->data, conn != NULL || r == -ECONNREFUSED);
        reach_free(reach);
}

struct reach *reach_new(uv_loop_t *loop, const char *url, uint32_t timeout_ms, void (*done)(void *data, bool answers), void *data,
                        struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct reach *reach;
        struct url parts;

        if (url_parse(url, &arena, &parts, error) < 0)
                return NULL;
        reach = xalloc(sizeof(*reach));
        reach->net = net_loop_ref(loop);
        reach->done = done;
        reach->data = data;
        reach->dial = dial_new(
                reach->net, &(struct dial_options){
                                    .host = parts.host, .port = parts.port, .timeout_ms = timeout_ms, .done = on_dialled, .data = reach});
        return reach;
}

struct reach *reach_cancel(struct reach *reach)
{
        if (reach != NULL) {
                dial_cancel(reach->dial);
                reach_free(reach);
        }
        return NULL;
}
