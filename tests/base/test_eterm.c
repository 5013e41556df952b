#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/eterm.h"

/* The tokens of a text, each as a letter and its value. */
static const char *tokens(const char *text)
{
    static char out[512];
    char room[64];
    struct tw__refusal refusal = {0};
    struct tw__eterms terms = {
        .text = text, .len = strlen(text), .room = room, .cap = sizeof room, .refusal = &refusal};
    struct tw__eterm token;
    int len = 0;
    out[0] = '\0';
    for (;;) {
        if (!tw__eterm_next(&terms, &token)) {
            (void)snprintf(out, sizeof out, "%d at %zu", refusal.code, refusal.at);
            return out;
        }
        const struct tw__field *value = &token.value;
        if (token.kind == TW__ETERM_END) return out;
        if (token.kind == TW__ETERM_PUNCT)
            len += sprintf(out + len, "%c ", token.punct);
        else if (token.kind == TW__ETERM_NUMBER && value->type == TW__FIELD_DOUBLE)
            len += sprintf(out + len, "f:%g ", value->d);
        else if (token.kind == TW__ETERM_NUMBER)
            len += sprintf(out + len, "n:%lld ", (long long)value->i);
        else
            len +=
                sprintf(out + len, "%c:%.*s ", token.kind == TW__ETERM_ATOM ? 'a' : 't', (int)value->len, value->ptr);
    }
}

static void terms_are_read_token_by_token(void **state)
{
    (void)state;
    assert_string_equal(tokens("[{module, kz_json}]."), "[ { a:module , a:kz_json } ] . ");
    assert_string_equal(tokens("'*' 'a b' node@host"), "a:* a:a b a:node@host ");
    assert_string_equal(tokens("\"s\" <<\"b\">> << \"b\"/utf8 >> <<>> <0.9.0>"), "t:s t:b t:b t: t:<0.9.0> ");
    assert_string_equal(tokens("1 -2 16#ff -2#101 $a $\\n 1.5 -2.0e3"), "n:1 n:-2 n:255 n:-5 n:97 n:10 f:1.5 f:-2000 ");
    assert_string_equal(tokens("{a,1}."), "{ a:a , n:1 } . ");
    assert_string_equal(tokens("\"a\\\"b\\\\\" % a comment\n x"), "t:a\"b\\ a:x ");
    assert_string_equal(tokens(""), "");
}

static void what_is_no_term_is_refused_where_it_stands(void **state)
{
    (void)state;
    assert_string_equal(tokens("{Var}"), "-1 at 1");
    assert_string_equal(tokens("a \"open"), "-1 at 2");
    assert_string_equal(tokens("'open"), "-1 at 0");
    assert_string_equal(tokens("<<\"b\">"), "-1 at 0");
    assert_string_equal(tokens("<0.9"), "-1 at 0");
    assert_string_equal(tokens("37#1"), "-1 at 0");
    assert_string_equal(tokens("2#"), "-1 at 2");
    assert_string_equal(tokens("16#ffffffffffffffff"), "-1 at 0");
    assert_string_equal(tokens("1x"), "-1 at 0");
    assert_string_equal(tokens("a | b"), "-1 at 2");
    assert_string_equal(tokens("#{}"), "-1 at 0");
}

static void quoted_texts_need_room_to_their_length(void **state)
{
    (void)state;
    char text[80];
    memset(text, 'x', sizeof text);
    text[0] = text[65] = '"';
    text[66] = '\0';
    assert_int_equal(strlen(tokens(text)), 64 + 3);
    text[65] = 'x';
    text[66] = '"';
    text[67] = '\0';
    assert_string_equal(tokens(text), "-3 at 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_are_read_token_by_token),
        cmocka_unit_test(what_is_no_term_is_refused_where_it_stands),
        cmocka_unit_test(quoted_texts_need_room_to_their_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
