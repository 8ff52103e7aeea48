/* SPDX-License-Identifier: Apache-2.0 */
/* Instance types: names that say how large a machine is. Any type whose size its name tells exists; a list shows those that are used. */
#include "api/ec2/common.h"
#include "base/strutil.h"
#include "model/machine.h"

static const struct ec2_filter_name type_filters[] = {{"instance-type", "instanceType"},
                                                      {"vcpu-info.default-vcpus", "vCpuInfo.defaultVCpus"},
                                                      {"memory-info.size-in-mib", "memoryInfo.sizeInMiB"},
                                                      {NULL, NULL}};

/* Of the T and M families: what a list shows when nobody asks for others. */
static const char *const common_types[] = {"m5.2xlarge", "m5.4xlarge", "m5.large", "m5.xlarge", "t3.2xlarge", "t3.large",
                                           "t3.medium",  "t3.micro",   "t3.nano",  "t3.small",  "t3.xlarge"};

static int show(struct api_call *call, const char *type, struct ec2_describe_instance_types_result *out)
{
        struct ec2_instance_type_info *info;
        int32_t cpu, memory;

        if (instance_type_size(type, &cpu, &memory) < 0)
                return api_fail(call, "InvalidInstanceType", "The following supplied instance types do not exist: [%.60s]", type);
        info = SHAPE_PUSH(call->arena, &out->instance_type_set);
        info->instance_type = type;
        SHAPE_SET(info, ec2_instance_type_info, current_generation, true);
        info->v_cpu_info = ARENA_NEW(call->arena, struct ec2_v_cpu_info);
        SHAPE_SET(info->v_cpu_info, ec2_v_cpu_info, default_v_cpus, cpu / 1024);
        info->memory_info = ARENA_NEW(call->arena, struct ec2_memory_info);
        SHAPE_SET(info->memory_info, ec2_memory_info, size_in_mi_b, memory);
        return 0;
}

static int describe(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_instance_types_request *in = input;
        struct ec2_describe_instance_types_result *out = output;
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < in->instance_type.n; i++)
                r = show(call, in->instance_type.items[i], out);
        for (size_t i = 0; r == 0 && in->instance_type.n == 0 && i < ARRAY_SIZE(common_types); i++)
                r = show(call, common_types[i], out);
        return r == 0 ? ec2_filter_views(call, &in->filter, type_filters, &ec2_instance_type_info_shape, &out->instance_type_set) : r;
}

const struct api_route ec2_instance_type_routes[] = {
        {EC2_OP_DESCRIBE_INSTANCE_TYPES, describe},
        {0, NULL},
};
