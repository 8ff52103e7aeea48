/* SPDX-License-Identifier: Apache-2.0 */
/* Zones, regions and attributes of the account. */
#include <string.h>

#include "api/ec2/common.h"
#include "api/server.h"
#include "base/strutil.h"

/* ---- Zones ---- */

static const struct ec2_filter_name zone_filters[] = {
        {"group-name", "groupName"},
        {"opt-in-status", "optInStatus"},
        {"parent-zone-id", NULL},
        {"parent-zone-name", NULL},
        {"region-name", "regionName"},
        {"state", "zoneState"},
        {"zone-id", "zoneId"},
        {"zone-name", "zoneName"},
        {"zone-type", "zoneType"},
        {"message", NULL},
        {NULL, NULL},
};

static int check_zones(struct api_call *call, const struct ec2_describe_availability_zones_request *in)
{
        const struct string_list *zones = &model_meta(call->model)->zones;

        for (uint32_t i = 0; i < in->zone_name.n; i++)
                if (!ec2_list_has(zones, in->zone_name.items[i]))
                        return api_fail(call, "InvalidParameterValue", "Invalid availability zone: [%.64s]", in->zone_name.items[i]);
        for (uint32_t i = 0; i < in->zone_id.n; i++) {
                bool known = false;

                for (uint32_t k = 0; k < zones->n && !known; k++)
                        known = str_eq(ec2_zone_id(call, call->arena, zones->items[k]), in->zone_id.items[i]);
                if (!known)
                        return api_fail(call, "InvalidParameterValue", "Invalid availability zone-id: [%.64s]", in->zone_id.items[i]);
        }
        return 0;
}

static int describe_zones(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_availability_zones_request *in = input;
        struct ec2_describe_availability_zones_result *out = output;
        const struct string_list *zones = &model_meta(call->model)->zones;
        const char *region = model_region(call->model);
        int r = check_zones(call, in);

        if (r != 0)
                return r;
        for (uint32_t i = 0; i < zones->n; i++) {
                const char *id = ec2_zone_id(call, call->arena, zones->items[i]);

                if ((in->zone_name.n > 0 && !ec2_list_has(&in->zone_name, zones->items[i])) ||
                    (in->zone_id.n > 0 && !ec2_list_has(&in->zone_id, id)))
                        continue;
                *SHAPE_PUSH(call->arena, &out->availability_zone_info) =
                        (struct ec2_availability_zone){.zone_name = zones->items[i],
                                                       .zone_id = id,
                                                       .zone_state = "available",
                                                       .region_name = region,
                                                       .group_name = arena_printf(call->arena, "%s-zg-1", region),
                                                       .network_border_group = region,
                                                       .opt_in_status = "opt-in-not-required",
                                                       .zone_type = "availability-zone"};
        }
        return ec2_filter_views(call, &in->filter, zone_filters, &ec2_availability_zone_shape, &out->availability_zone_info);
}

/* ---- Regions ---- */

static const struct ec2_filter_name region_filters[] = {
        {"endpoint", "regionEndpoint"}, {"opt-in-status", "optInStatus"}, {"region-name", "regionName"}, {NULL, NULL}};

static int describe_regions(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_regions_request *in = input;
        struct ec2_describe_regions_result *out = output;
        const char *region = model_region(call->model), *url = call->api->options.public_url;
        const char *host = url != NULL ? strstr(url, "://") : NULL;

        for (uint32_t i = 0; i < in->region_name.n; i++)
                if (!str_eq(in->region_name.items[i], region))
                        return api_fail(call, "InvalidParameterValue", "Invalid region name: %.64s. This server is the region %s.",
                                        in->region_name.items[i], region);
        *SHAPE_PUSH(call->arena, &out->region_info) = (struct ec2_region){
                .region_name = region, .region_endpoint = host != NULL ? host + 3 : "localhost", .opt_in_status = "opt-in-not-required"};
        return ec2_filter_views(call, &in->filter, region_filters, &ec2_region_shape, &out->region_info);
}

/* ---- Attributes ---- */

static int describe_attributes(struct api_call *call, const void *input, void *output)
{
        const struct ec2_describe_account_attributes_request *in = input;
        struct ec2_describe_account_attributes_result *out = output;
        const struct vpc *vpc = model_default_vpc(call->model);
        const struct {
                const char *name, *value;
        } rows[] = {
                {"supported-platforms", "VPC"},
                {"default-vpc", vpc != NULL ? vpc->state->id : "none"},
                {"vpc-max-security-groups-per-interface", arena_printf(call->arena, "%d", INTERFACE_MAX_GROUPS)},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct ec2_account_attribute *attribute;

                if (in->attribute_name.n > 0 && !ec2_list_has(&in->attribute_name, rows[i].name))
                        continue;
                attribute = SHAPE_PUSH(call->arena, &out->account_attribute_set);
                attribute->attribute_name = rows[i].name;
                SHAPE_PUSH(call->arena, &attribute->attribute_value_set)->attribute_value = rows[i].value;
        }
        return 0;
}

const struct api_route ec2_account_routes[] = {
        {EC2_OP_DESCRIBE_AVAILABILITY_ZONES, describe_zones},
        {EC2_OP_DESCRIBE_REGIONS, describe_regions},
        {EC2_OP_DESCRIBE_ACCOUNT_ATTRIBUTES, describe_attributes},
        {0, NULL},
};
