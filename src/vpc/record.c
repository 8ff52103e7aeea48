/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a new agent must know of the sandboxes that it finds: a few lines of text each, DIR/records/SLOT. They need not survive a
 * reboot (the namespaces do not), so they are not synced; a rename makes them whole or absent.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/strutil.h"
#include "vpc/internal.h"
#include "vpc/range.h"

#define RECORD_MAX 65536

static const char *const mode_names[VPC_MODE_MAX] = {[VPC_BRIDGE] = "bridge", [VPC_NONE] = "none", [VPC_INTERFACE] = "interface"};

char *record_path(const struct vpc *vpc, uint32_t slot)
{
        return xprintf("%s/records/%u", vpc->dir, slot);
}

char *record_text(const struct vpc_sandbox *s)
{
        struct buf text = {0};

        buf_printf(&text, "id %s\nmode %s\naddress %s\n", s->id, mode_names[s->mode], s->address != 0 ? s->address_text : "-");
        if (s->mode == VPC_INTERFACE) {
                char subnet[20];

                range_text(s->port.subnet.address, s->port.subnet.prefix, subnet);
                buf_printf(&text, "network %s\ninterface %s\nmac %s\nsubnet %s\n%s", s->network, s->interface, s->mac_text, subnet,
                           s->is_tap ? "cable tap\n" : "");
        }
        for (uint32_t i = 0; i < s->hold.n; i++) {
                const struct vpc_port *p = &s->hold.ports[i];

                buf_printf(&text, "port %s %u %u %u\n", p->udp ? "udp" : "tcp", p->host_port, p->container_port, p->count);
        }
        return buf_take(&text);
}

int record_write(const char *path, const char *text, struct error *error)
{
        int r = files_write(AT_FDCWD, path, text, strlen(text), 0600, false);

        return r < 0 ? error_set(error, -r, "cannot write %s: %s", path, strerror(-r)) : 0;
}

/* ---- reading ---- */

struct record {
        char id[129];
        char mode[16];
        char address[20];
        char network[65], interface[65], mac[18], subnet[20], cable[8]; /* mode interface */
        struct vpc_port ports[VPC_PORTS_MAX];
        uint32_t n_ports;
};

/* VPC_MODE_MAX for an unknown word. */
static enum vpc_mode mode_of(const struct record *record)
{
        int mode = 0;

        while (mode < VPC_MODE_MAX && !str_eq(mode_names[mode], record->mode))
                mode++;
        return (enum vpc_mode)mode;
}

/* Copies a word that fits. */
static bool set_word(char *ret, size_t size, const char *word)
{
        if (strlen(word) >= size)
                return false;
        memcpy(ret, word, strlen(word) + 1);
        return true;
}

static bool parse_port(char *rest, struct record *ret)
{
        char *save = NULL, *protocol = strtok_r(rest, " ", &save);
        int64_t numbers[3] = {0}; /* host port, container port, count */

        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
                if (str_to_int64(strtok_r(NULL, " ", &save), &numbers[i]) < 0 || numbers[i] < 1 || numbers[i] > 65535)
                        return false;
        }
        if (numbers[0] + numbers[2] > 65536 || numbers[1] + numbers[2] > 65536 || ret->n_ports == VPC_PORTS_MAX)
                return false;
        ret->ports[ret->n_ports++] =
                (struct vpc_port){str_eq(protocol, "udp"), (uint16_t)numbers[1], (uint16_t)numbers[0], (uint16_t)numbers[2]};
        return true;
}

static bool parse_line(char *line, struct record *ret)
{
        char *rest = strchr(line, ' ');

        if (rest == NULL)
                return false;
        *rest++ = '\0';
        const struct {
                const char *word;
                char *to;
                size_t size;
        } words[] = {
                {"id", ret->id, sizeof ret->id},
                {"mode", ret->mode, sizeof ret->mode},
                {"address", ret->address, sizeof ret->address},
                {"network", ret->network, sizeof ret->network},
                {"interface", ret->interface, sizeof ret->interface},
                {"mac", ret->mac, sizeof ret->mac},
                {"subnet", ret->subnet, sizeof ret->subnet},
                {"cable", ret->cable, sizeof ret->cable},
        };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                if (str_eq(line, words[i].word))
                        return set_word(words[i].to, words[i].size, rest);
        }
        return str_eq(line, "port") && parse_port(rest, ret);
}

static bool read_record(const char *path, struct record *ret)
{
        CLEANUP_BUF struct buf text = {0};
        char *save = NULL;

        memset(ret, 0, sizeof *ret);
        if (buf_read_file(&text, path, RECORD_MAX) < 0 || text.len == 0)
                return false;
        for (char *line = strtok_r(text.data, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
                if (!parse_line(line, ret))
                        return false;
        }
        return str_is_name(ret->id, "_.-", sizeof ret->id - 1) && mode_of(ret) < VPC_MODE_MAX;
}

/* Ports that another record has too (it was changed by hand) would break the map. */
static bool ports_are_free(const struct vpc *vpc, const struct record *record)
{
        for (uint32_t i = 0; i < record->n_ports; i++) {
                for (uint32_t k = 0; k < record->ports[i].count; k++) {
                        if (ports_is_taken(vpc->ports, record->ports[i].udp, (uint16_t)(record->ports[i].host_port + k)))
                                return false;
                }
        }
        return true;
}

/* The namespace is there and has its cable, or can have it again. */
static bool works(struct vpc *vpc, const struct vpc_sandbox *s, const struct record *record)
{
        if ((!s->is_tap && !netns_exists(s->path)) || !ports_are_free(vpc, record) || map_find(&vpc->by_id, record->id) != NULL)
                return false;
        /* The cable of an interface is looked after when the picture of its VPC comes. */
        if (s->mode != VPC_BRIDGE)
                return true;
        return str_eq(s->address_text, record->address) &&
               (netns_connected(&vpc->kernel, s->address) || netns_repair(&vpc->kernel, s->path, s->address, NULL) == 0);
}

static bool take_interface(struct vpc_sandbox *s, const struct record *record)
{
        struct range subnet = {0};
        struct in_addr in;

        if (inet_pton(AF_INET, record->address, &in) != 1 || range_parse(record->subnet, &subnet, NULL) < 0 ||
            !vpc_mac_parse(record->mac, s->port.mac))
                return false;
        s->port.address = ntohl(in.s_addr);
        s->port.subnet = subnet;
        s->port.slot = s->slot;
        s->is_tap = str_eq(record->cable, "tap");
        sandbox_set_interface(s, record->network, record->interface);
        return true;
}

static bool slot_is_valid(const struct vpc *vpc, uint32_t slot, enum vpc_mode mode)
{
        if (mode != VPC_BRIDGE)
                return slot >= NONE_SLOT_FIRST && slot < NONE_SLOT_FIRST + NONE_SLOTS;
        return slot >= 2 && slot < ~range_mask(vpc->kernel.prefix);
}

static void load_one(struct vpc *vpc, uint32_t slot, const char *path)
{
        CLEANUP_FREE struct record *record = xalloc(sizeof *record);
        enum vpc_mode mode;
        struct vpc_sandbox *s;

        if (!read_record(path, record)) {
                (void)unlink(path);
                return;
        }
        mode = mode_of(record);
        if (!slot_is_valid(vpc, slot, mode) || !slot_claim(vpc, slot)) {
                (void)unlink(path);
                return;
        }
        s = sandbox_new(vpc, mode, slot);
        if ((mode == VPC_INTERFACE && !take_interface(s, record)) || !works(vpc, s, record)) {
                slot_release(vpc, slot);
                sandbox_free(s);
                (void)unlink(path);
                return;
        }
        s->id = xstrdup(record->id);
        s->state = SANDBOX_READY;
        ports_take_again(vpc->ports, record->ports, record->n_ports, &s->hold);
        map_insert(&vpc->by_id, &s->node, s->id);
}

int for_each_slot(struct vpc *vpc, const char *folder, void (*each)(struct vpc *vpc, uint32_t slot, const char *path), struct error *error)
{
        CLEANUP_FREE char *dir = xprintf("%s/%s", vpc->dir, folder);
        DIR *d = opendir(dir);
        struct dirent *entry;

        if (d == NULL)
                return error_set(error, errno, "cannot read %s: %s", dir, strerror(errno));
        while ((entry = readdir(d)) != NULL) {
                CLEANUP_FREE char *path = xprintf("%s/%s", dir, entry->d_name);
                int64_t slot;

                if (entry->d_name[0] == '.')
                        continue;
                if (str_to_int64(entry->d_name, &slot) == 0 && slot >= 0 && slot < SLOT_MAX + NONE_SLOTS)
                        each(vpc, (uint32_t)slot, path);
                else
                        (void)unlink(path);
        }
        (void)closedir(d);
        return 0;
}

static bool slot_is_used(const struct vpc *vpc, uint32_t slot)
{
        return (vpc->slots[slot / 64] >> (slot % 64)) & 1;
}

static void drop_orphan(struct vpc *vpc, uint32_t slot, const char *path)
{
        if (!slot_is_used(vpc, slot))
                netns_remove(path);
}

static bool keep_cable(uint32_t address, void *data)
{
        const struct vpc *vpc = data;
        uint32_t slot = address - (vpc->kernel.gateway - 1);

        return slot < SLOT_MAX && slot_is_used(vpc, slot);
}

int records_load(struct vpc *vpc, struct error *error)
{
        int r = for_each_slot(vpc, "records", load_one, error);

        if (r == 0)
                r = for_each_slot(vpc, "netns", drop_orphan, error);
        if (r == 0)
                netns_sweep(&vpc->kernel, keep_cable, vpc);
        return r;
}
