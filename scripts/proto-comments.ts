/**
 * Writes the comments of our protos to gen/comments.json, by full name: generated descriptors carry
 * none, and /openapi.json shows them as descriptions. Run after `buf generate`, which empties gen/.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fromBinary } from "@bufbuild/protobuf";
import { type DescriptorProto, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** Numbers of the repeated fields that paths of source locations go through (descriptor.proto). */
const FILE = { message: 4, service: 6 };
const MESSAGE = { field: 2, message: 3 };
const CHILD = 2;

const image = execFileSync("node_modules/.bin/buf", ["build", "-o", "-#format=binpb"], {
  maxBuffer: 64 << 20,
});
const comments: Record<string, string> = {};
for (const file of fromBinary(FileDescriptorSetSchema, image).file) {
  if (!file.package.startsWith("tributary.")) continue;
  const names = new Map<string, string>();
  file.messageType.forEach((m, i) => {
    nameMessage(names, m, [FILE.message, i], file.package);
  });
  file.service.forEach((service, i) => {
    const name = `${file.package}.${service.name}`;
    names.set(`${FILE.service},${i}`, name);
    service.method.forEach((method, j) => {
      names.set(`${FILE.service},${i},${CHILD},${j}`, `${name}.${method.name}`);
    });
  });
  for (const { path, leadingComments } of file.sourceCodeInfo?.location ?? []) {
    const name = names.get(path.join(","));
    const text = leadingComments.replace(/^ /gm, "").trim();
    if (name && text) comments[name] = text;
  }
}
const sorted = Object.fromEntries(Object.entries(comments).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync("gen/comments.json", `${JSON.stringify(sorted, null, 1)}\n`);

function nameMessage(
  names: Map<string, string>,
  message: DescriptorProto,
  path: readonly number[],
  scope: string,
): void {
  const name = `${scope}.${message.name}`;
  names.set(path.join(","), name);
  message.field.forEach((field, i) => {
    names.set([...path, MESSAGE.field, i].join(","), `${name}.${field.name}`);
  });
  message.nestedType.forEach((nested, i) => {
    nameMessage(names, nested, [...path, MESSAGE.message, i], name);
  });
}
