"""Pushes a record over gRPC with stubs made from proto/.

    pip install grpcio grpcio-tools
    python examples/python/generate.py build/python
    set -a; . .tributary/demo.env; set +a
    PYTHONPATH=build/python python examples/python/push.py
"""

import json
import os
from urllib.parse import urlsplit

import grpc
from tributary.oauth2.v1 import oauth2_service_pb2, oauth2_service_pb2_grpc
from tributary.push.v1 import push_pb2, push_service_pb2, push_service_pb2_grpc

channel = grpc.insecure_channel(urlsplit(os.environ["TRIBUTARY_URL"]).netloc)

token = oauth2_service_pb2_grpc.OAuth2ServiceStub(channel).IssueToken(
    oauth2_service_pb2.IssueTokenRequest(
        grant_type="client_credentials",
        client_id=os.environ["CLIENT_ID"],
        client_secret=os.environ["CLIENT_SECRET"],
    ),
    timeout=10,
)

record = {"sensor_id": "python", "temperature": 4.132, "created_at": "2026-01-01T00:00:00Z"}
answer = push_service_pb2_grpc.PushServiceStub(channel).Push(
    push_service_pb2.PushRequest(
        stream=os.environ["STREAM"],
        records=[push_pb2.PushRecord(json=json.dumps(record).encode())],
    ),
    metadata=[("authorization", f"Bearer {token.access_token}")],
    timeout=10,
)
print(f"accepted {answer.accepted} at {answer.first_place}")
