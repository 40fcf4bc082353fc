/** Applies an update_mask (Google AIP-134). */
import { clone, type DescMessage, type Message, type MessageShape } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import type { FieldMask } from "@bufbuild/protobuf/wkt";
import { type FieldViolation, failFields } from "./errors.ts";

/** An update: the message as it is, the one in the request, and which fields count. */
export interface MaskedUpdate<D extends DescMessage> {
  readonly current: MessageShape<D>;
  readonly changed: MessageShape<D>;
  readonly mask: FieldMask | undefined;
  /** Proto names of the top-level fields that callers may change. */
  readonly writable: readonly string[];
}

/**
 * A copy of `current` with the masked fields of `changed`. A path names a field by its proto name,
 * or one below it through single messages (`retention.age`); `*` stands for all writable fields, and
 * an empty mask for all writable fields that are set. Fails with INVALID_FIELDS for paths that are
 * unknown or output only.
 */
export function applyFieldMask<D extends DescMessage>(
  desc: D,
  { current, changed, mask, writable }: MaskedUpdate<D>,
): MessageShape<D> {
  const result = clone(desc, current);
  const target = reflect<DescMessage>(desc, result as Message);
  const source = reflect<DescMessage>(desc, changed as Message);
  const paths = mask?.paths.length ? mask.paths : undefined;
  const violations: FieldViolation[] = [];
  for (const [index, path] of (paths ?? setFields(source, writable)).entries()) {
    for (const each of path === "*" ? writable : [path]) {
      const fault = writable.includes(each.split(".", 1)[0]!)
        ? copyField(target, source, each.split("."))
        : findFault(desc, each);
      if (fault) violations.push({ field: `update_mask.paths[${index}]`, description: fault });
    }
  }
  if (violations.length > 0) throw failFields(violations);
  return result;
}

function setFields(source: ReflectMessage, writable: readonly string[]): string[] {
  return source.fields
    .filter((field) => writable.includes(field.name) && source.isSet(field))
    .map((field) => field.name);
}

/** Copies one field, or clears it where the source has none; gives the fault of the path. */
function copyField(
  target: ReflectMessage,
  source: ReflectMessage,
  path: readonly string[],
): string | undefined {
  const [name = "", ...below] = path;
  const field = target.fields.find((each) => each.name === name);
  if (!field) return `${target.desc.name} has no field ${name}`;
  if (below.length > 0) {
    if (field.fieldKind !== "message") return `${name} has no fields of its own`;
    const inner = target.get(field) as ReflectMessage;
    const fault = copyField(inner, source.get(field) as ReflectMessage, below);
    if (!fault) target.set(field, inner);
    return fault;
  }
  if (source.isSet(field)) target.set(field, source.get(field));
  else target.clear(field);
  return undefined;
}

function findFault(desc: DescMessage, path: string): string {
  const name = path.split(".", 1)[0];
  const isField = desc.fields.some((field) => field.name === name);
  return isField ? `${name} cannot be changed` : `${desc.name} has no field ${name}`;
}
