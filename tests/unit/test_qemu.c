/* SPDX-License-Identifier: Apache-2.0 */
/* A real QEMU process without anything to boot: ready, a disk that comes later, adoption, the end. Needs root and qemu-system-x86. */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/macro.h"
#include "base/strutil.h"
#include "microvm/kvm.h"
#include "microvm/qemu.h"

#define SKIPPED 77
#define USER 1231233

static char base[] = "/tmp/gantry-qemu-XXXXXX";
static char *dir;

struct seen {
        bool ready, ended, answered;
        int status;
        char reason[128], answer[4096];
        struct qmp_call call;
};

static void on_ready(struct qemu *qemu, void *data)
{
        (void)qemu;
        ((struct seen *)data)->ready = true;
}

static void on_ended(struct qemu *qemu, const char *reason, void *data)
{
        struct seen *seen = data;

        (void)qemu;
        seen->ended = true;
        (void)snprintf(seen->reason, sizeof(seen->reason), "%s", reason);
}

static const struct qemu_events events = {.ready = on_ready, .ended = on_ended};

static void on_answer(struct qmp_call *call, int status, const char *answer, const struct error *error)
{
        struct seen *seen = CONTAINER_OF(call, struct seen, call);

        seen->answered = true;
        seen->status = status;
        (void)snprintf(seen->answer, sizeof(seen->answer), "%s", status < 0 ? error->message : answer);
}

static void run_until(const bool *flag)
{
        for (int i = 0; i < 100000 && !*flag; i++)
                uv_run(uv_default_loop(), UV_RUN_ONCE);
        assert_true(*flag);
}

static const char *ask(struct qemu *qemu, struct seen *seen, const char *command)
{
        seen->answered = false;
        seen->call.done = on_answer;
        qemu_command(qemu, command, NULL, -1, &seen->call);
        run_until(&seen->answered);
        return seen->answer;
}

static struct qemu *start(struct seen *seen)
{
        static const struct qemu_disk disks[] = {{.read_only = true, .serial = "image"}, {.serial = "scratch"}};
        static const struct qemu_port ports[] = {{.name = "gantry", .socket = "guest"}};
        const struct qemu_spec spec = {.dir = dir,
                                       .vcpus = 1,
                                       .memory_bytes = 64 << 20,
                                       .memory_fd = -1,
                                       .state_fd = -1,
                                       .disks = disks,
                                       .n_disks = 2,
                                       .ports = ports,
                                       .n_ports = 1,
                                       .user = USER,
                                       .cgroup_fd = -1};
        struct error error = {0};
        struct qemu *qemu = NULL;

        if (qemu_start(uv_default_loop(), &spec, &events, seen, &qemu, &error) < 0)
                fail_msg("%s", error.message);
        run_until(&seen->ready);
        return qemu;
}

static void finish(struct qemu *qemu)
{
        qemu_free(qemu);
        uv_run(uv_default_loop(), UV_RUN_DEFAULT);
        assert_int_equal(0, qemu_erase(dir));
        assert_int_equal(-1, access(dir, F_OK));
}

static void test_life(void **state)
{
        struct seen seen = {0}, again = {0};
        struct qemu *qemu = start(&seen);
        struct error error = {0};
        struct stat st;
        CLEANUP_FREE char *proc = xprintf("/proc/%d", qemu_pid(qemu));

        (void)state;
        assert_int_equal(0, stat(proc, &st));
        assert_int_equal(USER, st.st_uid);
        assert_non_null(strstr(ask(qemu, &seen, "query-status"), "running"));
        assert_non_null(strstr(ask(qemu, &seen, "no-such-thing"), "QEMU: "));
        assert_int_equal(-EREMOTEIO, seen.status);

        qemu_free(qemu); /* the agent goes, another comes */
        uv_run(uv_default_loop(), UV_RUN_DEFAULT);
        assert_false(seen.ended);
        if (qemu_adopt(uv_default_loop(), dir, &events, &again, &qemu, &error) < 0)
                fail_msg("%s", error.message);
        run_until(&again.ready);
        assert_int_equal(0, kill(qemu_pid(qemu), SIGKILL));
        run_until(&again.ended);
        finish(qemu);
        assert_int_equal(-ENOENT, qemu_adopt(uv_default_loop(), dir, &events, &again, &qemu, &error));
}

static void test_disk_comes_later(void **state)
{
        struct seen seen = {0};
        struct qemu *qemu = start(&seen);
        int fd = open(base, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        (void)state;
        assert_true(fd >= 0 && ftruncate(fd, 5 << 20) == 0);
        seen.call.done = on_answer;
        qemu_disk_insert(qemu, 1, fd, false, &seen.call);
        close(fd);
        run_until(&seen.answered);
        assert_int_equal(0, seen.status);
        assert_non_null(strstr(ask(qemu, &seen, "query-block"), "5242880"));
        qemu_kill(qemu, NULL);
        run_until(&seen.ended);
        assert_string_equal("its process was killed by signal 9 (Killed)", seen.reason);
        finish(qemu);
}

/* Who ends a machine for a cause is told the cause, not how. */
static void test_disk_is_refused(void **state)
{
        struct seen seen = {0};
        struct qemu *qemu = start(&seen);
        int fd = open(base, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        (void)state;
        assert_true(fd >= 0);
        seen.call.done = on_answer;
        qemu_disk_insert(qemu, 2, fd, false, &seen.call); /* it has two */
        close(fd);
        run_until(&seen.answered);
        assert_int_equal(-EREMOTEIO, seen.status);
        assert_non_null(strstr(seen.answer, "disk2"));
        qemu_kill(qemu, seen.answer);
        qemu_kill(qemu, "something else");
        run_until(&seen.ended);
        assert_string_equal(seen.answer, seen.reason);
        finish(qemu);
}

static void test_failure_has_words(void **state)
{
        const struct qemu_spec spec = {.dir = dir,
                                       .vcpus = 1,
                                       .memory_bytes = 64 << 20,
                                       .memory_fd = -1,
                                       .state_fd = -1,
                                       .cgroup_fd = -1,
                                       .kernel = "/nowhere/vmlinuz"};
        CLEANUP_ARENA struct arena arena = {0};
        struct seen seen = {0};
        struct qemu *qemu = NULL;

        (void)state;
        assert_int_equal(0, qemu_start(uv_default_loop(), &spec, &events, &seen, &qemu, NULL));
        run_until(&seen.ended);
        assert_string_equal("QEMU has failed with status 1", seen.reason);
        assert_non_null(strstr(qemu_last_words(dir, &arena), "/nowhere/vmlinuz"));
        finish(qemu);
}

/* The program's own build folder may lie under a home that nobody else may enter. */
static void test_kernel_is_where_its_user_cannot_reach(void **state)
{
        CLEANUP_FREE char *home = xprintf("%s/home", base), *kernel = xprintf("%s/kernel", home);
        const struct qemu_spec spec = {.dir = dir,
                                       .user = USER,
                                       .vcpus = 1,
                                       .memory_bytes = 64 << 20,
                                       .memory_fd = -1,
                                       .state_fd = -1,
                                       .cgroup_fd = -1,
                                       .kernel = kernel};
        CLEANUP_ARENA struct arena arena = {0};
        struct seen seen = {0};
        struct qemu *qemu = NULL;
        int fd;

        (void)state;
        assert_int_equal(0, mkdir(home, 0700));
        fd = open(kernel, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        assert_true(fd >= 0 && write(fd, "not a kernel", 12) == 12);
        close(fd);
        assert_int_equal(0, qemu_start(uv_default_loop(), &spec, &events, &seen, &qemu, NULL));
        run_until(&seen.ended);
        assert_non_null(strstr(qemu_last_words(dir, &arena), "invalid kernel header"));
        finish(qemu);
        assert_int_equal(0, unlink(kernel));
        assert_int_equal(0, rmdir(home));
}

static void test_acceleration_is_chosen_by_trying(void **state)
{
        CLEANUP_FREE char *cache = xprintf("%s/acceleration", base);
        struct error why = {0}, again = {0};
        enum qemu_accel accel = qemu_accel_choose("/nowhere/vmlinuz", cache, &why);

        (void)state;
        assert_int_equal(QEMU_TCG, accel); /* nothing boots without a kernel */
        assert_string_not_equal("", why.message);
        assert_int_equal(accel, qemu_accel_choose("/nowhere/vmlinuz", cache, &again));
        assert_string_equal("tcg", qemu_accel_name(accel));
}

/* What was found out before counts until the machine restarts, and never more than what a virtual processor does now. */
static void test_acceleration_is_remembered(void **state)
{
        CLEANUP_FREE char *cache = xprintf("%s/remembered", base);
        CLEANUP_BUF struct buf boot = {0}, text = {0};
        const bool works = kvm_works(NULL);
        struct error why = {0};

        (void)state;
        assert_int_equal(0, buf_read_file(&boot, "/proc/sys/kernel/random/boot_id", 64));
        buf_printf(&text, "%.36s kvm\n", boot.data);
        assert_int_equal(0, files_write(AT_FDCWD, cache, text.data, text.len, 0600, false));
        assert_int_equal(works ? QEMU_KVM : QEMU_TCG, qemu_accel_choose("/nowhere/vmlinuz", cache, &why));
        assert_int_equal(works, why.message[0] == '\0');

        buf_clear(&text);
        buf_printf(&text, "00000000-0000-0000-0000-000000000000 kvm\n"); /* before a restart: tried again */
        assert_int_equal(0, files_write(AT_FDCWD, cache, text.data, text.len, 0600, false));
        assert_int_equal(QEMU_TCG, qemu_accel_choose("/nowhere/vmlinuz", cache, &why));
        if (works) {
                buf_clear(&text);
                assert_int_equal(0, buf_read_file(&text, cache, 64));
                assert_memory_equal(boot.data, text.data, 36);
                assert_string_equal(" tcg\n", text.data + 36);
        }
}

static bool has_pair(const struct string_list *list, const char *option, const char *value)
{
        for (uint32_t i = 0; i + 1 < list->n; i++)
                if (str_eq(list->items[i], option) && str_eq(list->items[i + 1], value))
                        return true;
        return false;
}

/* The real processor under KVM, and one that has everything when emulated. */
static void test_acceleration_is_what_the_machine_gets(void **state)
{
        static const struct {
                enum qemu_accel accel;
                const char *option, *cpu;
        } rows[] = {{QEMU_KVM, "kvm", "host"}, {QEMU_TCG, "tcg,tb-size=64", "max"}};

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                const struct qemu_spec spec = {
                        .vcpus = 2, .memory_bytes = 64 << 20, .memory_fd = -1, .state_fd = -1, .accel = rows[i].accel};
                CLEANUP_ARENA struct arena arena = {0};
                struct string_list words = {0};

                qemu_arguments(&spec, &arena, &words);
                assert_true(has_pair(&words, "-accel", rows[i].option));
                assert_true(has_pair(&words, "-cpu", rows[i].cpu));
                assert_true(has_pair(&words, "-smp", "2"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_life),
                cmocka_unit_test(test_disk_comes_later),
                cmocka_unit_test(test_disk_is_refused),
                cmocka_unit_test(test_failure_has_words),
                cmocka_unit_test(test_kernel_is_where_its_user_cannot_reach),
                cmocka_unit_test(test_acceleration_is_chosen_by_trying),
                cmocka_unit_test(test_acceleration_is_remembered),
                cmocka_unit_test(test_acceleration_is_what_the_machine_gets),
        };
        int r;

        if (geteuid() != 0 || access("/usr/bin/qemu-system-x86_64", X_OK) < 0) {
                printf("needs root and the package qemu-system-x86\n");
                return SKIPPED;
        }
        if (mkdtemp(base) == NULL || chmod(base, 0755) < 0)
                return 1;
        dir = xprintf("%s/machine", base);
        r = cmocka_run_group_tests(tests, NULL, NULL);
        if (qemu_erase(base) < 0)
                r = 1;
        free(dir);
        return r;
}
