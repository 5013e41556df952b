/* xray_resource: what a segment says of the process and the machine it ran on: service, origin, aws.
 *
 * All of it comes from attributes of the resource, which are the same for every span of a process; a table says which
 * attribute is which member. origin and the object for the platform are written only for the platform that
 * cloud.platform names, because a container's host is known on both ECS and EC2, and X-Ray asks for the more specific
 * one.
 */
#include "model/text.h"
#include "wire/value.h"
#include "wire/xray_parts.h"

struct member {
    const char *key;  /* of the resource */
    const char *name; /* of the object */
};

struct platform {
    const char *key; /* value of cloud.platform */
    const char *origin;
    const char *object; /* of aws */
    struct member members[4];
};

static const struct member service[] = {
    {"service.name", "name"},
    {"service.version", "version"},
    {"process.runtime.name", "runtime"},
    {"process.runtime.version", "runtime_version"},
};

static const struct platform platforms[] = {
    {"aws_ec2",
     "AWS::EC2::Instance",
     "ec2",
     {{"host.id", "instance_id"},
      {"host.type", "instance_size"},
      {"host.image.id", "ami_id"},
      {"cloud.availability_zone", "availability_zone"}}},
    {"aws_ecs",
     "AWS::ECS::Container",
     "ecs",
     {{"container.name", "container"},
      {"container.id", "container_id"},
      {"aws.ecs.container.arn", "container_arn"},
      {0}}},
    {"aws_eks",
     "AWS::EKS::Container",
     "eks",
     {{"k8s.pod.name", "pod"}, {"k8s.cluster.name", "cluster_name"}, {"container.id", "container_id"}, {0}}},
    {"aws_elastic_beanstalk",
     "AWS::ElasticBeanstalk::Environment",
     "elastic_beanstalk",
     {{"deployment.environment", "environment_name"}, {"service.version", "version_label"}, {0}, {0}}},
};

/* The text of an attribute; empty when there is none. */
static struct tw_text attribute(const struct tw__xray_options *options, const char *key)
{
    for (size_t i = 0; i < options->resource_count; i++)
        if (options->resource[i].type == TW_TYPE_STR && tw__text_is(options->resource[i].key, key))
            return options->resource[i].text;
    return (struct tw_text){NULL, 0};
}

static void put_object(struct tw__xray_out *out, const char *name, const struct member *members, size_t count)
{
    bool open = false;
    for (size_t i = 0; i < count && members[i].key; i++) {
        struct tw_text text = attribute(out->options, members[i].key);
        if (text.len == 0) continue;
        if (!open) tw__json_open(&out->json, name, '{');
        open = true;
        (void)tw__xray_put_text(out, members[i].name, text, TW__XRAY_TEXT);
    }
    if (open) tw__json_close(&out->json, '}');
}

static const struct platform *platform_of(const struct tw__xray_options *options)
{
    struct tw_text name = attribute(options, "cloud.platform");
    for (size_t i = 0; i < sizeof platforms / sizeof *platforms; i++)
        if (tw__text_is(name, platforms[i].key)) return &platforms[i];
    return NULL;
}

void tw__xray_put_resource(struct tw__xray_out *out, struct tw__xray_span *span)
{
    const struct tw__xray_options *options = out->options;
    const struct platform *platform = platform_of(options);
    struct tw_text account_id = attribute(options, "cloud.account.id");

    put_object(out, "service", service, sizeof service / sizeof *service);
    if (platform) tw__json_cstr(&out->json, "origin", platform->origin);
    tw__xray_put_field(out, span, TW__XRAY_USER, "user");
    tw__json_open(&out->json, "aws", '{');
    if (account_id.len) (void)tw__xray_put_text(out, "account_id", account_id, TW__XRAY_TEXT);
    if (platform) put_object(out, platform->object, platform->members, 4);
    tw__json_open(&out->json, "xray", '{');
    tw__json_cstr(&out->json, "sdk", "Trackway");
    if (options->sdk_version.len) (void)tw__xray_put_text(out, "sdk_version", options->sdk_version, TW__XRAY_TEXT);
    tw__xray_put_field(out, span, TW__XRAY_RULE, "rule_name");
    tw__json_close(&out->json, '}');
    tw__json_close(&out->json, '}');
}
