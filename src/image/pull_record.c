/* SPDX-License-Identifier: Apache-2.0 */
/* The last step of a fetch: the image is written down before anybody is told that it is here. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/strutil.h"
#include "image/pull_internal.h"

struct recording {
        struct image_work work;
        struct image_job *job;
        struct buf text;
        char *name;
        int result;
};

static void write_record(struct image_work *work)
{
        struct recording *recording = CONTAINER_OF(work, struct recording, work);

        recording->result = files_write(work->store->dir_fd, recording->name, recording->text.data, recording->text.len, 0600, false);
}

static void wrote_record(struct image_work *work, int status)
{
        struct recording *recording = CONTAINER_OF(work, struct recording, work);
        struct image_job *job = recording->job;
        struct image_record *record = job->record;
        int r = status < 0 ? status : recording->result;

        buf_done(&recording->text);
        free(recording->name);
        free(recording);
        image_unref(&record->image);
        if (r < 0) {
                job->record = NULL;
                if (record->refs == 0)
                        image_record_remove(record);
                error_set(&job->error, -r, "pull image \"%s\": cannot write the image's record: %s", job->reference.canonical,
                          strerror(-r));
                image_job_fail(job, r, false);
                return;
        }
        /* Durable comes later: a container need not wait for the disk. */
        image_store_seal(job->store);
        image_record_sync(job->store, record->image.digest);
        image_job_finish(job, 0);
}

void image_job_record(struct image_job *job)
{
        struct recording *recording;

        /* Another job may have brought the same image under another name. */
        job->record = image_store_lookup(job->store, job->resolved);
        if (job->record == NULL)
                job->record = image_record_new(job->store, job->resolved, job->manifest->config->digest, &job->config->rootfs->diff_ids,
                                               job->config);
        image_name_set(job->record, job->reference.canonical, image_now_ms());
        image_ref(&job->record->image);
        recording = xalloc(sizeof(*recording));
        recording->job = job;
        recording->name = xprintf("images/%s.json", digest_hex(job->resolved));
        image_record_write(job->record, &recording->text);
        recording->work.work = write_record;
        recording->work.after = wrote_record;
        image_work_start(job->store, &recording->work);
}
