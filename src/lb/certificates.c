/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates as HAProxy wants them: a PEM file each, and a list for each listener whose first line is the default. A certificate that
 * is imported again reaches the running worker through its runtime socket, without a reload.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strutil.h"
#include "lb/internal.h"

/* The ARN as a file name. */
static void file_of(struct lb_driver *driver, const char *arn, struct buf *out)
{
        buf_printf(out, "%s/certs/", driver->dir);
        for (const char *p = arn; *p != '\0'; p++)
                buf_append_char(out, *p == '/' || *p == ':' ? '_' : *p);
        buf_append_str(out, ".pem");
}

/* Without the empty lines, which would end a payload on the runtime socket. */
static void append_pem(struct buf *out, const char *text)
{
        while (text != NULL && *text != '\0') {
                size_t len = strcspn(text, "\r\n");

                if (len > 0) {
                        buf_append(out, text, len);
                        buf_append_char(out, '\n');
                }
                text += len;
                text += strspn(text, "\r\n");
        }
}

static void bundle(const struct certificate *certificate, struct buf *out)
{
        append_pem(out, certificate->state->body);
        append_pem(out, certificate->state->chain);
        append_pem(out, certificate->state->private_key);
}

/* Readable by us only. */
static int write_file(const char *path, const struct buf *content, struct error *error)
{
        int r = files_write(AT_FDCWD, path, content->data, content->len, 0600, false);

        return r < 0 ? error_set(error, -r, "cannot write %s: %s", path, strerror(-r)) : 0;
}

static int write_certificate(struct lb_driver *driver, const char *arn, struct error *error)
{
        const struct certificate *certificate = model_certificate(driver->options.model, arn);
        CLEANUP_BUF struct buf path = {0}, content = {0};

        if (certificate == NULL)
                return 0;
        file_of(driver, arn, &path);
        bundle(certificate, &content);
        return write_file(path.data, &content, error);
}

static int write_list(struct lb_driver *driver, const struct listener *listener, struct error *error)
{
        CLEANUP_BUF struct buf path = {0}, content = {0};
        int r;

        for (uint32_t i = 0; i < listener->state->certificates.n; i++) {
                const char *arn = listener->state->certificates.items[i];

                r = write_certificate(driver, arn, error);
                if (r < 0)
                        return r;
                if (model_certificate(driver->options.model, arn) == NULL)
                        continue;
                file_of(driver, arn, &content);
                buf_append_char(&content, '\n');
        }
        buf_printf(&path, "%s/certs/%s.list", driver->dir, listener->state->id);
        return write_file(path.data, &content, error);
}

int lb_certificates_write(struct lb_driver *driver, struct error *error)
{
        CLEANUP_BUF struct buf folder = {0};

        buf_printf(&folder, "%s/certs", driver->dir);
        if (mkdir(folder.data, 0700) < 0 && errno != EEXIST)
                return error_set(error, errno, "cannot make %s: %s", folder.data, strerror(errno));
        tree_for_each (node, model_objects(driver->options.model, OBJECT_LISTENER)) {
                const struct listener *listener = MODEL_OBJECT(node, listener);
                int r = listener->state->certificates.n > 0 ? write_list(driver, listener, error) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- Giving them to the worker ---- */

/* One at a time: a worker has one open transaction, and the next certificate waits for the answer to the last. */
struct lb_push {
        struct lb_driver *driver;
        struct arena arena;
        struct string_list arns;
        uint32_t next;
};

static void push_next(struct lb_push *push);

static void push_free(struct lb_push *push)
{
        struct lb_driver *driver = push->driver;

        driver->pushing = NULL;
        arena_done(&push->arena);
        free(push);
        if (driver->certificates_dirty || driver->structure_dirty)
                lb_driver_wake(driver);
}

/*
 * The worker has no such certificate (its listener's list is newer than the worker), or does not take it at run time (longer than its
 * buffers). The files are in order, so a new worker takes it from there.
 */
static void push_refused(struct lb_push *push, const char *arn, const char *answer)
{
        struct lb_driver *driver = push->driver;

        log_warn("the proxy did not take a certificate at run time: it is reloaded", LOG_S("certificate", arn), LOG_S("answer", answer));
        if (driver->reloads_for_certificates)
                return; /* that was tried, and did not come about */
        driver->reloads_for_certificates = true;
        driver->generation[0] = '\0';
        driver->structure_dirty = true;
}

static const char *current_arn(const struct lb_push *push)
{
        return push->arns.items[push->next - 1];
}

static void on_committed(void *data, const char *answer)
{
        struct lb_push *push = data;
        CLEANUP_BUF struct buf path = {0};

        if (answer == NULL) { /* the worker has gone: its successor is asked whether it needs anything */
                push->driver->certificates_dirty = true;
                push_free(push);
                return;
        }
        if (strstr(answer, "Success") == NULL) {
                push_refused(push, current_arn(push), answer);
                file_of(push->driver, current_arn(push), &path);
                lb_runtime_send(push->driver->runtime, NULL, NULL, "abort ssl cert %s", path.data);
        }
        push_next(push);
}

static void on_set(void *data, const char *answer)
{
        struct lb_push *push = data;
        CLEANUP_BUF struct buf path = {0};

        if (answer == NULL) {
                push->driver->certificates_dirty = true;
                push_free(push);
                return;
        }
        if (strstr(answer, "Transaction created") == NULL && strstr(answer, "Transaction updated") == NULL) {
                push_refused(push, current_arn(push), answer);
                push_next(push);
                return;
        }
        file_of(push->driver, current_arn(push), &path);
        lb_runtime_send(push->driver->runtime, on_committed, push, "commit ssl cert %s", path.data);
}

static void push_next(struct lb_push *push)
{
        const struct certificate *certificate = NULL;
        CLEANUP_BUF struct buf path = {0}, content = {0};

        while (certificate == NULL && push->next < push->arns.n)
                certificate = model_certificate(push->driver->options.model, push->arns.items[push->next++]);
        if (certificate == NULL) {
                push_free(push);
                return;
        }
        file_of(push->driver, certificate->state->arn, &path);
        bundle(certificate, &content);
        lb_runtime_send(push->driver->runtime, on_set, push, "set ssl cert %s <<\n%s", path.data, content.data);
}

static void push_add(struct lb_push *push, const char *arn)
{
        for (uint32_t i = 0; i < push->arns.n; i++)
                if (str_eq(push->arns.items[i], arn))
                        return;
        string_list_push(&push->arena, &push->arns, arena_strdup(&push->arena, arn));
}

void lb_certificates_push(struct lb_driver *driver)
{
        struct error error = {0};
        struct lb_push *push;

        if (driver->state != LB_UP || driver->runtime == NULL || driver->pushing != NULL || driver->structure_dirty)
                return;
        driver->certificates_dirty = false;
        if (lb_certificates_write(driver, &error) < 0)
                log_error("certificates of load balancers cannot be written", LOG_S("error", error.message));
        push = driver->pushing = xalloc(sizeof(*push));
        push->driver = driver;
        tree_for_each (node, model_objects(driver->options.model, OBJECT_LISTENER)) {
                const struct listener *listener = MODEL_OBJECT(node, listener);

                for (uint32_t i = 0; i < listener->state->certificates.n; i++)
                        push_add(push, listener->state->certificates.items[i]);
        }
        push_next(push);
}
