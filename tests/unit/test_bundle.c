/* SPDX-License-Identifier: Apache-2.0 */
/* From a container definition to config.json: defaults as Docker has them, users, capabilities, refusals. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "api/oci.idl.h"
#include "base/alloc.h"
#include "runtime/bundle.h"
#include "runtime/capabilities.h"
#include "runtime/users.h"
#include "unit.h"

struct fixture {
        struct arena arena;
        char dir[64];
        char *layers[2];
        struct oci_image_process process;
        struct oci_image_config image;
        struct bundle_context context;
        struct runtime_container_spec spec;
        struct bundle_result result;
        struct error error;
        json_t *config;
};

static void put(const char *dir, const char *name, const char *text)
{
        char path[256];
        FILE *file;

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        file = fopen(path, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
}

static int setup(void **state)
{
        struct fixture *f = xalloc(sizeof(*f));

        strcpy(f->dir, "/tmp/gantry-bundle-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        for (int i = 0; i < 2; i++) {
                f->layers[i] = arena_printf(&f->arena, "%s/layer%d", f->dir, i);
                assert_int_equal(mkdir(f->layers[i], 0755), 0);
                assert_int_equal(mkdir(arena_printf(&f->arena, "%s/etc", f->layers[i]), 0755), 0);
        }
        put(f->layers[0], "etc/passwd", "root:x:0:0::/root:/bin/sh\nold:x:5:5::/old:/bin/sh\n");
        put(f->layers[1], "etc/passwd", "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n");
        put(f->layers[1], "etc/group", "root:x:0:\nstaff:x:50:web,other\nnogroup:x:99:\n");
        f->image.config = &f->process;
        string_list_push(&f->arena, &f->process.cmd, "serve");
        string_list_push(&f->arena, &f->process.env, "PATH=/image/bin");
        string_list_push(&f->arena, &f->process.env, "COLOR=red");
        f->context = (struct bundle_context){.dir = f->dir,
                                             .rootfs = "/root/fs",
                                             .layers = (const char *const *)f->layers,
                                             .n_layers = 2,
                                             .image = &f->image,
                                             .cgroup_path = "/gantry/t/c",
                                             .init = "/usr/bin/catatonit",
                                             .cgroup_version = 2};
        f->spec = (struct runtime_container_spec){.id = "0123456789abcdef", .task_id = "t"};
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;
        char command[128];

        json_decref(f->config);
        snprintf(command, sizeof(command), "rm -rf %s", f->dir);
        assert_int_equal(system(command), 0);
        arena_done(&f->arena);
        free(f);
        return 0;
}

static int make(struct fixture *f)
{
        char path[128];
        int r = bundle_write(&f->context, &f->spec, &f->arena, &f->result, &f->error);

        if (r < 0)
                return r;
        snprintf(path, sizeof(path), "%s/config.json", f->dir);
        json_decref(f->config);
        f->config = json_load_file(path, 0, NULL);
        assert_non_null(f->config);
        return 0;
}

static const char *text_at(json_t *list, size_t i)
{
        return json_string_value(json_array_get(list, i));
}

static bool contains(json_t *list, const char *text)
{
        size_t i;
        json_t *item;

        json_array_foreach(list, i, item) if (strcmp(json_string_value(item), text) == 0) return true;
        return false;
}

static json_t *process_of(struct fixture *f)
{
        return json_object_get(f->config, "process");
}

static void test_defaults(void **state)
{
        struct fixture *f = *state;
        json_t *process, *env, *linux_part;

        assert_int_equal(make(f), 0);
        process = process_of(f);
        assert_string_equal(text_at(json_object_get(process, "args"), 0), "serve");
        env = json_object_get(process, "env");
        assert_true(contains(env, "PATH=/image/bin"));
        assert_true(contains(env, "COLOR=red"));
        assert_true(contains(env, "HOME=/root"));
        assert_true(contains(env, "HOSTNAME=0123456789ab"));
        assert_string_equal(json_string_value(json_object_get(f->config, "hostname")), "0123456789ab");
        assert_int_equal(f->result.stop_signal, SIGTERM);
        linux_part = json_object_get(f->config, "linux");
        assert_int_equal(json_array_size(json_object_get(linux_part, "namespaces")), 6);
        assert_string_equal(json_string_value(json_object_get(linux_part, "cgroupsPath")), "/gantry/t/c");
        assert_non_null(json_object_get(json_object_get(linux_part, "seccomp"), "syscalls"));
        assert_int_equal(json_array_size(json_object_get(json_object_get(process, "capabilities"), "effective")), 14);
}

static void test_what_is_said_hides_the_image(void **state)
{
        struct fixture *f = *state;
        struct string_list entry = {0};
        json_t *args;

        string_list_push(&f->arena, &entry, "/bin/run");
        f->spec.entry_point = &entry;
        f->spec.init = true;
        string_map_set(&f->arena, &f->spec.env, "COLOR", "blue");
        f->spec.user = "web:staff";
        f->spec.stop_signal = "SIGQUIT";
        assert_int_equal(make(f), 0);
        args = json_object_get(process_of(f), "args");
        assert_int_equal(json_array_size(args), 3);
        assert_string_equal(text_at(args, 0), "/dev/init");
        assert_string_equal(text_at(args, 2), "/bin/run");
        assert_true(contains(json_object_get(process_of(f), "env"), "COLOR=blue"));
        assert_true(contains(json_object_get(process_of(f), "env"), "HOME=/srv"));
        assert_int_equal(json_integer_value(json_object_get(json_object_get(process_of(f), "user"), "uid")), 33);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(process_of(f), "user"), "gid")), 50);
        assert_int_equal(json_array_size(json_object_get(json_object_get(process_of(f), "capabilities"), "effective")), 0);
        assert_int_equal(f->result.stop_signal, SIGQUIT);
}

static void test_host_modes_and_limits(void **state)
{
        struct fixture *f = *state;
        json_t *resources, *rlimit;
        struct runtime_ulimit ulimit = {.name = "nofile", .soft = 100, .hard = 200};

        f->spec.network.mode = f->spec.pid.mode = f->spec.ipc.mode = f->spec.uts.mode = RUNTIME_NS_HOST;
        f->spec.memory_bytes = 64 << 20;
        f->spec.cpu_shares = 1;
        f->spec.cpu_millis = 500;
        f->spec.pids = 7;
        f->spec.ulimits = &ulimit;
        f->spec.n_ulimits = 1;
        assert_int_equal(make(f), 0);
        assert_int_equal(json_array_size(json_object_get(json_object_get(f->config, "linux"), "namespaces")), 2);
        assert_null(json_object_get(f->config, "hostname"));
        resources = json_object_get(json_object_get(f->config, "linux"), "resources");
        assert_int_equal(json_integer_value(json_object_get(json_object_get(resources, "memory"), "limit")), 64 << 20);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(resources, "cpu"), "shares")), 2);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(resources, "cpu"), "quota")), 50000);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(resources, "pids"), "limit")), 7);
        rlimit = json_array_get(json_object_get(process_of(f), "rlimits"), 0);
        assert_string_equal(json_string_value(json_object_get(rlimit, "type")), "RLIMIT_NOFILE");
        assert_int_equal(json_integer_value(json_object_get(rlimit, "soft")), 100);
}

static void test_mounts_outer_first(void **state)
{
        struct fixture *f = *state;
        struct runtime_mount mounts[] = {{.source = "/a", .destination = "/data/inner", .read_only = true},
                                         {.kind = RUNTIME_MOUNT_TMPFS, .destination = "/data", .options = "size=1m"}};
        json_t *list;
        size_t n;

        f->spec.mounts = mounts;
        f->spec.n_mounts = 2;
        assert_int_equal(make(f), 0);
        list = json_object_get(f->config, "mounts");
        n = json_array_size(list);
        assert_string_equal(json_string_value(json_object_get(json_array_get(list, n - 2), "destination")), "/data");
        assert_string_equal(json_string_value(json_object_get(json_array_get(list, n - 1), "destination")), "/data/inner");
        assert_true(contains(json_object_get(json_array_get(list, n - 1), "options"), "ro"));
}

static void test_refusals(void **state)
{
        struct fixture *f = *state;
        static const struct {
                const char *user, *cwd, *signal, *message;
        } cases[] = {
                {"nobody", NULL, NULL, "nobody"},       {"old", NULL, NULL, "old"}, /* only in the layer below */
                {"web:nothere", NULL, NULL, "nothere"}, {NULL, "relative", NULL, "relative"}, {NULL, NULL, "SIGNOTHING", "SIGNOTHING"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                f->spec.user = cases[i].user;
                f->spec.working_dir = cases[i].cwd;
                f->spec.stop_signal = cases[i].signal;
                error_clear(&f->error);
                assert_int_equal(make(f), -EINVAL);
                assert_non_null(strstr(f->error.message, cases[i].message));
        }
        f->spec = (struct runtime_container_spec){.id = "c", .task_id = "t"};
        f->process.cmd.n = 0;
        error_clear(&f->error);
        assert_int_equal(make(f), -EINVAL);
        assert_non_null(strstr(f->error.message, "command"));
}

static void test_links_cannot_leave_a_layer(void **state)
{
        struct fixture *f = *state;
        char path[128];

        snprintf(path, sizeof(path), "%s/etc/passwd", f->layers[1]);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("/etc/passwd", path), 0); /* the image's own, which is the link itself */
        f->spec.user = "root";
        assert_int_equal(make(f), 0); /* the layer below is asked: the link leads nowhere */
        assert_int_equal(json_integer_value(json_object_get(json_object_get(process_of(f), "user"), "uid")), 0);
        f->spec.user = "daemon"; /* the host has one */
        assert_int_equal(make(f), -EINVAL);
}

static void test_capability_sets(void **state)
{
        struct fixture *f = *state;
        struct string_list add = {0}, drop = {0}, names = {0};
        uint64_t set;

        string_list_push(&f->arena, &drop, "ALL");
        string_list_push(&f->arena, &add, "cap_net_bind_service");
        assert_int_equal(capabilities_resolve(false, &add, &drop, &set, &f->error), 0);
        capabilities_names(set, &f->arena, &names);
        assert_int_equal(names.n, 1);
        assert_string_equal(names.items[0], "CAP_NET_BIND_SERVICE");
        string_list_push(&f->arena, &add, "FLY");
        assert_int_equal(capabilities_resolve(false, &add, &drop, &set, &f->error), -EINVAL);
}

static void test_signals(void **state)
{
        (void)state;
        assert_int_equal(bundle_signal_parse("SIGUSR1"), SIGUSR1);
        assert_int_equal(bundle_signal_parse("TERM"), SIGTERM);
        assert_int_equal(bundle_signal_parse("9"), 9);
        assert_int_equal(bundle_signal_parse("SIGRTMIN+3"), SIGRTMIN + 3);
        assert_int_equal(bundle_signal_parse("0"), -EINVAL);
        assert_int_equal(bundle_signal_parse("SIGRTMIN+x"), -EINVAL);
        assert_int_equal(bundle_signal_parse(""), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
                cmocka_unit_test_setup_teardown(test_what_is_said_hides_the_image, setup, teardown),
                cmocka_unit_test_setup_teardown(test_host_modes_and_limits, setup, teardown),
                cmocka_unit_test_setup_teardown(test_mounts_outer_first, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
                cmocka_unit_test_setup_teardown(test_links_cannot_leave_a_layer, setup, teardown),
                cmocka_unit_test_setup_teardown(test_capability_sets, setup, teardown),
                cmocka_unit_test(test_signals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
