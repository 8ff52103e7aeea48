/* SPDX-License-Identifier: Apache-2.0 */
/* The store: every adapter through the same cases, then what only a disk can do: crash, fill up, be damaged, be taken. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "store/store.h"

#include "unit.h"

struct fixture {
        bool on_disk;
        char dir[64];
        struct store *store;
        struct error error;
};

static void open_store(struct fixture *f)
{
        if (!f->on_disk)
                f->store = store_memory_new(-1);
        else if (store_sqlite_open(f->dir, &f->store, &f->error) < 0)
                fail_msg("%s", f->error.message);
}

/* What was written before must be there again; memory has nothing to reopen. */
static void reopen(struct fixture *f)
{
        if (!f->on_disk)
                return;
        f->store = store_close(f->store);
        open_store(f);
}

static int setup(void **state, bool on_disk)
{
        struct fixture *f = xalloc(sizeof(*f));

        f->on_disk = on_disk;
        strcpy(f->dir, "/tmp/test-store-XXXXXX");
        if (mkdtemp(f->dir) == NULL)
                return -1;
        open_store(f);
        *state = f;
        return 0;
}

static int setup_memory(void **state)
{
        return setup(state, false);
}

static int setup_sqlite(void **state)
{
        return setup(state, true);
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
        return remove(path);
}

static void remove_tree(const char *dir)
{
        nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        store_close(f->store);
        remove_tree(f->dir);
        free(f);
        return 0;
}

static void put(struct store *store, uint16_t kind, uint64_t id, const char *value)
{
        struct store_change change = {.kind = kind, .id = id, .data = value, .len = value != NULL ? strlen(value) : 0};
        struct error error = {0};

        if (store->ops->commit(store, &change, 1, &error) < 0)
                fail_msg("%s", error.message);
}

static int append_row(void *data, uint16_t kind, uint64_t id, const void *bytes, size_t len)
{
        buf_printf(data, "%u %llu=%.*s;", kind, (unsigned long long)id, (int)len, (const char *)bytes);
        return 0;
}

static void assert_content(struct store *store, const char *expected)
{
        CLEANUP_BUF struct buf found = {0};
        struct error error = {0};

        buf_append_str(&found, "");
        assert_int_equal(store->ops->load(store, append_row, &found, &error), 0);
        assert_string_equal(found.data, expected);
}

static void empty(void **state)
{
        struct fixture *f = *state;

        assert_content(f->store, "");
}

static void order_and_replacement(void **state)
{
        struct fixture *f = *state;

        put(f->store, 2, 30, "1");
        put(f->store, STORE_KINDS - 1, STORE_ID_MAX, "2");
        put(f->store, 2, 200, "3");
        put(f->store, 2, 20, "4");
        put(f->store, 2, 1, "");
        put(f->store, 2, 30, "longer than before");
        assert_content(f->store, "2 1=;2 20=4;2 30=longer than before;2 200=3;32767 281474976710655=2;");
        put(f->store, 2, 200, NULL);
        put(f->store, 2, 77, NULL);
        assert_content(f->store, "2 1=;2 20=4;2 30=longer than before;32767 281474976710655=2;");
        reopen(f);
        assert_content(f->store, "2 1=;2 20=4;2 30=longer than before;32767 281474976710655=2;");
}

static void many_changes_of_one_object_in_a_batch(void **state)
{
        struct fixture *f = *state;
        struct store_change changes[] = {
                {.kind = 1, .id = 5, .data = "first", .len = 5}, {.kind = 1, .id = 5}, {.kind = 1, .id = 5, .data = "second", .len = 6},
                {.kind = 1, .id = 6, .data = "x", .len = 1},     {.kind = 1, .id = 6},
        };

        assert_int_equal(f->store->ops->commit(f->store, changes, ARRAY_SIZE(changes), &f->error), 0);
        assert_int_equal(f->store->ops->commit(f->store, NULL, 0, &f->error), 0);
        assert_content(f->store, "1 5=second;");
}

static int check_large(void *data, uint16_t kind, uint64_t id, const void *bytes, size_t len)
{
        const struct buf *expected = data;

        assert_int_equal(len, expected->len);
        assert_memory_equal(bytes, expected->data, len);
        return 7;
}

static void large_bytes_and_stopped_walk(void **state)
{
        struct fixture *f = *state;
        CLEANUP_BUF struct buf large = {0};
        struct store_change change = {.kind = 3, .id = 1};

        for (int i = 0; i < 700000; i++)
                buf_append(&large, &i, sizeof(i));
        change.data = large.data;
        change.len = large.len;
        assert_int_equal(f->store->ops->commit(f->store, &change, 1, &f->error), 0);
        put(f->store, 4, 1, "not reached");
        reopen(f);
        assert_int_equal(f->store->ops->load(f->store, check_large, &large, &f->error), 7);
}

#define KEYS 64

static int check_row(void *data, uint16_t kind, uint64_t id, const void *bytes, size_t len)
{
        int *values = data, i = (int)id - 1;

        assert_int_equal(atoi(bytes), values[i]);
        values[i] = -1;
        return 0;
}

static void random_history(void **state)
{
        struct fixture *f = *state;
        int values[KEYS] = {0}, expected[KEYS];

        srand(7);
        for (int round = 1; round <= 300; round++) {
                struct store_change changes[100];
                char texts[100][16];
                /* In every other round hardly anything is deleted: what is put in a row is put by fewer statements. */
                int n = rand() % 100, deleted = round % 2 == 0 ? 3 : 40;

                for (int i = 0; i < n; i++) {
                        int k = rand() % KEYS;

                        values[k] = rand() % deleted == 0 ? 0 : round * 100 + i;
                        snprintf(texts[i], sizeof(texts[i]), "%d", values[k]);
                        changes[i] = (struct store_change){
                                .kind = 9, .id = (uint64_t)k + 1, .data = values[k] != 0 ? texts[i] : NULL, .len = strlen(texts[i]) + 1};
                }
                assert_int_equal(f->store->ops->commit(f->store, changes, (size_t)n, &f->error), 0);
                if (round % 50 == 0)
                        reopen(f);
        }
        memcpy(expected, values, sizeof(expected));
        assert_int_equal(f->store->ops->load(f->store, check_row, expected, &f->error), 0);
        for (int i = 0; i < KEYS; i++)
                assert_int_equal(expected[i], values[i] != 0 ? -1 : 0);
}

static void injected_failure(void **state)
{
        struct store *store = store_memory_new(2);
        struct store_change change = {.kind = 1, .id = 3, .data = "3", .len = 1};
        struct error error = {0};

        put(store, 1, 1, "1");
        put(store, 1, 2, "2");
        assert_int_equal(store->ops->commit(store, &change, 1, &error), -EIO);
        assert_true(error_is_set(&error));
        assert_content(store, "1 1=1;1 2=2;");
        store_close(store);
}

static void second_process_is_refused(void **state)
{
        struct fixture *f = *state;
        struct store *second = NULL;
        char pid[32];

        snprintf(pid, sizeof(pid), "process %d:", (int)getpid());
        assert_int_equal(store_sqlite_open(f->dir, &second, &f->error), -EBUSY);
        assert_non_null(strstr(f->error.message, pid));
        assert_non_null(strstr(f->error.message, "--data-dir"));
        put(f->store, 1, 1, "still works");
}

static void copy_file(const char *from_dir, const char *to_dir, const char *name)
{
        CLEANUP_BUF struct buf content = {0};
        char path[128];
        FILE *out;

        snprintf(path, sizeof(path), "%s/%s", from_dir, name);
        if (buf_read_file(&content, path, SIZE_MAX / 2) < 0)
                return;
        snprintf(path, sizeof(path), "%s/%s", to_dir, name);
        out = fopen(path, "w");
        assert_non_null(out);
        assert_int_equal(fwrite(content.data, 1, content.len, out), content.len);
        fclose(out);
}

/* What a power cut leaves behind: the files as they are while the process still has them open. */
static void crash_copy(void **state)
{
        struct fixture *f = *state;
        struct fixture copy = {.on_disk = true, .dir = "/tmp/test-store-XXXXXX"};
        CLEANUP_BUF struct buf expected = {0};
        char text[16];

        buf_append_str(&expected, "");
        for (int i = 0; i < 200; i++) {
                snprintf(text, sizeof(text), "%03d", i);
                put(f->store, 1, (uint64_t)i + 1, text);
                buf_printf(&expected, "1 %d=%s;", i + 1, text);
                if (i % 67 != 0)
                        continue;
                strcpy(copy.dir, "/tmp/test-store-XXXXXX");
                assert_non_null(mkdtemp(copy.dir));
                copy_file(f->dir, copy.dir, "state.db");
                copy_file(f->dir, copy.dir, "state.db-wal");
                open_store(&copy);
                assert_content(copy.store, expected.data);
                copy.store = store_close(copy.store);
                remove_tree(copy.dir);
        }
}

/* Writes pairs that must stay equal, and says each one on the pipe once the store has acknowledged it. */
static void write_pairs(const char *dir, int pipe_fd)
{
        struct store *store;
        struct error error = {0};

        if (store_sqlite_open(dir, &store, &error) < 0)
                _exit(1);
        for (int i = 1;; i++) {
                char text[16];
                struct store_change changes[] = {{.kind = 1, .id = 1, .data = text}, {.kind = 2, .id = 1, .data = text}};

                snprintf(text, sizeof(text), "%d", i);
                changes[0].len = changes[1].len = strlen(text) + 1;
                if (store->ops->commit(store, changes, 2, &error) < 0 || write(pipe_fd, &i, sizeof(i)) != sizeof(i))
                        _exit(1);
        }
}

static int take_value(void *data, uint16_t kind, uint64_t id, const void *bytes, size_t len)
{
        ((int *)data)[kind] = atoi(bytes);
        return 0;
}

static void killed_writer(void **state)
{
        struct fixture *f = *state;
        int previous = 0;

        f->store = store_close(f->store);
        for (int round = 0; round < 8; round++) {
                int fds[2], acknowledged = 0, values[3] = {0}, i;
                pid_t child;

                assert_int_equal(pipe(fds), 0);
                child = fork();
                if (child == 0)
                        write_pairs(f->dir, fds[1]);
                close(fds[1]);
                for (i = 0; i < 3 + round * 7; i++)
                        assert_int_equal(read(fds[0], &acknowledged, sizeof(acknowledged)), sizeof(acknowledged));
                kill(child, SIGKILL);
                while (read(fds[0], &acknowledged, sizeof(acknowledged)) == sizeof(acknowledged))
                        ;
                close(fds[0]);
                waitpid(child, NULL, 0);
                open_store(f);
                assert_int_equal(f->store->ops->load(f->store, take_value, values, &f->error), 0);
                assert_int_equal(values[1], values[2]);
                assert_in_range(values[1], acknowledged, acknowledged + 1);
                previous = values[1];
                f->store = store_close(f->store);
        }
        assert_true(previous > 0);
        open_store(f);
}

static void damage(const char *dir, off_t offset, size_t len)
{
        CLEANUP_FREE char *path = xprintf("%s/state.db", dir);
        CLEANUP_CLOSE int fd = open(path, O_WRONLY);
        CLEANUP_FREE char *junk = xalloc(len);

        memset(junk, 0xa5, len);
        assert_int_equal(pwrite(fd, junk, len, offset), len);
}

static int ignore_row(void *data, uint16_t kind, uint64_t id, const void *bytes, size_t len)
{
        return 0;
}

static void damaged_file(void **state)
{
        struct fixture *f = *state;
        int r;

        for (int i = 0; i < 400; i++) {
                put(f->store, 1, (uint64_t)i + 1, "some text that fills the pages of this database");
        }
        f->store = store_close(f->store);
        damage(f->dir, 4096L * 3, 4096L * 4);
        r = store_sqlite_open(f->dir, &f->store, &f->error);
        if (r == 0)
                r = f->store->ops->load(f->store, ignore_row, NULL, &f->error);
        assert_int_equal(r, -EUCLEAN);
        assert_non_null(strstr(f->error.message, "restore a backup"));
        f->store = store_close(f->store);

        damage(f->dir, 0, 100);
        error_clear(&f->error);
        assert_int_equal(store_sqlite_open(f->dir, &f->store, &f->error), -EUCLEAN);
        assert_non_null(strstr(f->error.message, "not a database"));
        f->store = NULL;
}

static void foreign_database(void **state)
{
        struct fixture *f = *state;
        CLEANUP_FREE char *path = xprintf("%s/state.db", f->dir);
        sqlite3 *db;

        f->store = store_close(f->store);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "CREATE TABLE songs(title)", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        assert_int_equal(store_sqlite_open(f->dir, &f->store, &f->error), -EINVAL);
        assert_non_null(strstr(f->error.message, "another program"));
        f->store = NULL;
}

static void newer_layout(void **state)
{
        struct fixture *f = *state;
        CLEANUP_FREE char *path = xprintf("%s/state.db", f->dir);
        sqlite3 *db;

        f->store = store_close(f->store);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "UPDATE meta SET value = '99'", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        assert_int_equal(store_sqlite_open(f->dir, &f->store, &f->error), -EPROTONOSUPPORT);
        assert_non_null(strstr(f->error.message, "99"));
        f->store = NULL;
}

/* In the child: fills a small file system and expects a refusal that says so, and all that was acknowledged after it. */
static int fill_disk(const char *dir)
{
        struct store *store;
        struct error error = {0};
        CLEANUP_FREE char *bytes = xalloc(65536);
        struct store_change change = {.kind = 1, .data = bytes, .len = 65536};
        int i, r = 0;

        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("none", dir, "tmpfs", 0, "size=2m") < 0)
                return 77;
        if (store_sqlite_open(dir, &store, &error) < 0)
                return 1;
        for (i = 0; i < 1000 && r == 0; i++) {
                change.id = (uint64_t)i + 1;
                r = store->ops->commit(store, &change, 1, &error);
        }
        if (r != -ENOSPC || strstr(error.message, "disk is full") == NULL || strstr(error.message, dir) == NULL) {
                fprintf(stderr, "%d: %s\n", r, error.message);
                return 2;
        }
        store_close(store);
        r = mount("none", dir, "tmpfs", MS_REMOUNT, "size=8m");
        error_clear(&error);
        if (r < 0 || store_sqlite_open(dir, &store, &error) < 0)
                return 3;
        int rows = 0;
        CLEANUP_BUF struct buf found = {0};
        if (store->ops->load(store, append_row, &found, &error) < 0)
                return 4;
        for (size_t at = 0; at < found.len; at++)
                rows += found.data[at] == '=';
        store_close(store);
        return rows == i - 1 ? 0 : 5;
}

static void full_disk(void **state)
{
        struct fixture *f = *state;
        int status;
        pid_t child;

        f->store = store_close(f->store);
        child = fork();
        if (child == 0)
                _exit(fill_disk(f->dir));
        waitpid(child, &status, 0);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77)
                skip();
        assert_int_equal(WEXITSTATUS(status), 0);
        open_store(f);
}

static void unusable_directory(void **state)
{
        struct store *store = NULL;
        struct error error = {0};

        assert_int_equal(store_sqlite_open("/proc/gantry-cannot-be-here", &store, &error), -ENOENT);
        assert_non_null(strstr(error.message, "--data-dir"));
        assert_null(store_close(NULL));
}

static void private_files(void **state)
{
        struct fixture *f = *state;
        CLEANUP_FREE char *path = xprintf("%s/state.db", f->dir);
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0077, 0);
}

#define BOTH(test) \
        cmocka_unit_test_setup_teardown(test, setup_memory, teardown), cmocka_unit_test_setup_teardown(test, setup_sqlite, teardown)
#define DISK(test) cmocka_unit_test_setup_teardown(test, setup_sqlite, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                BOTH(empty),
                BOTH(order_and_replacement),
                BOTH(many_changes_of_one_object_in_a_batch),
                BOTH(large_bytes_and_stopped_walk),
                BOTH(random_history),
                cmocka_unit_test(injected_failure),
                DISK(second_process_is_refused),
                DISK(crash_copy),
                DISK(killed_writer),
                DISK(damaged_file),
                DISK(foreign_database),
                DISK(newer_layout),
                DISK(full_disk),
                DISK(private_files),
                cmocka_unit_test(unusable_directory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
