"""Evaluations of one template a second in go-jsonnet: {source, body, seconds} in, the rate out."""

import json
import sys
import time

import _gojsonnet

task = json.load(sys.stdin)
body = json.dumps(task["body"])
begin = time.process_time()
count = 0
while time.process_time() - begin < task["seconds"]:
    _gojsonnet.evaluate_snippet("template", task["source"], ext_codes={"body": body})
    count += 1
print(count / (time.process_time() - begin))
