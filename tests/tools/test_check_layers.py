#!/usr/bin/python3
"""tools/check_layers finds each kind of breach, in a tree made for it, and is silent about what is allowed."""
import importlib.machinery
import importlib.util
import os
import tempfile
import unittest

TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/check_layers")
loader = importlib.machinery.SourceFileLoader("check_layers", TOOL)
check_layers = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_layers", loader))
loader.exec_module(check_layers)


def breaches(**files):
    """Breaches in a tree of these files; __ in a name stands for /, one _ before the ending for the dot."""
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, "src"))
        for name, text in files.items():
            path = os.path.join(root, ".".join(name.replace("__", "/").rsplit("_", 1)))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return check_layers.Check(root).run()


class CheckLayers(unittest.TestCase):
    def refused(self, **files):
        found = breaches(**files)
        self.assertEqual(len(found), 1, found)
        return found[0]

    def allowed(self, **files):
        self.assertEqual(breaches(**files), [])

    def test_an_include_downwards_is_allowed(self):
        self.allowed(src__trace__span_c='#include "ring/ring.h"\n#include "base/clock.h"\n#include "span.h"\n#include <time.h>\n')

    def test_an_include_upwards_is_refused_with_its_line(self):
        self.assertTrue(self.refused(src__base__x_c='#include <time.h>\n#include "ring/ring.h"\n').startswith("src/base/x.c:2: "))

    def test_an_include_sideways_is_refused(self):
        self.refused(src__filter__x_c='#include "redact/paths.h"\n')
        self.refused(src__wire__x_c='#include "propagate/w3c.h"\n')

    def test_a_path_that_climbs_out_of_its_folder_is_refused(self):
        self.refused(src__base__x_c='#include "../ring/ring.h"\n')

    def test_a_reader_from_outside_reaches_segments_through_read_h_only(self):
        self.allowed(src__cli__ps_c="#include <trackway/read.h>\n")
        for folder in ("cli", "ingest", "store", "query", "serve"):
            self.refused(**{f"src__{folder}__x_c": '#include "ring/reader.h"\n'})
            self.refused(**{f"src__{folder}__x_c": "#include <trackway/recorder.h>\n"})

    def test_the_layout_is_known_to_ring_and_trace_only(self):
        self.allowed(src__ring__x_c='#include "layout.h"\n', src__trace__x_c='#include "ring/layout.h"\n')
        self.assertEqual(len(breaches(src__model__x_c='#include "ring/layout.h"\n')), 2)

    def test_memory_orders_are_spelt_in_two_places_only(self):
        self.allowed(src__base__atomics_h="__ATOMIC_RELAXED\n", src__ring__x_c="__ATOMIC_ACQUIRE\n")
        self.refused(src__base__clock_c="__ATOMIC_RELAXED\n")
        self.refused(src__trace__x_c="memory_order_relaxed\n")

    def test_what_a_comment_says_is_no_breach(self):
        self.allowed(src__trace__x_c='/* not __ATOMIC_RELAXED, nor\n#include "cli/cli.h" */\n// getenv("X")\n')

    def test_a_string_that_looks_like_a_comment_hides_nothing(self):
        self.refused(src__trace__x_c='char *a = "/*"; int b = __ATOMIC_RELAXED; char *c = "*/";\n')

    def test_the_environment_is_read_in_the_files_named_and_cli_only(self):
        self.allowed(src__trace__env_c='getenv("A")\n', src__cli__main_c='getenv ("A")\n')
        self.allowed(src__ring__segments_c='getenv("A")\n')
        self.refused(src__ring__reader_c='getenv("A")\n')
        self.refused(src__trace__span_c='secure_getenv("A")\n')

    def test_gnu_extensions_are_asked_for_in_base_only(self):
        self.allowed(src__base__os_c="#define _GNU_SOURCE\n")
        self.refused(src__ring__x_c="#define _GNU_SOURCE\n")

    def test_the_cap_on_length_is_inclusive(self):
        self.allowed(src__base__x_c="\n" * 1000)
        self.refused(src__base__x_c="\n" * 1001)

    def test_the_width_is_inclusive_and_not_of_tables(self):
        self.allowed(**{"src/base/a.c": "x" * 120 + "\n/* clang-format off */\n" + "x" * 121 + "\n/* clang-format on */\n"})
        self.refused(**{"tests/base/a.c": "\n" + "x" * 121 + "\n"})

    def test_a_folder_nobody_designed_is_refused(self):
        self.refused(src__misc__x_c="")

    def test_a_public_header_includes_nothing_from_inside(self):
        self.refused(include__trackway__x_h='#include "base/clock.h"\n')

    def test_the_map_names_every_folder_and_no_other(self):
        self.allowed(src__base__x_c="", ARCHITECTURE_md="`src/base` is the ground.\n")
        self.refused(src__base__x_c="", ARCHITECTURE_md="Nothing.\n")
        self.refused(src__base__x_c="", ARCHITECTURE_md="src/base, src/gone\n")


if __name__ == "__main__":
    unittest.main()
