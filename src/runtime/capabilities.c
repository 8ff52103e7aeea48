/* SPDX-License-Identifier: Apache-2.0 */
/* Which capabilities a container gets. */
#include "runtime/capabilities.h"

#include <errno.h>
#include <strings.h>
#include <sys/prctl.h>

#include "base/strutil.h"

static const char *const names[] = {
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETPCAP",
        "CAP_LINUX_IMMUTABLE",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_BROADCAST",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW",
        "CAP_IPC_LOCK",
        "CAP_IPC_OWNER",
        "CAP_SYS_MODULE",
        "CAP_SYS_RAWIO",
        "CAP_SYS_CHROOT",
        "CAP_SYS_PTRACE",
        "CAP_SYS_PACCT",
        "CAP_SYS_ADMIN",
        "CAP_SYS_BOOT",
        "CAP_SYS_NICE",
        "CAP_SYS_RESOURCE",
        "CAP_SYS_TIME",
        "CAP_SYS_TTY_CONFIG",
        "CAP_MKNOD",
        "CAP_LEASE",
        "CAP_AUDIT_WRITE",
        "CAP_AUDIT_CONTROL",
        "CAP_SETFCAP",
        "CAP_MAC_OVERRIDE",
        "CAP_MAC_ADMIN",
        "CAP_SYSLOG",
        "CAP_WAKE_ALARM",
        "CAP_BLOCK_SUSPEND",
        "CAP_AUDIT_READ",
        "CAP_PERFMON",
        "CAP_BPF",
        "CAP_CHECKPOINT_RESTORE",
};
_Static_assert(ARRAY_SIZE(names) == CAPABILITY_MAX, "a name for every capability");

#define BIT(name) (UINT64_C(1) << CAPABILITY_##name)
#define ALL_CAPABILITIES ((UINT64_C(1) << CAPABILITY_MAX) - 1)

static const uint64_t docker_default = BIT(CHOWN) | BIT(DAC_OVERRIDE) | BIT(FSETID) | BIT(FOWNER) | BIT(MKNOD) | BIT(NET_RAW) |
                                       BIT(SETGID) | BIT(SETUID) | BIT(SETFCAP) | BIT(SETPCAP) | BIT(NET_BIND_SERVICE) | BIT(SYS_CHROOT) |
                                       BIT(KILL) | BIT(AUDIT_WRITE);

static int parse(const char *word, uint64_t *ret)
{
        const char *bare = strncasecmp(word, "CAP_", 4) == 0 ? word + 4 : word;

        if (str_eq_nocase(bare, "ALL")) {
                *ret = ALL_CAPABILITIES;
                return 0;
        }
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (str_eq_nocase(bare, names[i] + 4)) {
                        *ret = UINT64_C(1) << i;
                        return 0;
                }
        return -EINVAL;
}

/* The bounding set of this process: nothing beyond it can be given to a child. */
static uint64_t bounding_set(void)
{
        uint64_t set = 0;

        for (int i = 0; i < CAPABILITY_MAX; i++)
                if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
                        set |= UINT64_C(1) << i;
        return set;
}

static int collect(const struct string_list *words, const char *member, uint64_t *ret, struct error *error)
{
        uint64_t bits;

        *ret = 0;
        for (uint32_t i = 0; i < words->n; i++) {
                if (parse(words->items[i], &bits) < 0)
                        return error_set(error, EINVAL,
                                         "linuxParameters.capabilities.%s: there is no capability '%s' (see capabilities(7))", member,
                                         words->items[i]);
                *ret |= bits;
        }
        return 0;
}

int capabilities_resolve(bool privileged, const struct string_list *add, const struct string_list *drop, uint64_t *ret, struct error *error)
{
        uint64_t added, dropped, set;
        int r = collect(add, "add", &added, error);

        if (r < 0 || (r = collect(drop, "drop", &dropped, error)) < 0)
                return r;
        if (privileged)
                set = ALL_CAPABILITIES;
        else if (added == ALL_CAPABILITIES) /* "add ALL, drop X" is everything but X */
                set = ALL_CAPABILITIES & ~dropped;
        else /* "drop ALL, add X" is X alone */
                set = (docker_default & ~dropped) | added;
        *ret = set & bounding_set();
        return 0;
}

void capabilities_names(uint64_t set, struct arena *arena, struct string_list *ret)
{
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if ((set >> i & 1) != 0)
                        string_list_push(arena, ret, names[i]);
}
