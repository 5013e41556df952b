"""Runs the tests of a file, each with a folder of its own that is gone afterwards."""
import tempfile
import traceback


def run_tests(*tests):
    """Prints a line for each. Returns the exit status."""
    failed = 0
    for test in tests:
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(folder)
                print(f"passed {test.__name__}", flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failed += 1
                traceback.print_exc()
                print(f"FAILED {test.__name__}: {type(error).__name__} {error}", flush=True)
    return 1 if failed else 0
