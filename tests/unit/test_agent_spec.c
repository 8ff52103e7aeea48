/* SPDX-License-Identifier: Apache-2.0 */
/* From payloads to what the runtime, the network and the registration are told. */
#include "unit.h"

#include "agent/channel/capabilities.h"
#include "agent/engine/ports.h"
#include "agent/engine/spec.h"
#include "agent/engine/volumes.h"
#include "base/strutil.h"
#include "fixed_env.h"

/* A container spec as text, one member a line, so that a difference is easy to read. */
static void put_list(struct buf *out, const char *name, const struct string_list *list)
{
        for (uint32_t i = 0; list != NULL && i < list->n; i++)
                buf_printf(out, "%s %s\n", name, list->items[i]);
}

static void put_map(struct buf *out, const char *name, const struct string_map *map)
{
        for (uint32_t i = 0; i < map->n; i++)
                buf_printf(out, "%s %s=%s\n", name, map->items[i].key, map->items[i].value);
}

static void put_number(struct buf *out, const char *name, int64_t value)
{
        if (value != 0)
                buf_printf(out, "%s %lld\n", name, (long long)value);
}

static void put_text(struct buf *out, const char *name, const char *value)
{
        if (value != NULL)
                buf_printf(out, "%s %s\n", name, value);
}

static void put_namespace(struct buf *out, const char *name, const struct runtime_namespace *ns)
{
        if (ns->mode != RUNTIME_NS_PRIVATE)
                buf_printf(out, "%s %s\n", name, ns->mode == RUNTIME_NS_HOST ? "host" : ns->path);
}

static void put_process(const struct runtime_container_spec *s, struct buf *out)
{
        put_text(out, "id", s->id);
        put_text(out, "task", s->task_id);
        if (s->task_limits != NULL)
                buf_printf(out, "task-limits cpu=%lld shares=%lld memory=%lld\n", (long long)s->task_limits->cpu_millis,
                           (long long)s->task_limits->cpu_shares, (long long)s->task_limits->memory_bytes);
        put_list(out, "entry-point", s->entry_point);
        put_list(out, "command", s->command);
        put_map(out, "env", &s->env);
        put_text(out, "user", s->user);
        put_text(out, "dir", s->working_dir);
        put_text(out, "stop-signal", s->stop_signal);
        put_number(out, "tty", s->tty);
        put_number(out, "stdin", s->stdin_open);
        put_number(out, "init", s->init);
        put_number(out, "no-new-privileges", s->no_new_privileges);
}

static void put_rest(const struct runtime_container_spec *s, struct buf *out)
{
        for (uint32_t i = 0; i < s->n_mounts; i++)
                buf_printf(out, "mount %s %s -> %s%s%s%s\n", s->mounts[i].kind == RUNTIME_MOUNT_TMPFS ? "tmpfs" : "bind",
                           s->mounts[i].source != NULL ? s->mounts[i].source : s->mounts[i].options, s->mounts[i].destination,
                           s->mounts[i].read_only ? " ro" : "", s->mounts[i].create ? " create" : "",
                           s->mounts[i].copy_up ? " copy-up" : "");
        put_text(out, "hostname", s->hostname);
        put_list(out, "host", &s->extra_hosts);
        put_list(out, "dns", &s->dns);
        put_list(out, "search", &s->dns_search);
        put_text(out, "address", s->hosts_address);
        put_text(out, "resolv", s->resolv_path);
        put_namespace(out, "network", &s->network);
        put_namespace(out, "pid", &s->pid);
        put_namespace(out, "ipc", &s->ipc);
        put_number(out, "ipc-none", s->ipc_none);
        put_number(out, "privileged", s->privileged);
        put_number(out, "read-only-root", s->read_only_root);
        put_list(out, "cap-add", &s->cap_add);
        put_list(out, "cap-drop", &s->cap_drop);
        for (uint32_t i = 0; i < s->n_devices; i++)
                buf_printf(out, "device %s %s %d%d%d\n", s->devices[i].host_path, s->devices[i].container_path, s->devices[i].read,
                           s->devices[i].write, s->devices[i].mknod);
        put_text(out, "seccomp", s->seccomp);
        put_text(out, "apparmor", s->apparmor_profile);
        put_map(out, "sysctl", &s->sysctls);
        put_number(out, "cpu-shares", s->cpu_shares);
        put_number(out, "memory", s->memory_bytes);
        put_number(out, "reservation", s->memory_reservation_bytes);
        if (s->has_memory_swap)
                buf_printf(out, "swap %lld\n", (long long)s->memory_swap_bytes);
        if (s->has_swappiness)
                buf_printf(out, "swappiness %d\n", s->swappiness);
        put_number(out, "shm", s->shm_bytes);
        for (uint32_t i = 0; i < s->n_ulimits; i++)
                buf_printf(out, "ulimit %s %lld %lld\n", s->ulimits[i].name, (long long)s->ulimits[i].soft, (long long)s->ulimits[i].hard);
        put_number(out, "log-none", s->log_none);
        put_number(out, "log-max", s->log_max_bytes);
        put_map(out, "label", &s->annotations);
}

static struct engine_task *task_of(const char *json)
{
        static struct fixed_env clock;
        struct arena arena CLEANUP_ARENA = {0};
        struct acs_task *payload = NULL;
        struct error error = {0};

        clock = fixed_env_make();
        if (SHAPE_PARSE(acs_task, &arena, json, strlen(json), NULL, &payload, &error) < 0)
                fail_msg("%s", error.message);
        struct engine_task *t = engine_task_new(payload, &clock.env);
        if (t->rejected)
                fail_msg("%s", t->reason);
        for (uint32_t i = 0; i < t->n_containers; i++)
                (void)snprintf(t->containers[i].endpoint_id, sizeof(t->containers[i].endpoint_id), "endpoint-%u", i);
        return t;
}

static const struct runtime_mount *image_volumes(const struct engine_container *source, uint32_t *ret_n)
{
        static const struct runtime_mount volume = {.kind = RUNTIME_MOUNT_BIND, .source = "/data/anonymous", .destination = "/from-image"};

        *ret_n = str_eq(source->definition->name, "db") ? 1 : 0;
        return &volume;
}

static void expect(const struct engine_task *t, uint32_t index, const struct spec_context *context, const char *expected)
{
        struct arena arena CLEANUP_ARENA = {0};
        struct buf text CLEANUP_BUF = {0};
        struct runtime_container_spec spec;

        spec_make(&t->containers[index], context, &arena, &spec);
        put_process(&spec, &text);
        put_rest(&spec, &text);
        assert_string_equal(text.data, expected);
}

static const struct spec_context bridge = {.data_dir = "/data",
                                           .cluster = "lab",
                                           .region = "us-east-1",
                                           .sandbox_path = "/run/ns/x",
                                           .address = "172.31.240.5",
                                           .resolv_conf = "/etc/resolv.conf",
                                           .mounts_of = image_volumes};

static void test_smallest(void **state)
{
        struct engine_task *t = task_of("{\"arn\":\"a/t1\",\"family\":\"web\",\"version\":\"3\",\"networkMode\":\"host\","
                                        "\"containers\":[{\"name\":\"a\",\"image\":\"i\"}]}");
        const struct spec_context host = {.data_dir = "/data", .cluster = "lab", .region = "us-east-1"};

        (void)state;
        expect(t, 0, &host,
               "id t1-3826002220\ntask t1\ntask-limits cpu=0 shares=2 memory=0\n"
               "env AWS_REGION=us-east-1\nenv AWS_DEFAULT_REGION=us-east-1\n"
               "env ECS_CONTAINER_METADATA_URI=http://169.254.170.2/v3/endpoint-0\n"
               "env ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/endpoint-0\n"
               "env ECS_AGENT_URI=http://169.254.170.2/api/endpoint-0\n"
               "network host\ncpu-shares 2\n"
               "label com.amazonaws.ecs.cluster=lab\nlabel com.amazonaws.ecs.container-name=a\nlabel com.amazonaws.ecs.task-arn=a/t1\n"
               "label com.amazonaws.ecs.task-definition-family=web\nlabel com.amazonaws.ecs.task-definition-version=3\n");
        engine_task_free(t);
}

#define EVERYTHING                                                                                                                         \
        "{\"arn\":\"a/t1\",\"family\":\"f\",\"version\":\"1\",\"networkMode\":\"bridge\",\"cpu\":0.5,\"memory\":256,\"ipcMode\":\"none\"," \
        "\"roleCredentials\":{\"credentialsId\":\"cid\",\"secretAccessKey\":\"s\"},"                                                       \
        "\"volumes\":[{\"name\":\"h\",\"type\":\"host\",\"host\":{\"sourcePath\":\"/"                                                      \
        "srv\"}},{\"name\":\"scratch\",\"type\":\"host\",\"host\":{}},"                                                                    \
        "{\"name\":\"sh ared\",\"type\":\"docker\",\"dockerVolumeConfiguration\":{\"scope\":\"shared\",\"autoprovision\":true}}],"         \
        "\"containers\":[{\"name\":\"web\",\"image\":\"i\",\"cpu\":128,\"memory\":2,\"command\":[\"ignored\"],\"entryPoint\":[\"/bin/"     \
        "e\",\"-x\"],"                                                                                                                     \
        "\"environment\":{\"A\":\"b\",\"AWS_REGION\":\"mars\"},\"links\":[\"db:data\"],\"overrides\":\"{\\\"command\\\":[\\\"run\\\","     \
        "\\\"it\\\"]}\","                                                                                                                  \
        "\"mountPoints\":[{\"sourceVolume\":\"h\",\"containerPath\":\"/"                                                                   \
        "h\",\"readOnly\":true},{\"sourceVolume\":\"scratch\",\"containerPath\":\"/s\"},"                                                  \
        "{\"sourceVolume\":\"sh ared\",\"containerPath\":\"/d\"}],\"volumesFrom\":[{\"sourceContainer\":\"db\",\"readOnly\":true}],"       \
        "\"dockerConfig\":{\"config\":\"{\\\"User\\\":\\\"1000:1000\\\",\\\"WorkingDir\\\":\\\"/"                                          \
        "w\\\",\\\"Hostname\\\":\\\"hh\\\",\\\"Tty\\\":true,"                                                                              \
        "\\\"OpenStdin\\\":true,\\\"StopSignal\\\":\\\"SIGQUIT\\\",\\\"Labels\\\":{\\\"l\\\":\\\"v\\\"}}\",\"hostConfig\":\"{"             \
        "\\\"Privileged\\\":true,"                                                                                                         \
        "\\\"CapAdd\\\":[\\\"NET_ADMIN\\\"],\\\"CapDrop\\\":[\\\"ALL\\\"],\\\"Devices\\\":[{\\\"PathOnHost\\\":\\\"/dev/"                  \
        "fuse\\\",\\\"PathInContainer\\\":"                                                                                                \
        "\\\"/dev/f\\\",\\\"CgroupPermissions\\\":\\\"rw\\\"}],\\\"Init\\\":true,\\\"ShmSize\\\":1048576,\\\"Tmpfs\\\":{\\\"/"             \
        "t\\\":\\\"size=1m\\\"},"                                                                                                          \
        "\\\"MemoryReservation\\\":1048576,\\\"MemorySwap\\\":-1,\\\"MemorySwappiness\\\":10,\\\"Ulimits\\\":[{\\\"Name\\\":"              \
        "\\\"nofile\\\",\\\"Soft\\\":10,"                                                                                                  \
        "\\\"Hard\\\":20}],\\\"Sysctls\\\":{\\\"net.core.somaxconn\\\":\\\"9\\\"},\\\"Dns\\\":[\\\"1.1.1.1\\\"],\\\"DnsSearch\\\":[\\\"x." \
        "y\\\"],"                                                                                                                          \
        "\\\"ExtraHosts\\\":[\\\"e:10.0.0.1\\\"],\\\"SecurityOpt\\\":[\\\"no-new-privileges\\\",\\\"apparmor:p\\\",\\\"seccomp="           \
        "unconfined\\\"],"                                                                                                                 \
        "\\\"ReadonlyRootfs\\\":true,\\\"LogConfig\\\":{\\\"Type\\\":\\\"json-file\\\",\\\"Config\\\":{\\\"max-size\\\":\\\"10m\\\"}}}\"}" \
        "},"                                                                                                                               \
        "{\"name\":\"db\",\"image\":\"i\",\"portMappings\":[{\"containerPort\":5432,\"protocol\":\"tcp\"}],"                               \
        "\"mountPoints\":[{\"sourceVolume\":\"h\",\"containerPath\":\"/from-db\"}]}]}"

static void test_everything(void **state)
{
        struct engine_task *t = task_of(EVERYTHING);

        (void)state;
        t->containers[1].address = strdup("172.31.240.9");
        expect(t, 0, &bridge,
               "id t1-0265927825\ntask t1\ntask-limits cpu=500 shares=0 memory=268435456\n"
               "entry-point /bin/e\nentry-point -x\ncommand run\ncommand it\n"
               "env DATA_NAME=/web/data\nenv DATA_PORT=tcp://172.31.240.9:5432\nenv DATA_PORT_5432_TCP=tcp://172.31.240.9:5432\n"
               "env DATA_PORT_5432_TCP_ADDR=172.31.240.9\nenv DATA_PORT_5432_TCP_PORT=5432\nenv DATA_PORT_5432_TCP_PROTO=tcp\n"
               "env A=b\nenv AWS_REGION=mars\nenv AWS_DEFAULT_REGION=us-east-1\n"
               "env ECS_CONTAINER_METADATA_URI=http://169.254.170.2/v3/endpoint-0\n"
               "env ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/endpoint-0\n"
               "env ECS_AGENT_URI=http://169.254.170.2/api/endpoint-0\n"
               "env AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/cid\n"
               "user 1000:1000\ndir /w\nstop-signal SIGQUIT\ntty 1\nstdin 1\ninit 1\nno-new-privileges 1\n"
               "mount bind /srv -> /h ro create\nmount bind /data/volumes/task/t1/scratch -> /s create copy-up\n"
               "mount bind /data/volumes/shared/sh_ared -> /d create copy-up\nmount tmpfs size=1m -> /t\n"
               "mount bind /srv -> /from-db ro create\nmount bind /data/anonymous -> /from-image ro\n"
               "hostname hh\nhost e:10.0.0.1\nhost data:172.31.240.9\nhost db:172.31.240.9\ndns 1.1.1.1\nsearch x.y\naddress 172.31.240.5\n"
               "network /run/ns/x\nipc-none 1\nprivileged 1\nread-only-root 1\ncap-add NET_ADMIN\ncap-drop ALL\ndevice /dev/fuse /dev/f "
               "110\n"
               "seccomp unconfined\napparmor p\nsysctl net.core.somaxconn=9\ncpu-shares 128\nmemory 6291456\nreservation 1048576\nswap -1\n"
               "swappiness 10\nshm 1048576\nulimit nofile 10 20\nlog-max 10485760\n"
               "label l=v\nlabel com.amazonaws.ecs.cluster=lab\nlabel com.amazonaws.ecs.container-name=web\n"
               "label com.amazonaws.ecs.task-arn=a/t1\nlabel com.amazonaws.ecs.task-definition-family=f\n"
               "label com.amazonaws.ecs.task-definition-version=1\n");
        engine_task_free(t);
}

static void test_shared_namespaces(void **state)
{
        struct engine_task *t = task_of("{\"arn\":\"a/"
                                        "t1\",\"networkMode\":\"none\",\"pidMode\":\"task\",\"ipcMode\":\"task\",\"containers\":[{\"name\":"
                                        "\"a\",\"image\":\"i\"}]}");
        struct arena arena CLEANUP_ARENA = {0};
        struct spec_context context = bridge;
        struct runtime_container_spec spec;

        (void)state;
        context.pause_pid_path = "/proc/5/ns/pid";
        context.pause_ipc_path = "/proc/5/ns/ipc";
        spec_make(&t->containers[0], &context, &arena, &spec);
        assert_string_equal(spec.pid.path, "/proc/5/ns/pid");
        assert_string_equal(spec.ipc.path, "/proc/5/ns/ipc");
        assert_string_equal(spec.resolv_path, "/etc/resolv.conf");
        engine_task_free(t);
}

static void test_sizes(void **state)
{
        (void)state;
        assert_int_equal(spec_parse_size("10m"), 10 << 20);
        assert_int_equal(spec_parse_size("1G"), 1 << 30);
        assert_int_equal(spec_parse_size("64kb"), 65536);
        assert_int_equal(spec_parse_size("7"), 7);
        assert_int_equal(spec_parse_size("x"), 0);
        assert_int_equal(spec_parse_size("-1m"), 0);
        assert_int_equal(spec_parse_size("99999999999g"), 0);
        assert_int_equal(spec_parse_size(NULL), 0);
}

static void test_ports(void **state)
{
        struct engine_task *t =
                task_of("{\"arn\":\"a/"
                        "t1\",\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"portMappings\":[{\"containerPort\":80,\"hostPort\":8080},"
                        "{\"containerPort\":53,\"protocol\":\"udp\"},{\"containerPortRange\":\"1000-1004\"}]}]}");
        struct arena arena CLEANUP_ARENA = {0};
        struct vpc_port *ports;
        uint32_t n;

        (void)state;
        assert_int_equal(ports_wanted(&t->containers[0], &arena, &ports, &n, NULL), 0);
        assert_int_equal(n, 3);
        assert_int_equal(ports[0].host_port, 8080);
        assert_true(ports[1].udp);
        assert_int_equal(ports[2].count, 5);
        ports[1].host_port = 40000;
        ports[2].host_port = 41000;
        ports_bindings(&t->containers[0], ports, n);
        assert_int_equal(t->containers[0].bindings.items[0].container_port, 80);
        assert_int_equal(t->containers[0].bindings.items[1].protocol, ECS_TRANSPORT_PROTOCOL_UDP);
        assert_string_equal(t->containers[0].bindings.items[2].host_port_range, "41000-41004");
        assert_string_equal(t->containers[0].bindings.items[2].container_port_range, "1000-1004");
        engine_task_free(t);
}

static void test_registration(void **state)
{
        struct arena arena CLEANUP_ARENA = {0};
        const struct agent_pair own = {"rack", "7"};
        const struct agent_options options = {.availability_zone = "us-east-1a",
                                              .attributes = &own,
                                              .n_attributes = 1,
                                              .reserved_memory = 1000,
                                              .reserved_ports = "[22,80]"};
        const struct machine machine = {.cpu = 2048, .memory = 4000, .arch = "x86_64"};
        struct ecs_register_container_instance_request first = {0}, again = {0};
        struct buf text CLEANUP_BUF = {0};

        (void)state;
        capabilities_request(&options, &machine, true, &arena, &first);
        SHAPE_WRITE(ecs_register_container_instance_request, &first, &text);
        assert_non_null(strstr(text.data, "{\"name\":\"MEMORY\",\"type\":\"INTEGER\",\"integerValue\":3000}"));
        assert_non_null(strstr(text.data, "{\"name\":\"PORTS\",\"type\":\"STRINGSET\",\"stringSetValue\":[\"22\",\"80\"]}"));
        assert_non_null(strstr(text.data, "{\"name\":\"PORTS_UDP\",\"type\":\"STRINGSET\",\"stringSetValue\":[]}"));
        assert_non_null(strstr(text.data, "{\"name\":\"ecs.availability-zone\",\"value\":\"us-east-1a\"}"));
        assert_non_null(strstr(text.data, "{\"name\":\"com.amazonaws.ecs.capability.logging-driver.awslogs\"}"));
        assert_non_null(strstr(text.data, "{\"name\":\"rack\",\"value\":\"7\"}"));
        /* Own attributes are the server's after the first registration. */
        capabilities_request(&options, &machine, false, &arena, &again);
        assert_int_equal(again.attributes.n, first.attributes.n - 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_smallest), cmocka_unit_test(test_everything), cmocka_unit_test(test_shared_namespaces),
                cmocka_unit_test(test_sizes),    cmocka_unit_test(test_ports),      cmocka_unit_test(test_registration),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
