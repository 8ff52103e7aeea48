/* SPDX-License-Identifier: Apache-2.0 */
/* Finding control groups in mountinfo, and the parsers of their files. */
#include "runtime/cgroup.h"
#include "unit.h"

static void test_version_1_and_hybrid(void **state)
{
        static const char mountinfo[] = "30 20 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs rw\n"
                                        "31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
                                        "32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n"
                                        "36 30 0:32 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n"
                                        "33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                                        "34 30 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
                                        "35 20 0:31 / /other rw - cgroup cgroup rw,pids\n";
        struct cgroups found;

        (void)state;
        assert_int_equal(cgroups_detect(mountinfo, &found, NULL), 0);
        assert_int_equal(found.version, 1);
        assert_true(found.hybrid);
        assert_string_equal(found.unified, "/sys/fs/cgroup/unified");
        assert_int_equal(found.n, 3); /* without freezer, which nothing is done with */
        assert_string_equal(found.mounts[0].names, "cpu,cpuacct");
        assert_string_equal(found.mounts[1].path, "/sys/fs/cgroup/memory");
        assert_string_equal(found.mounts[2].names, "name=systemd");
}

/* A machine within a machine mounts its own over what it has got: each hierarchy counts once. */
static void test_mounted_over(void **state)
{
        static const char mountinfo[] = "33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                                        "36 30 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                                        "63 60 0:29 /x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                                        "66 60 0:32 /x /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        struct cgroups found;

        (void)state;
        assert_int_equal(cgroups_detect(mountinfo, &found, NULL), 0);
        assert_int_equal(found.n, 2);
        assert_string_equal(found.mounts[0].path, "/sys/fs/cgroup/memory");
        assert_string_equal(found.mounts[1].path, "/sys/fs/cgroup/cpu");
}

static void test_version_2(void **state)
{
        struct cgroups found;

        (void)state;
        assert_int_equal(cgroups_detect("29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n", &found, NULL), 0);
        assert_int_equal(found.version, 2);
        assert_false(found.hybrid);
        assert_int_equal(found.n, 1);
}

static void test_parsers(void **state)
{
        struct runtime_stats stats = {0};
        uint64_t in, out;

        (void)state;
        assert_int_equal(cgroup_flat_value("low 1\nhigh 2\noom 3\noom_kill 4\n", "oom_kill"), 4);
        assert_int_equal(cgroup_flat_value("low 1\n", "w"), 0);
        cgroup_parse_blkio_v1("8:0 Read 10\n8:0 Write 20\n8:16 Read 5\n8:0 Total 30\nTotal 35\n", &in, &out);
        assert_int_equal(in, 15);
        assert_int_equal(out, 20);
        cgroup_parse_io_v2("8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n8:16 rbytes=10 wbytes=20 rios=30 wios=40\n", &stats);
        assert_int_equal(stats.blkio_read_bytes, 11);
        assert_int_equal(stats.blkio_write_ops, 44);
        cgroup_parse_net_dev(
                "Inter-|   Receive\n face |bytes\n    lo: 9 9 9 9 0 0 0 0 9 9 9 9 0 0 0 0\n  eth0:1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n",
                &stats);
        assert_true(stats.has_network);
        assert_int_equal(stats.rx_bytes, 1);
        assert_int_equal(stats.tx_dropped, 8);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_version_1_and_hybrid),
                cmocka_unit_test(test_mounted_over),
                cmocka_unit_test(test_version_2),
                cmocka_unit_test(test_parsers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
