/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Cloud Map through its API: every operation, its errors, its pages. */
#include "unit.h"

#include "api_harness.h"
#include "base/alloc.h"
#include "base/strutil.h"

struct world {
        struct api_harness h;
        struct harness_networks networks;
        char *namespace, *service;
};

static void begin(struct world *w)
{
        harness_begin(&w->h);
        harness_networks(&w->h, &w->networks);
        w->h.service = "servicediscovery";
}

/* The namespace "internal" of the VPC. */
static void begin_namespace(struct world *w)
{
        begin(w);
        harness_ok(&w->h, "CreatePrivateDnsNamespace", "{'Name':'internal','Vpc':'%s','Tags':[{'Key':'team','Value':'x'}]}",
                   w->networks.vpc);
        harness_ok(&w->h, "GetOperation", "{'OperationId':'%s'}", harness_text(&w->h, "OperationId"));
        assert_string_equal(harness_text(&w->h, "Operation.Status"), "SUCCESS");
        assert_string_equal(harness_text(&w->h, "Operation.Type"), "CREATE_NAMESPACE");
        w->namespace = xstrdup(harness_text(&w->h, "Operation.Targets.NAMESPACE"));
}

static void begin_service(struct world *w)
{
        begin_namespace(w);
        harness_ok(&w->h, "CreateService",
                   "{'Name':'web','NamespaceId':'%s','HealthCheckCustomConfig':{'FailureThreshold':1},"
                   "'DnsConfig':{'DnsRecords':[{'Type':'A','TTL':10},{'Type':'SRV','TTL':10}]}}",
                   w->namespace);
        w->service = xstrdup(harness_text(&w->h, "Service.Id"));
}

static void end(struct world *w)
{
        free(TAKE(w->namespace));
        free(TAKE(w->service));
        harness_end(&w->h);
}

static void register_web(struct world *w, const char *id, const char *address)
{
        harness_ok(&w->h, "RegisterInstance",
                   "{'ServiceId':'%s','InstanceId':'%s','Attributes':{'AWS_INSTANCE_IPV4':'%s','AWS_INSTANCE_PORT':'80','color':'%s'}}",
                   w->service, id, address, id);
}

static void test_namespaces(void **state)
{
        struct world w = {0};

        begin_namespace(&w);
        harness_restart(&w.h);
        harness_ok(&w.h, "GetNamespace", "{'Id':'%s'}", w.namespace);
        assert_string_equal(harness_text(&w.h, "Namespace.Type"), "DNS_PRIVATE");
        assert_string_equal(harness_text(&w.h, "Namespace.Properties.HttpProperties.HttpName"), "internal");
        assert_int_equal(harness_text(&w.h, "Namespace.Properties.DnsProperties.HostedZoneId")[0], 'Z');
        assert_int_equal(harness_int(&w.h, "Namespace.Properties.DnsProperties.SOA.TTL"), 15);
        assert_int_equal(harness_int(&w.h, "Namespace.ServiceCount"), 0);
        harness_ok(&w.h, "GetNamespace", "{'Id':'arn:aws:servicediscovery:us-east-1:123456789012:namespace/%s'}", w.namespace);
        harness_ok(&w.h, "UpdatePrivateDnsNamespace",
                   "{'Id':'%s','Namespace':{'Description':'ours','Properties':{'DnsProperties':{'SOA':{'TTL':60}}}}}", w.namespace);
        harness_ok(&w.h, "GetNamespace", "{'Id':'%s'}", w.namespace);
        assert_string_equal(harness_text(&w.h, "Namespace.Description"), "ours");
        assert_int_equal(harness_int(&w.h, "Namespace.Properties.DnsProperties.SOA.TTL"), 60);
        harness_ok(&w.h, "CreateHttpNamespace", "{'Name':'apis'}");
        harness_ok(&w.h, "ListNamespaces", "{'Filters':[{'Name':'TYPE','Values':['HTTP']}]}");
        assert_int_equal(harness_count(&w.h, "Namespaces"), 1);
        assert_string_equal(harness_text(&w.h, "Namespaces[0].Name"), "apis");
        harness_ok(&w.h, "ListNamespaces", "{'Filters':[{'Name':'NAME','Values':['int'],'Condition':'BEGINS_WITH'}]}");
        assert_int_equal(harness_count(&w.h, "Namespaces"), 1);
        harness_ok(&w.h, "ListNamespaces", "{'MaxResults':1}");
        assert_int_equal(harness_count(&w.h, "Namespaces"), 1);
        harness_ok(&w.h, "ListNamespaces", "{'MaxResults':1,'NextToken':'%s'}", harness_text(&w.h, "NextToken"));
        assert_int_equal(harness_count(&w.h, "Namespaces"), 1);
        assert_false(harness_has(&w.h, "NextToken"));
        harness_ok(&w.h, "DeleteNamespace", "{'Id':'%s'}", w.namespace);
        harness_fails(&w.h, "DeleteNamespace", "{'Id':'ns-none'}", "NamespaceNotFound", "ns-none");
        harness_ok(&w.h, "ListOperations", "{'Filters':[{'Name':'TYPE','Values':['DELETE_NAMESPACE']}]}");
        assert_int_equal(harness_count(&w.h, "Operations"), 1);
        harness_fails(&w.h, "GetOperation", "{'OperationId':'none'}", "OperationNotFound", "none");
        end(&w);
}

static void test_namespace_refusals(void **state)
{
        static const struct {
                const char *operation, *json, *code, *text;
        } cases[] = {
                {"CreatePublicDnsNamespace", "{'Name':'example.com'}", "InvalidInput", "CreatePrivateDnsNamespace"},
                {"CreatePrivateDnsNamespace", "{'Name':'internal'}", "InvalidInput", "Vpc"},
                {"CreatePrivateDnsNamespace", "{'Name':'internal','Vpc':'vpc-none'}", "InvalidInput", "describe-vpcs"},
                {"CreatePrivateDnsNamespace", "{'Name':'a..b','Vpc':'vpc-none'}", "InvalidInput", "domain name"},
                {"CreateHttpNamespace", "{'Name':'internal'}", "NamespaceAlreadyExists", "ns-"},
                {"CreateHttpNamespace", "{'Name':'a b'}", "InvalidInput", "blanks"},
                {"CreateHttpNamespace", "{'Name':'x','Tags':[{'Key':'aws:x','Value':''}]}", "InvalidInput", "aws:"},
                {"ListNamespaces", "{'MaxResults':101}", "InvalidInput", "100"},
                {"ListNamespaces", "{'NextToken':'x'}", "InvalidInput", "NextToken"},
                {"ListNamespaces", "{'Filters':[{'Name':'TYPE','Values':['HTTP'],'Condition':'BETWEEN'}]}", "InvalidInput", "BETWEEN"},
                {"ListNamespaces", "{'Filters':[{'Name':'OTHER','Values':['HTTP']}]}", "InvalidInput", "Name"},
                {"TagResource", "{'ResourceARN':'arn:aws:servicediscovery:us-east-1:123456789012:service/srv-none','Tags':[]}",
                 "ResourceNotFoundException", "srv-none"},
        };
        struct world w = {0};

        begin_namespace(&w);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                harness_fails(&w.h, cases[i].operation, cases[i].json, cases[i].code, cases[i].text);
        end(&w);
}

static void test_services(void **state)
{
        struct world w = {0};

        begin_service(&w);
        harness_restart(&w.h);
        harness_ok(&w.h, "GetService", "{'Id':'%s'}", w.service);
        assert_string_equal(harness_text(&w.h, "Service.Type"), "DNS_HTTP");
        assert_string_equal(harness_text(&w.h, "Service.DnsConfig.RoutingPolicy"), "MULTIVALUE");
        assert_string_equal(harness_text(&w.h, "Service.DnsConfig.NamespaceId"), w.namespace);
        assert_int_equal(harness_count(&w.h, "Service.DnsConfig.DnsRecords"), 2);
        assert_int_equal(harness_int(&w.h, "Service.HealthCheckCustomConfig.FailureThreshold"), 1);
        harness_ok(&w.h, "UpdateService", "{'Id':'%s','Service':{'Description':'d','DnsConfig':{'DnsRecords':[{'Type':'A','TTL':60}]}}}",
                   w.service);
        harness_ok(&w.h, "GetService", "{'Id':'%s'}", w.service);
        assert_int_equal(harness_int(&w.h, "Service.DnsConfig.DnsRecords[0].TTL"), 60);
        harness_ok(&w.h, "CreateService", "{'Name':'plain','NamespaceId':'%s','Type':'HTTP'}", w.namespace);
        assert_false(harness_has(&w.h, "Service.DnsConfig"));
        harness_ok(&w.h, "ListServices", "{'Filters':[{'Name':'NAMESPACE_ID','Values':['%s']}]}", w.namespace);
        assert_int_equal(harness_count(&w.h, "Services"), 2);
        harness_ok(&w.h, "ListServices", "{'Filters':[{'Name':'NAMESPACE_ID','Values':['ns-other']}]}");
        assert_int_equal(harness_count(&w.h, "Services"), 0);
        assert_int_equal(harness_call(&w.h, "DeleteNamespace", "{'Id':'%s'}", w.namespace), 400);
        assert_string_equal(harness_text(&w.h, "__type"), "ResourceInUse");
        register_web(&w, "one", "10.0.0.1");
        assert_int_equal(harness_call(&w.h, "DeleteService", "{'Id':'%s'}", w.service), 400);
        assert_string_equal(harness_text(&w.h, "__type"), "ResourceInUse");
        harness_ok(&w.h, "DeregisterInstance", "{'ServiceId':'%s','InstanceId':'one'}", w.service);
        harness_ok(&w.h, "DeleteService", "{'Id':'%s'}", w.service);
        harness_fails(&w.h, "GetService", "{'Id':'srv-none'}", "ServiceNotFound", "srv-none");
        end(&w);
}

static void test_service_refusals(void **state)
{
        static const struct {
                const char *members, *code, *text;
        } cases[] = {
                {"'Name':'WEB','DnsConfig':{'DnsRecords':[{'Type':'A','TTL':1}]}", "ServiceAlreadyExists", "srv-"},
                {"'Name':'x'", "InvalidInput", "DnsConfig is required"},
                {"'Name':'-x','Type':'HTTP'", "InvalidInput", "labels"},
                {"'Name':'x','DnsConfig':{'DnsRecords':[]}", "InvalidInput", "A or SRV"},
                {"'Name':'x','DnsConfig':{'DnsRecords':[{'Type':'AAAA','TTL':1}]}", "InvalidInput", "IPv4"},
                {"'Name':'x','DnsConfig':{'DnsRecords':[{'Type':'CNAME','TTL':1}]}", "InvalidInput", "CNAME"},
                {"'Name':'x','DnsConfig':{'DnsRecords':[{'Type':'A','TTL':1},{'Type':'A','TTL':2}]}", "InvalidInput", "twice"},
                {"'Name':'x','DnsConfig':{'DnsRecords':[{'Type':'A','TTL':-1}]}", "InvalidInput", "TTL"},
                {"'Name':'x','Type':'HTTP','DnsConfig':{'DnsRecords':[{'Type':'A','TTL':1}]}", "InvalidInput", "exclude"},
                {"'Name':'x','Type':'HTTP','HealthCheckConfig':{'Type':'TCP'}", "InvalidInput", "HealthCheckCustomConfig"},
        };
        struct world w = {0};

        begin_service(&w);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CLEANUP_BUF struct buf json = {0};

                buf_printf(&json, "{'NamespaceId':'%s',%s}", w.namespace, cases[i].members);
                harness_fails(&w.h, "CreateService", json.data, cases[i].code, cases[i].text);
        }
        harness_fails(&w.h, "CreateService", "{'Name':'x'}", "InvalidInput", "NamespaceId");
        harness_fails(&w.h, "CreateService", "{'Name':'x','NamespaceId':'ns-none'}", "NamespaceNotFound", "ns-none");
        end(&w);
}

static void test_instances(void **state)
{
        struct world w = {0};
        int64_t before;

        begin_service(&w);
        harness_ok(&w.h, "DiscoverInstancesRevision", "{'NamespaceName':'internal','ServiceName':'web'}");
        before = harness_int(&w.h, "InstancesRevision");
        register_web(&w, "red", "10.0.0.1");
        register_web(&w, "blue", "10.0.0.2");
        harness_restart(&w.h);
        harness_ok(&w.h, "DiscoverInstances", "{'NamespaceName':'internal','ServiceName':'WEB'}");
        assert_int_equal(harness_count(&w.h, "Instances"), 2);
        assert_string_equal(harness_text(&w.h, "Instances[0].HealthStatus"), "HEALTHY");
        assert_string_equal(harness_text(&w.h, "Instances[0].NamespaceName"), "internal");
        register_web(&w, "blue", "10.0.0.3");
        harness_ok(&w.h, "DiscoverInstancesRevision", "{'NamespaceName':'internal','ServiceName':'web'}");
        assert_true(harness_int(&w.h, "InstancesRevision") > before);
        harness_ok(&w.h, "DiscoverInstances", "{'NamespaceName':'internal','ServiceName':'web','QueryParameters':{'color':'blue'}}");
        assert_int_equal(harness_count(&w.h, "Instances"), 1);
        assert_string_equal(harness_text(&w.h, "Instances[0].Attributes.AWS_INSTANCE_IPV4"), "10.0.0.3");
        harness_ok(&w.h, "DiscoverInstances", "{'NamespaceName':'internal','ServiceName':'web','OptionalParameters':{'color':'green'}}");
        assert_int_equal(harness_count(&w.h, "Instances"), 2);
        harness_ok(&w.h, "DiscoverInstances", "{'NamespaceName':'internal','ServiceName':'web','MaxResults':1}");
        assert_int_equal(harness_count(&w.h, "Instances"), 1);
        /* Health. */
        harness_ok(&w.h, "UpdateInstanceCustomHealthStatus", "{'ServiceId':'%s','InstanceId':'red','Status':'UNHEALTHY'}", w.service);
        harness_ok(&w.h, "DiscoverInstances", "{'NamespaceName':'internal','ServiceName':'web'}");
        assert_int_equal(harness_count(&w.h, "Instances"), 1);
        assert_string_equal(harness_text(&w.h, "Instances[0].InstanceId"), "blue");
        harness_ok(&w.h, "DiscoverInstances", "{'NamespaceName':'internal','ServiceName':'web','HealthStatus':'ALL'}");
        assert_int_equal(harness_count(&w.h, "Instances"), 2);
        harness_ok(&w.h, "GetInstancesHealthStatus", "{'ServiceId':'%s'}", w.service);
        assert_string_equal(harness_text(&w.h, "Status.red"), "UNHEALTHY");
        assert_string_equal(harness_text(&w.h, "Status.blue"), "HEALTHY");
        harness_ok(&w.h, "UpdateInstanceCustomHealthStatus", "{'ServiceId':'%s','InstanceId':'blue','Status':'UNHEALTHY'}", w.service);
        harness_ok(&w.h, "DiscoverInstances", "{'NamespaceName':'internal','ServiceName':'web'}"); /* it fails open */
        assert_int_equal(harness_count(&w.h, "Instances"), 2);
        harness_ok(&w.h, "DiscoverInstances", "{'NamespaceName':'internal','ServiceName':'web','HealthStatus':'HEALTHY'}");
        assert_int_equal(harness_count(&w.h, "Instances"), 0);
        /* Pages. */
        harness_ok(&w.h, "ListInstances", "{'ServiceId':'%s','MaxResults':1}", w.service);
        assert_string_equal(harness_text(&w.h, "Instances[0].Id"), "blue");
        harness_ok(&w.h, "ListInstances", "{'ServiceId':'%s','MaxResults':1,'NextToken':'%s'}", w.service, harness_text(&w.h, "NextToken"));
        assert_string_equal(harness_text(&w.h, "Instances[0].Id"), "red");
        harness_ok(&w.h, "GetInstance", "{'ServiceId':'%s','InstanceId':'red'}", w.service);
        assert_string_equal(harness_text(&w.h, "Instance.Attributes.color"), "red");
        harness_ok(&w.h, "DeregisterInstance", "{'ServiceId':'%s','InstanceId':'red'}", w.service);
        assert_int_equal(harness_call(&w.h, "GetInstance", "{'ServiceId':'%s','InstanceId':'red'}", w.service), 400);
        assert_string_equal(harness_text(&w.h, "__type"), "InstanceNotFound");
        harness_fails(&w.h, "DiscoverInstances", "{'NamespaceName':'none','ServiceName':'web'}", "NamespaceNotFound", "none");
        harness_fails(&w.h, "DiscoverInstances", "{'NamespaceName':'internal','ServiceName':'none'}", "ServiceNotFound", "none");
        end(&w);
}

static void test_instance_refusals(void **state)
{
        static const struct {
                const char *id, *attributes, *text;
        } cases[] = {
                {"a", "'AWS_INSTANCE_PORT':'80'", "AWS_INSTANCE_IPV4"},
                {"a", "'AWS_INSTANCE_IPV4':'10.0.0.1'", "AWS_INSTANCE_PORT"},
                {"a", "'AWS_INSTANCE_IPV4':'10.0.0','AWS_INSTANCE_PORT':'80'", "not an IPv4"},
                {"a", "'AWS_INSTANCE_IPV4':'10.0.0.1','AWS_INSTANCE_PORT':'65536'", "not a port"},
                {"a:b", "'AWS_INSTANCE_IPV4':'10.0.0.1','AWS_INSTANCE_PORT':'80'", "label"},
                {"a b", "'AWS_INSTANCE_IPV4':'10.0.0.1','AWS_INSTANCE_PORT':'80'", "InstanceId"},
                {"a", "'AWS_INSTANCE_IPV4':'10.0.0.1','AWS_INSTANCE_PORT':'80','AWS_INIT_HEALTH_STATUS':'SICK'", "UNHEALTHY"},
                {"a", "'AWS_INSTANCE_IPV6':'::1','AWS_INSTANCE_PORT':'80'", "IPv4 addresses only"},
                {"a", "'AWS_ALIAS_DNS_NAME':'x'", "Route 53"},
                {"a", "'AWS_EC2_INSTANCE_ID':'i-1'", "without DNS records"},
        };
        struct world w = {0};

        begin_service(&w);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CLEANUP_BUF struct buf json = {0};

                buf_printf(&json, "{'ServiceId':'%s','InstanceId':'%s','Attributes':{%s}}", w.service, cases[i].id, cases[i].attributes);
                harness_fails(&w.h, "RegisterInstance", json.data, "InvalidInput", cases[i].text);
        }
        end(&w);
}

static void test_tags_and_attributes(void **state)
{
        struct world w = {0};
        CLEANUP_FREE char *arn = NULL;

        begin_service(&w);
        harness_ok(&w.h, "GetNamespace", "{'Id':'%s'}", w.namespace);
        arn = xstrdup(harness_text(&w.h, "Namespace.Arn"));
        harness_ok(&w.h, "TagResource", "{'ResourceARN':'%s','Tags':[{'Key':'team','Value':'y'},{'Key':'stage','Value':'test'}]}", arn);
        harness_ok(&w.h, "ListTagsForResource", "{'ResourceARN':'%s'}", arn);
        assert_int_equal(harness_count(&w.h, "Tags"), 2);
        assert_string_equal(harness_text(&w.h, "Tags[0].Value"), "y");
        harness_ok(&w.h, "UntagResource", "{'ResourceARN':'%s','TagKeys':['team']}", arn);
        harness_ok(&w.h, "ListTagsForResource", "{'ResourceARN':'%s'}", arn);
        assert_int_equal(harness_count(&w.h, "Tags"), 1);
        harness_ok(&w.h, "UpdateServiceAttributes", "{'ServiceId':'%s','Attributes':{'a':'1','b':'2'}}", w.service);
        harness_ok(&w.h, "DeleteServiceAttributes", "{'ServiceId':'%s','Attributes':['a']}", w.service);
        harness_restart(&w.h);
        harness_ok(&w.h, "GetServiceAttributes", "{'ServiceId':'%s'}", w.service);
        assert_string_equal(harness_text(&w.h, "ServiceAttributes.Attributes.b"), "2");
        assert_false(harness_has(&w.h, "ServiceAttributes.Attributes.a"));
        end(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_namespaces),
                cmocka_unit_test(test_namespace_refusals),
                cmocka_unit_test(test_services),
                cmocka_unit_test(test_service_refusals),
                cmocka_unit_test(test_instances),
                cmocka_unit_test(test_instance_refusals),
                cmocka_unit_test(test_tags_and_attributes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
