/* SPDX-License-Identifier: Apache-2.0 */
/* Each rule of RegisterTaskDefinition, broken once; and what lies just inside of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "api_harness.h"

/* One container with more members; with more at the task level; more containers beside it. */
#define C(more) "{'family':'f','containerDefinitions':[{'name':'c','image':'x','memory':64," more "}]}"
#define T(more) "{'family':'f','containerDefinitions':[{'name':'c','image':'x','memory':64}]," more "}"
#define D(first, second)                                                                                                                   \
        "{'family':'f','containerDefinitions':[{'name':'c','image':'x','memory':64," first "},{'name':'d','image':'x','memory':64," second \
        "}]}"
#define FARGATE "'requiresCompatibilities':['FARGATE'],'networkMode':'awsvpc',"
#define F(more) "{'family':'f'," FARGATE "'cpu':'256','memory':'512','containerDefinitions':[{'name':'c','image':'x'," more "}]}"
#define FT(more) "{'family':'f'," FARGATE more ",'containerDefinitions':[{'name':'c','image':'x'}]}"
#define LOG(options) C("'logConfiguration':{'logDriver':'awslogs','options':{" options "}}")
#define PARAM "InvalidParameterException"
#define CLIENT "ClientException"

struct row {
        const char *json, *code, *text; /* code NULL: accepted */
};

static const struct row task_rows[] = {
        {"{'family':'','containerDefinitions':[]}", CLIENT, "Family should not be null or empty"},
        {"{'family':'a b','containerDefinitions':[]}", CLIENT, "family:"},
        {"{'family':'f','containerDefinitions':[]}", CLIENT, "Container list cannot be empty"},
        {"{'family':'f'}", PARAM, "containerDefinitions"},
        {T("'networkMode':'token-ring'"), PARAM, "networkMode"},
        {T("'taskRoleArn':'arn:aws:iam::123456789012:user/x'"), CLIENT, "Role is not valid"},
        {T("'executionRoleArn':'arn:aws:iam::123456789012:role/x'"), NULL, NULL},
        {T("'placementConstraints':[{'type':'memberOf'}]"), CLIENT, "placementConstraints[0].expression"},
        {T("'placementConstraints':[{'type':'memberOf','expression':'attribute:x =='}]"), PARAM, "placementConstraints[0].expression"},
        {T("'placementConstraints':[{'type':'distinctInstance','expression':'a'}]"), PARAM, "placementConstraints[0].type"},
        {T("'placementConstraints':[{'type':'memberOf','expression':'attribute:x == y'}]"), NULL, NULL},
        {T("'proxyConfiguration':{'containerName':'c'}"), CLIENT, "awsvpc"},
        {T("'networkMode':'awsvpc','proxyConfiguration':{'containerName':'z'}"), CLIENT, "containerName"},
        {T("'networkMode':'awsvpc','proxyConfiguration':{'containerName':'c','type':'APPMESH'}"), NULL, NULL},
        {T("'ephemeralStorage':{'sizeInGiB':20}"), CLIENT, "21..200"},
        {T("'enableFaultInjection':true"), CLIENT, "enableFaultInjection"},
        {T("'pidMode':'everything'"), PARAM, "pidMode"},
        {T("'requiresCompatibilities':['EC2','EXTERNAL']"), NULL, NULL},
        {T("'requiresCompatibilities':['EXTERNAL'],'networkMode':'awsvpc'"), CLIENT, "EXTERNAL only supports network modes"},
        {T("'requiresCompatibilities':['MANAGED_INSTANCES']"), CLIENT, "MANAGED_INSTANCES"},
        {T("'requiresCompatibilities':['EC2'],'ephemeralStorage':{'sizeInGiB':30}"), CLIENT, "only supported on Fargate"},
        {T("'tags':[{'key':'aws:x'}]"), PARAM, "aws:"},
};

static const struct row size_rows[] = {
        {"{'family':'f','containerDefinitions':[{'name':'c','image':'x'}]}", CLIENT,
         "Invalid setting for container 'c'. At least one of 'memory' or 'memoryReservation' must be specified."},
        {"{'family':'f','memory':'64','containerDefinitions':[{'name':'c','image':'x'}]}", NULL, NULL},
        {"{'family':'f','containerDefinitions':[{'name':'c','image':'x','memory':5}]}", CLIENT, "at least 6 MiB"},
        {"{'family':'f','containerDefinitions':[{'name':'c','image':'x','memory':6}]}", NULL, NULL},
        {"{'family':'f','containerDefinitions':[{'name':'c','image':'x','memoryReservation':5}]}", CLIENT, "at least 6 MiB"},
        {C("'memoryReservation':65"), CLIENT, "'memory' (64) must be greater than 'memoryReservation' (65)"},
        {C("'memoryReservation':32"), NULL, NULL},
        {C("'cpu':-1"), CLIENT, "'cpu'"},
        {T("'cpu':'banana'"), CLIENT, "Invalid 'cpu' setting for task."},
        {T("'cpu':'1.5'"), CLIENT, "Invalid 'cpu' setting for task."},
        {T("'cpu':'64'"), CLIENT, "128..196608"},
        {T("'cpu':'192 vCPU'"), NULL, NULL},
        {T("'cpu':'193 vcpu'"), CLIENT, "128..196608"},
        {T("'cpu':'1 core'"), CLIENT, "Invalid 'cpu' setting for task."},
        {T("'memory':'63'"), CLIENT, "task's 'memory' (63)"},
        {T("'memory':'.0625 GB'"), NULL, NULL},
        {T("'memory':'1TB'"), CLIENT, "Invalid 'memory' setting for task."},
        {"{'family':'f','memory':'100','containerDefinitions':[{'name':'c','image':'x','memory':64},{'name':'d','image':'x','memory':64}]}",
         CLIENT, "reserve together (128 MiB)"},
        {"{'family':'f','memory':'100','containerDefinitions':[{'name':'c','image':'x','memory':64,'memoryReservation':32},{'name':'d','"
         "image':'x','memory':64}]}",
         NULL, NULL},
        {"{'family':'f','cpu':'256','memory':'512','containerDefinitions':[{'name':'c','image':'x','cpu':200},{'name':'d','image':'x','cpu'"
         ":57}]}",
         CLIENT, "together (257)"},
        {FT("'cpu':'256','memory':'512'"), NULL, NULL},
        {FT("'cpu':'.25 vCPU','memory':'0.5GB'"), NULL, NULL},
        {FT("'cpu':'256','memory':'3072'"), CLIENT, "No Fargate configuration exists for given values"},
        {FT("'cpu':'256','memory':'1536'"), CLIENT, "No Fargate configuration exists for given values"},
        {FT("'cpu':'300','memory':'512'"), CLIENT, "Invalid 'cpu' setting for task."},
        {FT("'cpu':'16384','memory':'122880'"), NULL, NULL},
        {FT("'cpu':'8192','memory':'20 GB'"), NULL, NULL},
        {FT("'cpu':'8192','memory':'18 GB'"), CLIENT, "No Fargate configuration"},
};

static const struct row container_rows[] = {
        {"{'family':'f','containerDefinitions':[{'image':'x','memory':64}]}", CLIENT, "Container.name should not be null or empty"},
        {"{'family':'f','containerDefinitions':[{'name':'c','memory':64}]}", CLIENT, "Container.image should not be null or empty"},
        {"{'family':'f','containerDefinitions':[{'name':'a b','image':'x','memory':64}]}", CLIENT, "containerDefinitions[0].name"},
        {"{'family':'f','containerDefinitions':[{'name':'c','image':'a b','memory':64}]}", CLIENT, "image"},
        {"{'family':'f','containerDefinitions':[{'name':'c','image':'x','memory':64},{'name':'c','image':'x','memory':64}]}", CLIENT,
         "given twice"},
        {C("'essential':false"), CLIENT, "must be essential"},
        {D("'essential':false", "'essential':true"), NULL, NULL},
        {C("'essential':'yes'"), "SerializationException", "essential"},
        {C("'healthCheck':{'command':[]}"), CLIENT, "healthCheck.command"},
        {C("'healthCheck':{'command':['true']}"), CLIENT, "must begin with CMD"},
        {C("'healthCheck':{'command':['CMD-SHELL','a','b']}"), CLIENT, "one string"},
        {C("'healthCheck':{'command':['CMD']}"), CLIENT, "CMD takes"},
        {C("'healthCheck':{'command':['CMD','true'],'interval':4}"), CLIENT, "healthCheck.interval: 4 is not in 5..300"},
        {C("'healthCheck':{'command':['CMD','true'],'timeout':61}"), CLIENT, "healthCheck.timeout"},
        {C("'healthCheck':{'command':['CMD','true'],'retries':0}"), CLIENT, "healthCheck.retries"},
        {C("'healthCheck':{'command':['CMD','true'],'startPeriod':301}"), CLIENT, "healthCheck.startPeriod"},
        {C("'healthCheck':{'command':['CMD-SHELL','true'],'interval':5,'timeout':2,'retries':10,'startPeriod':0}"), NULL, NULL},
        {C("'restartPolicy':{'enabled':true,'restartAttemptPeriod':59}"), CLIENT, "restartAttemptPeriod"},
        {C("'restartPolicy':{'enabled':false,'ignoredExitCodes':[1]}"), CLIENT, "enabled=true"},
        {C("'restartPolicy':{'ignoredExitCodes':[1]}"), PARAM, "enabled"},
        {C("'restartPolicy':{'enabled':true,'ignoredExitCodes':[0,1],'restartAttemptPeriod':60}"), NULL, NULL},
        {C("'startTimeout':1"), CLIENT, "startTimeout"},
        {C("'stopTimeout':600"), NULL, NULL},
        {C("'hostname':'a b'"), CLIENT, "hostname"},
        {C("'dnsServers':['somewhere']"), CLIENT, "dnsServers[0]"},
        {C("'dnsServers':['192.0.2.1','2001:db8::1'],'extraHosts':[{'hostname':'h','ipAddress':'192.0.2.1'}]"), NULL, NULL},
        {C("'extraHosts':[{'hostname':'h','ipAddress':'x'}]"), CLIENT, "extraHosts[0].ipAddress"},
        {"{'family':'f','networkMode':'awsvpc','containerDefinitions':[{'name':'c','image':'x','memory':64,'hostname':'h'}]}", CLIENT,
         "not supported when networkMode=awsvpc"},
        {"{'family':'f','networkMode':'host','containerDefinitions':[{'name':'c','image':'x','memory':64},{'name':'d','image':'x','memory':"
         "64,'links':['c']}]}",
         CLIENT, "networkMode=bridge"},
        {C("'resourceRequirements':[{'type':'GPU','value':'none'}]"), CLIENT, "resourceRequirements[0].value"},
        {C("'resourceRequirements':[{'type':'InferenceAccelerator','value':'d1'}]"), CLIENT, "deviceName"},
        {C("'environment':[{'value':'x'}]"), CLIENT, "environment[0].name"},
        {C("'secrets':[{'name':'A','valueFrom':'/a'}]"), CLIENT, "'executionRoleArn'"},
        {C("'environment':[{'name':'A','value':'1'}],'secrets':[{'name':'A','valueFrom':'/a'}]"), CLIENT, "The secret name must be unique"},
        {C("'environmentFiles':[{'type':'s3','value':'arn:aws:s3:::b/file.txt'}]"), CLIENT, "environmentFiles[0].value"},
        {C("'repositoryCredentials':{'credentialsParameter':'arn:x'}"), CLIENT, "'executionRoleArn'"},
};

static const struct row linux_rows[] = {
        {C("'linuxParameters':{'capabilities':{'add':['CAP_NET_ADMIN']}}"), CLIENT, "capabilities.add[0]"},
        {C("'linuxParameters':{'capabilities':{'add':['NET_ADMIN','ALL'],'drop':['SYSLOG']}}"), NULL, NULL},
        {C("'linuxParameters':{'capabilities':{'drop':['MAGIC']}}"), CLIENT, "capabilities.drop[0]"},
        {C("'linuxParameters':{'devices':[{'hostPath':'dev/null'}]}"), CLIENT, "devices[0]"},
        {C("'linuxParameters':{'devices':[{'hostPath':'/dev/null','permissions':['execute']}]}"), PARAM, "permissions"},
        {C("'linuxParameters':{'tmpfs':[{'containerPath':'tmp','size':8}]}"), CLIENT, "tmpfs[0].containerPath"},
        {C("'linuxParameters':{'tmpfs':[{'containerPath':'/tmp','size':0}]}"), CLIENT, "tmpfs[0].size"},
        {C("'linuxParameters':{'tmpfs':[{'containerPath':'/tmp'}]}"), PARAM, "size"},
        {C("'linuxParameters':{'sharedMemorySize':0}"), CLIENT, "sharedMemorySize"},
        {C("'linuxParameters':{'maxSwap':-1}"), CLIENT, "maxSwap"},
        {C("'linuxParameters':{'swappiness':101}"), CLIENT, "swappiness"},
        {C("'linuxParameters':{'maxSwap':0,'swappiness':0,'initProcessEnabled':true}"), NULL, NULL},
        {C("'ulimits':[{'name':'nofile','softLimit':2,'hardLimit':1}]"), CLIENT, "ulimits[0]"},
        {C("'ulimits':[{'name':'nofile','softLimit':-1,'hardLimit':1}]"), CLIENT, "ulimits[0]"},
        {C("'ulimits':[{'name':'core','softLimit':0,'hardLimit':-1}]"), NULL, NULL},
        {C("'ulimits':[{'name':'files','softLimit':0,'hardLimit':1}]"), PARAM, "name"},
        {C("'ulimits':[{'name':'core','softLimit':0,'hardLimit':1},{'name':'core','softLimit':0,'hardLimit':1}]"), CLIENT, "twice"},
        {C("'systemControls':[{'namespace':'kernel.panic','value':'1'}]"), CLIENT, "systemControls[0]"},
        {C("'systemControls':[{'namespace':'net.core.somaxconn','value':'321'},{'namespace':'kernel.shmmax','value':'1'}]"), NULL, NULL},
        {"{'family':'f','networkMode':'host','containerDefinitions':[{'name':'c','image':'x','memory':64,"
         "'systemControls':[{'namespace':'net.core.somaxconn','value':'1'}]}]}",
         CLIENT, "networkMode=host"},
        {"{'family':'f','ipcMode':'host','containerDefinitions':[{'name':'c','image':'x','memory':64,"
         "'systemControls':[{'namespace':'kernel.shmmax','value':'1'}]}]}",
         CLIENT, "ipcMode=host"},
        {C("'dockerSecurityOptions':['seccomp:unconfined']"), CLIENT, "dockerSecurityOptions[0]"},
        {C("'dockerSecurityOptions':['no-new-privileges','apparmor:mine']"), NULL, NULL},
};

static const struct row port_rows[] = {
        {C("'portMappings':[{'containerPort':70000}]"), PARAM,
         "containerDefinitions[0].portMappings[0].containerPort: 70000 is not in 1..65535"},
        {C("'portMappings':[{'hostPort':80}]"), PARAM, "containerPort"},
        {C("'portMappings':[{'containerPort':80,'hostPort':-1}]"), PARAM, "hostPort"},
        {C("'portMappings':[{'containerPort':80,'protocol':'sctp'}]"), PARAM, "protocol"},
        {C("'portMappings':[{'containerPort':80,'hostPort':8080},{'containerPort':80,'hostPort':8081}]"), NULL, NULL},
        {C("'portMappings':[{'containerPort':80,'hostPort':8080},{'containerPort':81,'hostPort':8080}]"), CLIENT, "same tcp port"},
        {C("'portMappings':[{'containerPort':80,'hostPort':8080},{'containerPort':81,'hostPort':8080,'protocol':'udp'}]"), NULL, NULL},
        {D("'portMappings':[{'containerPort':80}]", "'portMappings':[{'containerPort':80}]"), NULL, NULL},
        {D("'portMappings':[{'containerPort':80,'hostPort':80}]", "'portMappings':[{'containerPort':81,'hostPort':80}]"), CLIENT,
         "container 'c'"},
        {"{'family':'f','networkMode':'host','containerDefinitions':[{'name':'c','image':'x','memory':64,'portMappings':[{'containerPort':"
         "80,'hostPort':81}]}]}",
         CLIENT, "When networkMode=host, the host ports and container ports in port mappings must match."},
        {"{'family':'f','networkMode':'awsvpc','containerDefinitions':[{'name':'c','image':'x','memory':64,'portMappings':[{'containerPort'"
         ":80}]},"
         "{'name':'d','image':'x','memory':64,'portMappings':[{'containerPort':80}]}]}",
         CLIENT, "same tcp port"},
        {"{'family':'f','networkMode':'none','containerDefinitions':[{'name':'c','image':'x','memory':64,'portMappings':[{'containerPort':"
         "80}]}]}",
         CLIENT, "networkMode=none"},
        {C("'portMappings':[{'containerPortRange':'80-90'},{'containerPortRange':'91-92'}]"), NULL, NULL},
        {C("'portMappings':[{'containerPortRange':'80-90'},{'containerPortRange':'90-92'}]"), CLIENT, "same tcp port"},
        {C("'portMappings':[{'containerPortRange':'80-90'},{'containerPort':85}]"), CLIENT, "same tcp port"},
        {C("'portMappings':[{'containerPortRange':'90-80'}]"), PARAM, "containerPortRange"},
        {C("'portMappings':[{'containerPortRange':'80-90x'}]"), PARAM, "containerPortRange"},
        {C("'portMappings':[{'containerPortRange':'0-90'}]"), PARAM, "containerPortRange"},
        {C("'portMappings':[{'containerPortRange':'80-90','containerPort':80}]"), CLIENT, "excludes"},
        {"{'family':'f','networkMode':'host','containerDefinitions':[{'name':'c','image':'x','memory':64,'portMappings':[{'"
         "containerPortRange':'80-90'}]}]}",
         CLIENT, "bridge or awsvpc"},
        {C("'portMappings':[{'containerPort':80,'name':'Web'}]"), CLIENT, "name"},
        {C("'portMappings':[{'containerPort':80,'name':'web','appProtocol':'http'}]"), NULL, NULL},
        {C("'portMappings':[{'containerPort':80,'appProtocol':'http'}]"), CLIENT, "appProtocol"},
        {D("'portMappings':[{'containerPort':80,'name':'web'}]", "'portMappings':[{'containerPort':81,'name':'web'}]"), CLIENT, "unique"},
};

#define V(volumes, mounts) \
        "{'family':'f','volumes':[" volumes "],'containerDefinitions':[{'name':'c','image':'x','memory':64,'mountPoints':[" mounts "]}]}"

static const struct row volume_rows[] = {
        {V("{'name':'v'}", "{'sourceVolume':'v','containerPath':'/v'}"), NULL, NULL},
        {V("{'name':'v'}", "{'sourceVolume':'w','containerPath':'/v'}"), CLIENT, "Unknown volume 'w'."},
        {V("{'name':'v'}", "{'containerPath':'/v'}"), CLIENT, "sourceVolume"},
        {V("{'name':'v'}", "{'sourceVolume':'v'}"), CLIENT, "containerPath"},
        {V("{'name':'v'}", "{'sourceVolume':'v','containerPath':'v'}"), CLIENT, "absolute"},
        {V("{'name':'v'}", "{'sourceVolume':'v','containerPath':'/v'},{'sourceVolume':'v','containerPath':'/v'}"), CLIENT, "given twice"},
        {V("{'name':'v'},{'name':'v'}", ""), CLIENT, "unique"},
        {V("{}", ""), CLIENT, "volumes[0].name"},
        {V("{'name':'v','host':{'sourcePath':'tmp'}}", ""), CLIENT, "sourcePath"},
        {V("{'name':'v','host':{},'dockerVolumeConfiguration':{}}", ""), CLIENT, "not several"},
        {V("{'name':'v','dockerVolumeConfiguration':{'autoprovision':true}}", ""), CLIENT, "autoprovision"},
        {V("{'name':'v','dockerVolumeConfiguration':{'autoprovision':true,'scope':'shared','driver':'local'}}", ""), NULL, NULL},
        {V("{'name':'v','efsVolumeConfiguration':{'fileSystemId':'x'}}", ""), CLIENT, "fileSystemId"},
        {V("{'name':'v','efsVolumeConfiguration':{}}", ""), PARAM, "fileSystemId"},
        {V("{'name':'v','efsVolumeConfiguration':{'fileSystemId':'fs-1','authorizationConfig':{'accessPointId':'fsap-1'}}}", ""), CLIENT,
         "transitEncryption"},
        {V("{'name':'v','efsVolumeConfiguration':{'fileSystemId':'fs-1','rootDirectory':'/x','transitEncryption':'ENABLED',"
           "'authorizationConfig':{'accessPointId':'fsap-1'}}}",
           ""),
         CLIENT, "rootDirectory"},
        {V("{'name':'v','efsVolumeConfiguration':{'fileSystemId':'fs-1','transitEncryption':'ENABLED'}}", ""), NULL, NULL},
        {V("{'name':'v','configuredAtLaunch':true},{'name':'w','configuredAtLaunch':true}", ""), CLIENT, "configuredAtLaunch"},
        {C("'volumesFrom':[{'sourceContainer':'d'}]"), CLIENT, "volumesFrom[0]"},
        {C("'volumesFrom':[{'sourceContainer':'c'}]"), CLIENT, "itself"},
        {D("'volumesFrom':[{'sourceContainer':'d'}]", "'cpu':1"), NULL, NULL},
};

static const struct row graph_rows[] = {
        {C("'dependsOn':[{'containerName':'d','condition':'START'}]"), CLIENT, "there is no container \"d\""},
        {C("'dependsOn':[{'containerName':'c','condition':'START'}]"), CLIENT, "itself"},
        {C("'dependsOn':[{'containerName':'c','condition':'MAYBE'}]"), PARAM, "condition"},
        {D("'dependsOn':[{'containerName':'d','condition':'HEALTHY'}]", "'cpu':1"), CLIENT, "needs a healthCheck"},
        {D("'dependsOn':[{'containerName':'d','condition':'HEALTHY'}]", "'healthCheck':{'command':['CMD','true']}"), NULL, NULL},
        {D("'dependsOn':[{'containerName':'d','condition':'COMPLETE'}]", "'cpu':1"), CLIENT, "essential"},
        {D("'dependsOn':[{'containerName':'d','condition':'SUCCESS'}]", "'essential':false"), NULL, NULL},
        {D("'dependsOn':[{'containerName':'d','condition':'START'}]", "'dependsOn':[{'containerName':'c','condition':'START'}]"), CLIENT,
         "circle"},
        {D("'dependsOn':[{'containerName':'d','condition':'START'}]", "'links':['c']"), CLIENT, "circle"},
        {D("'volumesFrom':[{'sourceContainer':'d'}]", "'links':['c:other']"), CLIENT, "circle"},
        {D("'links':['d:other']", "'cpu':1"), NULL, NULL},
        {D("'links':['z']", "'cpu':1"), CLIENT, "links[0]"},
};

static const struct row log_rows[] = {
        {LOG("'awslogs-group':'g','awslogs-region':'us-east-1'"), NULL, NULL},
        {LOG("'awslogs-group':'g'"), CLIENT, "Log driver awslogs requires options: awslogs-region, awslogs-group"},
        {LOG("'awslogs-group':'g','awslogs-region':'r','awslogs-grp':'x'"), CLIENT, "Log driver awslogs disallows options: awslogs-grp"},
        {LOG("'awslogs-group':'g','awslogs-region':'r','mode':'sometimes'"), CLIENT, "mode"},
        {LOG("'awslogs-group':'g','awslogs-region':'r','awslogs-datetime-format':'%%Y','awslogs-multiline-pattern':'x'"), CLIENT,
         "exclude"},
        {C("'logConfiguration':{'logDriver':'paper'}"), PARAM, "logDriver"},
        {C("'logConfiguration':{'logDriver':'journald'}"), NULL, NULL},
        {C("'logConfiguration':{'options':{}}"), PARAM, "logDriver"},
        {C("'logConfiguration':{'logDriver':'splunk','secretOptions':[{'name':'t','valueFrom':'/t'}]}"), CLIENT, "'executionRoleArn'"},
        {C("'logConfiguration':{'logDriver':'awsfirelens'}"), CLIENT, "firelensConfiguration"},
        {C("'firelensConfiguration':{'type':'fluentbit'}"), CLIENT,
         "at least one container has to be configured with the awsfirelens log driver."},
        {D("'firelensConfiguration':{'type':'fluentbit'}", "'logConfiguration':{'logDriver':'awsfirelens'}"), NULL, NULL},
        {D("'firelensConfiguration':{'type':'fluentbit'}",
           "'firelensConfiguration':{'type':'fluentd'},'logConfiguration':{'logDriver':'awsfirelens'}"),
         CLIENT, "only one container"},
};

static const struct row fargate_rows[] = {
        {F("'cpu':1"), NULL, NULL},
        {"{'family':'f','requiresCompatibilities':['FARGATE'],'cpu':'256','memory':'512','containerDefinitions':[{'name':'c','image':'x'}]"
         "}",
         CLIENT, "Fargate only supports network mode ‘awsvpc’."},
        {"{'family':'f'," FARGATE "'memory':'512','containerDefinitions':[{'name':'c','image':'x'}]}", CLIENT,
         "'cpu' be defined at the task level"},
        {"{'family':'f'," FARGATE "'cpu':'256','containerDefinitions':[{'name':'c','image':'x','memory':64}]}", CLIENT,
         "'memory' be defined"},
        {F("'privileged':true"), CLIENT, "privileged"},
        {F("'linuxParameters':{'capabilities':{'add':['NET_ADMIN']}}"), CLIENT, "SYS_PTRACE"},
        {F("'linuxParameters':{'capabilities':{'add':['SYS_PTRACE'],'drop':['ALL']},'initProcessEnabled':true}"), NULL, NULL},
        {F("'linuxParameters':{'devices':[{'hostPath':'/dev/null'}]}"), CLIENT, "devices"},
        {F("'linuxParameters':{'sharedMemorySize':1}"), CLIENT, "sharedMemorySize"},
        {F("'stopTimeout':121"), CLIENT, "120"},
        {F("'logConfiguration':{'logDriver':'journald'}"), CLIENT, "log drivers"},
        {F("'logConfiguration':{'logDriver':'awslogs','options':{'awslogs-group':'g','awslogs-region':'r','awslogs-stream-prefix':'p'}}"),
         CLIENT, "execution role ARN to support log driver awslogs"},
        {F("'ulimits':[{'name':'core','softLimit':0,'hardLimit':0}]"), CLIENT, "nofile"},
        {FT("'cpu':'256','memory':'512','volumes':[{'name':'v','host':{'sourcePath':'/tmp'}}]"), CLIENT, "sourcePath"},
        {FT("'cpu':'256','memory':'512','volumes':[{'name':'v','dockerVolumeConfiguration':{}}]"), CLIENT, "dockerVolumeConfiguration"},
        {FT("'cpu':'256','memory':'512','volumes':[{'name':'v'}],'ephemeralStorage':{'sizeInGiB':21}"), NULL, NULL},
        {FT("'cpu':'256','memory':'512','pidMode':'host'"), CLIENT, "pidMode"},
        {FT("'cpu':'256','memory':'512','pidMode':'task'"), NULL, NULL},
        {FT("'cpu':'256','memory':'512','ipcMode':'task'"), CLIENT, "ipcMode"},
        {FT("'cpu':'256','memory':'512','placementConstraints':[{'type':'memberOf','expression':'attribute:x == y'}]"), CLIENT,
         "placementConstraints"},
        {FT("'cpu':'256','memory':'512','runtimePlatform':{'operatingSystemFamily':'WINDOWS_SERVER_2022_CORE'}"), CLIENT, "Windows"},
};

static void check_rows(const struct row *rows, size_t n)
{
        struct api_harness h;

        harness_begin(&h);
        for (size_t i = 0; i < n; i++) {
                if (rows[i].code == NULL)
                        harness_ok(&h, "RegisterTaskDefinition", "%s", rows[i].json);
                else
                        harness_fails(&h, "RegisterTaskDefinition", rows[i].json, rows[i].code, rows[i].text);
        }
        harness_end(&h);
}

#define TEST(name)                                                \
        static void name##_rules(void **state)                    \
        {                                                         \
                (void)state;                                      \
                check_rows(name##_rows, ARRAY_SIZE(name##_rows)); \
        }

TEST(task)
TEST(size)
TEST(container)
TEST(linux)
TEST(port)
TEST(volume)
TEST(graph)
TEST(log)
TEST(fargate)

static void too_many_and_too_long(void **state)
{
        struct api_harness h;
        CLEANUP_BUF struct buf json = {0};

        (void)state;
        harness_begin(&h);
        for (int n = 10; n <= 11; n++) {
                buf_clear(&json);
                buf_append_str(&json, "{'family':'f','containerDefinitions':[");
                for (int i = 0; i < n; i++)
                        buf_printf(&json, "%s{'name':'c%d','image':'x','memory':8}", i > 0 ? "," : "", i);
                buf_append_str(&json, "]}");
                if (n == 10)
                        harness_ok(&h, "RegisterTaskDefinition", "%s", json.data);
                else
                        harness_fails(&h, "RegisterTaskDefinition", json.data, CLIENT, "at most 10");
        }
        buf_clear(&json);
        buf_append_str(&json, "{'family':'f','containerDefinitions':[{'name':'c','image':'x','memory':8,'command':['");
        for (int i = 0; i < 66000; i++)
                buf_append_char(&json, 'x');
        buf_append_str(&json, "']}]}");
        harness_fails(&h, "RegisterTaskDefinition", json.data, CLIENT, "Max allowed length is '65536' bytes.");
        harness_end(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(task_rules),      cmocka_unit_test(size_rules),
                cmocka_unit_test(container_rules), cmocka_unit_test(linux_rules),
                cmocka_unit_test(port_rules),      cmocka_unit_test(volume_rules),
                cmocka_unit_test(graph_rules),     cmocka_unit_test(log_rules),
                cmocka_unit_test(fargate_rules),   cmocka_unit_test(too_many_and_too_long),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
