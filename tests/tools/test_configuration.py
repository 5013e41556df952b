#!/usr/bin/python3
"""The configuration page says what the table of settings says."""
import os
import subprocess
import sys

TOOL = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../tools/write_configuration")
sys.exit(subprocess.run([TOOL, "--check"], check=False).returncode)
