"""Runs the tests of a file, each with a folder of its own that is gone afterwards."""
import sys
import tempfile
import traceback


def run_tests(*tests):
    """Those that the command line names, or all. One that returns a text was left out, for that reason. Prints a line for each.
    Returns the exit status."""
    failed, only = 0, sys.argv[1:]
    for test in tests:
        if only and test.__name__ not in only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                why = test(folder)
                print(f"skipped {test.__name__}: {why}" if why else f"passed {test.__name__}", flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failed += 1
                traceback.print_exc()
                print(f"FAILED {test.__name__}: {type(error).__name__} {error}", flush=True)
    return 1 if failed else 0
