/* W3C Baggage: what is kept, what is left out, and what a value decodes to. */
#include "fixture.h"

static char got[TW_CARRIED_BAGGAGE_MAX];

static void read_baggage(const char *value, const char *expected, unsigned dropped)
{
    assert_int_equal(EXTRACT("baggage", {"baggage", value}), TW_EXTRACT_NONE);
    assert_text(carried.baggage, carried.baggage_len, expected);
    assert_int_equal(carried.baggage[carried.baggage_len], 0);
    assert_int_equal(drops.baggage_member, dropped);
}

static void assert_value(const char *key, const char *expected)
{
    int len = tw_baggage_get(&carried, key, got, sizeof got);
    if (len < 0) fail_msg("%s is not there", key);
    assert_text(got, (size_t)len, expected);
}

static void members_are_kept_in_order_without_their_spaces(void **state)
{
    (void)state;
    read_baggage("key1=value1,key2=value2", "key1=value1,key2=value2", 0);
    read_baggage("key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue",
                 "key1=value1;property1;property2,key2=value2,key3=value3;propertyKey=propertyValue", 0);
    read_baggage(" a\t=\t1 ; p = q ;; ,, b= ,", "a=1;p=q,b=", 0);
    assert_int_equal(carried.baggage_count, 2);
    read_baggage("", "", 0);
}

static void several_headers_are_one_list(void **state)
{
    (void)state;
    EXTRACT("baggage", {"Baggage", "a=1"}, {"BAGGAGE", ""}, {"baggage", "b=2,c=3"});
    assert_text(carried.baggage, carried.baggage_len, "a=1,b=2,c=3");
    assert_int_equal(carried.baggage_count, 3);
}

static void a_malformed_member_is_left_out_and_the_others_stay(void **state)
{
    (void)state;
    read_baggage("a=1,nonsense,b=2", "a=1,b=2", 1);
    read_baggage("=1,k y=1,k\"=1,(=1,a=1", "a=1", 4);
    read_baggage("a=x y,b=\",c=\\,d=\x7f,e=\xc3\xa4,f=1", "f=1", 5);
    read_baggage("a=1;p q,b=1;=q,c=1;p=\",d=1", "d=1", 3);
    read_baggage("a=1\r\nevil: 1", "", 1);
}

static void exactly_the_characters_of_the_specification_are_taken(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        bool token = c < 128 && (strchr("!#$%&'*+-.^_`|~", c) || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                                 (c >= 'A' && c <= 'Z'));
        bool octet = c == 0x21 || (c >= 0x23 && c <= 0x2b) || (c >= 0x2d && c <= 0x3a) || (c >= 0x3c && c <= 0x5b) ||
                     (c >= 0x5d && c <= 0x7e);
        char key[] = {'k', (char)c, 'k', '=', '1', 0}, value[] = {'k', '=', 'v', (char)c, 'v', 0};
        EXTRACT("baggage", {"baggage", key});
        assert_int_equal(carried.baggage_count,
                         token || c == '=' || c == ','); /* k= is a key; after a comma k=1 is whole */
        EXTRACT("baggage", {"baggage", value});
        assert_int_equal(carried.baggage_count, octet || c == ';' || c == ',');
    }
}

static void a_value_is_percent_decoded(void **state)
{
    (void)state;
    read_baggage("userId=Am%C3%A9lie,serverNode=DF%2028,x=%41%zz%4;p=1,empty=",
                 "userId=Am%C3%A9lie,serverNode=DF%2028,x=%41%zz%4;p=1,empty=", 0);
    assert_value("userId", "Am\xc3\xa9lie");
    assert_value("serverNode", "DF 28");
    assert_value("x", "A%zz%4");
    assert_value("empty", "");
    assert_int_equal(tw_baggage_get(&carried, "userid", got, sizeof got), TW_ERR_NOT_FOUND);
    assert_int_equal(tw_baggage_get(&carried, "userId", got, 6), TW_ERR_SPACE);
    assert_int_equal(tw_baggage_get(&carried, "userId", got, 7), 7);
}

static void what_is_not_utf8_becomes_the_replacement_character(void **state)
{
    (void)state;
#define FFFD "\xef\xbf\xbd"
    read_baggage("a=%ff,b=x%c3,c=%e2%82x,d=%c0%af,e=%ed%a0%80,f=%f0%9f%98%80,g=%f4%90%80%80,h=%00",
                 "a=%ff,b=x%c3,c=%e2%82x,d=%c0%af,e=%ed%a0%80,f=%f0%9f%98%80,g=%f4%90%80%80,h=%00", 0);
    assert_value("a", FFFD);
    assert_value("b", "x" FFFD);
    assert_value("c", FFFD "x");
    assert_value("d", FFFD FFFD);
    assert_value("e", FFFD FFFD FFFD);
    assert_value("f", "\xf0\x9f\x98\x80");
    assert_value("g", FFFD FFFD FFFD FFFD);
    assert_int_equal(tw_baggage_get(&carried, "h", got, sizeof got), 1);
    assert_int_equal(got[0], 0);
}

static void the_last_of_several_is_read_and_all_are_sent_on(void **state)
{
    (void)state;
    read_baggage("a=1,b=2,a=3", "a=1,b=2,a=3", 0);
    assert_value("a", "3");
    assert_int_equal(inject("baggage"), 1);
    assert_string_equal(written_value(&out, "baggage"), "a=1,b=2,a=3");
}

static void there_are_at_most_64_members_and_8192_bytes(void **state)
{
    (void)state;
    static char text[9000];
    size_t len = 0;
    for (unsigned i = 0; i < 70; i++) len += (size_t)sprintf(text + len, "k%u=1,", i);
    EXTRACT("baggage", {"baggage", text});
    assert_int_equal(carried.baggage_count, 64);
    assert_int_equal(drops.baggage_member, 6);

    memset(text, 'x', sizeof text);
    memcpy(text, "a=", 2);
    memcpy(text + 8188, ",b=1", 5); /* 8192 exactly */
    EXTRACT("baggage", {"baggage", text});
    assert_int_equal(carried.baggage_len, 8192);
    assert_int_equal(drops.baggage_member, 0);
    memcpy(text + 8188, ",b=12,", 7);
    EXTRACT("baggage", {"baggage", text}, {"baggage", "c=1"});
    assert_int_equal(carried.baggage_len, 8192);
    assert_int_equal(carried.baggage_count, 2);
    assert_int_equal(drops.baggage_member, 1); /* b; c fits */
    assert_value("c", "1");
}

static void setting_replaces_all_of_the_key(void **state)
{
    (void)state;
    tw_carried_init(&carried);
    assert_int_equal(tw_baggage_set(&carried, "a", "1", 1), 0);
    assert_string_equal(carried.baggage, "a=1");
    assert_int_equal(tw_baggage_set(&carried, "user", "J\xc3\xbcrgen, 50%;\"", 14), 0);
    assert_string_equal(carried.baggage, "a=1,user=J%C3%BCrgen%2C%2050%25%3B%22");
    assert_value("user", "J\xc3\xbcrgen, 50%;\"");
    read_baggage("a=1;p,aa=2,a=3,b=4", "a=1;p,aa=2,a=3,b=4", 0);
    assert_int_equal(tw_baggage_set(&carried, "a", "", 0), 0);
    assert_string_equal(carried.baggage, "aa=2,b=4,a=");
    assert_int_equal(carried.baggage_count, 3);
    assert_int_equal(tw_baggage_set(&carried, "a", NULL, 0), 0);
    assert_int_equal(tw_baggage_set(&carried, "aa", NULL, 0), 0);
    assert_int_equal(tw_baggage_set(&carried, "not there", NULL, 0), TW_ERR_SYNTAX);
    assert_string_equal(carried.baggage, "b=4");
    assert_int_equal(tw_baggage_set(&carried, "b", NULL, 0), 0);
    assert_string_equal(carried.baggage, "");
    assert_int_equal(inject("baggage"), 0);
}

static void what_cannot_be_set_leaves_all_as_it_was(void **state)
{
    (void)state;
    static char text[TW_CARRIED_BAGGAGE_MAX];
    memset(text, 'x', sizeof text);
    read_baggage("a=1,b=2", "a=1,b=2", 0);
    assert_int_equal(tw_baggage_set(&carried, "", "1", 1), TW_ERR_SYNTAX);
    assert_int_equal(tw_baggage_set(&carried, "a,b", "1", 1), TW_ERR_SYNTAX);
    assert_int_equal(tw_baggage_set(&carried, "a", text, sizeof text), TW_ERR_SPACE);
    assert_int_equal(tw_baggage_set(&carried, "a", text, 8192 - 6 + 1), TW_ERR_SPACE); /* b=2,a= */
    assert_string_equal(carried.baggage, "a=1,b=2");
    assert_int_equal(tw_baggage_set(&carried, "a", text, 8192 - 6), 0);
    assert_int_equal(carried.baggage_len, 8192);
    assert_int_equal(carried.baggage[8192], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_kept_in_order_without_their_spaces),
        cmocka_unit_test(several_headers_are_one_list),
        cmocka_unit_test(a_malformed_member_is_left_out_and_the_others_stay),
        cmocka_unit_test(exactly_the_characters_of_the_specification_are_taken),
        cmocka_unit_test(a_value_is_percent_decoded),
        cmocka_unit_test(what_is_not_utf8_becomes_the_replacement_character),
        cmocka_unit_test(the_last_of_several_is_read_and_all_are_sent_on),
        cmocka_unit_test(there_are_at_most_64_members_and_8192_bytes),
        cmocka_unit_test(setting_replaces_all_of_the_key),
        cmocka_unit_test(what_cannot_be_set_leaves_all_as_it_was),
    };
    return cmocka_run_group_tests_name("baggage", tests, NULL, NULL);
}
