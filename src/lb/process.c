/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proxy's process: configuration files, start, reload, adoption, death.
 *
 *     DOWN ──► CHECKING (haproxy -c over the new file) ──► CHANGING (started or told to reload) ──► UP
 *      ▲            │ refused: the old one goes on              │ the worker answers with its generation
 *      └────────────┴── the process is gone ────────────────────┘
 *
 * Every configuration carries its hash in the worker's environment (`show env`), so that nobody has to guess which one runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strutil.h"
#include "codec/sha256.h"
#include "lb/internal.h"
#include "net/addr.h"

/* An address that another program has is tried again after that. */
#define RETRY_ADDRESS_MS 5000
#define GENERATION "GANTRY_GENERATION"
/* A new worker answers within that time, or it is tried again. */
#define CHANGE_TIMEOUT_MS 15000
/* How often, and for how long in all, a process is asked anew that is between two programs. */
#define EXEC_ASK_MS 5
#define EXEC_PATIENCE_MS 1000
#define RESTART_MIN_MS 100
#define RESTART_MAX_MS 5000
#define MAX_FILE ((size_t)64 << 20)

static void connect_worker(struct lb_driver *driver);

/* ---- Files ---- */

static void path_of(struct lb_driver *driver, const char *name, struct buf *out)
{
        buf_clear(out);
        buf_printf(out, "%s/%s", driver->dir, name);
}

static int write_file(struct lb_driver *driver, const char *name, const char *data, size_t len, struct error *error)
{
        CLEANUP_BUF struct buf path = {0};
        int r;

        path_of(driver, name, &path);
        r = files_write(AT_FDCWD, path.data, data, len, 0600, false);
        return r < 0 ? error_set(error, -r, "cannot write %s: %s", path.data, strerror(-r)) : 0;
}

static void write_pid(struct lb_driver *driver)
{
        struct error error = {0};
        char text[32];
        int n = snprintf(text, sizeof(text), "%d\n", driver->pid);

        if (write_file(driver, "haproxy.pid", text, (size_t)n, &error) < 0)
                log_error("the proxy's process id cannot be kept", LOG_S("error", error.message));
}

/* ---- The master ---- */

/*
 * The master is held by a pidfd: a process id may be another's by the time it gets a signal, and neither the id nor the command line
 * of a process tell for certain that it has died. A master that reloads executes itself anew: it has no command line for a moment, and
 * stays the same process all the time.
 */
static int hold(struct lb_driver *driver, int pid)
{
        int fd = pidfd_open(pid, 0);

        if (fd < 0)
                return -errno;
        driver->pid = pid;
        driver->pidfd = fd;
        return 0;
}

static void drop(struct lb_driver *driver)
{
        if (driver->pid != 0)
                close(driver->pidfd);
        driver->pid = 0;
        driver->pidfd = -1;
}

static int send_signal(const struct lb_driver *driver, int number)
{
        return driver->pid != 0 ? pidfd_send_signal(driver->pidfd, number, NULL, 0) : -1;
}

/* Also when nobody has waited for it yet. */
static bool has_died(const struct lb_driver *driver)
{
        struct pollfd poll_fd = {.fd = driver->pidfd, .events = POLLIN};

        return poll(&poll_fd, 1, 0) > 0;
}

/* ---- Addresses ---- */

static bool is_bound(const struct lb_driver *driver, const char *address, int port)
{
        char text[ADDR_TEXT_MAX];

        (void)snprintf(text, sizeof(text), "%s:%d", address, port);
        for (uint32_t i = 0; i < driver->bound.n; i++)
                if (str_eq(driver->bound.items[i], text))
                        return true;
        return false;
}

/* Could a proxy listen there? Ours does already, or nobody. */
static bool bindable(void *data, const struct listener *listener, const char *address, int port, const char **ret_why)
{
        struct lb_driver *driver = data;
        char text[ADDR_TEXT_MAX], problem[256];
        struct error error = {0};
        CLEANUP_CLOSE int fd = -1;
        union addr where;
        int on = 1;

        (void)snprintf(text, sizeof(text), "%s:%d", address, port);
        if (is_bound(driver, address, port) || addr_parse(text, &where, &error) < 0)
                return true;
        fd = socket(where.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
            bind(fd, &where.any, where.any.sa_family == AF_INET6 ? sizeof(where.v6) : sizeof(where.v4)) == 0)
                return true;
        *ret_why = errno == EADDRINUSE ? "another program listens there: end it, or choose another port"
                   : errno == EACCES   ? "ports below 1024 need root: start the server as root, or choose another port"
                                       : strerror(errno);
        (void)snprintf(problem, sizeof(problem), "cannot listen on %s: %s", text, *ret_why);
        model_set_balancer_problem(listener->balancer, problem);
        return false;
}

/* Addresses in a configuration that our process was given. */
static void learn_bound(struct lb_driver *driver, const char *text)
{
        arena_reset(&driver->bound_arena);
        driver->bound = (struct string_list){0};
        for (const char *p = text; (p = strstr(p, "\n  bind ")) != NULL;) {
                p += strlen("\n  bind ");
                string_list_push(&driver->bound_arena, &driver->bound, arena_strndup(&driver->bound_arena, p, strcspn(p, " \n")));
        }
}

/* ---- Configuration ---- */

static bool make_text(struct lb_driver *driver, bool servers, struct buf *out)
{
        struct lb_config_options options = driver->config;

        options.bindable = bindable;
        options.data = driver;
        options.servers = servers ? lb_servers_write : NULL;
        return lb_config_write(driver->options.model, &options, out);
}

static int write_configuration(struct lb_driver *driver, struct error *error)
{
        CLEANUP_BUF struct buf text = {0};
        int r = lb_certificates_write(driver, error);

        if (r < 0)
                return r;
        driver->certificates_dirty = false; /* the next worker reads them from the files */
        (void)make_text(driver, true, &text);
        buf_printf(&text, "\nglobal\n  setenv " GENERATION " %s\n", driver->next_generation);
        return write_file(driver, "haproxy.cfg.new", text.data, text.len, error);
}

/* ---- Starting and reloading ---- */

static void free_handle(uv_handle_t *handle)
{
        free(handle);
}

static void on_child_exit(uv_process_t *process, int64_t status, int signal)
{
        struct lb_driver *driver = process->data;

        uv_close((uv_handle_t *)process, free_handle);
        if (driver == NULL || driver->child != process)
                return;
        driver->child = NULL;
        if (driver->pid == 0) /* it was told to end */
                return;
        log_warn("the proxy has ended", LOG_I("pid", driver->pid), LOG_I("status", status), LOG_I("signal", signal));
        lb_process_tick(driver);
}

/* The process goes on; only its end is no news any more. */
static void let_go(struct lb_driver *driver)
{
        if (driver->child != NULL)
                driver->child->data = NULL;
        driver->child = NULL;
}

static int spawn(struct lb_driver *driver, struct error *error)
{
        CLEANUP_BUF struct buf log = {0}, cfg = {0};
        CLEANUP_CLOSE int fd = -1;
        char *argv[] = {driver->program, (char *)"-W", (char *)"-f", NULL, NULL};
        uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE}, {.flags = UV_INHERIT_FD}, {.flags = UV_INHERIT_FD}};
        uv_process_options_t options = {.exit_cb = on_child_exit,
                                        .file = driver->program,
                                        .args = argv,
                                        .flags = UV_PROCESS_DETACHED,
                                        .stdio_count = 3,
                                        .stdio = stdio};
        int r;

        path_of(driver, "haproxy.cfg", &cfg);
        path_of(driver, "haproxy.log", &log);
        argv[3] = cfg.data;
        fd = open(log.data, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0)
                return error_set(error, errno, "cannot write %s: %s", log.data, strerror(errno));
        stdio[1].data.fd = stdio[2].data.fd = fd;
        let_go(driver);
        driver->child = xalloc(sizeof(*driver->child));
        driver->child->data = driver;
        r = uv_spawn(driver->options.loop, driver->child, &options);
        if (r < 0) {
                uv_close((uv_handle_t *)driver->child, free_handle);
                driver->child = NULL;
                return error_set(error, -r, "cannot start %s: %s (Debian: apt-get install haproxy)", driver->program, uv_strerror(r));
        }
        r = hold(driver, driver->child->pid);
        if (r < 0) {
                (void)uv_process_kill(driver->child, SIGKILL);
                let_go(driver);
                return error_set(error, -r, "cannot watch the proxy's process: %s", strerror(-r));
        }
        uv_unref((uv_handle_t *)driver->child);
        write_pid(driver);
        log_info("proxy started", LOG_I("pid", driver->pid));
        return 0;
}

static void back_off(struct lb_driver *driver)
{
        driver->restart_ms = MIN(MAX(driver->restart_ms * 2, RESTART_MIN_MS), RESTART_MAX_MS);
        driver->changing_since = uv_now(driver->options.loop);
        driver->structure_dirty = true;
}

static void bring_up(struct lb_driver *driver)
{
        CLEANUP_BUF struct buf from = {0}, to = {0}, text = {0};
        struct error error = {0};

        path_of(driver, "haproxy.cfg.new", &from);
        path_of(driver, "haproxy.cfg", &to);
        if (rename(from.data, to.data) < 0)
                (void)error_set(&error, errno, "cannot write %s: %s", to.data, strerror(errno));
        else if (driver->pid != 0 && send_signal(driver, SIGUSR2) < 0)
                drop(driver);
        if (!error_is_set(&error) && driver->pid == 0)
                (void)spawn(driver, &error);
        if (error_is_set(&error)) {
                log_error("load balancers cannot be served", LOG_S("error", error.message));
                driver->state = LB_DOWN;
                back_off(driver);
                return;
        }
        if (buf_read_file(&text, to.data, MAX_FILE) == 0)
                learn_bound(driver, text.data);
        driver->state = LB_CHANGING;
        driver->changing_since = uv_now(driver->options.loop);
        driver->old_workers = true;
        lb_old_workers_add(driver);
        lb_servers_forget(driver);
        connect_worker(driver);
}

/* ---- Checking ---- */

static void on_check_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        struct lb_driver *driver = handle->data;

        (void)suggested;
        *ret = uv_buf_init(buf_reserve(&driver->check_text, 4096), 4096);
}

static void on_check_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
        struct lb_driver *driver = stream->data;

        (void)data;
        if (n > 0)
                buf_advance(&driver->check_text, (size_t)n);
}

static void on_check_closed(uv_handle_t *handle)
{
        struct lb_driver *driver = handle->data;

        if (--driver->check_handles > 0)
                return;
        driver->check_running = false;
        if (driver->freeing)
                lb_driver_release(driver);
        else
                lb_driver_wake(driver);
}

static void on_checked(uv_process_t *process, int64_t status, int signal)
{
        struct lb_driver *driver = process->data;

        uv_close((uv_handle_t *)process, on_check_closed);
        uv_close((uv_handle_t *)&driver->check_output, on_check_closed);
        if (driver->freeing)
                return;
        if (status == 0 && signal == 0) {
                bring_up(driver);
                return;
        }
        buf_append_char(&driver->check_text, ' ');
        log_error("the proxy refuses its new configuration; the old one goes on. Please report this with the file haproxy.cfg.new",
                  LOG_S("dir", driver->dir), LOG_S("said", driver->check_text.data));
        driver->state = driver->runtime != NULL && driver->servers_known ? LB_UP : LB_DOWN;
        driver->certificates_dirty = true; /* the old one goes on, with what it read before */
        /* Not again until something changes. */
        (void)snprintf(driver->generation, sizeof(driver->generation), "%s", driver->next_generation);
}

static int begin_check(struct lb_driver *driver, struct error *error)
{
        CLEANUP_BUF struct buf cfg = {0};
        char *argv[] = {driver->program, (char *)"-c", (char *)"-q", (char *)"-f", NULL, NULL};
        uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
                                         {.flags = UV_IGNORE},
                                         {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&driver->check_output}};
        uv_process_options_t options = {.exit_cb = on_checked, .file = driver->program, .args = argv, .stdio_count = 3, .stdio = stdio};
        int r;

        path_of(driver, "haproxy.cfg.new", &cfg);
        argv[4] = cfg.data;
        buf_clear(&driver->check_text);
        uv_pipe_init(driver->options.loop, &driver->check_output, 0);
        driver->check.data = driver->check_output.data = driver;
        driver->check_handles = 2;
        driver->check_running = true;
        r = uv_spawn(driver->options.loop, &driver->check, &options);
        if (r < 0) {
                uv_close((uv_handle_t *)&driver->check, on_check_closed);
                uv_close((uv_handle_t *)&driver->check_output, on_check_closed);
                return error_set(error, -r, "cannot start %s: %s (Debian: apt-get install haproxy)", driver->program, uv_strerror(r));
        }
        uv_read_start((uv_stream_t *)&driver->check_output, on_check_alloc, on_check_read);
        driver->state = LB_CHECKING;
        return 0;
}

static void stop(struct lb_driver *driver)
{
        if (driver->pid == 0)
                return;
        log_info("no load balancer has a listener: the proxy ends", LOG_I("pid", driver->pid));
        (void)send_signal(driver, SIGTERM);
        drop(driver);
        driver->state = LB_DOWN;
        driver->generation[0] = '\0';
        driver->bound = (struct string_list){0};
        driver->runtime = lb_runtime_free(driver->runtime);
        lb_servers_forget(driver);
}

/* The text without servers, and what is wrong with each balancer's addresses now: said when that is new. */
static bool make_structure(struct lb_driver *driver, struct buf *text)
{
        const struct tree *balancers = model_objects(driver->options.model, OBJECT_LOAD_BALANCER);
        CLEANUP_ARENA struct arena arena = {0};
        const char **before = arena_calloc(&arena, balancers->count + 1, sizeof(char *));
        size_t n = 0;
        bool any;

        tree_for_each (node, balancers) {
                struct load_balancer *balancer = MODEL_OBJECT(node, load_balancer);

                before[n++] = arena_strdup(&arena, balancer->problem);
                model_set_balancer_problem(balancer, NULL);
        }
        any = make_text(driver, false, text);
        driver->any_problem = false;
        n = 0;
        tree_for_each (node, balancers) {
                const struct load_balancer *balancer = MODEL_OBJECT(node, load_balancer);

                driver->any_problem |= balancer->problem != NULL;
                if (balancer->problem != NULL && !str_eq(balancer->problem, before[n]))
                        log_warn("a load balancer is impaired", LOG_S("balancer", balancer->state->name), LOG_S("why", balancer->problem));
                n++;
        }
        driver->last_structure = uv_now(driver->options.loop);
        return any;
}

void lb_process_apply(struct lb_driver *driver)
{
        CLEANUP_BUF struct buf text = {0};
        struct error error = {0};
        char hash[65];

        if (driver->check_running || driver->state == LB_CHANGING)
                return; /* woken again when that is over */
        driver->structure_dirty = false;
        if (!make_structure(driver, &text)) {
                stop(driver);
                return;
        }
        sha256_hex(text.data, text.len, hash);
        memcpy(driver->next_generation, hash, sizeof(hash));
        if (driver->state == LB_UP && str_eq(driver->generation, driver->next_generation))
                return;
        if (write_configuration(driver, &error) < 0 || begin_check(driver, &error) < 0) {
                log_error("load balancers cannot be served", LOG_S("error", error.message));
                back_off(driver);
        }
}

/* ---- The worker ---- */

static void worker_is_there(struct lb_driver *driver)
{
        (void)snprintf(driver->generation, sizeof(driver->generation), "%s", driver->next_generation);
        driver->state = LB_UP;
        driver->restart_ms = 0;
        driver->reloads_for_certificates = false;
        lb_servers_learn(driver);
        if (driver->structure_dirty || driver->certificates_dirty)
                lb_driver_wake(driver);
}

/* "GANTRY_GENERATION=…": of the worker that answers. After an adoption whatever it says is what runs. */
static void on_generation(void *data, const char *answer)
{
        struct lb_driver *driver = data;
        const char *value = answer != NULL ? strstr(answer, GENERATION "=") : NULL;

        if (answer == NULL)
                return;
        if (value != NULL && driver->next_generation[0] == '\0')
                (void)snprintf(driver->next_generation, sizeof(driver->next_generation), "%.64s", value + strlen(GENERATION "="));
        if (value != NULL && str_starts_with(value + strlen(GENERATION "="), driver->next_generation)) {
                worker_is_there(driver);
                return;
        }
        /* Still the old worker: the timer asks again. */
        driver->runtime = lb_runtime_free(driver->runtime);
}

static void on_connected(void *data)
{
        struct lb_driver *driver = data;

        lb_runtime_send(driver->runtime, on_generation, driver, "show env " GENERATION);
}

static void on_ended(void *data, const char *why)
{
        struct lb_driver *driver = data;

        log_debug("runtime socket", LOG_S("ended", why));
        driver->runtime = lb_runtime_free(driver->runtime);
        if (driver->state == LB_UP) {
                driver->state = LB_CHANGING;
                driver->changing_since = uv_now(driver->options.loop);
                lb_servers_forget(driver);
        }
        uv_timer_start(&driver->tick, driver->tick.timer_cb, 10, 10);
}

static void connect_worker(struct lb_driver *driver)
{
        CLEANUP_BUF struct buf path = {0};

        path_of(driver, "runtime.sock", &path);
        driver->runtime = lb_runtime_new(&(struct lb_runtime_options){
                .loop = driver->options.loop, .path = path.data, .connected = on_connected, .ended = on_ended, .data = driver});
}

/* Is the one that we hold a HAProxy that runs our configuration? Process ids come round. */
static bool is_ours(struct lb_driver *driver)
{
        CLEANUP_BUF struct buf cmdline = {0}, cfg = {0};
        char path[64];

        (void)snprintf(path, sizeof(path), "/proc/%d/cmdline", driver->pid);
        path_of(driver, "haproxy.cfg", &cfg);
        for (int waited_ms = 0; waited_ms < EXEC_PATIENCE_MS && !has_died(driver); waited_ms += EXEC_ASK_MS) {
                if (buf_read_file(&cmdline, path, 65536) == 0 && cmdline.len > 0)
                        return memmem(cmdline.data, cmdline.len, cfg.data, cfg.len) != NULL;
                (void)poll(NULL, 0, EXEC_ASK_MS);
        }
        return false;
}

/* Workers of before a reload are children of the master too: the master's children tell how many there are. */
static void look_for_old_workers(struct lb_driver *driver)
{
        CLEANUP_BUF struct buf children = {0};
        char path[96];
        int n = 0;

        (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", driver->pid, driver->pid);
        if (buf_read_file(&children, path, 65536) < 0)
                return;
        for (const char *p = children.data; p != NULL && (p = strchr(p, ' ')) != NULL; p++)
                n++;
        driver->old_workers = n > 1;
}

void lb_process_tick(struct lb_driver *driver)
{
        uint64_t now = uv_now(driver->options.loop);

        if (driver->pid != 0 && has_died(driver)) {
                log_warn("the proxy is gone: it is started again", LOG_I("pid", driver->pid));
                drop(driver);
                driver->state = LB_DOWN;
                driver->bound = (struct string_list){0};
                driver->runtime = lb_runtime_free(driver->runtime);
                lb_servers_forget(driver);
                back_off(driver);
        }
        if (driver->state == LB_DOWN && driver->structure_dirty && !driver->check_running &&
            now - driver->changing_since >= driver->restart_ms)
                lb_driver_wake(driver);
        if (driver->state == LB_CHANGING && driver->runtime == NULL) {
                if (now - driver->changing_since > CHANGE_TIMEOUT_MS) {
                        log_error("the proxy does not take its new configuration; see haproxy.log", LOG_S("dir", driver->dir));
                        driver->next_generation[0] = '\0'; /* take what runs, and try again */
                        lb_old_workers_recount(driver);
                        driver->certificates_dirty = true;
                        driver->changing_since = now;
                        driver->structure_dirty = true;
                }
                connect_worker(driver);
        }
        /* Perhaps an address is free by now. */
        if (driver->any_problem && driver->state == LB_UP && now - driver->last_structure > RETRY_ADDRESS_MS)
                driver->structure_dirty = true;
        if (driver->old_workers && driver->state == LB_UP && driver->pid != 0)
                look_for_old_workers(driver);
}

void lb_process_adopt(struct lb_driver *driver)
{
        CLEANUP_BUF struct buf path = {0}, text = {0};
        int64_t pid;

        path_of(driver, "haproxy.pid", &path);
        if (buf_read_file(&text, path.data, 64) < 0)
                return;
        text.data[strcspn(text.data, "\n")] = '\0';
        if (str_to_int64(text.data, &pid) < 0 || pid <= 0 || hold(driver, (int)pid) < 0)
                return;
        if (!is_ours(driver)) {
                drop(driver);
                return;
        }
        lb_old_workers_recount(driver);
        log_info("proxy found running", LOG_I("pid", driver->pid));
        path_of(driver, "haproxy.cfg", &path);
        buf_clear(&text);
        if (buf_read_file(&text, path.data, MAX_FILE) == 0)
                learn_bound(driver, text.data);
        driver->state = LB_CHANGING;
        driver->changing_since = uv_now(driver->options.loop);
        driver->old_workers = true;
        driver->certificates_dirty = true;
        connect_worker(driver);
}

void lb_process_init(struct lb_driver *driver)
{
        struct passwd *user = geteuid() == 0 ? getpwnam("haproxy") : NULL;

        if (user != NULL) {
                (void)snprintf(driver->user, sizeof(driver->user), "%s", user->pw_name);
                driver->config.user = driver->user;
        }
}

void lb_process_done(struct lb_driver *driver)
{
        driver->runtime = lb_runtime_free(driver->runtime);
        let_go(driver);
        drop(driver);
        if (driver->check_running && !uv_is_closing((uv_handle_t *)&driver->check)) {
                (void)uv_process_kill(&driver->check, SIGKILL);
                uv_close((uv_handle_t *)&driver->check, on_check_closed);
                uv_close((uv_handle_t *)&driver->check_output, on_check_closed);
        }
        buf_done(&driver->check_text);
        arena_done(&driver->bound_arena);
}
