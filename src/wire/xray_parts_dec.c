/* xray_parts_dec: what stands in a segment or subsegment beside its ids and times: tables of members and the tags they
 * become, the other way round of wire/xray_fields.c and wire/xray_resource.c, and causes, metadata and links. */
#include "wire/xray_parts_dec.h"

#include <string.h>

#include "model/text.h"

struct member {
    const char *name, *key;
};

/* An object whose members become tags. */
struct section {
    const struct member *members; /* to a NULL name */
    struct tw__tag_list *tags;
    const char *prefix; /* of keys of members that the table has not; NULL: they are left out */
};

static const struct member request_members[] = {{"method", "http.request.method"},
                                                {"url", "url.full"},
                                                {"user_agent", "user_agent.original"},
                                                {"client_ip", "client.address"},
                                                {"x_forwarded_for", "aws.xray.x_forwarded_for"},
                                                {"traced", "aws.xray.traced"},
                                                {NULL, NULL}};
static const struct member response_members[] = {
    {"status", "http.response.status_code"}, {"content_length", "http.response.body.size"}, {NULL, NULL}};
static const struct member sql_members[] = {{"connection_string", "db.connection_string"},
                                            {"url", "aws.xray.sql.url"},
                                            {"sanitized_query", "db.query.text"},
                                            {"database_type", "db.system.name"},
                                            {"database_version", "db.version"},
                                            {"driver_version", "db.driver.version"},
                                            {"user", "db.user"},
                                            {"preparation", "db.preparation"},
                                            {NULL, NULL}};
static const struct member aws_members[] = {{"operation", "aws.operation"},
                                            {"account_id", "cloud.account.id"},
                                            {"region", "cloud.region"},
                                            {"request_id", "aws.request_id"},
                                            {"queue_url", "aws.sqs.queue.url"},
                                            {"table_name", "aws.table_name"},
                                            {"resource_names", "aws.resource_names"},
                                            {NULL, NULL}};
static const struct member service_members[] = {{"version", "service.version"},
                                                {"runtime", "process.runtime.name"},
                                                {"runtime_version", "process.runtime.version"},
                                                {NULL, NULL}};
static const struct member ec2_members[] = {{"instance_id", "host.id"},
                                            {"instance_size", "host.type"},
                                            {"ami_id", "host.image.id"},
                                            {"availability_zone", "cloud.availability_zone"},
                                            {NULL, NULL}};
static const struct member ecs_members[] = {{"container", "container.name"},
                                            {"container_id", "container.id"},
                                            {"container_arn", "aws.ecs.container.arn"},
                                            {NULL, NULL}};
static const struct member eks_members[] = {
    {"pod", "k8s.pod.name"}, {"cluster_name", "k8s.cluster.name"}, {"container_id", "container.id"}, {NULL, NULL}};
static const struct member beanstalk_members[] = {
    {"environment_name", "deployment.environment"}, {"version_label", "service.version"}, {NULL, NULL}};
static const struct member sdk_members[] = {{"sdk", "telemetry.sdk.name"},
                                            {"sdk_version", "telemetry.sdk.version"},
                                            {"package", "aws.xray.package"},
                                            {"auto_instrumentation", "aws.xray.auto_instrumentation"},
                                            {NULL, NULL}};

static const struct {
    const char *name;
    const struct member *members;
    const char *prefix;
} platforms[] = {{"ec2", ec2_members, "aws.ec2."},
                 {"ecs", ecs_members, "aws.ecs."},
                 {"eks", eks_members, "aws.eks."},
                 {"elastic_beanstalk", beanstalk_members, "aws.elastic_beanstalk."}};

static const struct member origins[] = {{"AWS::EC2::Instance", "aws_ec2"},
                                        {"AWS::ECS::Container", "aws_ecs"},
                                        {"AWS::ECS::Fargate", "aws_ecs"},
                                        {"AWS::EKS::Container", "aws_eks"},
                                        {"AWS::Lambda::Function", "aws_lambda"},
                                        {"AWS::ElasticBeanstalk::Environment", "aws_elastic_beanstalk"},
                                        {NULL, NULL}};

static const char *key_of(const struct member *members, struct tw_text name)
{
    while (members->name && !tw__text_is(name, members->name)) members++;
    return members->key;
}

/* A value under key; texts that say nothing are none. */
static int put(struct tw__json_in *in, struct tw__tag_list *tags, struct tw_text key)
{
    size_t before = tags->count;
    int code = tw__json_in_tag(in, tags, key);
    if (tags->count > before && tags->items[before].type == TW_TYPE_STR && tags->items[before].text.len == 0)
        tags->count = before;
    return code;
}

static int section_member(struct tw__json_in *in, void *target)
{
    const struct section *section = target;
    struct tw_text name = {"", 0};
    const char *key = key_of(section->members, in->json.string);
    if (key) return put(in, section->tags, (struct tw_text){key, strlen(key)});
    if (!section->prefix) return tw__json_in_skip(in);
    int code = tw__json_in_name(in, &name);
    if (code < 0) return code;
    name = tw__pool_join(in->pool, section->prefix, name);
    return name.ptr ? put(in, section->tags, name) : TW_ERR_MEMORY;
}

static int read_section(struct tw__json_in *in, const struct member *members, struct tw__tag_list *tags,
                        const char *prefix)
{
    struct section section = {members, tags, prefix};
    return tw__json_in_object(in, section_member, &section);
}

static int http_member(struct tw__json_in *in, void *target)
{
    struct tw__xray_part_in *part = target;
    if (tw__json_is(&in->json, "response")) return read_section(in, response_members, &part->tags, NULL);
    if (!tw__json_is(&in->json, "request")) return tw__json_in_skip(in);
    part->requested = true;
    return read_section(in, request_members, &part->tags, NULL);
}

int tw__xray_read_http(struct tw__json_in *in, void *target)
{
    return tw__json_in_object(in, http_member, target);
}

int tw__xray_read_sql(struct tw__json_in *in, void *target)
{
    struct tw__xray_part_in *part = target;
    return read_section(in, sql_members, &part->tags, "db.");
}

static int sdk_member(struct tw__json_in *in, void *target)
{
    struct tw__xray_part_in *part = target;
    struct section section = {sdk_members, &part->doc->resource_tags, "aws.xray."};
    if (tw__json_is(&in->json, "rule_name")) return put(in, &part->tags, (struct tw_text){"aws.xray.rule_name", 18});
    bool name = tw__json_is(&in->json, "sdk");
    size_t before = section.tags->count;
    int code = section_member(in, &section);
    if (name && section.tags->count > before) part->doc->sdk = section.tags->items[before].text;
    return code;
}

static int aws_member(struct tw__json_in *in, void *target)
{
    struct tw__xray_part_in *part = target;
    struct section section = {aws_members, &part->tags, "aws."};
    if (tw__json_is(&in->json, "xray")) return tw__json_in_object(in, sdk_member, part);
    for (size_t i = 0; i < sizeof platforms / sizeof *platforms; i++)
        if (tw__json_is(&in->json, platforms[i].name))
            return read_section(in, platforms[i].members, &part->doc->resource_tags, platforms[i].prefix);
    return section_member(in, &section);
}

int tw__xray_read_aws(struct tw__json_in *in, void *target)
{
    return tw__json_in_object(in, aws_member, target);
}

static int service_member(struct tw__json_in *in, void *target)
{
    struct tw__xray_part_in *part = target;
    struct section section = {service_members, &part->doc->resource_tags, NULL};
    return tw__json_is(&in->json, "name") ? tw__json_in_text(in, &part->doc->service) : section_member(in, &section);
}

int tw__xray_read_service(struct tw__json_in *in, void *target)
{
    return tw__json_in_object(in, service_member, target);
}

int tw__xray_read_origin(struct tw__json_in *in, void *target)
{
    struct tw__xray_part_in *part = target;
    struct tw__tag_list *tags = &part->doc->resource_tags;
    struct tw_text origin = {"", 0};
    int code = tw__json_in_text(in, &origin);
    if (code < 0 || origin.len == 0) return code;
    const char *platform = key_of(origins, origin);
    if (!platform) return tw__tag_list_text(in->pool, tags, "aws.xray.origin", origin);
    code = tw__tag_list_text(in->pool, tags, "cloud.provider", (struct tw_text){"aws", 3});
    return code < 0 ? code
                    : tw__tag_list_text(in->pool, tags, "cloud.platform", (struct tw_text){platform, strlen(platform)});
}

/* -- causes */

static int add_event(struct tw__json_in *in, struct tw__xray_part_in *part, const struct tw__span_event *event)
{
    if (part->span.event_count == TW__XRAY_PARTS_MAX) {
        part->span.dropped_events++;
        return 0;
    }
    if (tw__pool_grow(in->pool, &part->events, part->span.event_count, &part->event_cap, sizeof *event) < 0)
        return TW_ERR_MEMORY;
    part->events[part->span.event_count++] = *event;
    return 0;
}

struct exception {
    struct tw__xray_part_in *part;
    struct tw_text id, type, message, cause;
    bool remote;
    size_t frames;
};

struct frame {
    struct tw_text path, line, label;
};

static int frame_member(struct tw__json_in *in, void *target)
{
    struct frame *frame = target;
    if (tw__json_is(&in->json, "path")) return tw__json_in_text(in, &frame->path);
    if (tw__json_is(&in->json, "line")) return tw__json_in_text(in, &frame->line);
    return tw__json_is(&in->json, "label") ? tw__json_in_text(in, &frame->label) : tw__json_in_skip(in);
}

/* "label (path:line)", a line of the stack trace. */
static int stack_element(struct tw__json_in *in, void *target)
{
    struct exception *exception = target;
    struct tw__buf *out = &exception->part->doc->text;
    struct frame frame = {{"", 0}, {"", 0}, {"", 0}};
    int code = tw__json_in_object(in, frame_member, &frame);
    if (code < 0 || exception->frames == TW__XRAY_FRAMES_MAX) return code;
    if (exception->frames++) tw__buf_char(out, '\n');
    tw__buf_add(out, frame.label.ptr, frame.label.len);
    if (frame.path.len == 0) return 0;
    tw__buf_cstr(out, frame.label.len ? " (" : "(");
    tw__buf_add(out, frame.path.ptr, frame.path.len);
    if (frame.line.len) tw__buf_char(out, ':');
    tw__buf_add(out, frame.line.ptr, frame.line.len);
    tw__buf_char(out, ')');
    return 0;
}

static int exception_member(struct tw__json_in *in, void *target)
{
    struct exception *exception = target;
    if (tw__json_is(&in->json, "id")) return tw__json_in_text(in, &exception->id);
    if (tw__json_is(&in->json, "type")) return tw__json_in_text(in, &exception->type);
    if (tw__json_is(&in->json, "message")) return tw__json_in_text(in, &exception->message);
    if (tw__json_is(&in->json, "cause")) return tw__json_in_text(in, &exception->cause);
    if (tw__json_is(&in->json, "remote")) return tw__json_in_bool(in, &exception->remote);
    return tw__json_is(&in->json, "stack") ? tw__json_in_list(in, stack_element, exception) : tw__json_in_skip(in);
}

/* What our own exporter writes for a status without an exception. */
static bool is_status_only(const struct exception *exception)
{
    return exception->frames == 0 &&
           (tw__text_is(exception->type, "error") || tw__text_is(exception->type, "http_response_error"));
}

static int exception_tags(struct tw__pool *pool, const struct exception *exception, struct tw__tag_list *tags)
{
    const struct tw__buf *stack = &exception->part->doc->text;
    const struct {
        const char *key;
        struct tw_text text;
    } texts[] = {{"exception.type", exception->type},
                 {"exception.message", exception->message},
                 {"exception.stacktrace", {tw__pool_copy(pool, stack->ptr, stack->len), stack->len}},
                 {"aws.xray.exception.id", exception->id},
                 {"aws.xray.exception.cause", exception->cause}};
    int code = texts[2].text.ptr && !stack->failed ? 0 : TW_ERR_MEMORY;
    for (size_t i = 0; code == 0 && i < sizeof texts / sizeof *texts; i++)
        if (texts[i].text.len) code = tw__tag_list_text(pool, tags, texts[i].key, texts[i].text);
    struct tw_tag_value remote = {.key = {"aws.xray.exception.remote", 25}, .type = TW_TYPE_BOOL, .value.u = 1};
    return code == 0 && exception->remote ? tw__tag_list_add(pool, tags, &remote) : code;
}

static int exception_element(struct tw__json_in *in, void *target)
{
    struct tw__xray_part_in *part = target;
    const struct tw_text nothing = {"", 0};
    struct exception exception = {.part = part, .id = nothing, .type = nothing, .message = nothing, .cause = nothing};
    struct tw__tag_list tags = {.limit = 8};
    tw__buf_reset(&part->doc->text);
    int code = tw__json_in_object(in, exception_member, &exception);
    if (code < 0) return code;
    if (part->span.status_message.len == 0) part->span.status_message = exception.message;
    if (is_status_only(&exception)) return 0;
    code = exception_tags(in->pool, &exception, &tags);
    struct tw__span_event event = {
        .name = {"exception", 9}, .kind = TW_RECORD_EVENT, .tags = tags.items, .tag_count = (uint32_t)tags.count};
    return code < 0 ? code : add_event(in, part, &event);
}

static int cause_member(struct tw__json_in *in, void *target)
{
    struct tw__xray_part_in *part = target;
    struct section section = {(const struct member[]){{NULL, NULL}}, &part->tags, "aws.xray.cause."};
    if (tw__json_is(&in->json, "exceptions")) return tw__json_in_list(in, exception_element, part);
    return section_member(in, &section);
}

int tw__xray_read_cause(struct tw__json_in *in, void *target)
{
    struct tw__xray_part_in *part = target;
    if (tw__json_in_peek(in) == TW__JSON_STRING) return put(in, &part->tags, (struct tw_text){"cause", 5});
    return tw__json_in_object(in, cause_member, part);
}

/* -- annotations and metadata */

int tw__xray_read_annotations(struct tw__json_in *in, void *target)
{
    struct tw__xray_part_in *part = target;
    return tw__json_in_tags(in, &part->tags);
}

struct own_event {
    struct tw__span_event event;
    struct tw__tag_list tags;
};

static int own_event_member(struct tw__json_in *in, void *target)
{
    struct own_event *own = target;
    bool found;
    if (tw__json_is(&in->json, "name")) return tw__json_in_text(in, &own->event.name);
    if (tw__json_is(&in->json, "time")) return tw__xray_read_time(in, &own->event.time_ns, &found);
    if (tw__json_is(&in->json, "kind")) return put(in, &own->tags, (struct tw_text){"trackway.kind", 13});
    return tw__json_is(&in->json, "tags") ? tw__json_in_tags(in, &own->tags) : tw__json_in_skip(in);
}

static int own_event(struct tw__json_in *in, void *target)
{
    struct own_event own = {.event = {.name = {"", 0}, .kind = TW_RECORD_EVENT}, .tags = {.limit = 128}};
    int code = tw__json_in_object(in, own_event_member, &own);
    if (code < 0) return code;
    own.event.tags = own.tags.items;
    own.event.tag_count = (uint32_t)own.tags.count;
    own.event.dropped_tags = own.tags.dropped;
    return add_event(in, target, &own.event);
}

static int own_member(struct tw__json_in *in, void *target)
{
    struct tw__xray_part_in *part = target;
    struct tw_text key;
    if (tw__json_is(&in->json, "events")) return tw__json_in_list(in, own_event, part);
    if (tw__json_is(&in->json, "links")) return tw__xray_read_links(in, part);
    int code = tw__json_in_name(in, &key);
    return code < 0 ? code : tw__json_in_tag(in, &part->tags, key);
}

struct space {
    struct tw__xray_part_in *part;
    const char *prefix; /* NULL: none */
};

static int metadata_member(struct tw__json_in *in, void *target)
{
    const struct space *space = target;
    struct tw__tag_list *tags = &space->part->tags;
    struct tw_text key;
    int code = tw__json_in_name(in, &key);
    if (code < 0) return code;
    const char *prefix = space->prefix;
    char name[64];
    if (!prefix && key.len < sizeof name) { /* an annotation of that name stays what it is */
        memcpy(name, key.ptr, key.len);
        name[key.len] = '\0';
        if (tw__tag_find(tags->items, tags->count, name)) prefix = "aws.xray.metadata.default.";
    }
    if (prefix) key = tw__pool_join(in->pool, prefix, key);
    return key.ptr ? tw__json_in_tag(in, tags, key) : TW_ERR_MEMORY;
}

static int space_member(struct tw__json_in *in, void *target)
{
    struct tw__xray_part_in *part = target;
    struct space space = {.part = part};
    struct tw_text name;
    int code = tw__json_in_name(in, &name);
    if (code < 0) return code;
    bool object = tw__json_in_peek(in) == TW__JSON_OBJECT;
    if (object && tw__text_is(name, "trackway")) return tw__json_in_object(in, own_member, part);
    if (object && tw__text_is(name, "default")) return tw__json_in_object(in, metadata_member, &space);
    name = tw__pool_join(in->pool, "aws.xray.metadata.", name);
    if (!name.ptr) return TW_ERR_MEMORY;
    if (!object) return tw__json_in_tag(in, &part->tags, name);
    char *prefix = tw__pool_take(in->pool, name.len + 2, 1);
    if (!prefix) return TW_ERR_MEMORY;
    memcpy(prefix, name.ptr, name.len);
    memcpy(prefix + name.len, ".", 2);
    space.prefix = prefix;
    return tw__json_in_object(in, metadata_member, &space);
}

int tw__xray_read_metadata(struct tw__json_in *in, void *target)
{
    return tw__json_in_object(in, space_member, target);
}

/* -- links */

static int add_link(struct tw__json_in *in, struct tw__xray_part_in *part, const struct tw__span_link *link)
{
    if (part->span.link_count == TW__XRAY_PARTS_MAX) {
        part->span.dropped_links++;
        return 0;
    }
    if (tw__pool_grow(in->pool, &part->links, part->span.link_count, &part->link_cap, sizeof *link) < 0)
        return TW_ERR_MEMORY;
    part->links[part->span.link_count++] = *link;
    return 0;
}

struct link_in {
    struct tw__span_link link;
    struct tw__tag_list tags;
    bool has_trace, has_id;
};

static int link_member(struct tw__json_in *in, void *target)
{
    struct link_in *link = target;
    if (tw__json_is(&in->json, "id")) return tw__json_in_hex(in, link->link.span_id, 8, &link->has_id);
    if (tw__json_is(&in->json, "attributes")) return tw__json_in_tags(in, &link->tags);
    if (!tw__json_is(&in->json, "trace_id")) return tw__json_in_skip(in);
    struct tw_text text = {"", 0};
    int code = tw__json_in_text(in, &text);
    link->has_trace = tw__xray_read_trace_id(text, link->link.trace_id);
    return code;
}

static int link_element(struct tw__json_in *in, void *target)
{
    struct link_in link = {.link = {.trace_state = {"", 0}}, .tags = {.limit = 128}};
    int code = tw__json_in_object(in, link_member, &link);
    if (code < 0 || !link.has_id || !link.has_trace) return code;
    link.link.tags = link.tags.items;
    link.link.tag_count = (uint32_t)link.tags.count;
    link.link.dropped_tags = link.tags.dropped;
    return add_link(in, target, &link.link);
}

int tw__xray_read_links(struct tw__json_in *in, void *target)
{
    return tw__json_in_list(in, link_element, target);
}

/* The trace is known at the end: zero until then. */
static int precursor(struct tw__json_in *in, void *target)
{
    struct tw__span_link link = {.trace_state = {"", 0}};
    bool found;
    int code = tw__json_in_hex(in, link.span_id, 8, &found);
    return code < 0 || !found ? code : add_link(in, target, &link);
}

int tw__xray_read_precursors(struct tw__json_in *in, void *target)
{
    return tw__json_in_list(in, precursor, target);
}
