/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape engine on a task definition of 2 KB: read, write, validate, copy, pack, compare; next to jansson, in alternating rounds.
 * And what a signature costs to check on a body of 1 KB.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/ecs.idl.h"
#include "codec/shape.h"
#include "codec/sigv4.h"

#define SHAPE (&ecs_register_task_definition_request_shape)
#define ROUNDS 7
#define ROUND_NS 150000000.0

/* As the SDKs for Python (with spaces) send it. */
static const char document[] =
        "{\"family\": \"storefront-web\", \"taskRoleArn\": \"arn:aws:iam::123456789012:role/storefront-task\", \"executionRoleArn\": "
        "\"arn:aws:iam::123456789012:role/ecsTaskExecutionRole\", \"networkMode\": \"awsvpc\", \"requiresCompatibilities\": [\"FARGATE\", "
        "\"EC2\"], "
        "\"cpu\": \"1024\", \"memory\": \"2048\", \"containerDefinitions\": [{\"name\": \"web\", \"image\": "
        "\"123456789012.dkr.ecr.us-east-1.amazonaws.com/storefront/web:2024-11-05.3\", \"cpu\": 512, \"memory\": 1024, "
        "\"memoryReservation\": 512, "
        "\"essential\": true, \"portMappings\": [{\"containerPort\": 8080, \"hostPort\": 8080, \"protocol\": \"tcp\", \"name\": \"http\"}, "
        "{\"containerPort\": 9090, \"hostPort\": 9090, \"protocol\": \"tcp\"}], \"environment\": [{\"name\": \"DATABASE_HOST\", \"value\": "
        "\"orders.cluster-abcdefghij.us-east-1.rds.amazonaws.com\"}, {\"name\": \"LOG_LEVEL\", \"value\": \"info\"}, {\"name\": "
        "\"FEATURES\", \"value\": "
        "\"checkout,search,\\\"beta\\\"\"}, {\"name\": \"GREETING\", \"value\": \"Gr\xc3\xbc\xc3\x9f"
        "e\"}], \"secrets\": [{\"name\": \"DATABASE_PASSWORD\", \"valueFrom\": "
        "\"arn:aws:secretsmanager:us-east-1:123456789012:secret:orders-db-AbCdEf\"}], \"healthCheck\": {\"command\": [\"CMD-SHELL\", "
        "\"curl -f "
        "http://localhost:8080/healthz || exit 1\"], \"interval\": 10, \"timeout\": 5, \"retries\": 3, \"startPeriod\": 30}, "
        "\"logConfiguration\": "
        "{\"logDriver\": \"awslogs\", \"options\": {\"awslogs-group\": \"/ecs/storefront\", \"awslogs-region\": \"us-east-1\", "
        "\"awslogs-stream-prefix\": "
        "\"web\"}}, \"dockerLabels\": {\"team\": \"storefront\", \"tier\": \"front\"}, \"ulimits\": [{\"name\": \"nofile\", \"softLimit\": "
        "65536, "
        "\"hardLimit\": 65536}], \"dependsOn\": [{\"containerName\": \"proxy\", \"condition\": \"HEALTHY\"}]}, {\"name\": \"proxy\", "
        "\"image\": "
        "\"envoyproxy/envoy:v1.28.0\", \"cpu\": 256, \"memory\": 256, \"essential\": true, \"command\": [\"envoy\", \"-c\", "
        "\"/etc/envoy/envoy.yaml\"], "
        "\"mountPoints\": [{\"sourceVolume\": \"config\", \"containerPath\": \"/etc/envoy\", \"readOnly\": true}]}], \"volumes\": "
        "[{\"name\": \"config\", "
        "\"host\": {\"sourcePath\": \"/srv/envoy\"}}], \"tags\": [{\"key\": \"team\", \"value\": \"storefront\"}, {\"key\": "
        "\"cost-centre\", \"value\": \"4711\"}]}";

struct work {
        struct arena arena;
        struct buf out;
        void *obj, *other;
        json_t *tree;
        struct sigv4_request request;
        struct sigv4_credentials credentials;
};

static double now_ns(void)
{
        struct timespec t;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* others may be busy on this machine */
        return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void die(const char *what)
{
        fprintf(stderr, "bench_shape: %s\n", what);
        exit(1);
}

static void run_read(struct work *w)
{
        void *obj;

        arena_reset(&w->arena);
        if (shape_from_json(SHAPE, &w->arena, document, sizeof(document) - 1, NULL, &obj, NULL) < 0)
                die("the document was refused");
}

static void run_read_trusted(struct work *w)
{
        const struct shape_limits limits = {.skip_validation = true};
        void *obj;

        arena_reset(&w->arena);
        if (shape_from_json(SHAPE, &w->arena, document, sizeof(document) - 1, &limits, &obj, NULL) < 0)
                die("the document was refused");
}

static void run_write(struct work *w)
{
        buf_clear(&w->out);
        shape_to_json(SHAPE, w->obj, &w->out);
}

static void run_validate(struct work *w)
{
        if (shape_validate(SHAPE, w->obj, NULL) < 0)
                die("not valid");
}

static void run_copy(struct work *w)
{
        arena_reset(&w->arena);
        (void)shape_copy(SHAPE, w->obj, &w->arena);
}

static void run_pack(struct work *w)
{
        free(shape_pack(SHAPE, w->obj));
}

static void run_equal(struct work *w)
{
        if (!shape_equal(SHAPE, w->obj, w->other))
                die("not equal");
}

static void run_jansson_read(struct work *w)
{
        json_decref(json_loadb(document, sizeof(document) - 1, 0, NULL));
}

static void run_jansson_write(struct work *w)
{
        free(json_dumps(w->tree, JSON_COMPACT));
}

static void run_verify(struct work *w)
{
        struct sigv4_claim claim = {0};

        arena_reset(&w->arena);
        if (sigv4_parse(&w->request, &w->arena, &claim, NULL) < 0 ||
            sigv4_verify(&w->request, &claim, &w->credentials, INT64_C(1440938160000), &w->arena, NULL) < 0)
                die("the signature was refused");
}

struct bench {
        const char *name;
        void (*run)(struct work *w);
        size_t bytes; /* 0: no MB/s */
        double best_ns;
};

static double measure(struct bench *b, struct work *w)
{
        double start = now_ns(), spent;
        size_t n = 0;

        do {
                for (int i = 0; i < 100; i++)
                        b->run(w);
                n += 100;
                spent = now_ns() - start;
        } while (spent < ROUND_NS);
        return spent / (double)n;
}

/* Headers as an SDK sends them. */
static void prepare_request(struct work *w, struct arena *arena, struct sigv4_header headers[5], uint8_t key[32])
{
        static char body[1024];
        const char *authorization;

        memset(body, 'x', sizeof(body));
        headers[0] = (struct sigv4_header){"Host", "127.0.0.1:4327"};
        headers[1] = (struct sigv4_header){"X-Amz-Date", "20150830T123600Z"};
        headers[2] = (struct sigv4_header){"X-Amz-Target", "AmazonEC2ContainerServiceV20141113.RunTask"};
        headers[3] = (struct sigv4_header){"Content-Type", "application/x-amz-json-1.1"};
        w->credentials = (struct sigv4_credentials){.key_id = "AKIDEXAMPLE", .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};
        w->request = (struct sigv4_request){
                .method = "POST", .path = "/", .query = "", .headers = headers, .n_headers = 4, .body = body, .body_len = sizeof(body)};
        sigv4_sign(&w->request, &w->credentials, "us-east-1", "ecs", "20150830T123600Z", arena, &authorization);
        headers[4] = (struct sigv4_header){"Authorization", authorization};
        w->request.n_headers = 5;
        sigv4_signing_key(w->credentials.secret, "20150830", "us-east-1", "ecs", key);
        w->credentials.signing_key = key;
}

int main(void)
{
        static struct work w;
        struct arena kept = {0};
        struct sigv4_header headers[5];
        uint8_t key[32];
        size_t len = sizeof(document) - 1, written;
        struct error error = {0};

        if (shape_from_json(SHAPE, &kept, document, len, NULL, &w.obj, &error) < 0)
                die(error.message);
        w.other = shape_copy(SHAPE, w.obj, &kept);
        run_write(&w);
        written = w.out.len;
        w.tree = json_loadb(document, len, 0, NULL);
        prepare_request(&w, &kept, headers, key);

        struct bench benches[] = {
                {"read", run_read, len, 1e18},
                {"jansson read", run_jansson_read, len, 1e18},
                {"write", run_write, written, 1e18},
                {"jansson write", run_jansson_write, written, 1e18},
                {"read, not validated", run_read_trusted, len, 1e18},
                {"validate", run_validate, 0, 1e18},
                {"copy to arena", run_copy, 0, 1e18},
                {"pack and free", run_pack, 0, 1e18},
                {"compare", run_equal, 0, 1e18},
                {"check signature", run_verify, 0, 1e18},
        };

        for (int round = 0; round < ROUNDS; round++) {
                for (size_t i = 0; i < ARRAY_SIZE(benches); i++) {
                        double ns = measure(&benches[i], &w);

                        benches[i].best_ns = MIN(benches[i].best_ns, ns);
                }
        }
        printf("task definition: %zu bytes of JSON, %zu written, %zu packed; best of %d rounds\n", len, written,
               shape_packed_size(SHAPE, w.obj), ROUNDS);
        for (size_t i = 0; i < ARRAY_SIZE(benches); i++) {
                printf("%-20s %8.3f us", benches[i].name, benches[i].best_ns / 1000);
                if (benches[i].bytes > 0)
                        printf("  %7.0f MB/s", (double)benches[i].bytes * 1000 / benches[i].best_ns);
                printf("\n");
        }
        printf("ratio to jansson: read %.1f, write %.1f\n", benches[1].best_ns / benches[0].best_ns,
               benches[3].best_ns / benches[2].best_ns);
        json_decref(w.tree);
        arena_done(&kept);
        arena_done(&w.arena);
        buf_done(&w.out);
        return 0;
}
