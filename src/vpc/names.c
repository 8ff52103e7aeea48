/* SPDX-License-Identifier: Apache-2.0 */
/* Unbound's files, process and control socket: see names.h. */
#include "vpc/names.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/strutil.h"

#define PROGRAM "unbound"
#define USER "unbound" /* Debian's package makes it */
#define SEARCH_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define CONTROL_TIMEOUT_S 5
#define NAME_MAX_LENGTH 253
#define LABEL_MAX 63
#define TTL_MAX INT32_MAX
#define FILE_LIMIT ((size_t)8 << 20)
#define ENDED_TRIES 100 /* of 10 ms */

/* ---- Zones as text ---- */

/* Nothing in it has a meaning in a zone's file. */
static bool is_name(const char *name)
{
        if (name == NULL || strlen(name) > NAME_MAX_LENGTH)
                return false;
        while (name != NULL)
                if (str_dns_label(&name) == 0)
                        return false;
        return true;
}

static bool is_ttl(int64_t ttl)
{
        return ttl >= 0 && ttl <= TTL_MAX;
}

int names_zone_text(const struct vpc_zone *zone, struct buf *out, struct error *error)
{
        if (!is_name(zone->name) || !is_ttl(zone->ttl) || !str_is_name(zone->id, "-", LABEL_MAX))
                return error_set(error, EINVAL, "\"%s\" is no zone", zone->name != NULL ? zone->name : "");
        buf_printf(out, "%s. %lld IN SOA ns.%s. hostmaster.%s. 1 3600 600 86400 %lld\n", zone->name, (long long)zone->ttl, zone->name,
                   zone->name, (long long)zone->ttl);
        buf_printf(out, "%s. %lld IN NS ns.%s.\n", zone->name, (long long)zone->ttl, zone->name);
        for (uint32_t i = 0; i < zone->n_records; i++) {
                const struct vpc_record *record = &zone->records[i];
                char address[20];

                if (!is_name(record->owner) || !is_ttl(record->ttl) || (record->target != NULL && !is_name(record->target)))
                        return error_set(error, EINVAL, "a record of the zone %s has a name that cannot be one", zone->name);
                if (record->target != NULL) {
                        buf_printf(out, "%s. %lld IN SRV 1 1 %u %s.\n", record->owner, (long long)record->ttl, record->port,
                                   record->target);
                        continue;
                }
                range_text(record->address, -1, address);
                buf_printf(out, "%s. %lld IN A %s\n", record->owner, (long long)record->ttl, address);
        }
        return 0;
}

/* Small: a node has few names. Zones are for tasks alone, and the rest is asked of the machine's own server or not at all. */
static void configuration(const struct router *router, const struct vpc_network *network, struct buf *out)
{
        const char *dir = router->names_dir;
        char address[20], server[16];

        range_text(router_host_address(router->slot), -1, address);
        buf_printf(out,
                   "server:\n  chroot: \"%s\"\n  directory: \"%s\"\n  username: \"" USER
                   "\"\n  pidfile: \"%s/pid\"\n  use-syslog: no\n  logfile: \"\"\n"
                   "  interface: %s@%d\n  access-control: 0.0.0.0/0 allow\n  do-ip6: no\n  num-threads: 1\n  outgoing-range: 128\n"
                   "  num-queries-per-thread: 64\n  msg-cache-size: 256k\n  rrset-cache-size: 512k\n  key-cache-size: 64k\n  "
                   "neg-cache-size: 64k\n"
                   "  infra-cache-numhosts: 200\n  module-config: \"iterator\"\n  do-not-query-localhost: no\n  rrset-roundrobin: yes\n"
                   "  hide-identity: yes\n  hide-version: yes\n",
                   dir, dir, dir, address, NAMES_PORT);
        if (vpc_name_server(server))
                buf_printf(out, "forward-zone:\n  name: \".\"\n  forward-addr: %s\n", server);
        else
                buf_append_str(out, "  do-not-query-address: 0.0.0.0/0\n");
        buf_printf(out, "remote-control:\n  control-enable: yes\n  control-interface: \"%s/control\"\n  control-use-cert: no\n", dir);
        for (uint32_t i = 0; i < network->n_zones; i++)
                buf_printf(out,
                           "auth-zone:\n  name: \"%s\"\n  zonefile: \"%s/%s.zone\"\n  for-downstream: yes\n  for-upstream: yes\n"
                           "  fallback-enabled: no\n",
                           network->zones[i].name, dir, network->zones[i].id);
}

/* Writes the file if it says something else; 1: it did. It is read by a process that has given up root's rights. */
static int put_file(const char *path, const struct buf *text, struct error *error)
{
        CLEANUP_BUF struct buf old = {0};
        int r;

        if (buf_read_file(&old, path, FILE_LIMIT) == 0 && old.len == text->len && memcmp(old.data, text->data, text->len) == 0)
                return 0;
        r = files_write(AT_FDCWD, path, text->data, text->len, 0644, false);
        return r < 0 ? error_set(error, -r, "cannot write %s: %s", path, strerror(-r)) : 1;
}

/* ---- The process ---- */

/* The process with this configuration, or 0. A process id alone may be another's by now. */
static pid_t process_of(const struct router *router)
{
        CLEANUP_FREE char *path = xprintf("%s/pid", router->names_dir), *conf = xprintf("%s/unbound.conf", router->names_dir);
        CLEANUP_BUF struct buf text = {0}, line = {0};
        CLEANUP_FREE char *proc = NULL;
        long long pid;

        if (buf_read_file(&text, path, 64) < 0 || text.len == 0)
                return 0;
        pid = strtoll(text.data, NULL, 10);
        if (pid <= 1)
                return 0;
        proc = xprintf("/proc/%lld/cmdline", pid);
        if (buf_read_file(&line, proc, 4096) < 0 || line.len == 0)
                return 0;
        for (size_t i = 0; i < line.len; i += strlen(line.data + i) + 1)
                if (str_eq(line.data + i, conf))
                        return (pid_t)pid;
        return 0;
}

bool names_running(const struct router *router)
{
        return process_of(router) != 0;
}

/*
 * Debian's AppArmor profile of the program knows only the folders of a resolver of the whole machine. What this thread starts next is to be
 * as free as the agent is; where there is no AppArmor there is no such file, and nothing to do.
 */
static void leave_profile(void)
{
        static const char *const files[] = {"/proc/thread-self/attr/apparmor/exec", "/proc/thread-self/attr/exec"};
        static const char wish[] = "exec unconfined";

        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                CLEANUP_CLOSE int fd = open(files[i], O_WRONLY | O_CLOEXEC);

                if (fd >= 0 && write(fd, wish, sizeof(wish) - 1) > 0)
                        return;
        }
}

static int run(char *const argv[], int output)
{
        static char *const environment[] = {SEARCH_PATH, NULL};
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none;
        pid_t pid = 0;
        int r, status = 0;

        (void)sigemptyset(&none);
        (void)posix_spawn_file_actions_init(&actions);
        (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
        (void)posix_spawn_file_actions_adddup2(&actions, 0, 1);
        (void)posix_spawn_file_actions_adddup2(&actions, output, 2);
        (void)posix_spawnattr_init(&attributes);
        (void)posix_spawnattr_setsigmask(&attributes, &none);
        (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
        leave_profile();
        r = posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environment);
        (void)posix_spawn_file_actions_destroy(&actions);
        (void)posix_spawnattr_destroy(&attributes);
        if (r != 0)
                return -r;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -ECANCELED;
}

/* Goes into the background when it listens; before that it says why it cannot. */
static int start(struct router *router, struct error *error)
{
        CLEANUP_FREE char *conf = xprintf("%s/unbound.conf", router->names_dir), *said_path = xprintf("%s/said", router->names_dir);
        CLEANUP_CLOSE int said = open(said_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        char usual[] = "/usr/sbin/" PROGRAM, anywhere[] = PROGRAM, option[] = "-c"; /* not every PATH has sbin */
        char *const argv[] = {access(usual, F_OK) == 0 ? usual : anywhere, option, conf, NULL};
        CLEANUP_BUF struct buf text = {0};
        int r = said >= 0 ? run(argv, said) : -errno;

        if (r == 0)
                return 0;
        if (r == -ENOENT || r == -EACCES)
                return error_set(error, -r,
                                 "names of private namespaces are not answered to tasks of the VPC %s on this node: cannot run " PROGRAM
                                 " (%s): apt-get install " PROGRAM,
                                 router->id, strerror(-r));
        if (buf_read_file(&text, said_path, FILE_LIMIT) < 0)
                buf_clear(&text);
        return error_set(error, EIO,
                         "names of private namespaces are not answered to tasks of the VPC %s on this node: " PROGRAM " -c %s: %s",
                         router->id, conf,
                         r < 0          ? strerror(-r)
                         : text.len > 0 ? text.data
                                        : "failed");
}

/* Sends a command and waits for its end: "ok", or what is wrong. */
static int command(const struct router *router, const char *words, struct error *error)
{
        const struct timeval patience = {.tv_sec = CONTROL_TIMEOUT_S};
        struct sockaddr_un where = {.sun_family = AF_UNIX};
        CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CLEANUP_FREE char *line = xprintf("UBCT1 %s\n", words);
        char answer[256] = "";
        ssize_t n;

        (void)snprintf(where.sun_path, sizeof(where.sun_path), "%s/control", router->names_dir);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
            connect(fd, (const struct sockaddr *)&where, sizeof(where)) < 0 || send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
                return error_set(error, errno, "cannot speak to " PROGRAM " at %s: %s", where.sun_path, strerror(errno));
        n = recv(fd, answer, sizeof(answer) - 1, MSG_WAITALL);
        if (n < 0)
                return error_set(error, errno, PROGRAM " at %s does not answer: %s", where.sun_path, strerror(errno));
        answer[n] = '\0';
        return str_starts_with(answer, "ok") ? 0 : error_set(error, EIO, PROGRAM ": %s: %s", words, answer);
}

/* Has ended when this returns. */
static void stop_process(const struct router *router)
{
        pid_t pid = process_of(router);

        if (pid == 0 || kill(pid, SIGTERM) < 0)
                return;
        for (int i = 0; i < ENDED_TRIES && process_of(router) == pid; i++)
                (void)usleep(10000);
        if (process_of(router) == pid)
                (void)kill(pid, SIGKILL);
}

void names_stop(struct router *router)
{
        router->names = false;
        if (router->names_dir == NULL || access(router->names_dir, F_OK) < 0)
                return;
        stop_process(router);
        (void)files_remove(AT_FDCWD, router->names_dir);
}

/* ---- Coming into force ---- */

static int make_dir(const struct router *router, struct error *error)
{
        struct sockaddr_un where;
        int r;

        if (strlen(router->names_dir) + sizeof("/control") > sizeof(where.sun_path))
                return error_set(error, ENAMETOOLONG, "the folder %s is too deep for a control socket: choose a shorter --data-dir",
                                 router->names_dir);
        r = files_make_dirs(router->names_dir, 0755);
        return r < 0 ? error_set(error, -r, "cannot make %s: %s", router->names_dir, strerror(-r)) : 0;
}

/* Sets changed[i] of the zones whose file is another. */
static int put_zones(const struct router *router, const struct vpc_network *network, bool *changed, struct error *error)
{
        for (uint32_t i = 0; i < network->n_zones; i++) {
                const struct vpc_zone *zone = &network->zones[i];
                CLEANUP_FREE char *path = xprintf("%s/%s.zone", router->names_dir, zone->id != NULL ? zone->id : "");
                CLEANUP_BUF struct buf text = {0};
                int r = names_zone_text(zone, &text, error);

                if (r == 0)
                        r = put_file(path, &text, error);
                if (r < 0)
                        return r;
                changed[i] = r > 0;
        }
        return 0;
}

static int serve(struct router *router, const struct vpc_network *network, struct error *error)
{
        CLEANUP_FREE char *conf = xprintf("%s/unbound.conf", router->names_dir);
        CLEANUP_FREE bool *changed = xcalloc(network->n_zones, sizeof(*changed));
        CLEANUP_BUF struct buf text = {0};
        int r = make_dir(router, error), configured;

        if (r == 0)
                r = put_zones(router, network, changed, error);
        if (r < 0)
                return r;
        configuration(router, network, &text);
        configured = put_file(conf, &text, error);
        if (configured < 0)
                return configured;
        router->names = names_running(router);
        if (!router->names || configured) {
                /* A process that is told to reload its configuration loses queries that it is just answering. */
                if (router->names && (r = command(router, "reload", error)) < 0)
                        return r;
                if (!router->names && (r = start(router, error)) < 0)
                        return r;
                router->names = true;
                return 0;
        }
        for (uint32_t i = 0; r == 0 && i < network->n_zones; i++) {
                CLEANUP_FREE char *words = xprintf("auth_zone_reload %s", network->zones[i].name);

                if (changed[i])
                        r = command(router, words, error);
        }
        return r;
}

int names_apply(struct router *router, const struct vpc_network *network, struct error *error)
{
        int r;

        if (network->n_zones == 0) {
                names_stop(router);
                return 0;
        }
        r = serve(router, network, error);
        if (r < 0) {
                /* What was written may not be what is answered: the next time everything is told again. */
                CLEANUP_FREE char *conf = xprintf("%s/unbound.conf", router->names_dir);

                (void)unlink(conf);
                router->names = names_running(router);
        }
        return r;
}
