/* SPDX-License-Identifier: Apache-2.0 */
/* Auto Scaling groups and managed scaling, with a driver that does what the test says. */
#include "api/cloudwatch/sources.h"
#include "base/strutil.h"
#include "control/capacity/managed_scaling.h"
#include "model/alarm.h"

#include "cluster_harness.h"
#include "unit.h"

struct lab {
        struct cluster_harness c;
        struct fake_agent fakes[8];
        char instances[8][33];
        size_t n_joined;
        uint32_t n_creates, n_destroys;
};

static void on_create(void *data, const struct machine *machine)
{
        (void)machine;
        ((struct lab *)data)->n_creates++;
}

static void on_destroy(void *data, const struct machine *machine)
{
        (void)machine;
        ((struct lab *)data)->n_destroys++;
}

static const struct machine_ops ops = {.create = on_create, .destroy = on_destroy};

static void begin(struct lab *lab)
{
        *lab = (struct lab){0};
        cluster_begin(&lab->c, NULL);
        lab->c.machines = &ops;
        lab->c.machines_data = lab;
        cluster_restart(&lab->c);
}

static void end(struct lab *lab)
{
        for (size_t i = 0; i < lab->n_joined; i++)
                fake_done(&lab->fakes[i]);
        cluster_end(&lab->c);
}

static void asg(struct lab *lab, const char *operation, const char *json)
{
        lab->c.h.service = "autoscaling";
        harness_ok(&lab->c.h, operation, "%s", json);
        lab->c.h.service = "ecs";
}

static struct scaling_group *group(struct lab *lab)
{
        return model_scaling_group(lab->c.h.model, "g");
}

static uint32_t in_state(struct lab *lab, enum asg_lifecycle_state state)
{
        uint32_t n = 0;

        list_for_each (machine, &group(lab)->machines, struct machine, in_group)
                n += machine->state->state == state;
        return n;
}

/* The driver has made all that it was asked for; no agent joins. */
static void create_all(struct lab *lab)
{
        cluster_run(&lab->c);
        list_for_each (machine, &group(lab)->machines, struct machine, in_group)
                if (machine->state->created_at == 0 && machine_is_live(machine))
                        machine_was_created(lab->c.h.model, machine->state->id, NULL, lab->c.h.env.now_ms);
        cluster_run(&lab->c);
}

static void destroy_all(struct lab *lab)
{
        cluster_run(&lab->c);
        list_for_each (machine, &group(lab)->machines, struct machine, in_group)
                if (machine->state->state == ASG_LIFECYCLE_STATE_TERMINATING_PROCEED)
                        machine_was_destroyed(lab->c.h.model, machine->state->id, lab->c.h.env.now_ms);
        cluster_run(&lab->c);
}

/* The agents of all machines that have none join, as with the machines' keys. */
static void join_all(struct lab *lab, int cpu, int memory)
{
        create_all(lab);
        list_for_each (machine, &group(lab)->machines, struct machine, in_group) {
                struct state_container_instance *state;
                struct instance *instance;
                struct tx *tx;
                char *id = lab->instances[lab->n_joined];

                if (machine->state->joined_at != 0 || machine->state->created_at == 0)
                        continue;
                cluster_register(&lab->c, cpu, memory, "{'name':'" GROUP_ATTRIBUTE "','value':'g'}", id);
                instance = model_instance(lab->c.h.model, "lab", id);
                tx = tx_begin(lab->c.h.model);
                state = tx_edit(tx, &instance->object);
                state->ec2_instance_id = machine->state->id;
                tx_put(tx, &instance->object, state);
                machine_join(tx, machine, instance->state, lab->c.h.env.now_ms);
                tx_commit(tx);
                fake_connect(&lab->c, &lab->fakes[lab->n_joined++], id, false);
        }
        cluster_run(&lab->c);
}

static const char *newest_activity(struct lab *lab, const char *member)
{
        asg(lab, "DescribeScalingActivities", "{'AutoScalingGroupName':'g'}");
        return harness_text(&lab->c.h, member);
}

/* ---- Groups ---- */

static void test_as_many_as_wanted(void **state)
{
        struct lab lab;

        begin(&lab);
        cluster_group(&lab.c, "g", "t3.small", ",'DesiredCapacity':3");
        cluster_run(&lab.c);
        assert_int_equal(in_state(&lab, ASG_LIFECYCLE_STATE_PENDING), 3);
        assert_int_equal(lab.n_creates > 0, 1);
        create_all(&lab);
        assert_int_equal(in_state(&lab, ASG_LIFECYCLE_STATE_INSERVICE), 3);
        asg(&lab, "DescribeAutoScalingGroups", "{}");
        assert_string_equal(harness_text(&lab.c.h, "AutoScalingGroups[0].Instances[0].AvailabilityZone"), "us-east-1a");
        assert_string_equal(harness_text(&lab.c.h, "AutoScalingGroups[0].Instances[1].AvailabilityZone"), "us-east-1b");
        assert_string_equal(newest_activity(&lab, "Activities[0].StatusCode"), "Successful");
        /* The fuller zone gives one. */
        asg(&lab, "SetDesiredCapacity", "{'AutoScalingGroupName':'g','DesiredCapacity':2}");
        destroy_all(&lab);
        assert_int_equal(group(&lab)->n_machines, 2);
        asg(&lab, "DescribeAutoScalingGroups", "{}");
        assert_string_not_equal(harness_text(&lab.c.h, "AutoScalingGroups[0].Instances[0].AvailabilityZone"),
                                harness_text(&lab.c.h, "AutoScalingGroups[0].Instances[1].AvailabilityZone"));
        /* It is the same after a restart of the server. */
        cluster_restart(&lab.c);
        cluster_run(&lab.c);
        assert_int_equal(in_state(&lab, ASG_LIFECYCLE_STATE_INSERVICE), 2);
        end(&lab);
}

static void test_protected_machines_stay(void **state)
{
        struct lab lab;

        begin(&lab);
        cluster_group(&lab.c, "g", "t3.small", ",'DesiredCapacity':2,'NewInstancesProtectedFromScaleIn':true");
        create_all(&lab);
        asg(&lab, "SetDesiredCapacity", "{'AutoScalingGroupName':'g','DesiredCapacity':0}");
        destroy_all(&lab);
        assert_int_equal(in_state(&lab, ASG_LIFECYCLE_STATE_INSERVICE), 2);
        end(&lab);
}

static void test_failures_back_off(void **state)
{
        struct lab lab;
        struct machine *machine;

        begin(&lab);
        cluster_group(&lab.c, "g", "t3.small", ",'DesiredCapacity':1");
        for (int i = 0; i < 3; i++) {
                cluster_run(&lab.c);
                machine = list_first(&group(&lab)->machines, struct machine, in_group);
                assert_non_null(machine);
                machine_was_not_created(lab.c.h.model, machine->state->id, "no host has room", lab.c.h.env.now_ms);
                destroy_all(&lab);
                assert_int_equal(group(&lab)->n_machines, 0);
                cluster_wait(&lab.c, 1000 << i);
        }
        assert_int_equal(group(&lab)->n_machines, 1);
        assert_int_equal(group(&lab)->state->failures, 3);
        assert_non_null(strstr(newest_activity(&lab, "Activities[1].StatusMessage"), "no host has room"));
        create_all(&lab);
        assert_int_equal(group(&lab)->state->failures, 0);
        end(&lab);
}

static void test_a_machine_that_never_joins(void **state)
{
        struct lab lab;

        begin(&lab);
        cluster_group(&lab.c, "g", "t3.small", ",'DesiredCapacity':1");
        create_all(&lab);
        cluster_wait(&lab.c, MACHINE_JOIN_MS - 1);
        assert_int_equal(in_state(&lab, ASG_LIFECYCLE_STATE_INSERVICE), 1);
        cluster_wait(&lab.c, 1);
        assert_int_equal(in_state(&lab, ASG_LIFECYCLE_STATE_TERMINATING_PROCEED), 1);
        assert_int_equal(in_state(&lab, ASG_LIFECYCLE_STATE_PENDING), 1);
        end(&lab);
}

static void test_hooks(void **state)
{
        struct lab lab;
        struct machine *machine;

        begin(&lab);
        cluster_group(
                &lab.c, "g", "t3.small",
                ",'DesiredCapacity':1,'LifecycleHookSpecificationList':[{'LifecycleHookName':'in','LifecycleTransition':'" HOOK_LAUNCHING
                "'},{'LifecycleHookName':'out','LifecycleTransition':'" HOOK_TERMINATING
                "','DefaultResult':'CONTINUE','HeartbeatTimeout':60}]");
        create_all(&lab);
        assert_int_equal(in_state(&lab, ASG_LIFECYCLE_STATE_PENDING_WAIT), 1);
        machine = list_first(&group(&lab)->machines, struct machine, in_group);
        lab.c.h.service = "autoscaling";
        harness_ok(&lab.c.h, "CompleteLifecycleAction",
                   "{'AutoScalingGroupName':'g','LifecycleHookName':'in','LifecycleActionResult':'CONTINUE','InstanceId':'%s'}",
                   machine->state->id);
        cluster_run(&lab.c);
        assert_int_equal(in_state(&lab, ASG_LIFECYCLE_STATE_INSERVICE), 1);
        asg(&lab, "SetDesiredCapacity", "{'AutoScalingGroupName':'g','DesiredCapacity':0}");
        cluster_run(&lab.c);
        assert_int_equal(in_state(&lab, ASG_LIFECYCLE_STATE_TERMINATING_WAIT), 1);
        cluster_wait(&lab.c, 60000);
        assert_int_equal(in_state(&lab, ASG_LIFECYCLE_STATE_TERMINATING_PROCEED), 1);
        end(&lab);
}

static void test_without_a_driver(void **state)
{
        struct lab lab;

        begin(&lab);
        lab.c.machines = NULL;
        cluster_restart(&lab.c);
        cluster_group(&lab.c, "g", "t3.small", ",'DesiredCapacity':1");
        cluster_wait(&lab.c, 600000);
        assert_non_null(strstr(newest_activity(&lab, "Activities[0].StatusMessage"), "--machine-driver"));
        assert_int_equal(harness_count(&lab.c.h, "Activities"), 1);
        end(&lab);
}

/* A machine's activity that is forgotten is not taken for the one in its place. */
static void test_an_activity_that_is_forgotten(void **state)
{
        struct lab lab;
        struct machine *machine;
        struct tx *tx;

        begin(&lab);
        cluster_group(
                &lab.c, "g", "t3.small",
                ",'DesiredCapacity':1,'LifecycleHookSpecificationList':[{'LifecycleHookName':'out','LifecycleTransition':'" HOOK_TERMINATING
                "'}]");
        create_all(&lab);
        machine = list_first(&group(&lab)->machines, struct machine, in_group);
        lab.c.h.service = "autoscaling";
        for (int i = 0; i < 2; i++) {
                harness_ok(&lab.c.h, "TerminateInstanceInAutoScalingGroup", "{'InstanceId':'%s','ShouldDecrementDesiredCapacity':false}",
                           machine->state->id);
                assert_int_equal(harness_has(&lab.c.h, "Activity"), i == 0);
                tx = tx_begin(lab.c.h.model);
                for (int j = 0; j < GROUP_ACTIVITIES; j++)
                        (void)group_activity_begin(tx, group(&lab), ASG_SCALING_ACTIVITY_STATUS_CODE_FAILED, "d", "c", "m", 1);
                tx_commit(tx);
        }
        end(&lab);
}

/* ---- Managed scaling ---- */

static void provide(struct lab *lab, const char *scaling)
{
        harness_ok(&lab->c.h, "CreateCapacityProvider",
                   "{'name':'pool','tags':[{'key':'" SCALE_IN_TAG
                   "','value':'60000'}],'autoScalingGroupProvider':{'autoScalingGroupArn':'g',"
                   "'managedScaling':{'status':'ENABLED'%s},'managedTerminationProtection':'ENABLED'}}",
                   scaling);
        harness_ok(&lab->c.h, "PutClusterCapacityProviders",
                   "{'cluster':'lab','capacityProviders':['pool'],'defaultCapacityProviderStrategy':[{'capacityProvider':'pool'}]}");
        cluster_run(&lab->c);
}

/* "web" takes 128 units and 64 MiB; machines have 256 units: two tasks each. */
static void test_the_group_follows_the_tasks(void **state)
{
        struct lab lab;

        begin(&lab);
        cluster_group(&lab.c, "g", "t3.small", ",'NewInstancesProtectedFromScaleIn':true");
        provide(&lab, ",'instanceWarmupPeriod':0");
        harness_ok(&lab.c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web','count':1}");
        assert_string_equal(harness_text(&lab.c.h, "tasks[0].lastStatus"), "PROVISIONING");
        assert_string_equal(harness_text(&lab.c.h, "tasks[0].capacityProviderName"), "pool");
        cluster_run(&lab.c);
        assert_int_equal(group(&lab)->state->group->desired_capacity, 1);
        assert_int_equal((int)group(&lab)->reservation, 200); /* one is needed, none is up */
        join_all(&lab, 256, 512);
        assert_int_equal((int)group(&lab)->reservation, 100);
        harness_ok(&lab.c.h, "ListTasks", "{'cluster':'lab'}");
        harness_ok(&lab.c.h, "DescribeTasks", "{'cluster':'lab','tasks':['%s']}", harness_text(&lab.c.h, "taskArns[0]"));
        assert_string_equal(harness_text(&lab.c.h, "tasks[0].lastStatus"), "PENDING");
        /* Four more: one fits beside the first, three need two machines more; what one really offers is known now. */
        harness_ok(&lab.c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web','count':4}");
        cluster_run(&lab.c);
        assert_int_equal(group(&lab)->state->group->desired_capacity, 3);
        cluster_wait(&lab.c, 1000);
        assert_int_equal(group(&lab)->state->group->desired_capacity, 3);
        join_all(&lab, 256, 512);
        assert_int_equal(group(&lab)->state->group->desired_capacity, 3);
        harness_ok(&lab.c.h, "DescribeClusters", "{'clusters':['lab']}");
        assert_int_equal(harness_int(&lab.c.h, "clusters[0].pendingTasksCount"), 5);
        end(&lab);
}

static void test_machines_that_are_empty_go(void **state)
{
        struct lab lab;
        char task[256];

        begin(&lab);
        cluster_group(&lab.c, "g", "t3.small", ",'NewInstancesProtectedFromScaleIn':true");
        provide(&lab, "");
        harness_ok(&lab.c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web','count':1}");
        snprintf(task, sizeof(task), "%s", harness_text(&lab.c.h, "tasks[0].taskArn"));
        join_all(&lab, 256, 512);
        cluster_wait(&lab.c, 3600000);
        assert_int_equal(in_state(&lab, ASG_LIFECYCLE_STATE_INSERVICE), 1);
        asg(&lab, "DescribeAutoScalingInstances", "{}");
        assert_true(harness_true(&lab.c.h, "AutoScalingInstances[0].ProtectedFromScaleIn"));
        harness_ok(&lab.c.h, "SubmitTaskStateChange", "{'cluster':'lab','task':'%s','status':'STOPPED'}", task);
        fake_alive(&lab.fakes[0]);
        cluster_run(&lab.c);
        cluster_wait(&lab.c, 59000);
        assert_int_equal(group(&lab)->state->group->desired_capacity, 1);
        cluster_wait(&lab.c, 1000);
        assert_int_equal(group(&lab)->state->group->desired_capacity, 0);
        destroy_all(&lab);
        assert_int_equal(group(&lab)->n_machines, 0);
        harness_ok(&lab.c.h, "ListContainerInstances", "{'cluster':'lab'}");
        assert_int_equal(harness_count(&lab.c.h, "containerInstanceArns"), 0);
        end(&lab);
}

static void test_a_service_waits_and_gives_up(void **state)
{
        struct lab lab;

        begin(&lab);
        cluster_group(&lab.c, "g", "t3.small", ",'NewInstancesProtectedFromScaleIn':true");
        provide(&lab, ",'minimumScalingStepSize':2");
        harness_ok(&lab.c.h, "CreateService", "{'cluster':'lab','serviceName':'s','taskDefinition':'web','desiredCount':3}");
        cluster_run(&lab.c);
        harness_ok(&lab.c.h, "DescribeServices", "{'cluster':'lab','services':['s']}");
        assert_int_equal(harness_int(&lab.c.h, "services[0].pendingCount"), 3);
        assert_int_equal(group(&lab)->state->group->desired_capacity, 2);
        /* Nothing comes: the tasks end, with the reason, and others wait. */
        cluster_wait(&lab.c, 599000);
        harness_ok(&lab.c.h, "ListTasks", "{'cluster':'lab','desiredStatus':'STOPPED'}");
        assert_int_equal(harness_count(&lab.c.h, "taskArns"), 0);
        cluster_wait(&lab.c, 1000);
        harness_ok(&lab.c.h, "ListTasks", "{'cluster':'lab','desiredStatus':'STOPPED'}");
        assert_int_equal(harness_count(&lab.c.h, "taskArns"), 3);
        harness_ok(&lab.c.h, "DescribeTasks", "{'cluster':'lab','tasks':['%s']}", harness_text(&lab.c.h, "taskArns[0]"));
        assert_string_equal(harness_text(&lab.c.h, "tasks[0].stopCode"), "TaskFailedToStart");
        assert_non_null(strstr(harness_text(&lab.c.h, "tasks[0].stoppedReason"), "capacity provider pool"));
        end(&lab);
}

static void test_what_others_see(void **state)
{
        struct lab lab;

        begin(&lab);
        cluster_group(&lab.c, "g", "custom.2x1024", ",'NewInstancesProtectedFromScaleIn':true");
        provide(&lab, "");
        asg(&lab, "EnableMetricsCollection", "{'AutoScalingGroupName':'g','Granularity':'1Minute','Metrics':['GroupDesiredCapacity']}");
        harness_ok(&lab.c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web'}");
        cluster_run(&lab.c);
        lab.c.h.service = "ec2";
        harness_ok(&lab.c.h, "DescribeInstances", "{}");
        assert_string_equal(harness_text(&lab.c.h, "reservationSet[0].instancesSet[0].instanceState.name"), "pending");
        assert_string_equal(harness_text(&lab.c.h, "reservationSet[0].instancesSet[0].instanceType"), "custom.2x1024");
        lab.c.h.service = "ecs";
        join_all(&lab, 2048, 900);
        lab.c.h.service = "ec2";
        harness_ok(&lab.c.h, "DescribeInstances", "{}");
        assert_int_equal(harness_count(&lab.c.h, "reservationSet"), 1);
        assert_string_equal(harness_text(&lab.c.h, "reservationSet[0].instancesSet[0].instanceState.name"), "running");
        lab.c.h.service = "ecs";
        harness_ok(&lab.c.h, "DescribeContainerInstances", "{'cluster':'lab','containerInstances':['%s']}", lab.instances[0]);
        assert_string_equal(harness_text(&lab.c.h, "containerInstances[0].capacityProviderName"), "pool");
        cloudwatch_collect(lab.c.h.api, lab.c.h.env.now_ms);
        cloudwatch_collect_providers(lab.c.h.api, lab.c.h.env.now_ms);
        lab.c.h.service = "monitoring";
        harness_ok(&lab.c.h, "ListMetrics", "{'Namespace':'AWS/ECS/ManagedScaling'}");
        assert_string_equal(harness_text(&lab.c.h, "Metrics[0].MetricName"), "CapacityProviderReservation");
        harness_ok(&lab.c.h, "ListMetrics", "{'Namespace':'AWS/AutoScaling'}");
        assert_int_equal(harness_count(&lab.c.h, "Metrics"), 1);
        end(&lab);
}

/* The state of the provider's alarm "High" or "Low", and the last answer is what DescribeAlarms says of it. */
static const char *alarm_state(struct lab *lab, const char *which)
{
        lab->c.h.service = "monitoring";
        harness_ok(&lab->c.h, "DescribeAlarms", "{'AlarmNamePrefix':'TargetTracking-g-Alarm%s-'}", which);
        lab->c.h.service = "ecs";
        assert_int_equal(harness_count(&lab->c.h, "MetricAlarms"), 1);
        return harness_text(&lab->c.h, "MetricAlarms[0].StateValue");
}

/* Agents are heard of meanwhile. */
static void wait_alive(struct lab *lab, int64_t ms)
{
        for (; ms > 0; ms -= 1000) {
                for (size_t i = 0; i < lab->n_joined; i++)
                        fake_alive(&lab->fakes[i]);
                cluster_wait(&lab->c, 1000);
        }
}

static const char *shown_attachments(struct lab *lab)
{
        harness_ok(&lab->c.h, "DescribeClusters", "{'clusters':['lab'],'include':['ATTACHMENTS']}");
        return harness_text(&lab->c.h, "clusters[0].attachmentsStatus");
}

static size_t n_alarms(struct lab *lab)
{
        return model_objects(lab->c.h.model, OBJECT_ALARM)->count;
}

static void test_alarms_show_what_was_decided(void **state)
{
        struct lab lab;
        char task[256];

        begin(&lab);
        cluster_group(&lab.c, "g", "t3.small", ",'NewInstancesProtectedFromScaleIn':true");
        provide(&lab, "");
        assert_string_equal(alarm_state(&lab, "High"), "OK");
        assert_string_equal(alarm_state(&lab, "Low"), "OK");
        assert_int_equal(harness_int(&lab.c.h, "MetricAlarms[0].Period"), 5); /* a minute: the tag */
        assert_int_equal(harness_int(&lab.c.h, "MetricAlarms[0].EvaluationPeriods"), 12);
        harness_ok(&lab.c.h, "RunTask", "{'cluster':'lab','taskDefinition':'web','count':1}");
        snprintf(task, sizeof(task), "%s", harness_text(&lab.c.h, "tasks[0].taskArn"));
        cluster_run(&lab.c);
        assert_string_equal(alarm_state(&lab, "High"), "ALARM");
        assert_non_null(strstr(harness_text(&lab.c.h, "MetricAlarms[0].StateReason"), "is 200.0 (instances: 1 needed, 0 up)"));
        join_all(&lab, 256, 512);
        assert_string_equal(alarm_state(&lab, "High"), "OK");
        harness_ok(&lab.c.h, "SubmitTaskStateChange", "{'cluster':'lab','task':'%s','status':'STOPPED'}", task);
        wait_alive(&lab, 10000); /* the machine has settled */
        assert_string_equal(alarm_state(&lab, "Low"), "OK");
        assert_int_equal(group(&lab)->state->group->desired_capacity, 1);
        wait_alive(&lab, 60000);
        assert_int_equal(group(&lab)->state->group->desired_capacity, 0);
        /* The machine has been on its way out since then: none is needed, none is up. */
        assert_string_equal(alarm_state(&lab, "Low"), "OK");
        lab.c.h.service = "monitoring";
        harness_ok(&lab.c.h, "DescribeAlarmHistory", "{'HistoryItemType':'Action'}");
        assert_int_equal(harness_count(&lab.c.h, "AlarmHistoryItems"), 2);
        assert_non_null(
                strstr(harness_text(&lab.c.h, "AlarmHistoryItems[0].HistorySummary"), "Successfully executed action arn:aws:autoscaling:"));
        lab.c.h.service = "ecs";
        end(&lab);
}

static void test_alarms_are_kept_as_they_should_be(void **state)
{
        struct lab lab;

        begin(&lab);
        cluster_group(&lab.c, "g", "t3.small", ",'NewInstancesProtectedFromScaleIn':true");
        provide(&lab, "");
        assert_string_equal(alarm_state(&lab, "High"), "OK");
        lab.c.h.service = "monitoring";
        harness_ok(&lab.c.h, "SetAlarmState", "{'AlarmName':'%s','StateValue':'ALARM','StateReason':'by hand'}",
                   harness_text(&lab.c.h, "MetricAlarms[0].AlarmName"));
        cluster_run(&lab.c);
        assert_string_equal(alarm_state(&lab, "High"), "OK");
        assert_int_equal(group(&lab)->state->group->desired_capacity, 0);
        lab.c.h.service = "monitoring";
        harness_ok(&lab.c.h, "DeleteAlarms", "{'AlarmNames':['%s']}", harness_text(&lab.c.h, "MetricAlarms[0].AlarmName"));
        lab.c.h.service = "ecs";
        cluster_run(&lab.c);
        assert_string_equal(alarm_state(&lab, "High"), "OK");
        /* Another target, and another time: the thresholds follow. */
        harness_ok(&lab.c.h, "UpdateCapacityProvider",
                   "{'name':'pool','autoScalingGroupProvider':{'managedScaling':{'status':'ENABLED','targetCapacity':80}}}");
        cluster_run(&lab.c);
        (void)alarm_state(&lab, "High");
        assert_int_equal(model_alarm(lab.c.h.model, harness_text(&lab.c.h, "MetricAlarms[0].AlarmName"))->state->threshold, 80);
        cluster_restart(&lab.c);
        cluster_run(&lab.c);
        assert_int_equal(n_alarms(&lab), 2);
        /* Without managed scaling there are none. */
        harness_ok(&lab.c.h, "UpdateCapacityProvider",
                   "{'name':'pool','autoScalingGroupProvider':{'managedScaling':{'status':'DISABLED'},"
                   "'managedTerminationProtection':'DISABLED'}}");
        cluster_run(&lab.c);
        assert_int_equal(n_alarms(&lab), 0);
        end(&lab);
}

static void test_attachments_of_a_cluster(void **state)
{
        struct lab lab;

        begin(&lab);
        assert_null(shown_attachments(&lab));
        cluster_group(&lab.c, "g", "t3.small", ",'NewInstancesProtectedFromScaleIn':true");
        harness_ok(&lab.c.h, "CreateCapacityProvider",
                   "{'name':'pool','autoScalingGroupProvider':{'autoScalingGroupArn':'g','managedScaling':{'status':'ENABLED'}}}");
        harness_ok(&lab.c.h, "PutClusterCapacityProviders",
                   "{'cluster':'lab','capacityProviders':['pool','FARGATE'],'defaultCapacityProviderStrategy':[]}");
        assert_string_equal(harness_text(&lab.c.h, "cluster.attachmentsStatus"), "UPDATE_IN_PROGRESS");
        cluster_run(&lab.c);
        assert_string_equal(shown_attachments(&lab), "UPDATE_COMPLETE");
        assert_int_equal(harness_count(&lab.c.h, "clusters[0].attachments"), 2);
        assert_string_equal(harness_text(&lab.c.h, "clusters[0].attachments[0].type"), "as_policy");
        assert_string_equal(harness_text(&lab.c.h, "clusters[0].attachments[0].status"), "CREATED");
        assert_string_equal(harness_text(&lab.c.h, "clusters[0].attachments[0].details[0].value"), "pool");
        assert_true(str_starts_with(harness_text(&lab.c.h, "clusters[0].attachments[0].details[1].value"), "ECSManagedAutoScalingPolicy-"));
        assert_string_equal(harness_text(&lab.c.h, "clusters[0].attachments[1].details[1].value"), HOOK_DRAINING);
        assert_int_equal(n_alarms(&lab), 2);
        harness_ok(&lab.c.h, "DescribeClusters", "{'clusters':['lab']}");
        assert_false(harness_has(&lab.c.h, "clusters[0].attachmentsStatus"));
        /* A group that is taken away by force leaves its provider with nothing to scale. */
        asg(&lab, "DeleteAutoScalingGroup", "{'AutoScalingGroupName':'g','ForceDelete':true}");
        cluster_run(&lab.c);
        assert_string_equal(shown_attachments(&lab), "UPDATE_FAILED");
        assert_int_equal(n_alarms(&lab), 0);
        harness_ok(&lab.c.h, "PutClusterCapacityProviders",
                   "{'cluster':'lab','capacityProviders':[],'defaultCapacityProviderStrategy':[]}");
        cluster_run(&lab.c);
        assert_null(shown_attachments(&lab));
        end(&lab);
}

static void test_what_never_fits(void **state)
{
        struct lab lab;

        begin(&lab);
        cluster_group(&lab.c, "g", "custom.1x512", ",'NewInstancesProtectedFromScaleIn':true");
        provide(&lab, "");
        harness_ok(&lab.c.h, "RegisterTaskDefinition", "{'family':'big','containerDefinitions':[{'name':'c','image':'i','memory':600}]}");
        harness_ok(&lab.c.h, "RunTask", "{'cluster':'lab','taskDefinition':'big'}");
        assert_string_equal(harness_text(&lab.c.h, "failures[0].reason"), "RESOURCE:MEMORY");
        end(&lab);
}

static void test_a_scale_in_time_that_is_none(void **state)
{
        static const char *const wrong[] = {"soon", "-1", "1.5", "", "86400001", "5 s"};
        struct lab lab;
        char json[256];

        begin(&lab);
        cluster_group(&lab.c, "g", "t3.small", ",'NewInstancesProtectedFromScaleIn':true");
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
                snprintf(json, sizeof(json),
                         "{'name':'pool','tags':[{'key':'" SCALE_IN_TAG
                         "','value':'%s'}],'autoScalingGroupProvider':{'autoScalingGroupArn':'g'}}",
                         wrong[i]);
                harness_fails(&lab.c.h, "CreateCapacityProvider", json, "InvalidParameterException", "from 0 to 86400000");
        }
        provide(&lab, "");
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
                snprintf(json, sizeof(json),
                         "{'resourceArn':'arn:aws:ecs:us-east-1:123456789012:capacity-provider/pool','tags':[{'key':'" SCALE_IN_TAG
                         "','value':'%s'}]}",
                         wrong[i]);
                harness_fails(&lab.c.h, "TagResource", json, "InvalidParameterException", "from 0 to 86400000");
        }
        harness_ok(&lab.c.h, "TagResource",
                   "{'resourceArn':'arn:aws:ecs:us-east-1:123456789012:capacity-provider/pool','tags':[{'key':'" SCALE_IN_TAG
                   "','value':'86400000'}]}");
        end(&lab);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_as_many_as_wanted),
                cmocka_unit_test(test_protected_machines_stay),
                cmocka_unit_test(test_failures_back_off),
                cmocka_unit_test(test_a_machine_that_never_joins),
                cmocka_unit_test(test_hooks),
                cmocka_unit_test(test_an_activity_that_is_forgotten),
                cmocka_unit_test(test_without_a_driver),
                cmocka_unit_test(test_the_group_follows_the_tasks),
                cmocka_unit_test(test_machines_that_are_empty_go),
                cmocka_unit_test(test_a_service_waits_and_gives_up),
                cmocka_unit_test(test_what_never_fits),
                cmocka_unit_test(test_alarms_show_what_was_decided),
                cmocka_unit_test(test_alarms_are_kept_as_they_should_be),
                cmocka_unit_test(test_attachments_of_a_cluster),
                cmocka_unit_test(test_a_scale_in_time_that_is_none),
                cmocka_unit_test(test_what_others_see),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
