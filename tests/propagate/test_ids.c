#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <trackway/context.h>

static void assert_reads_as(const char *text, const char *hex)
{
    uint8_t id[16] = {0};
    char written[TW_TRACE_ID_HEX_LEN + 1];
    if (tw_trace_id_parse(text, strlen(text), id) != 0) fail_msg("\"%s\" was refused", text);
    tw_trace_id_format(id, written);
    assert_string_equal(written, hex);
}

static void assert_refused(const char *text, int error)
{
    uint8_t id[16], before[16];
    memset(id, 0xee, sizeof id);
    memset(before, 0xee, sizeof before);
    if (tw_trace_id_parse(text, strlen(text), id) != error) fail_msg("\"%s\" was not refused with %d", text, error);
    assert_memory_equal(id, before, sizeof id);
}

static void reads_32_hex_digits_of_either_case(void **state)
{
    (void)state;
    assert_reads_as("0af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd8448eb211c80319c");
    assert_reads_as("0AF7651916cd43DD8448EB211C80319C", "0af7651916cd43dd8448eb211c80319c");
}

static void reads_32_decimal_digits_as_hex(void **state)
{
    (void)state;
    assert_reads_as("00000000000000000000000000000010", "00000000000000000000000000000010");
}

static void reads_the_form_of_x_ray(void **state)
{
    (void)state;
    assert_reads_as("1-5759e988-bd862e3fe1be46a994272793", "5759e988bd862e3fe1be46a994272793");
    assert_reads_as("1-5759E988-BD862E3FE1BE46A994272793", "5759e988bd862e3fe1be46a994272793");
}

static void reads_a_decimal_number_as_the_low_half(void **state)
{
    (void)state;
    assert_reads_as("1", "00000000000000000000000000000001");
    assert_reads_as("0000255", "000000000000000000000000000000ff");
    assert_reads_as("18446744073709551615", "0000000000000000ffffffffffffffff");
}

/* Expected: bc, "obase=16". The first is 2^64. */
static void reads_a_longer_decimal_number_as_the_whole_id(void **state)
{
    (void)state;
    assert_reads_as("18446744073709551616", "00000000000000010000000000000000");
    assert_reads_as("142281407603052811568865654222415872921", "6b0a66fff7403bd816b76462602a4399");
    assert_reads_as("000142281407603052811568865654222415872921", "6b0a66fff7403bd816b76462602a4399");
    assert_reads_as("340282366920938463463374607431768211455", "ffffffffffffffffffffffffffffffff");
}

static void refuses_a_number_that_does_not_fit(void **state)
{
    (void)state;
    assert_refused("340282366920938463463374607431768211456", TW_ERR_RANGE);
    assert_refused("999999999999999999999999999999999999999", TW_ERR_RANGE);
    assert_refused("1000000000000000000000000000000000000000", TW_ERR_RANGE);
}

static void refuses_zero_in_every_form(void **state)
{
    (void)state;
    assert_refused("0", TW_ERR_RANGE);
    assert_refused("00000000000000000000000000000000", TW_ERR_RANGE);
    assert_refused("1-00000000-000000000000000000000000", TW_ERR_RANGE);
}

static void refuses_what_is_no_id(void **state)
{
    (void)state;
    assert_refused("", TW_ERR_SYNTAX);
    assert_refused("-1", TW_ERR_SYNTAX);
    assert_refused("+1", TW_ERR_SYNTAX);
    assert_refused(" 1", TW_ERR_SYNTAX);
    assert_refused("1 ", TW_ERR_SYNTAX);
    assert_refused("garbage", TW_ERR_SYNTAX);
    assert_refused("0af7651916cd43dd8448eb211c80319", TW_ERR_SYNTAX);
    assert_refused("0af7651916cd43dd8448eb211c80319g", TW_ERR_SYNTAX);
    assert_refused("2-5759e988-bd862e3fe1be46a994272793", TW_ERR_SYNTAX);
    assert_refused("1-5759e988bd862e3fe1be46a-994272793", TW_ERR_SYNTAX);
    assert_refused("1-5759e98g-bd862e3fe1be46a994272793", TW_ERR_SYNTAX);
    assert_refused("1-5759e988-bd862e3fe1be46a99427279", TW_ERR_SYNTAX);
    assert_refused("9999999999999999999999999999999999999999x", TW_ERR_SYNTAX);
}

static void every_byte_of_an_id_is_written_and_read_back(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 16; at++) {
        for (unsigned value = 1; value < 256; value++) {
            uint8_t id[16] = {0}, back[16] = {0};
            char text[TW_TRACE_ID_HEX_LEN + 1];
            id[at] = (uint8_t)value;
            tw_trace_id_format(id, text);
            assert_int_equal(strlen(text), TW_TRACE_ID_HEX_LEN);
            assert_int_equal(tw_trace_id_parse(text, TW_TRACE_ID_HEX_LEN, back), 0);
            assert_memory_equal(id, back, sizeof id);
        }
    }
}

static void writes_a_span_id_with_its_leading_zeros(void **state)
{
    (void)state;
    const uint8_t id[8] = {0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7};
    char text[TW_SPAN_ID_HEX_LEN + 1];
    tw_span_id_format(id, text);
    assert_string_equal(text, "00f067aa0ba902b7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_32_hex_digits_of_either_case),
        cmocka_unit_test(reads_32_decimal_digits_as_hex),
        cmocka_unit_test(reads_the_form_of_x_ray),
        cmocka_unit_test(reads_a_decimal_number_as_the_low_half),
        cmocka_unit_test(reads_a_longer_decimal_number_as_the_whole_id),
        cmocka_unit_test(refuses_a_number_that_does_not_fit),
        cmocka_unit_test(refuses_zero_in_every_form),
        cmocka_unit_test(refuses_what_is_no_id),
        cmocka_unit_test(every_byte_of_an_id_is_written_and_read_back),
        cmocka_unit_test(writes_a_span_id_with_its_leading_zeros),
    };
    return cmocka_run_group_tests_name("ids", tests, NULL, NULL);
}
