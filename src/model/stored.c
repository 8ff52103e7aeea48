/* SPDX-License-Identifier: Apache-2.0 */
/* States as bytes, and back, also from older versions: see stored.h. */
#include "model/stored.h"

#include <errno.h>
#include <string.h>

#include "codec/json.h"

/* All shapes are at their first version. A row here, and a test, comes with every version() that is raised in state.idl. */
const struct stored_upgrade stored_upgrades[] = {
        {0},
};

void stored_encode(const struct shape *shape, const void *state, struct buf *out)
{
        json_append_int(out, shape->version);
        buf_append_char(out, ' ');
        shape_to_json(shape, state, out);
}

/* Reads "N " and moves behind it. */
static int read_version(const char **bytes, size_t *len)
{
        int version = 0;
        size_t i = 0;

        for (; i < *len && i < 5 && (*bytes)[i] >= '0' && (*bytes)[i] <= '9'; i++)
                version = version * 10 + ((*bytes)[i] - '0');
        if (i == 0 || i >= *len || (*bytes)[i] != ' ')
                return -EINVAL;
        *bytes += i + 1;
        *len -= i + 1;
        return version;
}

static const struct stored_upgrade *find_upgrade(const struct stored_upgrade *upgrades, const struct shape *shape, int from)
{
        for (; upgrades->shape != NULL; upgrades++)
                if (upgrades->shape == shape && upgrades->from == from)
                        return upgrades;
        return NULL;
}

int stored_decode(const struct shape *shape, const struct stored_upgrade *upgrades, struct arena *arena, const void *bytes, size_t len,
                  void **ret, struct error *error)
{
        static const struct shape_limits limits = {.skip_validation = true};
        const char *json = bytes;
        int version = read_version(&json, &len);

        if (version < 0)
                return error_set(error, EINVAL, "stored %s does not start with its version: the database is damaged, restore a backup",
                                 shape->name);
        if (version > shape->version)
                return error_set(
                        error, EPROTONOSUPPORT,
                        "stored %s has version %d and this program knows %u: install the version of gantry that wrote it, or a newer one",
                        shape->name, version, shape->version);
        for (; version < shape->version; version++) {
                const struct stored_upgrade *upgrade = find_upgrade(upgrades, shape, version);
                CLEANUP_BUF struct buf rewritten = {0};
                int r;

                if (upgrade == NULL)
                        return error_set(error, EPROTONOSUPPORT,
                                         "stored %s has version %d, which this program cannot upgrade: upgrade in smaller steps",
                                         shape->name, version);
                r = upgrade->rewrite(arena, json, len, &rewritten, error);
                if (r < 0)
                        return r;
                json = arena_strndup(arena, rewritten.data, rewritten.len);
                len = rewritten.len;
        }
        return shape_from_json(shape, arena, json, len, &limits, ret, error);
}
