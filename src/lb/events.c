/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the proxy logs, on a datagram socket: events of health checks, which are only a hint to look at the statistics; and requests,
 * which become access logs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strutil.h"
#include "lb/internal.h"

#define MAX_LINE 16384
/* Datagrams taken before the loop gets its turn. */
#define MAX_BATCH 200

/* ---- Events ---- */

/* "… for server T-0123456789abcdef/10.0.0.5:80 …": the backend there has news. */
static void take_event(struct lb_driver *driver, const char *line)
{
        const char *slash = strchr(line, '/');
        char name[19];

        while (slash != NULL) {
                if (slash - line >= 18 && (slash[-18] == 'T' || slash[-18] == 'P') && slash[-17] == '-') {
                        (void)snprintf(name, sizeof(name), "%.18s", slash - 18);
                        lb_poll_backend(driver, name);
                        return;
                }
                slash = strchr(slash + 1, '/');
        }
}

/* ---- Access logs ---- */

/* One file an hour and balancer, where AWS would put it in the bucket: BUCKET/PREFIX/AWSLogs/ACCOUNT/elasticloadbalancing/REGION/… */
static void append_access(struct lb_driver *driver, const struct load_balancer *balancer, const char *text)
{
        const struct model *model = driver->options.model;
        const char *prefix = load_balancer_attribute(balancer, "access_logs.s3.prefix");
        time_t now = (time_t)(env_now_ms(model_env(model)) / 1000);
        struct tm tm;
        char path[1024];

        gmtime_r(&now, &tm);
        (void)snprintf(path, sizeof(path), "%s/%s/%s%sAWSLogs/%s/elasticloadbalancing/%s/%04d/%02d/%02d/%s_%02d.log", driver->access_logs,
                       load_balancer_attribute(balancer, "access_logs.s3.bucket"), prefix, str_empty(prefix) ? "" : "/",
                       model_account(model), model_region(model), tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, balancer->state->id,
                       tm.tm_hour);
        if (strstr(path, "/../") == NULL)
                lb_access_log_append(driver->access_log, path, text);
}

/* How long the target took to answer: the sixth word of "http DATE CLIENT TARGET TR Tr …"; negative: it did not. */
static double response_ms(const char *line)
{
        if (!str_starts_with(line, "http"))
                return -1;
        for (int word = 0; line != NULL && word < 5; word++) {
                line = strchr(line, ' ');
                line = line != NULL ? line + 1 : NULL;
        }
        return line != NULL ? strtod(line, NULL) : -1;
}

/* "access BALANCER BACKEND TEXT" */
static void take_access(struct lb_driver *driver, char *text)
{
        char *backend = strchr(text, ' '), *line = backend != NULL ? strchr(backend + 1, ' ') : NULL;
        const struct load_balancer *balancer;

        if (line == NULL)
                return;
        *backend++ = *line++ = '\0';
        balancer = model_load_balancer(driver->options.model, text);
        if (balancer == NULL)
                return;
        append_access(driver, balancer, line);
        if (driver->traffic != NULL)
                lb_traffic_request(driver->traffic, balancer, backend, response_ms(line), env_now_ms(model_env(driver->options.model)));
}

/* ---- The socket ---- */

/* A syslog line: "<134>Nov 28 08:55:48 haproxy[3524]: TEXT". */
static void take_line(struct lb_driver *driver, char *line)
{
        char *text = strstr(line, "]: ");

        if (text == NULL)
                return;
        text += 3;
        text[strcspn(text, "\n")] = '\0';
        if (str_starts_with(text, "access "))
                take_access(driver, text + strlen("access "));
        else
                take_event(driver, text);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
        struct lb_driver *driver = poll->data;
        char line[MAX_LINE];

        if (status < 0)
                return;
        for (int i = 0; i < MAX_BATCH; i++) {
                ssize_t n = recv(driver->log_fd, line, sizeof(line) - 1, MSG_DONTWAIT);

                if (n <= 0)
                        return;
                line[n] = '\0';
                take_line(driver, line);
        }
}

int lb_events_open(struct lb_driver *driver, struct error *error)
{
        /* HAProxy pads abstract names with zeroes to the full length. */
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), size = 4 << 20;

        if (fd < 0)
                return error_set(error, errno, "cannot make a socket for the proxy's log: %s", strerror(errno));
        (void)snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s-log", driver->name);
        if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
                int number = errno;

                close(fd);
                return error_set(error, number, "cannot listen for the proxy's log (another server on this data directory?): %s",
                                 strerror(number));
        }
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        driver->log_fd = fd;
        driver->access_log = lb_access_log_new(driver->options.loop);
        uv_poll_init(driver->options.loop, &driver->log_poll, fd);
        driver->log_poll.data = driver;
        uv_poll_start(&driver->log_poll, UV_READABLE, on_readable);
        (void)snprintf(driver->log_address, sizeof(driver->log_address), "abns@%s-log", driver->name);
        return 0;
}

void lb_events_close(struct lb_driver *driver)
{
        uv_poll_stop(&driver->log_poll);
        close(driver->log_fd);
        driver->log_fd = -1;
        driver->access_log = lb_access_log_free(driver->access_log);
}
