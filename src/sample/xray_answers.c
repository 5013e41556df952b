/* xray_answers: the two documents of central sampling.
 *
 * One member table for each kind of object, one loop that fills a struct by it; null is as good as missing, and so is a
 * value of another type than the table says (a service that sends "5" for 5 loses a rule, not the sampler). Members
 * that are not in the table are skipped, so that SamplingRateBoost and what may follow do no harm. Names are compared
 * as written, as AWS writes them.
 * Invariant: values are handed on one object at a time, and only from objects that were read to their end. Strings of
 * one object live in the frame until they are handed on. Times come as numbers with fractions ("1.795225842E9"), as
 * every JSON answer of AWS; an ISO text is not sent by this API.
 */
#include "sample/xray_answers.h"

#include <string.h>

enum kind { TEXT, NUMBER, OBJECT_EMPTY };

struct member {
    const char *name;
    enum kind kind;
};

enum { MEMBERS_MAX = 12, TEXTS_MAX = 3 * 1024 };

/* One object: the values of its table's members. */
struct object {
    struct value {
        bool given;
        struct tw_text text;
        double number;
    } values[MEMBERS_MAX];
    char texts[TEXTS_MAX]; /* copies, so that they outlive the event */
    size_t used;
};

struct parser {
    struct tw__json_reader json;
    struct tw__problem *problem;
    const char *field;
    char scratch[TW__ANSWER_TEXT_MAX];
};

static void begin(struct parser *p, const char *text, size_t len, struct tw__problem *problem)
{
    p->problem = problem;
    p->field = "";
    p->json = (struct tw__json_reader){.text = text,
                                       .len = len,
                                       .last = true,
                                       .depth_max = 32,
                                       .scratch = p->scratch,
                                       .scratch_cap = sizeof p->scratch};
}

static int refuse(struct parser *p, enum tw__json_event event, const char *why)
{
    if (event == TW__JSON_BAD) return tw__problem_json(p->problem, &p->json, p->field);
    return tw__problem_set(p->problem, &p->json, TW_ERR_SYNTAX, p->json.from, p->field, why);
}

static int skip(struct parser *p)
{
    return tw__json_skip(&p->json) == TW__JSON_BAD ? refuse(p, TW__JSON_BAD, "") : 0;
}

/* The value of a member, kept if it is what the table says. */
static int read_value(struct parser *p, enum kind kind, struct object *object, struct value *value)
{
    enum tw__json_event event = tw__json_read(&p->json);
    value->given = false;
    if (event == TW__JSON_BAD) return refuse(p, event, "");
    if (event == TW__JSON_NUMBER && kind == NUMBER) {
        value->given = true;
        value->number = p->json.f64;
    }
    if (event == TW__JSON_STRING && kind == TEXT && p->json.string.len <= sizeof object->texts - object->used) {
        value->given = true;
        value->text = (struct tw_text){object->texts + object->used, p->json.string.len};
        if (value->text.len) memcpy(object->texts + object->used, p->json.string.ptr, value->text.len);
        object->used += value->text.len;
    }
    if (event == TW__JSON_OBJECT && kind == OBJECT_EMPTY) {
        event = tw__json_read(&p->json);
        value->given = event != TW__JSON_OBJECT_END; /* "given" when there is something in it */
        if (event == TW__JSON_OBJECT_END) return 0;
        if (event == TW__JSON_BAD) return refuse(p, event, "");
        return tw__json_leave(&p->json) == TW__JSON_BAD ? refuse(p, TW__JSON_BAD, "") : 0;
    }
    if (event == TW__JSON_OBJECT || event == TW__JSON_ARRAY)
        return tw__json_leave(&p->json) == TW__JSON_BAD ? refuse(p, TW__JSON_BAD, "") : 0;
    return 0;
}

/* The rest of an object whose beginning has been read. */
static int read_object(struct parser *p, const struct member *members, struct object *object)
{
    memset(object->values, 0, sizeof object->values);
    object->used = 0;
    for (;;) {
        enum tw__json_event event = tw__json_read(&p->json);
        if (event == TW__JSON_OBJECT_END) return 0;
        if (event != TW__JSON_NAME) return refuse(p, event, "a member is due");
        size_t i = 0;
        while (members[i].name && !tw__json_is(&p->json, members[i].name)) i++;
        int result = members[i].name ? read_value(p, members[i].kind, object, &object->values[i]) : skip(p);
        if (result < 0) return result;
    }
}

/* Calls each for the objects of an array; null and other values are passed over. */
static int read_array(struct parser *p, int (*each)(struct parser *p, void *data), void *data)
{
    enum tw__json_event event = tw__json_read(&p->json);
    if (event == TW__JSON_NULL) return 0;
    if (event != TW__JSON_ARRAY) return refuse(p, event, "must be an array");
    for (;;) {
        event = tw__json_read(&p->json);
        int result = 0;
        if (event == TW__JSON_ARRAY_END) return 0;
        if (event == TW__JSON_BAD) return refuse(p, event, "");
        if (event == TW__JSON_OBJECT) result = each(p, data);
        if (event == TW__JSON_ARRAY && tw__json_leave(&p->json) == TW__JSON_BAD) return refuse(p, TW__JSON_BAD, "");
        if (result != 0) return result;
    }
}

static int at_end(struct parser *p)
{
    enum tw__json_event event = tw__json_read(&p->json);
    return event == TW__JSON_DONE ? 0 : refuse(p, event, "something follows after the end");
}

static uint32_t whole(double value, uint32_t most)
{
    return value > 0 ? value < most ? (uint32_t)value : most : 0;
}

/* -- rules */

enum rule_member { NAME, SERVICE, TYPE, HOST, METHOD, PATH, PRIORITY, RESERVOIR, RATE, VERSION, ARN, ATTRIBUTES };

static const struct member rule_members[] = {
    {"RuleName", TEXT},    {"ServiceName", TEXT}, {"ServiceType", TEXT}, {"Host", TEXT},
    {"HTTPMethod", TEXT},  {"URLPath", TEXT},     {"Priority", NUMBER},  {"ReservoirSize", NUMBER},
    {"FixedRate", NUMBER}, {"Version", NUMBER},   {"ResourceARN", TEXT}, {"Attributes", OBJECT_EMPTY},
    {NULL, TEXT},
};

static bool is(struct tw_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.ptr, word, text.len) == 0;
}

static int take_rule(struct tw__rules_page *page, const struct object *object)
{
    const struct value *v = object->values;
    bool named = v[NAME].given && v[NAME].text.len > 0 && v[NAME].text.len <= TW__RULE_NAME_MAX;
    bool numbered =
        v[RESERVOIR].given && v[RATE].given && v[RATE].number >= 0 && v[RATE].number <= 1 && v[RESERVOIR].number >= 0;
    bool all = named && is(v[NAME].text, "Default");
    bool matchers =
        v[SERVICE].given && v[TYPE].given && v[HOST].given && v[METHOD].given && v[PATH].given && v[PRIORITY].given;
    bool ours =
        v[VERSION].given && v[VERSION].number == 1 && v[ARN].given && is(v[ARN].text, "*") && !v[ATTRIBUTES].given;
    if (!named || !numbered || !ours || !(all || matchers)) {
        page->ignored++;
        return 0;
    }
    struct tw__rule_record rule = {
        .name = v[NAME].text,
        .service = v[SERVICE].text,
        .service_type = v[TYPE].text,
        .host = v[HOST].text,
        .method = v[METHOD].text,
        .path = v[PATH].text,
        .priority = v[PRIORITY].given ? whole(v[PRIORITY].number, UINT32_MAX) : 10000,
        .reservoir = whole(v[RESERVOIR].number, INT32_MAX),
        .rate = v[RATE].number,
    };
    return page->rule(page->data, &rule);
}

/* A record: {"SamplingRule": {...}, "CreatedAt": ...}. */
static int read_record(struct parser *p, void *data)
{
    struct tw__rules_page *page = data;
    struct object object;
    for (;;) {
        enum tw__json_event event = tw__json_read(&p->json);
        if (event == TW__JSON_OBJECT_END) return 0;
        if (event != TW__JSON_NAME) return refuse(p, event, "a member is due");
        int result = 0;
        if (!tw__json_is(&p->json, "SamplingRule")) {
            result = skip(p);
        } else if ((event = tw__json_read(&p->json)) == TW__JSON_OBJECT) {
            result = read_object(p, rule_members, &object);
            if (result == 0) result = take_rule(page, &object);
        } else if (event == TW__JSON_BAD) {
            result = refuse(p, event, "");
        } else if (event == TW__JSON_ARRAY && tw__json_leave(&p->json) == TW__JSON_BAD) {
            result = refuse(p, TW__JSON_BAD, "");
        }
        if (result != 0) return result;
    }
}

static int read_token(struct parser *p, struct tw__rules_page *page)
{
    enum tw__json_event event = tw__json_read(&p->json);
    if (event == TW__JSON_NULL) return 0;
    if (event != TW__JSON_STRING) return refuse(p, event, "must be a string");
    struct tw_text token = p->json.string;
    if (token.len >= sizeof page->next_token || (token.len && memchr(token.ptr, 0, token.len)))
        return tw__problem_set(p->problem, &p->json, TW_ERR_SPACE, p->json.from, p->field, "too long");
    memcpy(page->next_token, token.ptr, token.len);
    page->next_token[token.len] = 0;
    return 0;
}

int tw__rules_page_parse(const char *text, size_t len, struct tw__rules_page *page, struct tw__problem *problem)
{
    struct parser p;
    bool records = false;
    begin(&p, text, len, problem);
    page->next_token[0] = 0;
    page->ignored = 0;
    enum tw__json_event event = tw__json_read(&p.json);
    if (event != TW__JSON_OBJECT) return refuse(&p, event, "must be an object");
    while ((event = tw__json_read(&p.json)) == TW__JSON_NAME) {
        int result;
        if (tw__json_is(&p.json, "SamplingRuleRecords")) {
            p.field = "SamplingRuleRecords";
            records = true;
            result = read_array(&p, read_record, page);
        } else if (tw__json_is(&p.json, "NextToken")) {
            p.field = "NextToken";
            result = read_token(&p, page);
        } else {
            result = skip(&p);
        }
        if (result != 0) return result;
        p.field = "";
    }
    if (event != TW__JSON_OBJECT_END) return refuse(&p, event, "a member is due");
    if (!records) return refuse(&p, event, "\"SamplingRuleRecords\" is missing");
    return at_end(&p);
}

/* -- targets */

enum target_member { T_NAME, T_RATE, T_QUOTA, T_TTL, T_INTERVAL };

static const struct member target_members[] = {
    {"RuleName", TEXT},   {"FixedRate", NUMBER}, {"ReservoirQuota", NUMBER}, {"ReservoirQuotaTTL", NUMBER},
    {"Interval", NUMBER}, {NULL, TEXT},
};

enum unprocessed_member { U_NAME, U_CODE };

static const struct member unprocessed_members[] = {{"RuleName", TEXT}, {"ErrorCode", TEXT}, {NULL, TEXT}};

static int read_target(struct parser *p, void *data)
{
    struct tw__targets_answer *answer = data;
    struct object object;
    int result = read_object(p, target_members, &object);
    const struct value *v = object.values;
    if (result < 0 || !v[T_NAME].given) return result;
    struct tw__target target = {
        .name = v[T_NAME].text,
        .has_rate = v[T_RATE].given && v[T_RATE].number >= 0 && v[T_RATE].number <= 1,
        .has_quota = v[T_QUOTA].given && v[T_QUOTA].number >= 0,
        .has_ttl = v[T_TTL].given && v[T_TTL].number >= 0,
        .has_interval = v[T_INTERVAL].given && v[T_INTERVAL].number >= 1,
        .rate = v[T_RATE].number,
        .quota = whole(v[T_QUOTA].number, INT32_MAX),
        .ttl_s = whole(v[T_TTL].number, UINT32_MAX),
        .interval_s = whole(v[T_INTERVAL].number, INT32_MAX),
    };
    answer->target(answer->data, &target);
    return 0;
}

static int read_unprocessed(struct parser *p, void *data)
{
    struct tw__targets_answer *answer = data;
    struct object object;
    int result = read_object(p, unprocessed_members, &object);
    if (result == 0 && object.values[U_NAME].given)
        answer->unprocessed(answer->data, object.values[U_NAME].text, object.values[U_CODE].text);
    return result;
}

static int read_modified(struct parser *p, struct tw__targets_answer *answer)
{
    enum tw__json_event event = tw__json_read(&p->json);
    if (event == TW__JSON_NUMBER) answer->modified_s = whole(p->json.f64, UINT32_MAX);
    if (event == TW__JSON_OBJECT || event == TW__JSON_ARRAY) event = tw__json_leave(&p->json);
    return event == TW__JSON_BAD ? refuse(p, event, "") : 0;
}

int tw__targets_parse(const char *text, size_t len, struct tw__targets_answer *answer, struct tw__problem *problem)
{
    struct parser p;
    bool documents = false;
    begin(&p, text, len, problem);
    answer->modified_s = 0;
    enum tw__json_event event = tw__json_read(&p.json);
    if (event != TW__JSON_OBJECT) return refuse(&p, event, "must be an object");
    while ((event = tw__json_read(&p.json)) == TW__JSON_NAME) {
        int result;
        if (tw__json_is(&p.json, "SamplingTargetDocuments")) {
            p.field = "SamplingTargetDocuments";
            documents = true;
            result = read_array(&p, read_target, answer);
        } else if (tw__json_is(&p.json, "UnprocessedStatistics")) {
            p.field = "UnprocessedStatistics";
            result = read_array(&p, read_unprocessed, answer);
        } else if (tw__json_is(&p.json, "LastRuleModification")) {
            p.field = "LastRuleModification";
            result = read_modified(&p, answer);
        } else {
            result = skip(&p);
        }
        if (result != 0) return result;
        p.field = "";
    }
    if (event != TW__JSON_OBJECT_END) return refuse(&p, event, "a member is due");
    if (!documents) return refuse(&p, event, "\"SamplingTargetDocuments\" is missing");
    return at_end(&p);
}
