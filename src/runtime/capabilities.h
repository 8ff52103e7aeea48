/* SPDX-License-Identifier: Apache-2.0 */
/* Linux capabilities by name, and the set that a container gets. Pure. Source: capabilities(7). */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "codec/shape.h"

/* Numbers as the kernel has them. */
enum capability {
        CAPABILITY_CHOWN = 0,
        CAPABILITY_DAC_OVERRIDE,
        CAPABILITY_DAC_READ_SEARCH,
        CAPABILITY_FOWNER,
        CAPABILITY_FSETID,
        CAPABILITY_KILL,
        CAPABILITY_SETGID,
        CAPABILITY_SETUID,
        CAPABILITY_SETPCAP,
        CAPABILITY_LINUX_IMMUTABLE,
        CAPABILITY_NET_BIND_SERVICE,
        CAPABILITY_NET_BROADCAST,
        CAPABILITY_NET_ADMIN,
        CAPABILITY_NET_RAW,
        CAPABILITY_IPC_LOCK,
        CAPABILITY_IPC_OWNER,
        CAPABILITY_SYS_MODULE,
        CAPABILITY_SYS_RAWIO,
        CAPABILITY_SYS_CHROOT,
        CAPABILITY_SYS_PTRACE,
        CAPABILITY_SYS_PACCT,
        CAPABILITY_SYS_ADMIN,
        CAPABILITY_SYS_BOOT,
        CAPABILITY_SYS_NICE,
        CAPABILITY_SYS_RESOURCE,
        CAPABILITY_SYS_TIME,
        CAPABILITY_SYS_TTY_CONFIG,
        CAPABILITY_MKNOD,
        CAPABILITY_LEASE,
        CAPABILITY_AUDIT_WRITE,
        CAPABILITY_AUDIT_CONTROL,
        CAPABILITY_SETFCAP,
        CAPABILITY_MAC_OVERRIDE,
        CAPABILITY_MAC_ADMIN,
        CAPABILITY_SYSLOG,
        CAPABILITY_WAKE_ALARM,
        CAPABILITY_BLOCK_SUSPEND,
        CAPABILITY_AUDIT_READ,
        CAPABILITY_PERFMON,
        CAPABILITY_BPF,
        CAPABILITY_CHECKPOINT_RESTORE,
        CAPABILITY_MAX
};

/* The set (bit per capability) that Docker would give: its default, or all when privileged, with `add` and `drop` applied; words with or
 * without "CAP_", any case, or "ALL". What this process itself may not hand on is left out. -EINVAL for an unknown word. */
int capabilities_resolve(bool privileged, const struct string_list *add, const struct string_list *drop, uint64_t *ret,
                         struct error *error) MUST_CHECK;
/* "CAP_CHOWN" … of the set, into the arena. */
void capabilities_names(uint64_t set, struct arena *arena, struct string_list *ret);
