/* SPDX-License-Identifier: Apache-2.0 */
/* Launch configurations: what machines were made of before there were launch templates. They never change. */
#include <string.h>

#include "api/scaling_groups/common.h"
#include "base/strutil.h"

static void copy(const struct asg_create_launch_configuration_type *in, struct asg_launch_configuration *out)
{
        *out = (struct asg_launch_configuration){.launch_configuration_name = in->launch_configuration_name,
                                                 .image_id = in->image_id,
                                                 .key_name = in->key_name,
                                                 .security_groups = in->security_groups,
                                                 .user_data = in->user_data != NULL ? in->user_data : "",
                                                 .instance_type = in->instance_type,
                                                 .kernel_id = in->kernel_id,
                                                 .ramdisk_id = in->ramdisk_id,
                                                 .block_device_mappings = in->block_device_mappings,
                                                 .instance_monitoring = in->instance_monitoring,
                                                 .spot_price = in->spot_price,
                                                 .iam_instance_profile = in->iam_instance_profile,
                                                 .placement_tenancy = in->placement_tenancy,
                                                 .metadata_options = in->metadata_options};
        SHAPE_SET(out, asg_launch_configuration, ebs_optimized, in->ebs_optimized);
        if (SHAPE_HAS(in, asg_create_launch_configuration_type, associate_public_ip_address))
                SHAPE_SET(out, asg_launch_configuration, associate_public_ip_address, in->associate_public_ip_address);
}

static int check(struct api_call *call, const struct asg_create_launch_configuration_type *in)
{
        int32_t cpu, memory;

        if (model_launch_configuration(call->model, in->launch_configuration_name) != NULL)
                return api_fail(call, "AlreadyExistsFault",
                                "Launch Configuration by this name already exists - A launch configuration already exists with the name %s",
                                in->launch_configuration_name);
        if (in->instance_id != NULL)
                return api_fail(call, "ValidationError",
                                "InstanceId: a launch configuration cannot be made of an instance here; name an "
                                "InstanceType and an ImageId");
        if (instance_type_size(in->instance_type, &cpu, &memory) < 0)
                return api_fail(
                        call, "ValidationError",
                        "Invalid instance type '%.60s': give one whose size is known by its name, such as t3.small or m5.xlarge, or "
                        "custom.VCPUSxMIB, such as custom.2x4096",
                        in->instance_type != NULL ? in->instance_type : "");
        return scaling_name_check(call, "LaunchConfigurationName", in->launch_configuration_name);
}

static int create(struct api_call *call, const void *input, UNUSED void *output)
{
        const struct asg_create_launch_configuration_type *in = input;
        struct asg_launch_configuration configuration;
        char id[37];
        struct tx *tx;
        int r = check(call, in);

        if (r != 0)
                return r;
        copy(in, &configuration);
        env_random_uuid(model_env(call->model), id);
        configuration.launch_configuration_arn =
                model_launch_configuration_arn(call->model, call->arena, id, in->launch_configuration_name);
        configuration.created_time = call->now_ms;
        tx = tx_begin(call->model);
        (void)tx_insert(tx, OBJECT_LAUNCH_CONFIGURATION, &(struct state_launch_configuration){.configuration = &configuration});
        (void)tx_commit(tx);
        return 0;
}

static int describe(struct api_call *call, const void *input, void *output)
{
        const struct asg_launch_configuration_names_type *in = input;
        struct asg_launch_configurations_type *out = output;
        const struct tree *all = model_objects(call->model, OBJECT_LAUNCH_CONFIGURATION);
        struct api_page page = {0};
        int r = scaling_page(call, in->next_token, SHAPE_HAS(in, asg_launch_configuration_names_type, max_records), in->max_records, 100,
                             NULL, &page);

        if (r != 0)
                return r;
        for (uint32_t i = 0; i < in->launch_configuration_names.n; i++) {
                const struct launch_configuration *found = model_launch_configuration(call->model, in->launch_configuration_names.items[i]);

                if (found != NULL)
                        *SHAPE_PUSH(call->arena, &out->launch_configurations) = *found->state->configuration;
        }
        if (in->launch_configuration_names.n > 0)
                return 0;
        for (struct tree_node *node = page.after != NULL ? tree_after(all, page.after) : tree_first(all); node != NULL;
             node = tree_next(node)) {
                if (!api_page_add(&page, node->key)) {
                        out->next_token = api_page_token(call, &page);
                        break;
                }
                *SHAPE_PUSH(call->arena, &out->launch_configurations) = *MODEL_OBJECT(node, launch_configuration)->state->configuration;
        }
        return 0;
}

static int delete (struct api_call *call, const void *input, UNUSED void *output)
{
        const struct asg_launch_configuration_name_type *in = input;
        struct launch_configuration *found = model_launch_configuration(call->model, in->launch_configuration_name);
        struct tx *tx;

        if (found == NULL)
                return api_fail(call, "ValidationError", "Launch configuration name not found - Launch configuration %s not found",
                                in->launch_configuration_name);
        tree_for_each (node, model_objects(call->model, OBJECT_SCALING_GROUP))
                if (str_eq(MODEL_OBJECT(node, scaling_group)->state->group->launch_configuration_name, in->launch_configuration_name))
                        return api_fail(call, "ResourceInUseFault",
                                        "Cannot delete launch configuration %s because it is attached to AutoScalingGroup %s",
                                        in->launch_configuration_name, node->key);
        tx = tx_begin(call->model);
        tx_remove(tx, &found->object);
        (void)tx_commit(tx);
        return 0;
}

const struct api_route launch_configuration_routes[] = {
        {ASG_OP_CREATE_LAUNCH_CONFIGURATION, create},
        {ASG_OP_DESCRIBE_LAUNCH_CONFIGURATIONS, describe},
        {ASG_OP_DELETE_LAUNCH_CONFIGURATION, delete},
        {0, NULL},
};
