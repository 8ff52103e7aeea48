/* SPDX-License-Identifier: Apache-2.0 */
/* See alarm.h. */
#include "model/alarm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/strutil.h"
#include "model/internal.h"

static struct alarm *find(struct model *model, const char *name)
{
        return (struct alarm *)(void *)table_find(&model->tables[OBJECT_ALARM], name);
}

struct alarm *model_alarm(struct model *model, const char *name)
{
        return name != NULL ? find(model, name) : NULL;
}

int alarm_attach(struct model *model, struct object *object)
{
        struct alarm *alarm = CONTAINER_OF(object, struct alarm, object);

        list_init(&alarm->history);
        alarm->seen = (struct alarm_window){.newest = NAN, .mean = NAN, .greatest = NAN};
        return 0;
}

void alarm_detach(struct model *model, struct object *object)
{
        struct alarm *alarm = CONTAINER_OF(object, struct alarm, object);

        list_for_each (item, &alarm->history, struct alarm_history, in_alarm) {
                list_remove(&item->in_alarm);
                item->alarm = NULL;
        }
        alarm->n_history = 0;
}

int alarm_history_attach(struct model *model, struct object *object)
{
        struct alarm_history *item = CONTAINER_OF(object, struct alarm_history, object);

        list_init(&item->in_alarm);
        item->alarm = model_alarm(model, item->state->alarm);
        if (item->alarm == NULL)
                return 0;
        list_push(&item->alarm->history, &item->in_alarm);
        item->alarm->n_history++;
        return 0;
}

void alarm_history_detach(struct model *model, struct object *object)
{
        struct alarm_history *item = CONTAINER_OF(object, struct alarm_history, object);

        list_remove(&item->in_alarm);
        if (item->alarm != NULL)
                item->alarm->n_history--;
}

#define ARN_FORMAT "arn:aws:cloudwatch:%s:%s:alarm:"

char *model_alarm_arn(const struct model *model, struct arena *arena, const char *name)
{
        return arena_printf(arena, ARN_FORMAT "%s", model_region(model), model_account(model), name);
}

const char *model_alarm_name(const struct model *model, const char *text)
{
        char prefix[256];

        if (!str_starts_with(text, "arn:"))
                return text;
        (void)snprintf(prefix, sizeof(prefix), ARN_FORMAT, model_region(model), model_account(model));
        return str_starts_with(text, prefix) && text[strlen(prefix)] != '\0' ? text + strlen(prefix) : NULL;
}

void model_alarm_record(struct tx *tx, const char *name, struct state_alarm_history *item)
{
        const struct tree *all = model_objects(tx_model(tx), OBJECT_ALARM_HISTORY);
        const struct tree_node *last = tree_last(all);
        struct alarm *alarm = model_alarm(tx_model(tx), name);

        item->alarm = name;
        SHAPE_SET(item, state_alarm_history, number,
                  last != NULL ? CONTAINER_OF(last, struct alarm_history, object.node)->state->number + 1 : 1);
        (void)tx_insert(tx, OBJECT_ALARM_HISTORY, item);
        if (alarm != NULL && alarm->n_history > ALARM_HISTORY)
                tx_remove(tx, &list_first(&alarm->history, struct alarm_history, in_alarm)->object);
        if (all->count > ALARM_HISTORY_ALL)
                tx_remove(tx, CONTAINER_OF(tree_first(all), struct object, node));
}
