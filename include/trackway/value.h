#ifndef TRACKWAY_VALUE_H
#define TRACKWAY_VALUE_H

/* Values: what an entrypoint is given and gives, with its type, nested as deep as it is.
 *
 *     struct tw_value items[] = {TW_VALUE(17), TW_VALUE("apple")};
 *     struct tw_value args[] = {TW_ARG("user", user_id), TW_ARG("password", password), TW_ARG_LIST("items", items, 2)};
 *
 * A plain value without memory of its own: texts, maps and lists are borrowed until the call that takes it returns. */

#include <trackway/span.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tw_value_kind {
    TW_VALUE_NULL = 0,
    TW_VALUE_BOOL,
    TW_VALUE_INT,
    TW_VALUE_UINT,
    TW_VALUE_DOUBLE,
    TW_VALUE_STR,     /* UTF-8; what is not is repaired */
    TW_VALUE_BYTES,   /* shown as UTF-8 where it is that, other bytes as \xNN */
    TW_VALUE_MAP,     /* members with keys */
    TW_VALUE_LIST,    /* elements; their keys are not looked at */
    TW_VALUE_HEADERS, /* a map of headers: names are shown in small letters with _ for -, and some values never */
    TW_VALUE_JSON     /* one JSON text, shown as what it says; one that is no JSON is not shown at all */
};

struct tw_value {
    const char *key; /* of an argument or a member; NULL: none */
    enum tw_value_kind kind;
    size_t len; /* bytes of STR, BYTES, JSON; members or elements of MAP, HEADERS, LIST */
    union {
        uint64_t u;
        int64_t i;
        bool b;
        double d;
        const void *p;
        const struct tw_value *items;
    } as;
};

TW__INLINE struct tw_value tw__value_make(const char *key, enum tw_value_kind kind, const void *p, size_t len)
{
    struct tw_value value = {key, p || len == 0 ? kind : TW_VALUE_NULL, len, {0}};
    value.as.p = p;
    return value;
}

TW__INLINE struct tw_value tw_value_null(const char *key)
{
    return tw__value_make(key, TW_VALUE_NULL, TW__NULL, 0);
}

TW__INLINE struct tw_value tw_value_bool(const char *key, bool b)
{
    struct tw_value value = tw__value_make(key, TW_VALUE_BOOL, TW__NULL, 0);
    value.as.b = b;
    return value;
}

TW__INLINE struct tw_value tw_value_int(const char *key, int64_t i)
{
    struct tw_value value = tw__value_make(key, TW_VALUE_INT, TW__NULL, 0);
    value.as.i = i;
    return value;
}

TW__INLINE struct tw_value tw_value_uint(const char *key, uint64_t u)
{
    struct tw_value value = tw__value_make(key, TW_VALUE_UINT, TW__NULL, 0);
    value.as.u = u;
    return value;
}

TW__INLINE struct tw_value tw_value_double(const char *key, double d)
{
    struct tw_value value = tw__value_make(key, TW_VALUE_DOUBLE, TW__NULL, 0);
    value.as.d = d;
    return value;
}

/* text NULL: null. */
TW__INLINE struct tw_value tw_value_str(const char *key, const char *text)
{
    return tw__value_make(key, text ? TW_VALUE_STR : TW_VALUE_NULL, text, text ? strlen(text) : 0);
}

/* TW_ARG_STRN(key, text, len) and so on: no NUL needed. */
#define TW_ARG_STRN(key, text, len)       tw__value_make(key, TW_VALUE_STR, text, len)
#define TW_ARG_BYTES(key, data, len)      tw__value_make(key, TW_VALUE_BYTES, data, len)
#define TW_ARG_JSON(key, text, len)       tw__value_make(key, TW_VALUE_JSON, text, len)
#define TW_ARG_MAP(key, items, count)     tw__value_make(key, TW_VALUE_MAP, items, count)
#define TW_ARG_LIST(key, items, count)    tw__value_make(key, TW_VALUE_LIST, items, count)
#define TW_ARG_HEADERS(key, items, count) tw__value_make(key, TW_VALUE_HEADERS, items, count)

/* A number of any kind, a bool, or a string, with a key or without. */
#define TW_VALUE(value) TW_ARG(TW__NULL, value)
#ifdef __cplusplus
}
#define TW_ARG(key, value) tw__value_any(key, value)
TW__INLINE struct tw_value tw__value_any(const char *k, bool v)
{
    return tw_value_bool(k, v);
}
TW__INLINE struct tw_value tw__value_any(const char *k, char v)
{
    return tw_value_int(k, v);
}
TW__INLINE struct tw_value tw__value_any(const char *k, signed char v)
{
    return tw_value_int(k, v);
}
TW__INLINE struct tw_value tw__value_any(const char *k, short v)
{
    return tw_value_int(k, v);
}
TW__INLINE struct tw_value tw__value_any(const char *k, int v)
{
    return tw_value_int(k, v);
}
TW__INLINE struct tw_value tw__value_any(const char *k, long v)
{
    return tw_value_int(k, v);
}
TW__INLINE struct tw_value tw__value_any(const char *k, long long v)
{
    return tw_value_int(k, v);
}
TW__INLINE struct tw_value tw__value_any(const char *k, unsigned char v)
{
    return tw_value_uint(k, v);
}
TW__INLINE struct tw_value tw__value_any(const char *k, unsigned short v)
{
    return tw_value_uint(k, v);
}
TW__INLINE struct tw_value tw__value_any(const char *k, unsigned v)
{
    return tw_value_uint(k, v);
}
TW__INLINE struct tw_value tw__value_any(const char *k, unsigned long v)
{
    return tw_value_uint(k, v);
}
TW__INLINE struct tw_value tw__value_any(const char *k, unsigned long long v)
{
    return tw_value_uint(k, v);
}
TW__INLINE struct tw_value tw__value_any(const char *k, float v)
{
    return tw_value_double(k, double{v});
}
TW__INLINE struct tw_value tw__value_any(const char *k, double v)
{
    return tw_value_double(k, v);
}
TW__INLINE struct tw_value tw__value_any(const char *k, const char *v)
{
    return tw_value_str(k, v);
}
/* What has data() and size(): std::string, std::string_view. No temporary: values are borrowed. */
template <class T>
static inline auto tw__value_any(const char *k, const T &v)
    -> decltype(static_cast<const char *>(v.data()), static_cast<void>(v.size()), tw_value())
{
    return tw__value_make(k, TW_VALUE_STR, v.data(), v.size());
}
template <class T>
auto tw__value_any(const char *k, const T &&v)
    -> decltype(static_cast<const char *>(v.data()), static_cast<void>(v.size()), tw_value()) = delete;
#else
#define TW_ARG(key, value)   TW__BY_TYPE(value, tw__value_)(key, value)
#define tw__value_bool       tw_value_bool
#define tw__value_int        tw_value_int
#define tw__value_int64      tw_value_int
#define tw__value_uint       tw_value_uint
#define tw__value_uint64     tw_value_uint
#define tw__value_double     tw_value_double
#define tw__value_str(value) tw_value_str
TW__INLINE struct tw_value tw__value_float(const char *key, float value)
{
    return tw_value_double(key, (double)value);
}
#endif
#endif
