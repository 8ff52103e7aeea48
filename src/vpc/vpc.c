/* SPDX-License-Identifier: Apache-2.0 */
/* The node's object: from nothing, or from what an earlier agent left, to a network that works. */
#include "vpc/internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "vpc/node.h"

#define DEFAULT_BRIDGE "gantry0"
#define DEFAULT_PREPARED 4

static int check_bridge_name(const char *name, struct error *error)
{
        size_t len = strlen(name), i = 0;

        while (i < len && (isalnum((unsigned char)name[i]) || strchr("_-.", name[i]) != NULL))
                i++;
        if (len == 0 || len >= IFNAMSIZ || i < len || !isalpha((unsigned char)name[0]))
                return error_set(error, EINVAL, "\"%s\" cannot name a bridge: at most 15 letters, digits, '_', '-' and '.', a letter first",
                                 name);
        return 0;
}

static int make_dirs(const char *dir, struct error *error)
{
        static const char *const folders[] = {"", "/netns", "/records", "/routers", "/router-records"};

        for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
                CLEANUP_FREE char *path = xprintf("%s%s", dir, folders[i]);

                if (mkdir(path, 0700) < 0 && errno != EEXIST)
                        return error_set(error, errno, "cannot make the directory %s: %s", path, strerror(errno));
        }
        return 0;
}

static int open_kernel(struct vpc_kernel *kernel, const char *bridge, struct error *error)
{
        int r = check_bridge_name(bridge, error);

        if (r < 0)
                return r;
        (void)strncpy(kernel->bridge, bridge, sizeof kernel->bridge - 1);
        kernel->host_ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        if (kernel->host_ns < 0)
                return error_set(error, errno, "cannot open /proc/thread-self/ns/net: %s", strerror(errno));
        r = netlink_open(&kernel->nl, NETLINK_ROUTE, error);
        return r < 0 ? r : nft_open(&kernel->nft, error);
}

/* The table, and exactly the elements that the sandboxes have, in one transaction: nobody notices a restart. */
static int publish_all(struct vpc *vpc, const struct vpc_options *options, struct error *error)
{
        const struct nft_table table = {.name = vpc->kernel.bridge, .range = vpc->range_text, .metadata_port = options->metadata_port};
        CLEANUP_BUF struct buf script = {0};

        nft_script_table(&script, &table);
        nft_script_flush(&script, table.name);
        map_for_each (node, &vpc->by_id) {
                const struct vpc_sandbox *s = CONTAINER_OF(node, struct vpc_sandbox, node);

                nft_script_add(&script, table.name, s->address_text, s->hold.ports, s->hold.n);
        }
        return nft_run(vpc->kernel.nft, script.data, error);
}

/* A table of another version may have chains or a map that do not fit: then it is made anew. */
static int set_table(struct vpc *vpc, const struct vpc_options *options, struct error *error)
{
        CLEANUP_FREE char *remove = xprintf("delete table ip %s\n", vpc->kernel.bridge);
        struct error first = {0};

        if (publish_all(vpc, options, &first) == 0)
                return 0;
        if (nft_run(vpc->kernel.nft, remove, NULL) < 0) {
                *error = first;
                return -first.number;
        }
        return publish_all(vpc, options, error);
}

static int setup(struct vpc *vpc, const struct vpc_options *options, struct error *error)
{
        char range[20];
        int r = make_dirs(vpc->dir, error);

        if (r == 0)
                r = open_kernel(&vpc->kernel, options->bridge != NULL ? options->bridge : DEFAULT_BRIDGE, error);
        if (r == 0)
                r = node_setup(&vpc->kernel, options->range, options->mtu, options->metadata_port != 0, error);
        if (r < 0)
                return r;
        range_text(vpc->kernel.gateway - 1, vpc->kernel.prefix, range);
        vpc->range_text = xstrdup(range);
        range_text(vpc->kernel.gateway, -1, vpc->gateway_text);
        r = routers_load(vpc, error);
        if (r == 0)
                r = records_load(vpc, error);
        if (r == 0)
                r = set_table(vpc, options, error);
        return r < 0 ? r : routers_outer(&vpc->kernel, error);
}

int vpc_new(const struct vpc_options *options, struct vpc **ret, struct error *error)
{
        struct vpc *vpc = xalloc(sizeof *vpc);
        struct error local = {0};
        int r;

        vpc->loop = options->loop;
        vpc->dir = xstrdup(options->dir);
        vpc->kernel.host_ns = vpc->kernel.nl.fd = -1;
        vpc->prepared = options->prepared == UINT32_MAX ? 0 : options->prepared != 0 ? options->prepared : DEFAULT_PREPARED;
        vpc->ports = ports_new(options);
        map_init(&vpc->by_id);
        map_init(&vpc->routers);
        list_init(&vpc->kernel.routers);
        list_init(&vpc->vacant);
        list_init(&vpc->waiting);
        uv_mutex_init(&vpc->busy);
        r = setup(vpc, options, &local);
        if (r < 0) {
                (void)error_wrap(&local, "network of the node%s", r == -EPERM || r == -EACCES ? " (needs root)" : "");
                if (error != NULL)
                        *error = local;
                (void)vpc_free(vpc);
                return r;
        }
        vpc_queue_start(vpc);
        *ret = vpc;
        return 0;
}

struct vpc *vpc_free(struct vpc *vpc)
{
        if (vpc == NULL)
                return NULL;
        vpc_queue_close(vpc);
        if (vpc->running != NULL)
                return NULL; /* called again when it is done */
        list_for_each (s, &vpc->vacant, struct vpc_sandbox, link)
                sandbox_free(s);
        map_for_each (node, &vpc->by_id) {
                struct vpc_sandbox *s = CONTAINER_OF(node, struct vpc_sandbox, node);

                ports_release_all(vpc->ports, &s->hold);
                sandbox_free(s);
        }
        map_done(&vpc->by_id);
        routers_free(vpc, false);
        (void)ports_free(vpc->ports);
        (void)nft_close(vpc->kernel.nft);
        netlink_close(&vpc->kernel.nl);
        if (vpc->kernel.host_ns >= 0)
                (void)close(vpc->kernel.host_ns);
        uv_mutex_destroy(&vpc->busy);
        free(vpc->range_text);
        free(vpc->dir);
        free(vpc);
        return NULL;
}

void vpc_rest(struct vpc *vpc)
{
        if (vpc->running == NULL && uv_mutex_trylock(&vpc->busy) == 0) {
                nft_rest(vpc->kernel.nft);
                uv_mutex_unlock(&vpc->busy);
        }
}

struct vpc *vpc_destroy(struct vpc *vpc)
{
        CLEANUP_FREE char *script = xprintf("delete table ip %s\n", vpc->kernel.bridge);

        uv_mutex_lock(&vpc->busy);
        if (nft_run(vpc->kernel.nft, script, NULL) < 0)
                (void)0; /* somebody else removed it */
        for (uint32_t slot = 0; slot < SLOT_MAX + NONE_SLOTS; slot++) {
                CLEANUP_FREE char *path = NULL, *record = NULL;

                if (!((vpc->slots[slot / 64] >> (slot % 64)) & 1))
                        continue;
                path = xprintf("%s/netns/%u", vpc->dir, slot);
                record = record_path(vpc, slot);
                netns_remove(path);
                (void)unlink(record);
        }
        routers_free(vpc, true);
        node_remove(&vpc->kernel);
        uv_mutex_unlock(&vpc->busy);
        return vpc_free(vpc);
}

const char *vpc_gateway(const struct vpc *vpc)
{
        return vpc->gateway_text;
}

const char *vpc_range(const struct vpc *vpc)
{
        return vpc->range_text;
}
