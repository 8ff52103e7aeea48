/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a layer's blob: whatever it does inside its directory, nothing beside it may appear, change or vanish. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "image/layer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char base[64];
static int base_fd = -1;

static void must(bool ok)
{
        if (!ok)
                abort();
}

static void clean_up(void)
{
        (void)(files_remove(AT_FDCWD, base) < 0);
}

static void set_up(void)
{
        int fd;

        strcpy(base, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz_layer.XXXXXX" : "/tmp/fuzz_layer.XXXXXX");
        must(mkdtemp(base) != NULL);
        base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        must(base_fd >= 0 && mkdirat(base_fd, "outside", 0750) == 0);
        fd = openat(base_fd, "outside/secret", O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
        must(fd >= 0 && write(fd, "secret", 6) == 6);
        close(fd);
        atexit(clean_up);
}

static int count(const char *entry, void *data)
{
        (void)entry;
        ++*(int *)data;
        return 0;
}

static void check_outside(void)
{
        char text[16];
        int n = 0, fd = openat(base_fd, "outside/secret", O_RDONLY | O_CLOEXEC);
        struct stat st;

        must(fd >= 0 && read(fd, text, sizeof(text)) == 6 && memcmp(text, "secret", 6) == 0 && fstat(fd, &st) == 0);
        must(st.st_nlink == 1 && (st.st_mode & 07777) == 0640 && st.st_uid == geteuid());
        close(fd);
        must(files_each(base_fd, "outside", count, &n) == 0 && n == 1);
        must(fstatat(base_fd, "outside", &st, 0) == 0 && (st.st_mode & 07777) == 0750);
        n = 0;
        must(files_each(base_fd, ".", count, &n) == 0 && n == 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct layer_unpack layer = {.max_bytes = 1 << 20, .ignore_owner = geteuid() != 0};
        struct error error = {0};

        if (base_fd < 0)
                set_up();
        layer.blob = memfd_create("blob", MFD_CLOEXEC);
        must(layer.blob >= 0 && write(layer.blob, data, size) == (ssize_t)size && lseek(layer.blob, 0, SEEK_SET) == 0);
        must(mkdirat(base_fd, "root", 0755) == 0);
        layer.root = openat(base_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        must(layer.root >= 0);
        if (layer_unpack(&layer, &error) < 0)
                must(error_is_set(&error));
        close(layer.blob);
        close(layer.root);
        check_outside();
        must(files_remove(base_fd, "root") == 0);
        return 0;
}
