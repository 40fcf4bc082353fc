/** The standard library as an object whose fields are all hidden. */
import { BARE_PLAN, NO_FRAME } from "../host-value.ts";
import { type Field, JsonnetObject, Native, type Value } from "../value.ts";
import { ARRAY_FUNCTIONS } from "./arrays.ts";
import { asText } from "./check.ts";
import { ENCODING_FUNCTIONS } from "./encodings.ts";
import { GENERAL_FUNCTIONS } from "./general.ts";
import { MANIFEST_FUNCTIONS } from "./manifest-json.ts";
import { TOML_FUNCTIONS } from "./manifest-toml.ts";
import { YAML_FUNCTIONS } from "./manifest-yaml.ts";
import { MATH_FUNCTIONS } from "./math.ts";
import { native, type StdFunctions } from "./native.ts";
import { OBJECT_FUNCTIONS } from "./objects.ts";
import { PARSE_YAML_FUNCTIONS } from "./parse-yaml.ts";
import { SET_FUNCTIONS } from "./sets.ts";
import { SPLIT_FUNCTIONS } from "./split.ts";
import { STRING_FUNCTIONS } from "./strings.ts";

const FUNCTIONS: StdFunctions = {
  ...GENERAL_FUNCTIONS,
  ...STRING_FUNCTIONS,
  ...SPLIT_FUNCTIONS,
  ...MATH_FUNCTIONS,
  ...ARRAY_FUNCTIONS,
  ...SET_FUNCTIONS,
  ...OBJECT_FUNCTIONS,
  ...ENCODING_FUNCTIONS,
  ...MANIFEST_FUNCTIONS,
  ...TOML_FUNCTIONS,
  ...YAML_FUNCTIONS,
  ...PARSE_YAML_FUNCTIONS,
};

/** The members of `std` by name; `std.native` finds the functions in `host`. */
export function createStd(host: ReadonlyMap<string, Native>): Map<string, Value> {
  const members = new Map<string, Value>();
  for (const [name, { params, run }] of Object.entries(FUNCTIONS)) {
    members.set(name, new Native(name, params, run));
  }
  members.set(
    "native",
    native("x", (x: Value) => host.get(asText(x)) ?? null),
  );
  members.set("pi", Math.PI);
  members.set("thisFile", "template");
  return members;
}

/** `std` itself. */
export function createStdObject(members: ReadonlyMap<string, Value>): JsonnetObject {
  const fields = new Map<string, Field>();
  for (const [name, value] of members) {
    fields.set(name, { visibility: "hidden", code: () => value });
  }
  return new JsonnetObject([{ plan: BARE_PLAN, fields, frame: NO_FRAME }], false);
}
