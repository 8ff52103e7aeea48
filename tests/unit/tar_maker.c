/* SPDX-License-Identifier: Apache-2.0 */
/* Writes tars with libarchive, which takes any path. */
#include "tar_maker.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/macro.h"

static const struct {
        char type;
        mode_t mode;
} types[] = {{'f', S_IFREG}, {'d', S_IFDIR}, {'l', S_IFLNK}, {'h', S_IFREG}, {'c', S_IFCHR}, {'b', S_IFBLK}, {'p', S_IFIFO}};

static mode_t mode_of(char type)
{
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (types[i].type == type)
                        return types[i].mode;
        return S_IFREG;
}

static void add(struct archive *tar, const struct tar_entry *from)
{
        struct archive_entry *entry = archive_entry_new();
        mode_t type = mode_of(from->type);
        size_t len = from->contents != NULL ? strlen(from->contents) : 0;

        archive_entry_set_pathname(entry, from->path);
        archive_entry_set_mode(entry, type | (from->mode != 0 ? from->mode : type == S_IFDIR ? 0755 : 0644));
        archive_entry_set_uid(entry, from->uid);
        archive_entry_set_gid(entry, from->gid);
        archive_entry_set_mtime(entry, from->mtime != 0 ? from->mtime : 1000000000, 0);
        if (from->type == 'l')
                archive_entry_set_symlink(entry, from->target);
        if (from->type == 'h')
                archive_entry_set_hardlink(entry, from->target);
        if (from->type == 'c' || from->type == 'b')
                archive_entry_set_rdev(entry, makedev(from->major, from->minor));
        if (from->xattr_name != NULL)
                archive_entry_xattr_add_entry(entry, from->xattr_name, from->xattr_value,
                                              from->xattr_len != 0 ? from->xattr_len : strlen(from->xattr_value));
        archive_entry_set_size(entry, from->hole + (int64_t)len);
        if (from->hole != 0)
                archive_entry_sparse_add_entry(entry, from->hole, (int64_t)len);
        if (archive_write_header(tar, entry) >= ARCHIVE_WARN && type == S_IFREG && from->type != 'h') {
                if (from->hole != 0) {
                        char *zeroes = calloc(1, (size_t)from->hole);

                        archive_write_data(tar, zeroes, (size_t)from->hole);
                        free(zeroes);
                }
                if (len > 0)
                        archive_write_data(tar, from->contents, len);
        }
        archive_entry_free(entry);
}

int tar_make(const struct tar_entry *entries, size_t n, char filter)
{
        int fd = memfd_create("layer", MFD_CLOEXEC);
        struct archive *tar = archive_write_new();

        archive_write_set_format_pax_restricted(tar);
        if (filter == 'g')
                archive_write_add_filter_gzip(tar);
        else if (filter == 'z')
                archive_write_add_filter_zstd(tar);
        else
                archive_write_add_filter_none(tar);
        archive_write_open_fd(tar, fd);
        for (size_t i = 0; i < n; i++)
                add(tar, &entries[i]);
        archive_write_close(tar);
        archive_write_free(tar);
        lseek(fd, 0, SEEK_SET);
        return fd;
}
