/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A start without a task, in a machine that waits for one: its kernel then has at hand, and an emulator has translated, what the real one
 * goes through. It takes half of the time of that off. What it made is gone when it ends; there was nothing of a task yet.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "guest/guest.h"

/* Beyond those of tasks. */
#define INDEX "31"
#define PATIENCE_MS 2000

/* What an ordinary container has (src/runtime/bundle.c), in which gantry-init ends at once. */
static const char start_text[] =
        "{\"index\":" INDEX ",\"image\":-1,\"spec\":{"
        "\"hostname\":\"rehearsal\",\"root\":{\"path\":\"rootfs\"},"
        "\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"" GUEST_REHEARSE_PROGRAM "\",\"" GUEST_REHEARSE "\"],"
        "\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\"HOME=/root\"],\"cwd\":\"/\","
        "\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_KILL\"],\"effective\":[\"CAP_CHOWN\",\"CAP_KILL\"],"
        "\"inheritable\":[],\"permitted\":[\"CAP_CHOWN\",\"CAP_KILL\"]},"
        "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024}]},"
        "\"mounts\":["
        "{\"type\":\"proc\",\"source\":\"proc\",\"destination\":\"/proc\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
        "{\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"destination\":\"/"
        "dev\",\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
        "{\"type\":\"devpts\",\"source\":\"devpts\",\"destination\":\"/dev/pts\","
        "\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"
        "{\"type\":\"mqueue\",\"source\":\"mqueue\",\"destination\":\"/dev/mqueue\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
        "{\"type\":\"sysfs\",\"source\":\"sysfs\",\"destination\":\"/sys\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
        "{\"type\":\"cgroup\",\"source\":\"cgroup\",\"destination\":\"/sys/fs/cgroup\","
        "\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]},"
        "{\"type\":\"tmpfs\",\"source\":\"shm\",\"destination\":\"/dev/shm\","
        "\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=67108864\"]},"
        "{\"type\":\"bind\",\"source\":\"/run/rehearsal\",\"destination\":\"/etc/hosts\",\"options\":[\"rbind\",\"rprivate\"]},"
        "{\"type\":\"bind\",\"source\":\"/init\",\"destination\":\"" GUEST_REHEARSE_PROGRAM
        "\",\"options\":[\"bind\",\"ro\",\"rprivate\"]}],"
        "\"annotations\":{\"run.oci.seccomp_bpf_data\":\"BgAAAAAA/38=\"},"
        "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"cgroup\"},{\"type\":\"mount\"}],"
        "\"maskedPaths\":[\"/proc/kcore\",\"/proc/keys\",\"/sys/firmware\"],\"readonlyPaths\":[\"/proc/bus\",\"/proc/sys\"]}},"
        "\"files\":[{\"path\":\"/run/rehearsal\",\"content\":\"127.0.0.1 localhost\\n\"}]}";

static void wait_for_end(struct guest *guest, struct box *box)
{
        CLEANUP_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, box->pid, 0);
        struct pollfd ended = {.fd = pidfd, .events = POLLIN};
        int status = 0;

        if (poll(&ended, 1, PATIENCE_MS) <= 0)
                (void)kill(box->pid, SIGKILL);
        (void)waitpid(box->pid, &status, 0);
        box_ended(guest, box, status);
}

static int rehearse_box(struct guest *guest, struct error *error)
{
        CLEANUP_ARENA struct arena arena = {0};
        struct guest_start *start = NULL;
        struct box *box;
        int r = SHAPE_PARSE(guest_start, &arena, start_text, sizeof(start_text) - 1, NULL, &start, error);

        if (r < 0)
                return r;
        box = &guest->boxes[start->index];
        box_start(guest, start);
        if (box->state == BOX_RUNNING)
                wait_for_end(guest, box);
        else
                r = error_set(error, EIO, "its container did not start");
        box_forget(box);
        (void)unlink(start->files.items[0].path);
        return r;
}

int rehearse(struct guest *guest, struct error *error)
{
        const struct guest_configure network = {
                .mac = "02:67:00:00:00:02", .address = "169.254.0.2", .gateway = "169.254.0.1", .gateway_mac = "02:67:00:00:00:01"};
        int r = setup_network(&network, error);

        setup_network_off();
        return r < 0 ? r : rehearse_box(guest, error);
}
