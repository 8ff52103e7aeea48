/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store on one machine: a SQLite database in WAL mode with synchronous=FULL, so that a commit is one write and one
 * fdatasync of the log. The log has its full size from the start and keeps it: writing over blocks that exist already spares
 * the file system's own journal, which halves the time of a commit. The ordinary locking mode lets tools read and back up the
 * file while the server runs.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/library.h"
#include "store/store_lock.h"

#define SCHEMA_VERSION 2
/* The place of an object in the table: its kind, then its id. */
#define ID_BITS 48
/* "Gtry": tells our files from other databases (PRAGMA application_id). */
#define APPLICATION_ID 0x47747279
/* Pages in the log before they are moved into the database: 8 MiB. Fewer stalls than SQLite's 4 MiB, and pages that change
 * often are moved once. */
#define CHECKPOINT_PAGES 2048
/* What the log takes then: a header, and each page with its own. */
#define LOG_BYTES ((off_t)32 + (off_t)CHECKPOINT_PAGES * (4096 + 24))
/* A file system with less room than this many logs gets none in advance. */
#define LOGS_FREE 64
/* A tool that copies the database may hold it for a moment. */
#define BUSY_MS 10000

/* Objects that one statement puts, to share what a statement costs by itself: a third of one that puts a single small object. */
#define MANY 16
#define ROW_4 "(?, ?), (?, ?), (?, ?), (?, ?)"

enum statement {
        STATEMENT_BEGIN = 0,
        STATEMENT_COMMIT,
        STATEMENT_ROLLBACK,
        STATEMENT_PUT,
        STATEMENT_PUT_MANY,
        STATEMENT_DELETE,
        STATEMENT_LOAD,
        STATEMENT_MAX
};

static const char *const statement_sql[STATEMENT_MAX] = {
        [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
        [STATEMENT_COMMIT] = "COMMIT",
        [STATEMENT_ROLLBACK] = "ROLLBACK",
        [STATEMENT_PUT] = "REPLACE INTO objects(place, bytes) VALUES(?1, ?2)",
        [STATEMENT_PUT_MANY] = "REPLACE INTO objects(place, bytes) VALUES" ROW_4 ", " ROW_4 ", " ROW_4 ", " ROW_4,
        [STATEMENT_DELETE] = "DELETE FROM objects WHERE place = ?1",
        [STATEMENT_LOAD] = "SELECT place, bytes FROM objects ORDER BY place",
};

/* clang-format off */
#define SQLITE_FUNCTIONS(X) \
        X(sqlite3_bind_blob64) X(sqlite3_bind_int64) X(sqlite3_busy_timeout) X(sqlite3_close) X(sqlite3_column_blob) \
        X(sqlite3_column_bytes) X(sqlite3_column_int64) X(sqlite3_errcode) X(sqlite3_errmsg) X(sqlite3_exec) \
        X(sqlite3_finalize) X(sqlite3_get_autocommit) X(sqlite3_open_v2) X(sqlite3_prepare_v2) X(sqlite3_prepare_v3) \
        X(sqlite3_reset) X(sqlite3_step) X(sqlite3_system_errno)
/* clang-format on */

/* Loaded by who opens a store: an agent has none. */
struct store_sqlite {
        struct store store;
        struct sqlite_functions {
                SQLITE_FUNCTIONS(LIBRARY_FUNCTION)
        } lib;
        sqlite3 *db;
        sqlite3_stmt *statements[STATEMENT_MAX];
        char *path;
        int lock_fd;
};

/* SQLite's failures that people can do something about. */
static const struct {
        int code; /* primary result code */
        int number;
        const char *next_step;
} failures[] = {
        {SQLITE_FULL, ENOSPC,
         "the disk is full: make room on that file system (df -h shows it) and start again; nothing acknowledged is lost"},
        {SQLITE_READONLY, EROFS, "the file or its file system is read-only: make it writable for this user and start again"},
        {SQLITE_CANTOPEN, EACCES, "the directory must exist and be writable for this user"},
        {SQLITE_PERM, EACCES, "the file must be readable and writable for this user"},
        {SQLITE_BUSY, EBUSY, "another program keeps the database locked: end it (fuser names it) and start again"},
        {SQLITE_CORRUPT, EUCLEAN,
         "the database is damaged: keep a copy of all state.db* files, then restore a backup or try sqlite3 state.db .recover, and check "
         "the disk (dmesg)"},
        {SQLITE_NOTADB, EUCLEAN, "this is not a database: restore a backup, or give another --data-dir"},
        {SQLITE_IOERR, EIO, "the disk reported an error: see dmesg, and start again when the disk works"},
        {SQLITE_NOMEM, ENOMEM, "memory is exhausted"},
};

static int fail(struct store_sqlite *s, const char *doing, struct error *error)
{
        int code = s->lib.sqlite3_errcode(s->db) & 0xff;
        int system = s->lib.sqlite3_system_errno(s->db);

        /* A full disk can also show as a failed write or as a log that cannot grow. */
        if (code == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT))
                code = SQLITE_FULL;
        for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
                if (failures[i].code == code)
                        return error_set(error, failures[i].number, "cannot %s %s: %s%s%s; %s", doing, s->path,
                                         s->lib.sqlite3_errmsg(s->db), system != 0 ? ": " : "", system != 0 ? strerror(system) : "",
                                         failures[i].next_step);
        return error_set(error, EIO, "cannot %s %s: %s", doing, s->path, s->lib.sqlite3_errmsg(s->db));
}

static int load_library(struct store_sqlite *s, struct error *error)
{
        static const char *const names[] = {SQLITE_FUNCTIONS(LIBRARY_NAME)};

        return library_load("libsqlite3.so.0", "libsqlite3-0", names, ARRAY_SIZE(names), &s->lib, error);
}

static int run(struct store_sqlite *s, enum statement which)
{
        sqlite3_stmt *statement = s->statements[which];
        int r = s->lib.sqlite3_step(statement);

        s->lib.sqlite3_reset(statement);
        return r == SQLITE_DONE ? 0 : -EIO;
}

/* The change as the row of this number of the statement. */
static int bind(struct store_sqlite *s, sqlite3_stmt *statement, int row, const struct store_change *change)
{
        int64_t place = (int64_t)((uint64_t)change->kind << ID_BITS | change->id);

        assert(change->kind < STORE_KINDS && change->id <= STORE_ID_MAX);
        if (s->lib.sqlite3_bind_int64(statement, 2 * row + 1, place) != SQLITE_OK)
                return -EIO;
        if (change->data != NULL &&
            s->lib.sqlite3_bind_blob64(statement, 2 * row + 2, change->data, change->len, SQLITE_STATIC) != SQLITE_OK)
                return -EIO;
        return 0;
}

static size_t count_puts(const struct store_change *changes, size_t n)
{
        size_t puts = 0;

        while (puts < n && changes[puts].data != NULL)
                puts++;
        return puts;
}

/* Applies the first of the changes, or the first few; returns how many, or -EIO. */
static ssize_t apply_some(struct store_sqlite *s, const struct store_change *changes, size_t n)
{
        enum statement which = STATEMENT_DELETE;
        size_t some = 1;

        if (count_puts(changes, MIN(n, (size_t)MANY)) == MANY) {
                which = STATEMENT_PUT_MANY;
                some = MANY;
        } else if (changes->data != NULL) {
                which = STATEMENT_PUT;
        }
        for (size_t i = 0; i < some; i++)
                if (bind(s, s->statements[which], (int)i, &changes[i]) < 0)
                        return -EIO;
        return run(s, which) == 0 ? (ssize_t)some : -EIO;
}

static int apply(struct store_sqlite *s, const struct store_change *changes, size_t n)
{
        for (size_t i = 0; i < n;) {
                ssize_t applied = apply_some(s, changes + i, n - i);

                if (applied < 0)
                        return -EIO;
                i += (size_t)applied;
        }
        return 0;
}

static int sqlite_commit(struct store *store, const struct store_change *changes, size_t n, struct error *error)
{
        struct store_sqlite *s = CONTAINER_OF(store, struct store_sqlite, store);
        int r = run(s, STATEMENT_BEGIN);

        if (r < 0)
                return fail(s, "write", error);
        r = apply(s, changes, n);
        if (r == 0)
                r = run(s, STATEMENT_COMMIT);
        if (r == 0)
                return 0;
        r = fail(s, "write", error);
        /* Some failures end the transaction by themselves. */
        if (!s->lib.sqlite3_get_autocommit(s->db))
                (void)run(s, STATEMENT_ROLLBACK);
        return r;
}

static int sqlite_load(struct store *store, int (*row)(void *data, uint16_t kind, uint64_t id, const void *bytes, size_t len), void *data,
                       struct error *error)
{
        struct store_sqlite *s = CONTAINER_OF(store, struct store_sqlite, store);
        sqlite3_stmt *statement = s->statements[STATEMENT_LOAD];
        int r = 0, step;

        while ((step = s->lib.sqlite3_step(statement)) == SQLITE_ROW) {
                uint64_t place = (uint64_t)s->lib.sqlite3_column_int64(statement, 0);
                const void *bytes = s->lib.sqlite3_column_blob(statement, 1);

                r = row(data, (uint16_t)(place >> ID_BITS), place & STORE_ID_MAX, bytes != NULL ? bytes : "",
                        (size_t)s->lib.sqlite3_column_bytes(statement, 1));
                if (r != 0)
                        break;
        }
        if (r == 0 && step != SQLITE_DONE)
                r = fail(s, "read", error);
        s->lib.sqlite3_reset(statement);
        return r;
}

static void sqlite_close(struct store *store)
{
        struct store_sqlite *s = CONTAINER_OF(store, struct store_sqlite, store);

        for (size_t i = 0; i < STATEMENT_MAX && s->db != NULL; i++)
                s->lib.sqlite3_finalize(s->statements[i]);
        if (s->db != NULL)
                s->lib.sqlite3_close(s->db);
        cleanup_close_(&s->lock_fd);
        free(s->path);
        free(s);
}

static const struct store_ops sqlite_ops = {.commit = sqlite_commit, .load = sqlite_load, .close = sqlite_close};

/* The first column of the first row, as a number; -1 when there is none. */
static int64_t query_number(struct store_sqlite *s, const char *sql)
{
        sqlite3_stmt *statement = NULL;
        int64_t value = -1;

        if (s->lib.sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) == SQLITE_OK && s->lib.sqlite3_step(statement) == SQLITE_ROW)
                value = s->lib.sqlite3_column_int64(statement, 0);
        s->lib.sqlite3_finalize(statement);
        return value;
}

static int execute(struct store_sqlite *s, const char *sql, struct error *error)
{
        return s->lib.sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(s, "open", error);
}

/*
 * Objects of a kind lie in the order in which they came, not in that of their keys, which are random for tasks: what comes together
 * changes together, and shares pages. There is no index beside it: the model finds an object's id in memory, and keeps keys unique.
 *
 * Refuses a file that is not ours or newer than this program, and creates the tables in a new one.
 */
static int prepare_schema(struct store_sqlite *s, struct error *error)
{
        int64_t tables = query_number(s, "SELECT count(*) FROM sqlite_schema");
        int64_t version;
        char sql[512];

        if (tables < 0)
                return fail(s, "open", error);
        if (tables > 0 && query_number(s, "PRAGMA application_id") != APPLICATION_ID)
                return error_set(error, EINVAL, "%s is a database of another program: give another --data-dir", s->path);
        if (tables == 0) {
                snprintf(sql, sizeof(sql),
                         "BEGIN IMMEDIATE;"
                         "PRAGMA application_id = %d;"
                         "CREATE TABLE meta(name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
                         "INSERT INTO meta VALUES('schema_version', '%d');"
                         "CREATE TABLE objects(place INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
                         "COMMIT",
                         APPLICATION_ID, SCHEMA_VERSION);
                return execute(s, sql, error);
        }
        version = query_number(s, "SELECT value FROM meta WHERE name = 'schema_version'");
        if (version != SCHEMA_VERSION)
                return error_set(
                        error, EPROTONOSUPPORT,
                        "%s has layout %lld and this program knows %d: install the version of gantry that wrote it, or a newer one",
                        s->path, (long long)version, SCHEMA_VERSION);
        return 0;
}

static int configure(struct store_sqlite *s, struct error *error)
{
        char sql[256];

        s->lib.sqlite3_busy_timeout(s->db, BUSY_MS);
        snprintf(sql, sizeof(sql),
                 "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=%d; PRAGMA journal_size_limit=%lld; PRAGMA "
                 "trusted_schema=OFF",
                 CHECKPOINT_PAGES, (long long)LOG_BYTES);
        return execute(s, sql, error);
}

static int prepare_statements(struct store_sqlite *s, struct error *error)
{
        for (size_t i = 0; i < STATEMENT_MAX; i++)
                if (s->lib.sqlite3_prepare_v3(s->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL) != SQLITE_OK)
                        return fail(s, "open", error);
        return 0;
}

/* The names of new files must survive a power cut too. */
static int sync_directory(const char *dir, struct error *error)
{
        CLEANUP_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || fsync(fd) < 0)
                return error_set(error, errno, "cannot sync directory %s: %s", dir, strerror(errno));
        return 0;
}

/*
 * Lengthens the log with zeroes, which SQLite takes for the end of what is valid. Closing this descriptor is safe: SQLite's locks
 * are on other files. What fails here costs time later, nothing else.
 */
static void lengthen_log(struct store_sqlite *s)
{
        CLEANUP_FREE char *path = xprintf("%s-wal", s->path);
        CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
        static const char zeroes[1 << 16];
        struct statvfs space;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || fstatvfs(fd, &space) < 0 || (off_t)(space.f_bavail * space.f_frsize / LOGS_FREE) < LOG_BYTES)
                return;
        for (off_t at = st.st_size; at < LOG_BYTES; at += (off_t)sizeof(zeroes))
                if (pwrite(fd, zeroes, (size_t)MIN((off_t)sizeof(zeroes), LOG_BYTES - at), at) < 0)
                        return;
        (void)fsync(fd);
}

static int open_database(struct store_sqlite *s, const char *dir, struct error *error)
{
        int r;

        r = load_library(s, error);
        if (r < 0)
                return r;
        s->path = xprintf("%s/state.db", dir);
        if (s->lib.sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
                return fail(s, "open", error);
        r = configure(s, error);
        if (r == 0)
                r = prepare_schema(s, error);
        if (r == 0)
                r = prepare_statements(s, error);
        if (r == 0)
                lengthen_log(s);
        return r == 0 ? sync_directory(dir, error) : r;
}

int store_sqlite_open(const char *dir, struct store **ret, struct error *error)
{
        struct store_sqlite *s;
        mode_t mask;
        int fd, r;

        if (mkdir(dir, 0700) < 0 && errno != EEXIST)
                return error_set(error, errno, "cannot create the data directory %s: %s; create it or give another --data-dir", dir,
                                 strerror(errno));
        fd = store_lock(dir, error);
        if (fd < 0)
                return fd;
        s = xalloc(sizeof(*s));
        s->store.ops = &sqlite_ops;
        s->lock_fd = fd;
        /* The database holds secret keys. */
        mask = umask(0077);
        r = open_database(s, dir, error);
        umask(mask);
        if (r < 0) {
                sqlite_close(&s->store);
                return r;
        }
        *ret = &s->store;
        return 0;
}

/* ---- A copy ---- */

static int copy_row(void *data, uint16_t kind, uint64_t id, const void *bytes, size_t len)
{
        struct store *copy = data;
        struct store_change change = {.kind = kind, .id = id, .data = bytes, .len = len};

        return copy->ops->commit(copy, &change, 1, NULL);
}

static int open_copy(struct store_sqlite *s, const char *dir, struct error *error)
{
        int r = load_library(s, error);

        if (r < 0)
                return r;
        s->path = xprintf("%s/state.db", dir);
        if (s->lib.sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
                return fail(s, "read", error);
        s->lib.sqlite3_busy_timeout(s->db, BUSY_MS);
        if (query_number(s, "PRAGMA application_id") != APPLICATION_ID)
                return error_set(error, EINVAL, "%s is not a database of gantry: give the --data-dir of a server", s->path);
        return s->lib.sqlite3_prepare_v3(s->db, statement_sql[STATEMENT_LOAD], -1, 0, &s->statements[STATEMENT_LOAD], NULL) == SQLITE_OK
                       ? 0
                       : fail(s, "read", error);
}

int store_sqlite_copy(const char *dir, struct store **ret, struct error *error)
{
        struct store_sqlite *s = xalloc(sizeof(*s));
        struct store *copy = store_memory_new(-1);
        int r;

        s->store.ops = &sqlite_ops;
        s->lock_fd = -1;
        r = open_copy(s, dir, error);
        if (r == 0)
                r = sqlite_load(&s->store, copy_row, copy, error);
        sqlite_close(&s->store);
        if (r < 0) {
                (void)store_close(copy);
                return r;
        }
        *ret = copy;
        return 0;
}
