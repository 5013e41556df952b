/* traceql: see the header. What stands between and behind the braces: expressions of spansets by two stacks, then one
 * stage after the other, then at most one metric. Braces are traceql_filter's.
 */
#include "query/traceql.h"

#include <string.h>

#include "base/number.h"
#include "filter/filter.h"
#include "model/text.h"
#include "query/traceql_read.h"

enum { STACK_MAX = 2 * TW__TRACEQL_NODES };

/* -- expressions of spansets */

struct sign {
    const char *text;
    uint8_t op;
    bool negated, of_both;
};

/* Longer ones first. */
static const struct sign signs[] = {
    {"&>>", TW__SPANSET_DESCENDANT, false, true}, {"&<<", TW__SPANSET_ANCESTOR, false, true},
    {"&&", TW__SPANSET_AND, false, false},        {"||", TW__SPANSET_OR, false, false},
    {"&>", TW__SPANSET_CHILD, false, true},       {"&<", TW__SPANSET_PARENT, false, true},
    {"&~", TW__SPANSET_SIBLING, false, true},     {"!>>", TW__SPANSET_DESCENDANT, true, false},
    {"!<<", TW__SPANSET_ANCESTOR, true, false},   {"!>", TW__SPANSET_CHILD, true, false},
    {"!<", TW__SPANSET_PARENT, true, false},      {"!~", TW__SPANSET_SIBLING, true, false},
    {">>", TW__SPANSET_DESCENDANT, false, false}, {"<<", TW__SPANSET_ANCESTOR, false, false},
    {">", TW__SPANSET_CHILD, false, false},       {"<", TW__SPANSET_PARENT, false, false},
    {"~", TW__SPANSET_SIBLING, false, false},
};

static const struct sign *read_sign(struct tw__traceql_reader *r)
{
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (tw__traceql_take(r, signs[i].text)) return &signs[i];
    return NULL;
}

struct expression {
    const struct sign *signs[STACK_MAX]; /* NULL: an open parenthesis */
    uint8_t operands[STACK_MAX];
    unsigned sign_count, operand_count;
};

static int add_node(struct tw__traceql_reader *r, struct tw__spanset_node node, uint8_t *out)
{
    if (r->out->node_count == TW__TRACEQL_NODES) return tw__traceql_refuse(r, r->at, "too many spansets");
    *out = (uint8_t)r->out->node_count;
    r->out->nodes[r->out->node_count++] = node;
    return 0;
}

static int reduce(struct tw__traceql_reader *r, struct expression *e)
{
    const struct sign *sign = e->signs[--e->sign_count];
    uint8_t b = e->operands[--e->operand_count], a = e->operands[e->operand_count - 1];
    struct tw__spanset_node node = {sign->op, a, b, sign->negated, sign->of_both};
    return add_node(r, node, &e->operands[e->operand_count - 1]);
}

static bool is_structure(const struct sign *sign)
{
    return sign->op > TW__SPANSET_OR;
}

static int add_filter(struct tw__traceql_reader *r, uint8_t *node)
{
    unsigned filter = r->out->filter_count;
    if (filter == TW__TRACEQL_FILTERS) return tw__traceql_refuse(r, r->at, "too many spansets");
    int code = tw__traceql_read_filter(r, &r->out->filters[filter]);
    if (code < 0) return code;
    r->out->filter_count++;
    return add_node(r, (struct tw__spanset_node){TW__SPANSET_FILTER, (uint8_t)filter, 0, false, false}, node);
}

/* Parentheses and a spanset. */
static int read_operand(struct tw__traceql_reader *r, struct expression *e)
{
    while (tw__traceql_take(r, "(")) {
        if (e->sign_count == STACK_MAX) return tw__traceql_refuse(r, r->at, "too many parentheses");
        e->signs[e->sign_count++] = NULL;
    }
    if (e->operand_count == STACK_MAX) return tw__traceql_refuse(r, r->at, "too many spansets");
    int code = add_filter(r, &e->operands[e->operand_count]);
    e->operand_count += code == 0;
    return code;
}

static int read_closing(struct tw__traceql_reader *r, struct expression *e)
{
    int code = 0;
    while (code == 0 && tw__traceql_take(r, ")")) {
        while (code == 0 && e->sign_count && e->signs[e->sign_count - 1]) code = reduce(r, e);
        if (code == 0 && e->sign_count == 0) return tw__traceql_refuse(r, r->at, "a parenthesis too many");
        if (code == 0) e->sign_count--;
    }
    return code;
}

static int add_stage(struct tw__traceql_reader *r, struct tw__traceql_stage stage)
{
    if (r->out->stage_count == TW__TRACEQL_STAGES) return tw__traceql_refuse(r, r->at, "too many functions");
    r->out->stages[r->out->stage_count++] = stage;
    return 0;
}

static int read_spansets(struct tw__traceql_reader *r)
{
    struct expression e = {.sign_count = 0};
    unsigned first = r->out->node_count;
    int code = 0;
    for (;;) {
        code = read_operand(r, &e);
        if (code == 0) code = read_closing(r, &e);
        if (code < 0) return code;
        const struct sign *sign = read_sign(r);
        if (!sign) break;
        while (code == 0 && e.sign_count && e.signs[e.sign_count - 1] &&
               (is_structure(e.signs[e.sign_count - 1]) || !is_structure(sign)))
            code = reduce(r, &e);
        if (code < 0) return code;
        if (e.sign_count == STACK_MAX) return tw__traceql_refuse(r, r->at, "too many spansets");
        e.signs[e.sign_count++] = sign;
    }
    while (code == 0 && e.sign_count) {
        if (!e.signs[e.sign_count - 1]) {
            tw__traceql_space(r);
            if (r->at < r->len && r->text[r->at] == '|')
                return tw__traceql_refuse(r, r->at,
                                          "functions inside parentheses are not there; they follow the spansets");
            return tw__traceql_refuse(r, r->at, ") is expected");
        }
        code = reduce(r, &e);
    }
    if (code < 0) return code;
    return add_stage(
        r, (struct tw__traceql_stage){.kind = TW__TRACEQL_SPANSETS, .first = (uint8_t)first, .node = e.operands[0]});
}

/* Functions may come without a spanset: { }. */
static int add_all(struct tw__traceql_reader *r)
{
    uint8_t node = 0;
    r->out->filters[r->out->filter_count] = (struct tw_text){"", 0};
    int code = add_node(
        r, (struct tw__spanset_node){TW__SPANSET_FILTER, (uint8_t)r->out->filter_count++, 0, false, false}, &node);
    return code < 0 ? code : add_stage(r, (struct tw__traceql_stage){.kind = TW__TRACEQL_SPANSETS, .node = node});
}

/* -- functions */

static int expect(struct tw__traceql_reader *r, const char *sign, const char *what)
{
    return tw__traceql_take(r, sign) ? 0 : tw__traceql_refuse(r, r->at, what);
}

static uint8_t orders_of(const char *op)
{
    if (*op == '<') return op[1] ? TW__FILTER_IF_LESS | TW__FILTER_IF_EQUAL : TW__FILTER_IF_LESS;
    if (*op == '>') return op[1] ? TW__FILTER_IF_GREATER | TW__FILTER_IF_EQUAL : TW__FILTER_IF_GREATER;
    return *op == '=' ? TW__FILTER_IF_EQUAL : TW__FILTER_IF_LESS | TW__FILTER_IF_GREATER;
}

/* count() > 2, avg(duration) >= 20ms */
static int read_aggregate(struct tw__traceql_reader *r, enum tw__traceql_aggregate aggregate)
{
    struct tw__traceql_stage stage = {.kind = TW__TRACEQL_AGGREGATE, .aggregate = (uint8_t)aggregate};
    struct tw__traceql_number number;
    int code = expect(r, "(", "( is expected");
    if (code == 0 && aggregate != TW__TRACEQL_AGG_COUNT) code = tw__traceql_read_field(r, &stage.field);
    if (code == 0)
        code = expect(r, ")",
                      aggregate == TW__TRACEQL_AGG_COUNT ? "count() is expected" : ") is expected; of one attribute");
    if (code < 0) return code;
    tw__traceql_space(r);
    size_t begin = r->at;
    const char *op = tw__traceql_read_operator(r);
    if (!op || strchr(op, '~')) return tw__traceql_refuse(r, begin, "a comparison is expected: = != < <= > >=");
    code = tw__traceql_read_number(r, &number);
    if (code < 0) return code;
    stage.orders = orders_of(op);
    stage.number = number.value;
    return add_stage(r, stage);
}

static int read_by(struct tw__traceql_reader *r)
{
    struct tw__traceql_stage stage = {.kind = TW__TRACEQL_BY};
    int code = expect(r, "(", "( is expected");
    if (code == 0) code = tw__traceql_read_field(r, &stage.field);
    if (code == 0) tw__traceql_note(r);
    if (code == 0) code = expect(r, ")", ") is expected; by one attribute, as in Tempo, but of metrics by several");
    return code < 0 ? code : add_stage(r, stage);
}

/* select(a, b): answered beside each span, so it is only noted. */
static int read_select(struct tw__traceql_reader *r)
{
    int code = expect(r, "(", "( is expected");
    while (code == 0) {
        size_t begin = r->at;
        uint8_t field;
        code = tw__traceql_read_name(r);
        struct tw_text word = {r->word.ptr, r->word.len};
        if (code < 0) return code;
        if (tw__text_is(word, "nestedSetParent") || tw__text_is(word, "nestedSetLeft") ||
            tw__text_is(word, "nestedSetRight")) {
            r->out->places = true;
        } else {
            r->at = begin;
            code = tw__traceql_read_field(r, &field);
            if (code < 0) return code;
            r->out->field_count--; /* known; nothing else is needed of it */
        }
        tw__traceql_note(r);
        if (tw__traceql_take(r, ")")) return 0;
        code = expect(r, ",", ", or ) is expected");
    }
    return code;
}

/* -- metrics */

static int read_quantiles(struct tw__traceql_reader *r)
{
    struct tw__traceql_number number;
    while (tw__traceql_take(r, ",")) {
        size_t begin = r->at;
        int code = tw__traceql_read_number(r, &number);
        if (code < 0) return code;
        if (!(number.value >= 0 && number.value <= 1))
            return tw__traceql_refuse(r, begin, "a quantile is a number from 0 to 1");
        if (r->out->metric.quantile_count == TW__TRACEQL_QUANTILES)
            return tw__traceql_refuse(r, begin, "too many quantiles");
        r->out->metric.quantiles[r->out->metric.quantile_count++] = number.value;
    }
    return r->out->metric.quantile_count ? 0 : tw__traceql_refuse(r, r->at, "a quantile is expected: , .9");
}

static int read_whole(struct tw__traceql_reader *r, uint64_t *out)
{
    struct tw__traceql_number number;
    struct tw__field exact;
    tw__traceql_space(r);
    size_t begin = r->at;
    int code = tw__traceql_read_number(r, &number);
    if (code < 0) return code;
    if (number.plain.len == 0 || !tw__number_read(number.plain.ptr, number.plain.len, &exact) ||
        exact.type != TW__FIELD_INT || exact.i <= 0)
        return tw__traceql_refuse(r, begin, "a whole number above 0 is expected");
    *out = exact.u;
    return 0;
}

/* compare({selection}, most, since, until) */
static int read_compare(struct tw__traceql_reader *r)
{
    r->out->metric.most = 10;
    int code = tw__traceql_read_filter(r, &r->out->metric.selection);
    if (code == 0 && tw__traceql_take(r, ",")) code = read_whole(r, &r->out->metric.most);
    if (code == 0 && tw__traceql_take(r, ",")) {
        code = read_whole(r, &r->out->metric.since_ns);
        if (code == 0) code = expect(r, ",", "when the selection ends is expected");
        if (code == 0) code = read_whole(r, &r->out->metric.until_ns);
    }
    return code;
}

static int read_metric_by(struct tw__traceql_reader *r)
{
    int code = expect(r, "(", "( is expected");
    while (code == 0) {
        if (r->out->metric.by_count == TW__TRACEQL_BY_MAX)
            return tw__traceql_refuse(r, r->at, "by: more than 5 attributes");
        code = tw__traceql_read_field(r, &r->out->metric.by[r->out->metric.by_count]);
        if (code < 0) return code;
        r->out->metric.by_count++;
        if (tw__traceql_take(r, ")")) return 0;
        code = expect(r, ",", ", or ) is expected");
    }
    return code;
}

static int read_metric(struct tw__traceql_reader *r, enum tw__traceql_function function)
{
    bool fieldless = function == TW__TRACEQL_RATE || function == TW__TRACEQL_COUNT || function == TW__TRACEQL_COMPARE;
    r->out->metric.function = function;
    int code = expect(r, "(", "( is expected");
    if (code == 0 && !fieldless) {
        code = tw__traceql_read_field(r, &r->out->metric.field);
        if (code < 0) return code;
        r->out->metric.has_field = !tw__text_is(r->out->fields[r->out->metric.field].keys[0], "duration");
    }
    if (code == 0 && function == TW__TRACEQL_QUANTILE) code = read_quantiles(r);
    if (code == 0 && function == TW__TRACEQL_COMPARE) code = read_compare(r);
    if (code == 0) code = expect(r, ")", ") is expected");
    if (code == 0 && function != TW__TRACEQL_COMPARE && tw__traceql_take_word(r, "by")) code = read_metric_by(r);
    return code;
}

/* | topk(10), and what may not follow a metric. */
static int read_second(struct tw__traceql_reader *r)
{
    uint64_t keep = 0;
    bool smallest = false;
    tw__traceql_space(r);
    if (r->out->metric.keep) return tw__traceql_refuse(r, r->at, "one topk() or bottomk(), not several");
    if (!tw__traceql_take_word(r, "topk") && !(smallest = tw__traceql_take_word(r, "bottomk")))
        return tw__traceql_refuse(r, r->at, "behind a metric there are topk() and bottomk()");
    int code = expect(r, "(", "( is expected");
    if (code == 0) code = read_whole(r, &keep);
    if (code == 0) code = expect(r, ")", ") is expected");
    if (code < 0) return code;
    r->out->metric.keep = keep < 1000000 ? (unsigned)keep : 1000000;
    r->out->metric.keep_smallest = smallest;
    return 0;
}

/* -- all of it */

static const struct {
    const char *name;
    enum tw__traceql_aggregate aggregate;
} aggregates[] = {{"count", TW__TRACEQL_AGG_COUNT},
                  {"sum", TW__TRACEQL_AGG_SUM},
                  {"avg", TW__TRACEQL_AGG_AVG},
                  {"min", TW__TRACEQL_AGG_MIN},
                  {"max", TW__TRACEQL_AGG_MAX}};

static const struct {
    const char *name;
    enum tw__traceql_function function;
} functions[] = {{"rate", TW__TRACEQL_RATE},
                 {"count_over_time", TW__TRACEQL_COUNT},
                 {"quantile_over_time", TW__TRACEQL_QUANTILE},
                 {"histogram_over_time", TW__TRACEQL_HISTOGRAM},
                 {"min_over_time", TW__TRACEQL_MIN},
                 {"max_over_time", TW__TRACEQL_MAX},
                 {"avg_over_time", TW__TRACEQL_AVG},
                 {"sum_over_time", TW__TRACEQL_SUM},
                 {"compare", TW__TRACEQL_COMPARE}};

static bool spanset_follows(struct tw__traceql_reader *r)
{
    tw__traceql_space(r);
    return r->at < r->len && (r->text[r->at] == '{' || r->text[r->at] == '(');
}

static int read_stage(struct tw__traceql_reader *r)
{
    if (spanset_follows(r)) return read_spansets(r);
    size_t begin = r->at;
    if (r->out->stage_count == 0) {
        int code = add_all(r);
        if (code < 0) return code;
    }
    if (tw__traceql_take_word(r, "select")) return read_select(r);
    if (tw__traceql_take_word(r, "by")) return read_by(r);
    if (tw__traceql_take_word(r, "coalesce")) {
        int code = expect(r, "(", "( is expected");
        if (code == 0) code = expect(r, ")", ") is expected");
        return code < 0 ? code : add_stage(r, (struct tw__traceql_stage){.kind = TW__TRACEQL_COALESCE});
    }
    for (size_t i = 0; i < sizeof aggregates / sizeof *aggregates; i++)
        if (tw__traceql_take_word(r, aggregates[i].name)) return read_aggregate(r, aggregates[i].aggregate);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (tw__traceql_take_word(r, functions[i].name)) return read_metric(r, functions[i].function);
    return tw__traceql_refuse(
        r, begin,
        "a spanset { } or a function is expected: select, by, coalesce, count, sum, avg, min, max; "
        "rate, count_over_time, .._over_time, compare");
}

/* with (most_recent=true): hints change how Tempo looks, not for what; here the newest come first anyway. */
static int read_hints(struct tw__traceql_reader *r)
{
    int code = expect(r, "(", "( is expected");
    while (code == 0 && r->at < r->len && r->text[r->at] != ')') r->at++;
    return code < 0 ? code : expect(r, ")", ") is expected");
}

static int read_query(struct tw__traceql_reader *r)
{
    bool metric = false;
    int code = read_stage(r);
    while (code == 0 && tw__traceql_take(r, "|")) {
        metric = r->out->metric.function != TW__TRACEQL_NONE;
        code = metric ? read_second(r) : read_stage(r);
    }
    if (code == 0 && tw__traceql_take_word(r, "with")) code = read_hints(r);
    tw__traceql_space(r);
    if (code == 0 && r->at != r->len) {
        bool compared = r->out->metric.function != TW__TRACEQL_NONE && strchr("=!<>+-*/", r->text[r->at]);
        code = tw__traceql_refuse(
            r, r->at,
            compared ? "metrics are not compared or computed with here; a threshold can be drawn where they are shown"
                     : "spansets, then | and functions");
    }
    return code;
}

int tw__traceql_parse(const char *text, size_t len, struct tw__traceql *out, struct tw__refusal *refusal)
{
    *out = (struct tw__traceql){.filter_count = 0};
    *refusal = (struct tw__refusal){0};
    struct tw__traceql_reader r = {.text = text, .len = len, .out = out, .refusal = refusal};
    if (len > TW__FILTER_TEXT_MAX) {
        (void)tw__refuse(refusal, TW_ERR_SPACE, TW__FILTER_TEXT_MAX, "longer than %d bytes", TW__FILTER_TEXT_MAX);
        return TW_ERR_SPACE;
    }
    tw__traceql_space(&r);
    int code = r.at == len ? add_all(&r) : read_query(&r);
    if (code == 0 && (out->named.failed || r.word.failed)) code = TW_ERR_MEMORY;
    tw__buf_fini(&r.filter);
    tw__buf_fini(&r.word);
    tw__buf_fini(&r.key);
    if (code == TW_ERR_MEMORY) (void)tw__refuse(refusal, code, 0, "out of memory");
    return code;
}

void tw__traceql_fini(struct tw__traceql *traceql)
{
    tw__pool_fini(&traceql->pool);
    tw__buf_fini(&traceql->named);
}

bool tw__traceql_is_filter(const struct tw__traceql *traceql)
{
    return traceql->stage_count == 1 && traceql->node_count == 1 && !traceql->places;
}
