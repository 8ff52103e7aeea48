/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a store, turned into the files that skopeo reads. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/strutil.h"
#include "image/store_internal.h"

#define SYSTEM_POLICY "/etc/containers/policy.json"
#define AUTH_FILE_MAX (1 << 20)

static const char permissive_policy[] = "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}\n";

static int add_logins(struct image_store *store, const struct image_store_options *options, struct error *error)
{
        CLEANUP_BUF struct buf text = {0};
        int r;

        store->logins = login_list_new();
        if (options->auth_file != NULL) {
                r = buf_read_file(&text, options->auth_file, AUTH_FILE_MAX);
                if (r < 0)
                        return error_set(error, -r, "cannot read the registry logins in %s: %s", options->auth_file, strerror(-r));
                r = login_add_auth_json(store->logins, text.data, text.len, error);
                if (r < 0)
                        return r;
        }
        if (options->auth_data == NULL)
                return 0;
        return login_add_engine_auth(store->logins, options->auth_type, options->auth_data, error);
}

/* A string of TOML; host names need no more than this. */
static void append_toml(struct buf *out, const char *text)
{
        buf_append_char(out, '"');
        for (; *text != '\0'; text++) {
                if (*text == '"' || *text == '\\')
                        buf_append_char(out, '\\');
                if ((unsigned char)*text >= ' ')
                        buf_append_char(out, *text);
        }
        buf_append_char(out, '"');
}

static bool is_insecure(const struct string_list *insecure, const char *location)
{
        size_t host = strcspn(location, "/");

        for (uint32_t i = 0; i < insecure->n; i++)
                if (strlen(insecure->items[i]) == host && strncmp(insecure->items[i], location, host) == 0)
                        return true;
        return image_registry_is_loopback(location);
}

static void write_registries(const struct image_store_options *options, struct buf *out)
{
        buf_append_str(out, "unqualified-search-registries = [\"docker.io\"]\n");
        for (uint32_t i = 0; i < options->n_mirrors; i++) {
                const char *registry = options->mirrors[i].registry;
                bool seen = false;

                for (uint32_t j = 0; j < i; j++)
                        seen = seen || str_eq(options->mirrors[j].registry, registry);
                if (seen)
                        continue;
                buf_append_str(out, "[[registry]]\nprefix = ");
                append_toml(out, registry);
                buf_append_str(out, "\nlocation = ");
                append_toml(out, registry);
                buf_printf(out, "\ninsecure = %s\n", is_insecure(&options->insecure_registries, registry) ? "true" : "false");
                for (uint32_t j = i; j < options->n_mirrors; j++) {
                        if (!str_eq(options->mirrors[j].registry, registry))
                                continue;
                        buf_append_str(out, "[[registry.mirror]]\nlocation = ");
                        append_toml(out, options->mirrors[j].mirror);
                        buf_printf(out, "\ninsecure = %s\n",
                                   is_insecure(&options->insecure_registries, options->mirrors[j].mirror) ? "true" : "false");
                }
        }
        for (uint32_t i = 0; i < options->insecure_registries.n; i++) {
                const char *registry = options->insecure_registries.items[i];
                bool mirrored = false;

                for (uint32_t j = 0; j < options->n_mirrors; j++)
                        mirrored = mirrored || str_eq(options->mirrors[j].registry, registry);
                if (mirrored)
                        continue;
                buf_append_str(out, "[[registry]]\nlocation = ");
                append_toml(out, registry);
                buf_append_str(out, "\ninsecure = true\n");
        }
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
        return value != 0 ? value : otherwise;
}

static void copy_settings(struct image_store *store, const struct image_store_options *options)
{
        store->skopeo = xstrdup(options->skopeo != NULL ? options->skopeo : "skopeo");
        store->max_parallel_pulls = or_default(options->max_parallel_pulls, 3);
        store->inactivity_s = or_default(options->pull_inactivity_s, 60);
        store->timeout_s = or_default(options->pull_timeout_s, 7200);
        store->max_unpacked_bytes = options->max_unpacked_bytes;
        store->high_percent = or_default(options->disk_high_percent, 85);
        store->low_percent = or_default(options->disk_low_percent, 75);
        store->minimum_age_s = or_default(options->minimum_age_s, 3600);
        store->gc_disabled = options->gc_disabled;
        store->ignore_owner = geteuid() != 0;
        for (uint32_t i = 0; i < options->insecure_registries.n; i++)
                string_list_push(&store->arena, &store->insecure, arena_strdup(&store->arena, options->insecure_registries.items[i]));
}

int image_store_configure(struct image_store *store, const struct image_store_options *options, struct error *error)
{
        CLEANUP_BUF struct buf auth = {0};
        CLEANUP_BUF struct buf registries = {0};
        int r;

        copy_settings(store, options);
        r = add_logins(store, options, error);
        if (r < 0)
                return r;
        login_write(store->logins, &auth);
        write_registries(options, &registries);
        store->has_auth = auth.len > 0;
        store->has_registries = options->n_mirrors > 0 || options->insecure_registries.n > 0;
        store->has_policy = access(SYSTEM_POLICY, R_OK) == 0;
        r = store->has_auth ? files_write(store->dir_fd, "conf/auth.json", auth.data, auth.len, 0600, false)
                            : files_remove(store->dir_fd, "conf/auth.json");
        if (r == 0)
                r = files_write(store->dir_fd, "conf/registries.conf", registries.data, registries.len, 0600, false);
        if (r == 0)
                r = files_write(store->dir_fd, "conf/policy.json", permissive_policy, strlen(permissive_policy), 0600, false);
        return r < 0 ? error_set(error, -r, "cannot write the configuration of the image store %s: %s", store->dir, strerror(-r)) : 0;
}
