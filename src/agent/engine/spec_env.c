/* SPDX-License-Identifier: Apache-2.0 */
/* Environment of a container: what the definition says, what ECS adds, what Docker's links add. */
#include <ctype.h>
#include <string.h>

#include "agent/engine/depend.h"
#include "agent/engine/spec_parts.h"
#include "base/strutil.h"
#include "vpc/vpc.h"

static bool image_sets(const struct spec_context *context, const char *name)
{
        size_t len = strlen(name);

        for (uint32_t i = 0; context->image_env != NULL && i < context->image_env->n; i++) {
                const char *entry = context->image_env->items[i];

                if (strncmp(entry, name, len) == 0 && entry[len] == '=')
                        return true;
        }
        return false;
}

static const char *link_prefix(const char *alias, struct arena *arena)
{
        char *name = arena_strdup(arena, alias);

        for (char *p = name; *p != '\0'; p++)
                *p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
        return name;
}

/* As Docker does for --link: ALIAS_NAME, ALIAS_PORT, and four variables for each port of the other container. */
static void put_link(const struct engine_container *c, const char *link, struct arena *arena, struct string_map *env)
{
        const char *alias = NULL;
        const struct engine_container *other = depend_link(c->task, link, &alias);

        if (other == NULL || other->address == NULL)
                return;
        const char *prefix = link_prefix(alias, arena);
        string_map_set(arena, env, arena_printf(arena, "%s_NAME", prefix), arena_printf(arena, "/%s/%s", c->definition->name, alias));
        for (uint32_t i = 0; i < other->definition->port_mappings.n; i++) {
                const struct acs_port_mapping *pm = &other->definition->port_mappings.items[i];
                const char *protocol = str_eq(pm->protocol, "udp") ? "udp" : "tcp";
                const char *base =
                        arena_printf(arena, "%s_PORT_%d_%s", prefix, pm->container_port, str_eq(protocol, "udp") ? "UDP" : "TCP");
                const char *url = arena_printf(arena, "%s://%s:%d", protocol, other->address, pm->container_port);

                if (pm->container_port <= 0)
                        continue;
                if (i == 0)
                        string_map_set(arena, env, arena_printf(arena, "%s_PORT", prefix), url);
                string_map_set(arena, env, base, url);
                string_map_set(arena, env, arena_printf(arena, "%s_ADDR", base), other->address);
                string_map_set(arena, env, arena_printf(arena, "%s_PORT", base), arena_printf(arena, "%d", pm->container_port));
                string_map_set(arena, env, arena_printf(arena, "%s_PROTO", base), protocol);
        }
}

void spec_put_env(const struct engine_container *c, const struct spec_context *context, struct arena *arena,
                  struct runtime_container_spec *spec)
{
        static const char *const region_names[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
        const struct string_map *said = &c->definition->environment;
        const struct acs_role_credentials *role = c->task->payload->role_credentials;
        const char *base = "http://" VPC_METADATA_ADDRESS;

        for (uint32_t i = 0; i < c->definition->links.n; i++)
                put_link(c, c->definition->links.items[i], arena, &spec->env);
        for (uint32_t i = 0; i < said->n; i++)
                string_map_set(arena, &spec->env, said->items[i].key, said->items[i].value != NULL ? said->items[i].value : "");
        for (size_t i = 0; i < ARRAY_SIZE(region_names); i++) {
                if (context->region != NULL && string_map_get(said, region_names[i]) == NULL && !image_sets(context, region_names[i]))
                        string_map_set(arena, &spec->env, region_names[i], context->region);
        }
        string_map_set(arena, &spec->env, "ECS_CONTAINER_METADATA_URI", arena_printf(arena, "%s/v3/%s", base, c->endpoint_id));
        string_map_set(arena, &spec->env, "ECS_CONTAINER_METADATA_URI_V4", arena_printf(arena, "%s/v4/%s", base, c->endpoint_id));
        string_map_set(arena, &spec->env, "ECS_AGENT_URI", arena_printf(arena, "%s/api/%s", base, c->endpoint_id));
        if (role != NULL && !str_empty(role->credentials_id))
                string_map_set(arena, &spec->env, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                               arena_printf(arena, "/v2/credentials/%s", role->credentials_id));
}
