/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the three files that tell a container names. */
#include "runtime/netfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "api/oci.idl.h"
#include "base/buf.h"
#include "base/strutil.h"

#define MAX_HOST_FILE (256 * 1024)
/* Where systemd-resolved keeps the real servers when /etc/resolv.conf names only its stub on loopback. */
#define UPSTREAM_RESOLV "/run/systemd/resolve/resolv.conf"

static bool shares_host_network(const struct runtime_container_spec *spec)
{
        return spec->network.mode == RUNTIME_NS_HOST;
}

const char *netfiles_hostname(const struct runtime_container_spec *spec, struct arena *arena)
{
        char name[256];

        if (spec->hostname != NULL)
                return spec->hostname;
        if (shares_host_network(spec) || spec->uts.mode == RUNTIME_NS_HOST)
                return gethostname(name, sizeof(name)) == 0 ? arena_strdup(arena, name) : "localhost";
        return arena_strndup(arena, spec->id, MIN(strlen(spec->id), 12));
}

static void make_hosts(const struct runtime_container_spec *spec, const char *hostname, struct buf *out)
{
        if (!shares_host_network(spec) || buf_read_file(out, "/etc/hosts", MAX_HOST_FILE) < 0)
                buf_append_str(out, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
        if (out->len > 0 && out->data[out->len - 1] != '\n')
                buf_append_char(out, '\n');
        for (uint32_t i = 0; i < spec->extra_hosts.n; i++) {
                const char *entry = spec->extra_hosts.items[i], *colon = strchr(entry, ':');

                if (colon != NULL)
                        buf_printf(out, "%s\t%.*s\n", colon + 1, (int)(colon - entry), entry);
        }
        if (spec->hosts_address != NULL)
                buf_printf(out, "%s\t%s\n", spec->hosts_address, hostname);
}

static bool is_loopback_server(const char *line)
{
        const char *address = line + strlen("nameserver");

        address += strspn(address, " \t");
        return str_starts_with(address, "127.") || str_starts_with(address, "::1");
}

/* The host's lines; without loopback servers, which mean another machine inside a network namespace. Returns how many servers stayed. */
static int copy_resolv(const char *path, bool keep_loopback, struct buf *out)
{
        CLEANUP_BUF struct buf text = {0};
        char *rest, *line;
        int servers = 0;

        if (buf_read_file(&text, path, MAX_HOST_FILE) < 0 || text.data == NULL)
                return 0;
        buf_clear(out);
        rest = text.data;
        while ((line = strsep(&rest, "\n")) != NULL) {
                bool server = str_starts_with(line, "nameserver");

                if (*line == '\0' || (server && !keep_loopback && is_loopback_server(line)))
                        continue;
                servers += server;
                buf_printf(out, "%s\n", line);
        }
        return servers;
}

static void add_words(struct buf *out, const char *keyword, const struct string_list *words)
{
        if (words->n == 0)
                return;
        buf_append_str(out, keyword);
        for (uint32_t i = 0; i < words->n; i++)
                buf_printf(out, " %s", words->items[i]);
        buf_append_char(out, '\n');
}

static void make_resolv(const struct runtime_container_spec *spec, struct buf *out)
{
        bool host = shares_host_network(spec);

        if (spec->dns.n == 0 && copy_resolv("/etc/resolv.conf", host, out) == 0 && !host)
                copy_resolv(UPSTREAM_RESOLV, false, out);
        for (uint32_t i = 0; i < spec->dns.n; i++)
                buf_printf(out, "nameserver %s\n", spec->dns.items[i]);
        add_words(out, "search", &spec->dns_search);
        add_words(out, "options", &spec->dns_options);
}

static int write_file(const char *path, const struct buf *text, struct error *error)
{
        CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        if (fd < 0 || (text->len > 0 && write(fd, text->data, text->len) != (ssize_t)text->len))
                return error_set(error, errno, "cannot write %s: %s", path, strerror(errno));
        return 0;
}

static void add_mount(struct arena *arena, struct oci_spec_mount_list *mounts, const char *source, const char *destination)
{
        struct oci_spec_mount *mount = SHAPE_PUSH(arena, mounts);

        mount->type = "bind";
        mount->source = source;
        mount->destination = destination;
        string_list_push(arena, &mount->options, "bind");
        string_list_push(arena, &mount->options, "rprivate");
}

static bool covered(const struct runtime_container_spec *spec, const char *destination)
{
        for (uint32_t i = 0; i < spec->n_mounts; i++)
                if (str_eq(spec->mounts[i].destination, destination))
                        return true;
        return false;
}

int netfiles_write(const char *dir, const struct runtime_container_spec *spec, struct arena *arena, struct oci_spec_mount_list *mounts,
                   struct error *error)
{
        CLEANUP_BUF struct buf hosts = {0}, resolv = {0}, name = {0};
        const char *hostname = netfiles_hostname(spec, arena);
        struct {
                const char *destination, *given, *file;
                struct buf *text;
        } files[] = {{"/etc/hosts", spec->hosts_path, "hosts", &hosts},
                     {"/etc/resolv.conf", spec->resolv_path, "resolv.conf", &resolv},
                     {"/etc/hostname", NULL, "hostname", &name}};
        int r;

        if (spec->no_generated_files)
                return 0;
        make_hosts(spec, hostname, &hosts);
        make_resolv(spec, &resolv);
        buf_printf(&name, "%s\n", hostname);
        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                const char *source = files[i].given;

                if (covered(spec, files[i].destination))
                        continue;
                if (source == NULL) {
                        source = arena_printf(arena, "%s/%s", dir, files[i].file);
                        r = write_file(source, files[i].text, error);
                        if (r < 0)
                                return r;
                }
                add_mount(arena, mounts, source, files[i].destination);
        }
        return 0;
}
