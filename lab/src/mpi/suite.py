"""Runs mpi4py's own suite (its runtests.py, the first argument), and passes over the tests up to the one that AFTER names: a
test that ends its job or makes it hang was the last one of an earlier run."""

import os
import runpy
import sys
import unittest

after = os.environ.get("AFTER", "")
run = unittest.TestCase.run


def run_behind(test, result=None):
    global after
    if not after:
        return run(test, result)
    if test.id() == after:
        after = ""
    return result


unittest.TestCase.run = run_behind
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
