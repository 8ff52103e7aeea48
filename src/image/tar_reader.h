/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of libarchive that layers are read with; it is loaded while layers are unpacked (base/library.h). */
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "base/library.h"

/* clang-format off */
#define TAR_READER_FUNCTIONS(X) \
        X(archive_entry_filetype) X(archive_entry_gid) X(archive_entry_hardlink) X(archive_entry_mtime) \
        X(archive_entry_mtime_is_set) X(archive_entry_mtime_nsec) X(archive_entry_pathname) X(archive_entry_pathname_utf8) \
        X(archive_entry_perm) X(archive_entry_rdevmajor) X(archive_entry_rdevminor) X(archive_entry_size) \
        X(archive_entry_symlink) X(archive_entry_uid) X(archive_entry_xattr_next) X(archive_entry_xattr_reset) \
        X(archive_error_string) X(archive_read_data_block) X(archive_read_free) X(archive_read_new) X(archive_read_next_header) \
        X(archive_read_open) X(archive_read_support_filter_gzip) X(archive_read_support_filter_zstd) \
        X(archive_read_support_format_empty) X(archive_read_support_format_raw) X(archive_read_support_format_tar) \
        X(archive_set_error)
/* clang-format on */

struct tar_reader {
        TAR_READER_FUNCTIONS(LIBRARY_FUNCTION)
};
