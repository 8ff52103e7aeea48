/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Launch templates: what the machines of an Auto Scaling group are made of. Of a version's data the machine drivers get the type, the
 * image, the user data and the tags (docs/capacity.md); the rest is kept and shown.
 */
#include <string.h>

#include "api/ec2/common.h"
#include "api/pagination.h"
#include "base/strutil.h"
#include "model/machine.h"

#define MAX_VERSIONS 1000
#define MAX_NAME 128
#define MIN_NAME 3
#define MAX_USER_DATA 65536

const struct ec2_filter_name ec2_launch_template_filters[] = {
        {"create-time", "createTime"}, {"launch-template-name", "launchTemplateName"}, {NULL, NULL}};

static const struct ec2_filter_name version_filters[] = {
        {"create-time", "createTime"},
        {"image-id", "launchTemplateData.imageId"},
        {"instance-type", "launchTemplateData.instanceType"},
        {"is-default-version", "defaultVersion"},
        {NULL, NULL},
};

/* ---- Showing ---- */

void ec2_show_launch_template(UNUSED struct api_call *call, UNUSED struct arena *arena, struct object *object, void *view)
{
        const struct state_launch_template *state = CONTAINER_OF(object, struct launch_template, object)->state;
        struct ec2_launch_template *out = view;

        out->launch_template_id = state->id;
        out->launch_template_name = state->name;
        out->create_time = state->created_at;
        out->created_by = state->created_by;
        SHAPE_SET(out, ec2_launch_template, default_version_number, state->default_);
        SHAPE_SET(out, ec2_launch_template, latest_version_number, state->latest);
        out->tag_set = state->tags;
}

static void show_version(const struct launch_template *template, const struct state_launch_template_version *version,
                         struct ec2_launch_template_version *out)
{
        out->launch_template_id = template->state->id;
        out->launch_template_name = template->state->name;
        SHAPE_SET(out, ec2_launch_template_version, version_number, version->number);
        out->version_description = version->description;
        out->create_time = version->created_at;
        out->created_by = version->created_by;
        SHAPE_SET(out, ec2_launch_template_version, default_version, version->number == template->state->default_);
        out->launch_template_data = version->data;
}

static struct ec2_launch_template *shown(struct api_call *call, struct launch_template *template)
{
        struct ec2_launch_template *out = ARENA_NEW(call->arena, struct ec2_launch_template);

        ec2_show_launch_template(call, call->arena, &template->object, out);
        return out;
}

/* ---- Data of a request ---- */

static void take_interfaces(struct api_call *call, const struct ec2_launch_template_network_interface_list *in,
                            struct ec2_launch_template_network_interface_view_list *out)
{
        for (uint32_t i = 0; i < in->n; i++) {
                const struct ec2_launch_template_network_interface *from = &in->items[i];
                struct ec2_launch_template_network_interface_view *to = SHAPE_PUSH(call->arena, out);

                to->description = from->description;
                to->group_set = from->security_group_id;
                to->subnet_id = from->subnet_id;
#define TAKE_MEMBER(member)                                                 \
        if (SHAPE_HAS(from, ec2_launch_template_network_interface, member)) \
        SHAPE_SET(to, ec2_launch_template_network_interface_view, member, from->member)
                TAKE_MEMBER(associate_public_ip_address);
                TAKE_MEMBER(delete_on_termination);
                TAKE_MEMBER(device_index);
#undef TAKE_MEMBER
        }
}

static void take_data(struct api_call *call, const struct ec2_launch_template_data_request *in, struct ec2_launch_template_data *out)
{
#define TAKE_TEXT(member)       \
        if (in->member != NULL) \
        out->member = in->member
#define TAKE_FLAG(member)                                            \
        if (SHAPE_HAS(in, ec2_launch_template_data_request, member)) \
        SHAPE_SET(out, ec2_launch_template_data, member, in->member)
#define TAKE_LIST(from, to) \
        if (in->from.n > 0) \
        out->to = in->from
        TAKE_TEXT(kernel_id);
        TAKE_TEXT(iam_instance_profile);
        TAKE_TEXT(image_id);
        TAKE_TEXT(instance_type);
        TAKE_TEXT(key_name);
        TAKE_TEXT(monitoring);
        TAKE_TEXT(placement);
        TAKE_TEXT(ram_disk_id);
        TAKE_TEXT(instance_initiated_shutdown_behavior);
        TAKE_TEXT(user_data);
        TAKE_TEXT(credit_specification);
        TAKE_TEXT(metadata_options);
        TAKE_FLAG(ebs_optimized);
        TAKE_FLAG(disable_api_termination);
        TAKE_FLAG(disable_api_stop);
        TAKE_LIST(block_device_mapping, block_device_mapping_set);
        TAKE_LIST(security_group_id, security_group_id_set);
        TAKE_LIST(security_group, security_group_set);
#undef TAKE_TEXT
#undef TAKE_FLAG
#undef TAKE_LIST
        if (in->network_interface.n > 0) {
                out->network_interface_set = (struct ec2_launch_template_network_interface_view_list){0};
                take_interfaces(call, &in->network_interface, &out->network_interface_set);
        }
        if (in->tag_specification.n > 0)
                out->tag_specification_set = (struct ec2_launch_template_tag_specification_list){0};
        for (uint32_t i = 0; i < in->tag_specification.n; i++) {
                struct ec2_launch_template_tag_specification *to = SHAPE_PUSH(call->arena, &out->tag_specification_set);

                to->resource_type = in->tag_specification.items[i].resource_type;
                to->tag_set = in->tag_specification.items[i].tag;
        }
}

static int check_data(struct api_call *call, const struct ec2_launch_template_data *data)
{
        int32_t cpu, memory;

        if (data->instance_type != NULL && instance_type_size(data->instance_type, &cpu, &memory) < 0)
                return api_fail(
                        call, "InvalidParameterValue",
                        "Invalid instance type '%.60s': give one whose size is known by its name, such as t3.small or m5.xlarge, or "
                        "custom.VCPUSxMIB, such as custom.2x4096.",
                        data->instance_type);
        if (data->user_data != NULL && strlen(data->user_data) > MAX_USER_DATA)
                return api_fail(call, "InvalidUserData.Malformed", "User data is limited to %d bytes of base64", MAX_USER_DATA);
        return 0;
}

/* ---- Finding ---- */

static int find(struct api_call *call, const char *id, const char *name, struct launch_template **ret)
{
        if ((id == NULL) == (name == NULL))
                return api_fail(call, "MissingParameter", "Give either a launch template ID or a launch template name.");
        if (id != NULL)
                return EC2_FIND(call, launch_template, OBJECT_LAUNCH_TEMPLATE, id, ret);
        *ret = model_launch_template_by_name(call->model, name);
        if (*ret == NULL)
                return api_fail(call, "InvalidLaunchTemplateName.NotFoundException",
                                "The specified launch template, with template name %.128s, does not exist.", name);
        return 0;
}

static int find_version(struct api_call *call, const struct launch_template *template, const char *version,
                        const struct state_launch_template_version **ret)
{
        *ret = launch_template_version(template, version);
        if (*ret == NULL)
                return api_fail(call, "InvalidLaunchTemplateId.VersionNotFound",
                                "Could not find the specified version %.20s for the launch template with ID %s.", version,
                                template->state->id);
        return 0;
}

/* ---- Create ---- */

static int check_name(struct api_call *call, const char *name)
{
        if (strlen(name) < MIN_NAME || !str_is_name(name, "().-/_", MAX_NAME))
                return api_fail(
                        call, "InvalidLaunchTemplateName.MalformedException",
                        "Launch template name contains invalid characters or has a wrong length: %d to %d letters, digits and ().-/_ "
                        "are allowed.",
                        MIN_NAME, MAX_NAME);
        if (model_launch_template_by_name(call->model, name) != NULL)
                return api_fail(call, "InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.");
        return 0;
}

static int create(struct api_call *call, const void *input, void *output)
{
        const struct ec2_create_launch_template_request *in = input;
        struct ec2_create_launch_template_result *out = output;
        struct state_launch_template state = {
                .name = in->launch_template_name, .created_at = call->now_ms, .created_by = call->principal_arn};
        struct ec2_launch_template_data data = {0};
        struct state_launch_template_version *version;
        const char *made;
        char digits[18];
        struct tx *tx;
        int r = ec2_token_find(call, in->client_token, input, &made);

        if (r == 0 && made != NULL && model_launch_template(call->model, made) != NULL) {
                out->launch_template = shown(call, model_launch_template(call->model, made));
                return 0;
        }
        take_data(call, in->launch_template_data, &data);
        if (r == 0)
                r = check_name(call, in->launch_template_name);
        if (r == 0)
                r = check_data(call, &data);
        if (r == 0)
                r = ec2_tags_of(call, &in->tag_specification, "launch-template", &state.tags);
        if (r != 0)
                return r;
        env_random_hex(model_env(call->model), digits, 17);
        state.id = arena_printf(call->arena, "lt-%s", digits);
        SHAPE_SET(&state, state_launch_template, default_, 1);
        SHAPE_SET(&state, state_launch_template, latest, 1);
        version = SHAPE_PUSH(call->arena, &state.versions);
        SHAPE_SET(version, state_launch_template_version, number, 1);
        version->description = in->version_description;
        version->created_at = call->now_ms;
        version->created_by = call->principal_arn;
        version->data = &data;
        tx = tx_begin(call->model);
        (void)tx_insert(tx, OBJECT_LAUNCH_TEMPLATE, &state);
        ec2_token_remember(call, tx, in->client_token, input, state.id);
        (void)tx_commit(tx);
        out->launch_template = shown(call, model_launch_template(call->model, state.id));
        return 0;
}

static int create_version(struct api_call *call, const void *input, void *output)
{
        const struct ec2_create_launch_template_version_request *in = input;
        struct ec2_create_launch_template_version_result *out = output;
        const struct state_launch_template_version *source = NULL;
        struct state_launch_template_version *version;
        struct ec2_launch_template_data data = {0};
        struct launch_template *template = NULL;
        struct state_launch_template *state;
        struct tx *tx;
        int r = find(call, in->launch_template_id, in->launch_template_name, &template);

        if (r == 0 && in->source_version != NULL)
                r = find_version(call, template, in->source_version, &source);
        if (r != 0)
                return r;
        if (source != NULL)
                data = *source->data;
        take_data(call, in->launch_template_data, &data);
        r = check_data(call, &data);
        if (r == 0 && template->state->versions.n >= MAX_VERSIONS)
                r = api_fail(call, "LaunchTemplateVersionLimitExceeded", "The launch template has %d versions, the most that it can have.",
                             MAX_VERSIONS);
        if (r != 0)
                return r;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &template->object);
        state->latest++;
        version = SHAPE_PUSH(tx_arena(tx), &state->versions);
        SHAPE_SET(version, state_launch_template_version, number, state->latest);
        version->description = in->version_description;
        version->created_at = call->now_ms;
        version->created_by = call->principal_arn;
        version->data = &data;
        tx_put(tx, &template->object, state);
        (void)tx_commit(tx);
        out->launch_template_version = ARENA_NEW(call->arena, struct ec2_launch_template_version);
        show_version(template, &template->state->versions.items[template->state->versions.n - 1], out->launch_template_version);
        return 0;
}

/* ---- Modify, delete ---- */

static int modify(struct api_call *call, const void *input, void *output)
{
        const struct ec2_modify_launch_template_request *in = input;
        struct ec2_create_launch_template_result *out = output;
        const struct state_launch_template_version *version = NULL;
        struct launch_template *template = NULL;
        struct state_launch_template *state;
        struct tx *tx;
        int r = find(call, in->launch_template_id, in->launch_template_name, &template);

        if (r == 0)
                r = find_version(call, template, in->set_default_version, &version);
        if (r != 0)
                return r;
        tx = tx_begin(call->model);
        state = tx_edit(tx, &template->object);
        state->default_ = version->number;
        tx_put(tx, &template->object, state);
        (void)tx_commit(tx);
        out->launch_template = shown(call, template);
        return 0;
}

static int delete (struct api_call *call, const void *input, void *output)
{
        const struct ec2_delete_launch_template_request *in = input;
        struct ec2_create_launch_template_result *out = output;
        struct launch_template *template = NULL;
        struct tx *tx;
        int r = find(call, in->launch_template_id, in->launch_template_name, &template);

        if (r != 0)
                return r;
        out->launch_template = SHAPE_COPY(ec2_launch_template, shown(call, template), call->arena);
        tx = tx_begin(call->model);
        tx_remove(tx, &template->object);
        (void)tx_commit(tx);
        return 0;
}

/* ---- Describe ---- */

static int describe(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_launch_templates_request *in = input;
        struct ec2_describe_launch_templates_result *out = output;
        struct string_list ids = in->launch_template_id;
        struct ec2_query query = EC2_QUERY(ec2_describe_launch_templates_request, in, launch_template_id);

        for (uint32_t i = 0; i < in->launch_template_name.n; i++) {
                struct launch_template *template = NULL;
                int r = find(call, NULL, in->launch_template_name.items[i], &template);

                if (r != 0)
                        return r;
                string_list_push(call->arena, &ids, template->state->id);
        }
        query.ids = &ids;
        return ec2_describe(call, ec2_kind(OBJECT_LAUNCH_TEMPLATE), &query, &out->launch_templates, &out->next_token);
}

static bool version_within(const struct ec2_describe_launch_template_versions_request *in, int64_t number)
{
        int64_t low = 0, high = INT64_MAX;

        return (in->min_version == NULL || (str_to_int64(in->min_version, &low) == 0 && number >= low)) &&
               (in->max_version == NULL || (str_to_int64(in->max_version, &high) == 0 && number <= high));
}

static int describe_of(struct api_call *call, const struct ec2_describe_launch_template_versions_request *in,
                       const struct launch_template *template, struct ec2_launch_template_version_list *out)
{
        for (uint32_t i = 0; i < in->launch_template_version.n; i++) {
                const struct state_launch_template_version *version = NULL;
                int r = find_version(call, template, in->launch_template_version.items[i], &version);

                if (r != 0)
                        return r;
                show_version(template, version, SHAPE_PUSH(call->arena, out));
        }
        for (uint32_t i = template->state->versions.n; in->launch_template_version.n == 0 && i > 0; i--)
                if (version_within(in, template->state->versions.items[i - 1].number))
                        show_version(template, &template->state->versions.items[i - 1], SHAPE_PUSH(call->arena, out));
        return 0;
}

/* The versions of one template, the newest first; without a template those of all that are named ($Latest, $Default). */
static int describe_versions(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_launch_template_versions_request *in = input;
        struct ec2_describe_launch_template_versions_result *out = output;
        struct launch_template *template = NULL;
        int r = 0;

        if (in->launch_template_id != NULL || in->launch_template_name != NULL) {
                r = find(call, in->launch_template_id, in->launch_template_name, &template);
                if (r == 0)
                        r = describe_of(call, in, template, &out->launch_template_version_set);
        } else if (in->launch_template_version.n == 0) {
                r = api_fail(call, "MissingParameter", "Give a launch template, or the versions $Latest or $Default of all.");
        } else {
                tree_for_each (node, model_objects(call->model, OBJECT_LAUNCH_TEMPLATE))
                        if (r == 0)
                                r = describe_of(call, in, MODEL_OBJECT(node, launch_template), &out->launch_template_version_set);
        }
        if (r != 0)
                return r;
        return ec2_filter_views(call, &in->filter, version_filters, &ec2_launch_template_version_shape, &out->launch_template_version_set);
}

const struct api_route ec2_launch_template_routes[] = {
        {EC2_OP_CREATE_LAUNCH_TEMPLATE, create},
        {EC2_OP_CREATE_LAUNCH_TEMPLATE_VERSION, create_version},
        {EC2_OP_MODIFY_LAUNCH_TEMPLATE, modify},
        {EC2_OP_DELETE_LAUNCH_TEMPLATE, delete},
        {EC2_OP_DESCRIBE_LAUNCH_TEMPLATES, describe},
        {EC2_OP_DESCRIBE_LAUNCH_TEMPLATE_VERSIONS, describe_versions},
        {0, NULL},
};
