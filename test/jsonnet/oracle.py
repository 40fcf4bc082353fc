"""Evaluates Jsonnet with another implementation: JSON array of programs in, array of results out.

Needs `pip install gojsonnet`. A result is the text, or null when the program fails.
"""

import json
import sys

import _gojsonnet


def evaluate(program):
    try:
        return _gojsonnet.evaluate_snippet("program", program)
    except RuntimeError:
        return None


json.dump([evaluate(program) for program in json.load(sys.stdin)], sys.stdout)
