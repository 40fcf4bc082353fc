"""Makes Python stubs from proto/ into the folder given. Run `npm run generate` first: it lays out
the imported protos in third_party/."""

import pathlib
import sys

import grpc_tools
from grpc_tools import protoc

root = pathlib.Path(__file__).resolve().parents[2]
out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
files = [
    path.relative_to(base).as_posix()
    for base in (root / "proto", root / "third_party")
    for path in sorted(base.rglob("*.proto"))
]
sys.exit(
    protoc.main(
        [
            "protoc",
            f"-I{root / 'proto'}",
            f"-I{root / 'third_party'}",
            f"-I{well_known}",
            f"--python_out={out}",
            f"--grpc_python_out={out}",
            *files,
        ]
    )
)
