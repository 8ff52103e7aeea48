/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The warm pool: machines that wait for a task, of the sizes that are asked for most. One more is made a moment after nothing was asked
 * for and no task is on its way to its machine, and until it is taken it gets little of the processors when others want them: it must not
 * get in the way of the starts that it is meant to speed up. While it waits it goes through a start (guest/rehearse.c).
 */
#include "base/alloc.h"
#include "microvm/vm_internal.h"

#define QUIET_MS 250

/* Of this size; NULL: in all. */
static uint32_t warm_of(const struct vm_host *host, const struct vm_template *t)
{
        uint32_t n = 0;

        list_for_each (vm, &host->warm, struct vm, group)
                n += t == NULL || vm->template == t;
        return n;
}

/* The size that is furthest from its share of the pool. */
static struct vm_template *neediest(const struct vm_host *host)
{
        struct vm_template *best = NULL;
        double most = 0;

        list_for_each (t, &host->templates, struct vm_template, link) {
                double need = (double)t->wanted / (1.0 + warm_of(host, t));

                if (t->state == TEMPLATE_READY && need > most) {
                        best = t;
                        most = need;
                }
        }
        return best;
}

/* One that waits although its size is asked for less than another. */
static struct vm *least_wanted(const struct vm_host *host, const struct vm_template *than)
{
        struct vm *least = NULL;

        list_for_each (vm, &host->warm, struct vm, group)
                if (vm->template->wanted < than->wanted && warm_of(host, than) == 0 &&
                    (least == NULL || vm->template->wanted < least->template->wanted))
                        least = vm;
        return least;
}

static void drop(struct vm *vm)
{
        list_remove(&vm->group);
        vm_end(vm);
}

/* A task's machine that has not run anything yet. */
static bool somebody_starts(const struct vm_host *host)
{
        list_for_each (vm, &host->vms, struct vm, link)
                if (vm->callbacks != NULL && !vm->limited && !vm->ending && vm->state < VM_ENDED && (vm->state < VM_READY || vm->starting))
                        return true;
        return false;
}

static void fill(uv_timer_t *timer)
{
        struct vm_host *host = timer->data;

        if (somebody_starts(host)) {
                warm_look(host);
                return;
        }
        struct vm_template *t = neediest(host);
        struct vm *least = t != NULL && warm_of(host, NULL) >= host->warm_max ? least_wanted(host, t) : NULL;

        if (least != NULL)
                drop(least);
        if (t == NULL || warm_of(host, NULL) >= host->warm_max)
                return;
        struct vm *vm = vm_new(host, t);
        list_push(&host->warm, &vm->group);
        vm_make(vm);
        warm_look(host);
}

void warm_look(struct vm_host *host)
{
        if (host->warm_max > 0 && !host->freeing)
                (void)uv_timer_start(&host->timer, fill, QUIET_MS, 0);
}

struct vm *warm_take(struct vm_host *host, const struct vm_template *t)
{
        struct vm *best = NULL;

        list_for_each (vm, &host->warm, struct vm, group)
                if (vm->template == t && (best == NULL || vm->state > best->state))
                        best = vm;
        if (best == NULL)
                return NULL;
        list_remove(&best->group);
        return best;
}
