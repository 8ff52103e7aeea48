/* SPDX-License-Identifier: Apache-2.0 */
/* Dashboards: JSON that clients draw, kept as it is given once it is one. */
#include <errno.h>
#include <string.h>

#include "api/cloudwatch/common.h"
#include "api/pagination.h"
#include "base/strutil.h"
#include "model/alarm.h"

#define INVALID "DashboardInvalidInputError"
#define DASHBOARDS_MAX 1000
#define PAGE 100

static struct dashboard *find(struct api_call *call, const char *name)
{
        struct tree_node *node = tree_find(model_objects(call->model, OBJECT_DASHBOARD), name);

        return node != NULL ? MODEL_OBJECT(node, dashboard) : NULL;
}

static const char *arn_of(struct api_call *call, const char *name)
{
        return arena_printf(call->arena, "arn:aws:cloudwatch::%s:dashboard/%s", model_account(call->model), name);
}

/* What a widget of each type must say in its properties. */
static const char *missing_property(const struct cloudwatch_dashboard_widget *widget)
{
        static const struct cloudwatch_dashboard_widget_properties none = {0};
        const struct cloudwatch_dashboard_widget_properties *p = widget->properties != NULL ? widget->properties : &none;
        const struct {
                const char *type, *name;
                bool there;
        } rows[] = {
                {"text", "markdown", p->markdown != NULL},
                {"metric", "metrics (or annotations)", p->metrics != NULL || p->annotations != NULL},
                {"log", "query", p->query != NULL},
                {"alarm", "alarms", p->alarms != NULL},
                {"explorer", "", widget->properties != NULL},
                {"custom", "", widget->properties != NULL},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (str_eq(rows[i].type, widget->type))
                        return rows[i].there ? NULL : rows[i].name;
        return "type, one of text, metric, log, alarm, explorer and custom";
}

static int check_body(struct api_call *call, const char *body)
{
        struct cloudwatch_dashboard_document *document;
        struct error error = {0};

        if (SHAPE_PARSE(cloudwatch_dashboard_document, call->arena, body, strlen(body), NULL, &document, &error) < 0)
                return api_fail(call, INVALID, "The parameter DashboardBody is no dashboard: %s", error.message);
        for (uint32_t i = 0; i < document->widgets.n; i++) {
                const char *missing = missing_property(&document->widgets.items[i]);

                if (missing != NULL)
                        return api_fail(
                                call, INVALID,
                                "The parameter DashboardBody is no dashboard: widgets[%u], of type \"%.30s\", must have properties %s", i,
                                document->widgets.items[i].type, missing);
        }
        return 0;
}

static int put_dashboard(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct cloudwatch_put_dashboard_input *in = input;
        struct dashboard *dashboard = find(call, in->dashboard_name);
        struct state_dashboard state = {.name = in->dashboard_name, .body = in->dashboard_body, .modified_at = call->now_ms};
        struct tx *tx;

        if (!str_is_name(in->dashboard_name, "-_", 255))
                return api_fail(call, INVALID, "The parameter DashboardName must be of letters, digits, '-' and '_', not '%.255s'",
                                in->dashboard_name);
        if (check_body(call, in->dashboard_body) < 0)
                return -EINVAL;
        if (dashboard == NULL && model_objects(call->model, OBJECT_DASHBOARD)->count >= DASHBOARDS_MAX)
                return api_fail(call, INVALID, "There are %d dashboards, the most that are possible. Delete some.", DASHBOARDS_MAX);
        tx = tx_begin(call->model);
        if (dashboard == NULL)
                (void)tx_insert(tx, OBJECT_DASHBOARD, &state);
        else
                tx_put(tx, &dashboard->object, &state);
        tx_commit(tx);
        return 0;
}

static int not_found(struct api_call *call, const char *name)
{
        return api_fail(call, "DashboardNotFoundError", "Dashboard %.255s does not exist", name);
}

static int get_dashboard(struct api_call *call, const void *input, void *output)
{
        const struct cloudwatch_get_dashboard_input *in = input;
        struct cloudwatch_get_dashboard_output *out = output;
        const struct dashboard *dashboard = find(call, in->dashboard_name);

        if (dashboard == NULL)
                return not_found(call, in->dashboard_name);
        out->dashboard_name = dashboard->state->name;
        out->dashboard_body = dashboard->state->body;
        out->dashboard_arn = arn_of(call, dashboard->state->name);
        return 0;
}

static int list_dashboards(struct api_call *call, const void *input, void *output)
{
        const struct cloudwatch_list_dashboards_input *in = input;
        struct cloudwatch_list_dashboards_output *out = output;
        const char *prefix = in->dashboard_name_prefix != NULL ? in->dashboard_name_prefix : "";
        const struct tree *all = model_objects(call->model, OBJECT_DASHBOARD);
        struct api_page page;

        if (api_page_begin(call, in->next_token, false, 0, PAGE, PAGE, prefix, &page) < 0)
                return cloudwatch_bad_token(call, "InvalidParameterValueException", "ListDashboards");
        for (struct tree_node *node = page.after != NULL ? tree_after(all, page.after) : tree_from(all, prefix);
             node != NULL && str_starts_with(node->key, prefix); node = tree_next(node)) {
                const struct state_dashboard *s = MODEL_OBJECT(node, dashboard)->state;
                struct cloudwatch_dashboard_entry *entry;

                if (!api_page_add(&page, node->key)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                entry = SHAPE_PUSH(call->arena, &out->dashboard_entries);
                entry->dashboard_name = s->name;
                entry->dashboard_arn = arn_of(call, s->name);
                entry->last_modified = s->modified_at;
                SHAPE_SET(entry, cloudwatch_dashboard_entry, size, (int64_t)strlen(s->body));
        }
        return 0;
}

static int delete_dashboards(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct cloudwatch_delete_dashboards_input *in = input;
        struct tx *tx;

        for (uint32_t i = 0; i < in->dashboard_names.n; i++)
                if (find(call, in->dashboard_names.items[i]) == NULL)
                        return not_found(call, in->dashboard_names.items[i]);
        tx = tx_begin(call->model);
        for (uint32_t i = 0; i < in->dashboard_names.n; i++) {
                struct dashboard *dashboard = find(call, in->dashboard_names.items[i]);

                if (dashboard != NULL) /* named twice */
                        tx_remove(tx, &dashboard->object);
        }
        tx_commit(tx);
        return 0;
}

const struct api_route cloudwatch_dashboard_routes[] = {
        {CLOUDWATCH_OP_PUT_DASHBOARD, put_dashboard},
        {CLOUDWATCH_OP_GET_DASHBOARD, get_dashboard},
        {CLOUDWATCH_OP_LIST_DASHBOARDS, list_dashboards},
        {CLOUDWATCH_OP_DELETE_DASHBOARDS, delete_dashboards},
        {0, NULL},
};
