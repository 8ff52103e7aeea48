/* SPDX-License-Identifier: Apache-2.0 */
/* CPU and memory: of the task, of its containers, and the sizes that Fargate has. */
#include <errno.h>
#include <string.h>

#include "api/ecs/taskdef/taskdef.h"
#include "base/strutil.h"

#define UNITS_PER_VCPU 1024
#define MIB_PER_GB 1024
#define MIN_TASK_CPU 128
#define MAX_TASK_CPU 196608
#define MIN_CONTAINER_MEMORY 6
#define MAX_MEMORY_MIB (INT64_C(64) << 20) /* 64 TiB */

/* A number with a unit of `scale`, or a whole number without one. */
static int parse_size(const char *text, const char *unit, int scale, int64_t *ret)
{
        char number[32];
        size_t n = strspn(text, "0123456789."), rest;
        double value;

        if (n == 0 || n >= sizeof(number))
                return -EINVAL;
        memcpy(number, text, n);
        number[n] = '\0';
        rest = n + strspn(text + n, " ");
        if (text[rest] == '\0')
                return str_to_int64(number, ret);
        if (!str_eq_nocase(text + rest, unit))
                return -EINVAL;
        /* ".5 vCPU" is fine with AWS; the number parser wants a digit in front. */
        if (number[0] == '.') {
                if (n + 1 >= sizeof(number))
                        return -EINVAL;
                memmove(number + 1, number, n + 1);
                number[0] = '0';
        }
        if (str_to_double(number, &value) < 0 || value > 1e9)
                return -EINVAL;
        *ret = (int64_t)(value * scale + 0.5);
        return 0;
}

int taskdef_parse_cpu(const char *text, int64_t *ret)
{
        return parse_size(text, "vcpu", UNITS_PER_VCPU, ret);
}

int taskdef_parse_memory(const char *text, int64_t *ret)
{
        return parse_size(text, "gb", MIB_PER_GB, ret);
}

/* ---- Fargate ---- */

static const struct {
        int64_t cpu, min, max, step; /* MiB */
        int64_t extra;               /* one size more, below min */
} fargate_sizes[] = {
        {256, 1024, 2048, 1024, 512}, {512, 1024, 4096, 1024, 0},    {1024, 2048, 8192, 1024, 0},     {2048, 4096, 16384, 1024, 0},
        {4096, 8192, 30720, 1024, 0}, {8192, 16384, 61440, 4096, 0}, {16384, 32768, 122880, 8192, 0},
};

int taskdef_check_fargate_size(int64_t cpu, int64_t memory, struct error *error)
{
        for (size_t i = 0; i < ARRAY_SIZE(fargate_sizes); i++) {
                if (fargate_sizes[i].cpu != cpu)
                        continue;
                if ((fargate_sizes[i].extra != 0 && memory == fargate_sizes[i].extra) ||
                    (memory >= fargate_sizes[i].min && memory <= fargate_sizes[i].max &&
                     (memory - fargate_sizes[i].min) % fargate_sizes[i].step == 0))
                        return 0;
                return error_api(error, "ClientException",
                                 "No Fargate configuration exists for given values: %lld CPU, %lld memory. With %lld CPU units memory is "
                                 "%s%lld to %lld MiB "
                                 "in steps of %lld.",
                                 (long long)cpu, (long long)memory, (long long)cpu, fargate_sizes[i].extra != 0 ? "512 or " : "",
                                 (long long)fargate_sizes[i].min, (long long)fargate_sizes[i].max, (long long)fargate_sizes[i].step);
        }
        return error_api(error, "ClientException",
                         "Invalid 'cpu' setting for task. Fargate has 256, 512, 1024, 2048, 4096, 8192 and 16384 CPU units, not %lld.",
                         (long long)cpu);
}

/* ---- Containers ---- */

static int check_container_memory(struct taskdef *t, const struct ecs_container_definition *c)
{
        bool hard = SHAPE_HAS(c, ecs_container_definition, memory), soft = SHAPE_HAS(c, ecs_container_definition, memory_reservation);

        if (!hard && !soft && t->memory == 0)
                return taskdef_refuse(
                        t, "Invalid setting for container '%s'. At least one of 'memory' or 'memoryReservation' must be specified.",
                        c->name);
        if (hard && c->memory < MIN_CONTAINER_MEMORY)
                return taskdef_refuse(t, "Invalid setting for container '%s'. 'memory' must be at least %d MiB, not %d.", c->name,
                                      MIN_CONTAINER_MEMORY, c->memory);
        if (soft && c->memory_reservation < MIN_CONTAINER_MEMORY)
                return taskdef_refuse(t, "Invalid setting for container '%s'. 'memoryReservation' must be at least %d MiB, not %d.",
                                      c->name, MIN_CONTAINER_MEMORY, c->memory_reservation);
        if (hard && soft && c->memory < c->memory_reservation)
                return taskdef_refuse(t, "Invalid setting for container '%s'. 'memory' (%d) must be greater than 'memoryReservation' (%d).",
                                      c->name, c->memory, c->memory_reservation);
        if (hard && t->memory != 0 && c->memory > t->memory)
                return taskdef_refuse(
                        t, "Invalid setting for container '%s'. 'memory' (%d) must not be greater than the task's 'memory' (%lld).",
                        c->name, c->memory, (long long)t->memory);
        return 0;
}

static int check_task_size(struct taskdef *t)
{
        if (t->def->cpu != NULL && (t->cpu < MIN_TASK_CPU || t->cpu > MAX_TASK_CPU))
                return taskdef_refuse(t, "Invalid 'cpu' setting for task. %lld is not in %d..%d CPU units.", (long long)t->cpu,
                                      MIN_TASK_CPU, MAX_TASK_CPU);
        if (t->def->memory != NULL && (t->memory < MIN_CONTAINER_MEMORY || t->memory > MAX_MEMORY_MIB))
                return taskdef_refuse(t, "Invalid 'memory' setting for task. %lld is not in %d..%lld MiB.", (long long)t->memory,
                                      MIN_CONTAINER_MEMORY, (long long)MAX_MEMORY_MIB);
        return 0;
}

int taskdef_check_sizes(struct taskdef *t)
{
        int64_t cpu = 0, memory = 0;
        int r = check_task_size(t);

        if (r < 0)
                return r;
        TASKDEF_FOR_EACH_CONTAINER (t, c, i) {
                if (c->cpu < 0)
                        return taskdef_refuse(t, "Invalid setting for container '%s'. 'cpu' must not be negative, not %d.", c->name,
                                              c->cpu);
                r = check_container_memory(t, c);
                if (r < 0)
                        return r;
                cpu += c->cpu;
                memory += SHAPE_HAS(c, ecs_container_definition, memory_reservation) ? c->memory_reservation : c->memory;
        }
        if (t->cpu != 0 && cpu > t->cpu)
                return taskdef_refuse(t, "The 'cpu' of all containers together (%lld) must not be greater than the task's 'cpu' (%lld).",
                                      (long long)cpu, (long long)t->cpu);
        if (t->memory != 0 && memory > t->memory)
                return taskdef_refuse(t,
                                      "The memory that all containers reserve together (%lld MiB) must not be greater than the task's "
                                      "'memory' (%lld MiB).",
                                      (long long)memory, (long long)t->memory);
        return 0;
}
