/* SPDX-License-Identifier: Apache-2.0 */
/* Task definitions: register, describe, list, deregister, delete. */
#include <errno.h>
#include <string.h>

#include "api/ecs/common.h"
#include "api/ecs/routes.h"
#include "api/ecs/task_definitions.h"
#include "api/ecs/taskdef/taskdef.h"
#include "api/pagination.h"
#include "base/strutil.h"
#include "model/names.h"

#define MAX_JSON 65536
#define MAX_REVISIONS 1000000
#define MAX_DELETED 10
#define MAX_FINISHED 500 /* in one transaction */

/* ---- Register ---- */

/* The size that AWS limits is that of the JSON; whitespace does not count here. */
static int check_length(struct api_call *call, const struct ecs_register_task_definition_request *in)
{
        CLEANUP_BUF struct buf json = {0};

        SHAPE_WRITE(ecs_register_task_definition_request, in, &json);
        if (json.len > MAX_JSON)
                return api_fail(call, "ClientException", "Actual length: '%zu'. Max allowed length is '%d' bytes.", json.len, MAX_JSON);
        return 0;
}

static struct task_definition *insert_revision(struct api_call *call, struct ecs_task_definition *def, const struct ecs_tag_list *tags)
{
        struct family *family = model_family(call->model, def->family);
        struct tx *tx = tx_begin(call->model);
        struct state_family state = {.name = def->family};
        struct state_task_definition definition = {.definition = def};
        struct object *object;

        SHAPE_SET(&state, state_family, latest_revision, family != NULL ? family->state->latest_revision + 1 : 1);
        if (family != NULL)
                tx_put(tx, &family->object, &state);
        else
                (void)tx_insert(tx, OBJECT_FAMILY, &state);
        SHAPE_SET(def, ecs_task_definition, revision, state.latest_revision);
        def->task_definition_arn = model_task_definition_arn(call->model, call->arena, def->family, state.latest_revision);
        def->status = ECS_TASK_DEFINITION_STATUS_ACTIVE;
        def->registered_at = call->now_ms;
        def->registered_by = call->principal_arn;
        ecs_merge_tags(&definition.tags, tags, call->arena);
        object = tx_insert(tx, OBJECT_TASK_DEFINITION, &definition);
        (void)tx_commit(tx);
        return CONTAINER_OF(object, struct task_definition, object);
}

static int register_task_definition(struct api_call *call, const void *input, void *output)
{
        const struct ecs_register_task_definition_request *in = input;
        struct ecs_register_task_definition_response *out = output;
        struct taskdef t = {.arena = call->arena, .error = &call->error, .account = model_account(call->model)};
        const struct task_definition *made;
        struct family *family;
        int r = check_length(call, in);

        if (r == 0)
                r = ecs_check_tags(call, &in->tags);
        if (r == 0)
                r = taskdef_make(&t, in);
        if (r != 0)
                return r;
        family = model_family(call->model, t.def->family);
        if (family != NULL && family->state->latest_revision >= MAX_REVISIONS)
                return api_fail(call, "LimitExceededException",
                                "The family %s has had %d revisions, the most that can be: use another family.", t.def->family,
                                MAX_REVISIONS);
        made = insert_revision(call, t.def, &in->tags);
        out->task_definition = made->state->definition;
        out->tags = made->state->tags;
        return 0;
}

/* ---- Describe ---- */

static int describe_task_definition(struct api_call *call, const void *input, void *output)
{
        const struct ecs_describe_task_definition_request *in = input;
        struct ecs_describe_task_definition_response *out = output;
        struct task_definition *found;
        int r = ecs_find_task_definition(call, in->task_definition, &found);

        if (r < 0)
                return r;
        out->task_definition = found->state->definition;
        if (ecs_includes(&in->include, ECS_TASK_DEFINITION_FIELD_TAGS))
                out->tags = found->state->tags;
        return 0;
}

/* ---- Deregister, delete ---- */

/* Both operations want a revision, never "the latest". */
static int find_revision(struct api_call *call, const char *text, struct task_definition **ret)
{
        struct task_definition_name name;
        int r;

        if (str_empty(text))
                return api_fail(call, "ClientException", "Task definition can not be blank.");
        r = model_parse_task_definition(call->model, text, &name, &call->error);
        if (r < 0)
                return r;
        if (name.revision == 0)
                return api_fail(call, "InvalidParameterException",
                                "Missing revision number: give family:revision or an ARN with it, not \"%.300s\".", text);
        *ret = model_task_definition(call->model, name.family, name.revision);
        return *ret != NULL ? 0
                            : api_fail(call, "ClientException",
                                       "The specified task definition does not exist. Specify a valid account, family, revision "
                                       "and try again.");
}

/* Gives a definition another status; the time of the change goes to the member that `when` points at. */
static void set_status(struct api_call *call, struct task_definition *definition, enum ecs_task_definition_status status)
{
        struct tx *tx = tx_begin(call->model);
        struct state_task_definition *state = tx_edit(tx, &definition->object);

        state->definition->status = status;
        if (status == ECS_TASK_DEFINITION_STATUS_INACTIVE)
                state->definition->deregistered_at = call->now_ms;
        else
                state->definition->delete_requested_at = call->now_ms;
        tx_put(tx, &definition->object, state);
        (void)tx_commit(tx);
}

static int deregister_task_definition(struct api_call *call, const void *input, void *output)
{
        const struct ecs_deregister_task_definition_request *in = input;
        struct ecs_deregister_task_definition_response *out = output;
        struct task_definition *found;
        int r = find_revision(call, in->task_definition, &found);

        if (r != 0)
                return r;
        if (found->state->definition->status == ECS_TASK_DEFINITION_STATUS_DELETE_IN_PROGRESS)
                return api_fail(call, "ClientException", "The specified task definition is being deleted.");
        if (found->state->definition->status == ECS_TASK_DEFINITION_STATUS_ACTIVE)
                set_status(call, found, ECS_TASK_DEFINITION_STATUS_INACTIVE);
        out->task_definition = found->state->definition;
        return 0;
}

/* Answers for one definition; what cannot be deleted is a failure of its own, not of the request. The definition goes at once when
 * no task uses it; else it stays in DELETE_IN_PROGRESS until the last one has stopped (ecs_finish_deletions). */
static void delete_one(struct api_call *call, const char *text, struct ecs_delete_task_definitions_response *out)
{
        struct error error;
        struct task_definition *found = NULL;
        struct ecs_task_definition *shown;

        if (find_revision(call, text, &found) != 0) {
                error = call->error;
                error_clear(&call->error);
                ecs_fail_item(call, &out->failures, text, arena_strdup(call->arena, error.message), NULL);
                return;
        }
        if (found->state->definition->status == ECS_TASK_DEFINITION_STATUS_ACTIVE) {
                ecs_fail_item(call, &out->failures, found->state->definition->task_definition_arn,
                              "The specified task definition is still in ACTIVE status. Please deregister the target and try again.", NULL);
                return;
        }
        if (found->state->definition->status == ECS_TASK_DEFINITION_STATUS_INACTIVE)
                set_status(call, found, ECS_TASK_DEFINITION_STATUS_DELETE_IN_PROGRESS);
        shown = SHAPE_PUSH(call->arena, &out->task_definitions);
        shape_copy_into(&ecs_task_definition_shape, shown, found->state->definition, call->arena);
        if (found->n_tasks == 0) {
                struct tx *tx = tx_begin(call->model);

                tx_remove(tx, &found->object);
                (void)tx_commit(tx);
        }
}

size_t ecs_finish_deletions(struct model *model)
{
        struct tx *tx = NULL;
        size_t n = 0;

        tree_for_each (node, model_objects(model, OBJECT_TASK_DEFINITION)) {
                struct task_definition *definition = MODEL_OBJECT(node, task_definition);

                if (definition->state->definition->status != ECS_TASK_DEFINITION_STATUS_DELETE_IN_PROGRESS || definition->n_tasks > 0)
                        continue;
                if (tx == NULL)
                        tx = tx_begin(model);
                tx_remove(tx, &definition->object);
                if (++n == MAX_FINISHED)
                        break;
        }
        if (tx != NULL)
                (void)tx_commit(tx);
        return n;
}

static int delete_task_definitions(struct api_call *call, const void *input, void *output)
{
        const struct ecs_delete_task_definitions_request *in = input;

        if (in->task_definitions.n == 0)
                return api_fail(call, "InvalidParameterException", "taskDefinitions: give at least one task definition.");
        if (in->task_definitions.n > MAX_DELETED)
                return api_fail(call, "InvalidParameterException",
                                "taskDefinitions: %u task definitions; at most %d can be deleted at once.", in->task_definitions.n,
                                MAX_DELETED);
        for (uint32_t i = 0; i < in->task_definitions.n; i++)
                delete_one(call, in->task_definitions.items[i], output);
        return 0;
}

/* ---- List ---- */

/* Walks the families from `start` on in either direction, and their revisions in the same direction. */
struct walk {
        struct api_call *call;
        const struct ecs_list_task_definitions_request *in;
        enum ecs_task_definition_status status;
        bool descending;
        int after_revision; /* of the first family: go on behind it; 0: from its end */
        struct api_page page;
        struct ecs_list_task_definitions_response *out;
};

/* False when the page is full. */
static bool list_revision(struct walk *w, const struct task_definition *definition)
{
        const struct ecs_task_definition *def = definition->state->definition;

        if (def->status != w->status)
                return true;
        if (!api_page_add(&w->page, arena_printf(w->call->arena, "%s:%d", def->family, def->revision))) {
                w->out->next_token = api_page_token(w->call, &w->page);
                return false;
        }
        string_list_push(w->call->arena, &w->out->task_definition_arns, def->task_definition_arn);
        return true;
}

static bool list_family(struct walk *w, struct family *family, int after)
{
        struct list *head = &family->revisions;

        for (struct list *at = w->descending ? head->prev : head->next; at != head; at = w->descending ? at->prev : at->next) {
                const struct task_definition *definition = CONTAINER_OF(at, struct task_definition, in_family);
                int revision = definition->state->definition->revision;

                if (after != 0 && (w->descending ? revision >= after : revision <= after))
                        continue;
                if (!list_revision(w, definition))
                        return false;
        }
        return true;
}

/* The family at which a page starts, and behind which of its revisions. */
static struct tree_node *walk_start(struct walk *w, int *ret_after)
{
        const struct tree *families = model_objects(w->call->model, OBJECT_FAMILY);
        const char *colon = w->page.after != NULL ? strrchr(w->page.after, ':') : NULL;
        struct tree_node *node;
        const char *name;
        int64_t revision;

        *ret_after = 0;
        if (colon == NULL || str_to_int64(colon + 1, &revision) < 0)
                return w->descending ? tree_last(families) : tree_first(families);
        name = arena_strndup(w->call->arena, w->page.after, (size_t)(colon - w->page.after));
        node = tree_from(families, name);
        if (node != NULL && str_eq(node->key, name)) {
                *ret_after = (int)revision;
                return node;
        }
        if (!w->descending) /* the family has gone meanwhile */
                return node;
        return node != NULL ? tree_prev(node) : tree_last(families);
}

static int list_task_definitions(struct api_call *call, const void *input, void *output)
{
        const struct ecs_list_task_definitions_request *in = input;
        struct walk w = {.call = call, .in = in, .out = output};
        int r, after;

        w.status = in->status != ECS_TASK_DEFINITION_STATUS_UNSET ? in->status : ECS_TASK_DEFINITION_STATUS_ACTIVE;
        w.descending = in->sort == ECS_SORT_ORDER_DESC;
        r = api_page_begin(
                call, in->next_token, SHAPE_HAS(in, ecs_list_task_definitions_request, max_results), in->max_results, 100, 100,
                arena_printf(call->arena, "%s/%d/%d", in->family_prefix != NULL ? in->family_prefix : "", (int)w.status, w.descending),
                &w.page);
        if (r < 0)
                return r;
        /* In this operation familyPrefix is a whole family name, as with AWS: "web" does not list "web-2". */
        for (struct tree_node *node = walk_start(&w, &after); node != NULL; node = w.descending ? tree_prev(node) : tree_next(node)) {
                struct family *family = MODEL_OBJECT(node, family);

                if (str_empty(in->family_prefix) || str_eq(in->family_prefix, family->state->name))
                        if (!list_family(&w, family, after))
                                break;
                after = 0;
        }
        return 0;
}

static bool family_listed(const struct family *family, enum ecs_task_definition_family_status status)
{
        switch (status) {
        case ECS_TASK_DEFINITION_FAMILY_STATUS_ACTIVE:
                return family->n_active > 0;
        case ECS_TASK_DEFINITION_FAMILY_STATUS_INACTIVE:
                return family->n_active == 0 && !list_empty(&family->revisions);
        default:
                return !list_empty(&family->revisions);
        }
}

static int list_task_definition_families(struct api_call *call, const void *input, void *output)
{
        const struct ecs_list_task_definition_families_request *in = input;
        struct ecs_list_task_definition_families_response *out = output;
        const char *prefix = in->family_prefix != NULL ? in->family_prefix : "";
        const struct tree *families = model_objects(call->model, OBJECT_FAMILY);
        struct api_page page;
        int r = api_page_begin(call, in->next_token, SHAPE_HAS(in, ecs_list_task_definition_families_request, max_results), in->max_results,
                               100, 100, arena_printf(call->arena, "%s/%d", prefix, (int)in->status), &page);

        if (r < 0)
                return r;
        for (struct tree_node *node = page.after != NULL ? tree_after(families, page.after) : tree_from(families, prefix); node != NULL;
             node = tree_next(node)) {
                const struct family *family = MODEL_OBJECT(node, family);

                if (!str_starts_with(family->state->name, prefix))
                        break;
                if (!family_listed(family, in->status))
                        continue;
                if (!api_page_add(&page, family->state->name)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                string_list_push(call->arena, &out->families, family->state->name);
        }
        return 0;
}

const struct api_route ecs_task_definition_routes[] = {
        {ECS_OP_REGISTER_TASK_DEFINITION, register_task_definition},
        {ECS_OP_DESCRIBE_TASK_DEFINITION, describe_task_definition},
        {ECS_OP_DEREGISTER_TASK_DEFINITION, deregister_task_definition},
        {ECS_OP_DELETE_TASK_DEFINITIONS, delete_task_definitions},
        {ECS_OP_LIST_TASK_DEFINITIONS, list_task_definitions},
        {ECS_OP_LIST_TASK_DEFINITION_FAMILIES, list_task_definition_families},
        {0, NULL},
};
