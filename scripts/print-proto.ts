/** Prints a file descriptor as .proto text, without options: enough for other files to import it. */
import type {
  DescriptorProto,
  EnumDescriptorProto,
  FieldDescriptorProto,
  FileDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import {
  Edition,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
} from "@bufbuild/protobuf/wkt";

/** Text of a whole file. Services are not printed: none of the files we need has one. */
export function printProtoFile(file: FileDescriptorProto): string {
  const isProto3 = file.syntax === "proto3";
  const head =
    file.edition === Edition.EDITION_2023
      ? 'edition = "2023";'
      : `syntax = "${file.syntax || "proto2"}";`;
  const lines = [head, `package ${file.package};`];
  for (const path of file.dependency) lines.push(`import "${path}";`);
  for (const item of file.enumType) lines.push(...printEnum(item));
  for (const item of file.messageType) lines.push(...printMessage(item, isProto3));
  lines.push(...printExtensions(file.extension, isProto3));
  return `${lines.join("\n")}\n`;
}

function printMessage(message: DescriptorProto, isProto3: boolean): string[] {
  const lines = [`message ${message.name} {`];
  for (const item of message.enumType) lines.push(...printEnum(item));
  for (const item of message.nestedType) {
    if (!item.options?.mapEntry) lines.push(...printMessage(item, isProto3));
  }
  for (const field of message.field) {
    if (field.oneofIndex === undefined || !hasOneof(field) || field.proto3Optional) {
      lines.push(printField(field, message, isProto3));
    }
  }
  message.oneofDecl.forEach((oneof, index) => {
    const members = message.field.filter(
      (f) => hasOneof(f) && f.oneofIndex === index && !f.proto3Optional,
    );
    if (members.length === 0) return;
    lines.push(`oneof ${oneof.name} {`);
    for (const field of members) lines.push(printField(field, message, isProto3, true));
    lines.push("}");
  });
  for (const range of message.extensionRange) {
    lines.push(
      `extensions ${range.start} to ${range.end > 536_870_911 ? "max" : (range.end ?? 0) - 1};`,
    );
  }
  for (const range of message.reservedRange) {
    lines.push(`reserved ${range.start} to ${(range.end ?? 0) - 1};`);
  }
  lines.push(...printExtensions(message.extension, isProto3), "}");
  return lines;
}

function hasOneof(field: FieldDescriptorProto): boolean {
  return Object.hasOwn(field, "oneofIndex");
}

function printEnum(item: EnumDescriptorProto): string[] {
  return [`enum ${item.name} {`, ...item.value.map((v) => `${v.name} = ${v.number};`), "}"];
}

function printExtensions(fields: FieldDescriptorProto[], isProto3: boolean): string[] {
  return fields.flatMap((f) => [`extend ${f.extendee} {`, printField(f, undefined, isProto3), "}"]);
}

function printField(
  field: FieldDescriptorProto,
  parent: DescriptorProto | undefined,
  isProto3: boolean,
  inOneof = false,
): string {
  const entry = parent?.nestedType.find(
    (n) => n.options?.mapEntry && field.typeName.endsWith(`.${parent.name}.${n.name}`),
  );
  if (entry) {
    const [key, value] = entry.field as [FieldDescriptorProto, FieldDescriptorProto];
    return `map<${typeName(key)}, ${typeName(value)}> ${field.name} = ${field.number};`;
  }
  return `${inOneof ? "" : label(field, isProto3)}${typeName(field)} ${field.name} = ${field.number};`;
}

function label(field: FieldDescriptorProto, isProto3: boolean): string {
  if (field.label === FieldDescriptorProto_Label.REPEATED) return "repeated ";
  if (field.label === FieldDescriptorProto_Label.REQUIRED) return "required ";
  return isProto3 && !field.proto3Optional ? "" : "optional ";
}

function typeName(field: FieldDescriptorProto): string {
  if (field.typeName) return field.typeName;
  return FieldDescriptorProto_Type[field.type].toLowerCase();
}
