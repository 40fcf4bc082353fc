/**
 * Lays out `third_party/`, a second buf module with the protos that ours import. None of them is
 * committed: they are copied from installed packages, and protovalidate's, which no package ships
 * as text, is printed from the descriptor inside `@bufbuild/protovalidate`.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { printProtoFile } from "./print-proto.ts";

const root = join(import.meta.dirname, "..");
const modules = join(root, "node_modules");
const target = join(root, "third_party");

/** Where each imported file comes from, relative to node_modules. */
const copies: Record<string, string> = {
  "google/api/annotations.proto": "google-proto-files/google/api/annotations.proto",
  "google/api/http.proto": "google-proto-files/google/api/http.proto",
  "google/rpc/error_details.proto": "google-proto-files/google/rpc/error_details.proto",
  "google/rpc/status.proto": "google-proto-files/google/rpc/status.proto",
  "grpc/reflection/v1/reflection.proto":
    "@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto",
  "grpc/reflection/v1alpha/reflection.proto":
    "@grpc/reflection/build/proto/grpc/reflection/v1alpha/reflection.proto",
  "grpc/health/v1/health.proto": "grpc-health-check/proto/health/v1/health.proto",
};

rmSync(target, { recursive: true, force: true });
for (const [path, from] of Object.entries(copies)) {
  mkdirSync(dirname(join(target, path)), { recursive: true });
  cpSync(join(modules, from), join(target, path));
}

const validateModule = "@bufbuild/protovalidate/dist/esm/gen/buf/validate/validate_pb.js";
const { file_buf_validate_validate: file } = await import(join(modules, validateModule));
// Round trip through bytes, so that the printer sees plain descriptors.
const { toBinary } = await import("@bufbuild/protobuf");
const proto = fromBinary(
  FileDescriptorProtoSchema,
  toBinary(FileDescriptorProtoSchema, file.proto),
);
mkdirSync(join(target, "buf/validate"), { recursive: true });
writeFileSync(join(target, "buf/validate/validate.proto"), printProtoFile(proto));
