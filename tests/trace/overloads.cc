// What tw_tag and TW_ATTR make of every type in C++17. test_cpp.sh compiles it, runs it, and reads what it recorded.
#include <trackway/trackway.h>

#include <string>
#include <string_view>

using namespace std::string_literals;

int main()
{
    const std::string text = "a string";
    {
        TW_SCOPE(span, "overloads");
        for (int again = 0; again < 2; again++) {
            tw_tag(span, "bool", true);
            tw_tag(span, "char", 'c');
            tw_tag(span, "short", static_cast<short>(-2));
            tw_tag(span, "int", -3);
            tw_tag(span, "long", -4L);
            tw_tag(span, "long long", -5LL);
            tw_tag(span, "unsigned char", static_cast<unsigned char>(255));
            tw_tag(span, "unsigned", 7u);
            tw_tag(span, "size_t", text.size());
            tw_tag(span, "unsigned long long", ~0ULL);
            tw_tag(span, "float", 0.5f);
            tw_tag(span, "double", 0.25);
            tw_tag(span, "literal", "literal");
            tw_tag(span, "c_str", text.c_str());
            tw_tag_strn(span, "view", text.data(), 1);
            tw_tag(span, "string", text);
            tw_tag(span, "temporary", text + "\0and more"s);
            tw_tag(span, "string_view", std::string_view(text).substr(2));
            tw_tag(span, "empty", std::string_view());
        }
        tw_event_tags("event", TW_ATTR("bool", false), TW_ATTR("n", 42), TW_ATTR("s", text.c_str()), TW_ATTR("d", 1.5),
                      TW_ATTR("string", text));
        const tw_value argument = TW_ARG("name", text);
        if (argument.kind != TW_VALUE_STR || argument.len != text.size()) return 2;
        tw_meta_set(TW_ATTR("callid", text.c_str()));
        tw_log_with(TW_LOG_WARNING, (TW_ATTR("request", 7), TW_ATTR("ok", true)), "%s of %zu", text.c_str(), text.size());
        tw_error("plain");
        [] { tw_debug("not wanted %d", 1); }();
        tw_meta_clear();
        auto child = [] { return tw_span_begin("in a lambda"); }();
        tw_span_end(child);
        tw_span_options options{};
        options.kind = TW_KIND_CLIENT;
        tw_span with = tw_span_begin_with("with options", &options);
        with = tw_span_lap(with, "lap");
        tw_span_fail(with, "why");
        tw_span_end(with);
        tw_span_end(TW_SPAN_NONE);
    }
    return tw_shutdown(1000000000) == 0 ? 0 : 1;
}
