/** What can be typed in a template: the functions of mappings, the standard library, paths of the body. */
import type { Field } from "#gen/tributary/management/v1/stream_pb.js";

/** Something that can stand where one types. */
export interface Completion {
  readonly label: string;
  /** What is typed for it; the label when left out. */
  readonly apply?: string;
  readonly detail: string;
}

/** What fits at the end of a text, and how much of its end it takes the place of. */
export interface Completions {
  readonly typed: number;
  readonly options: readonly Completion[];
}

/** The functions of mappings. */
export const MAPPING_FUNCTIONS: readonly Completion[] = [
  { label: "Body()", detail: "the whole body" },
  { label: "Body(path)", apply: 'Body("', detail: "the value at a path; held when it is missing" },
  { label: "Body(path, default)", apply: 'Body("', detail: "the value at a path, or the default" },
  { label: "BodyStr()", detail: "the body as text" },
  { label: "Header()", detail: "all headers" },
  { label: "Header(name)", apply: 'Header("', detail: "a header; held when it is missing" },
  { label: "Header(name, default)", apply: 'Header("', detail: "a header, or the default" },
  { label: "HeaderStr()", detail: "all headers as text, a line each" },
  { label: "Ip()", detail: "address of the sender" },
  { label: "Now()", detail: "arrival time, UTC" },
  { label: "Now(format)", apply: 'Now("%Y-%m-%d")', detail: "arrival time by strftime" },
];

/** Names of the standard library. */
export const STD_NAMES: readonly string[] = `
abs acos all any asciiLower asciiUpper asin assertEqual atan atan2 avg base64 base64Decode
base64DecodeBytes ceil char clamp codepoint contains cos count decodeUTF8 deepJoin deg2rad encodeUTF8
endsWith equals equalsIgnoreCase escapeStringBash escapeStringDollars escapeStringJson
escapeStringPython escapeStringXML exp exponent extVar filter filterMap find findSubstr flatMap
flattenArrays flattenDeepArray floor foldl foldr format get hypot id isArray isBoolean isDecimal
isEmpty isEven isFunction isInteger isNull isNumber isObject isOdd isString join length lines log
log10 log2 lstripChars makeArray manifestIni manifestJson manifestJsonEx manifestJsonMinified
manifestPython manifestPythonVars manifestToml manifestTomlEx manifestXmlJsonml manifestYamlDoc
manifestYamlStream mantissa map mapWithIndex mapWithKey max maxArray md5 member mergePatch min
minArray mod modulo native objectFields objectFieldsAll objectFieldsEx objectHas objectHasAll
objectHasEx objectKeysValues objectKeysValuesAll objectRemoveKey objectValues objectValuesAll
parseHex parseInt parseJson parseOctal parseYaml pi pow primitiveEquals prune rad2deg range remove
removeAt repeat resolvePath reverse round rstripChars set setDiff setInter setMember setUnion sha1
sha256 sha3 sha512 sign sin slice sort split splitLimit splitLimitR sqrt startsWith strReplace
stringChars stripChars substr sum tan thisFile toString trace trim type uniq xnor xor
`
  .trim()
  .split(/\s+/);

/** Paths of the values that records of a schema hold, such as `site.id` and `readings[0]`. */
export function pathsOf(fields: readonly Field[], before = ""): string[] {
  return fields.flatMap((field) => {
    const path = before + step(field.name, before === "");
    return [path, ...pathsOf(field.fields, path), ...elementPaths(field, path)];
  });
}

function elementPaths({ element }: Field, path: string): string[] {
  if (!element) return [];
  return [`${path}[0]`, ...pathsOf(element.fields, `${path}[0]`)];
}

function step(name: string, isFirst: boolean): string {
  if (!/^[A-Za-z_][\w-]*$/.test(name)) return `[${JSON.stringify(name)}]`;
  return isFirst ? name : `.${name}`;
}

/** What fits behind a text; undefined when nothing can be told. */
export function completeTemplate(text: string, paths: readonly string[]): Completions | undefined {
  const path = /\bBody\(\s*"([^"\\]*)$/.exec(text)?.[1];
  if (path !== undefined) {
    const options = paths.map((each) => ({ label: each, detail: "in the schema" }));
    return { typed: path.length, options };
  }
  // Within any other text nothing is offered.
  if ((text.match(/(?<!\\)"/g)?.length ?? 0) % 2 === 1) return undefined;
  const member = /\bstd\.(\w*)$/.exec(text)?.[1];
  if (member !== undefined) {
    const options = STD_NAMES.map((label) => ({ label, detail: "std" }));
    return { typed: member.length, options };
  }
  const word = /(?<![.\w])([A-Za-z]\w*)?$/.exec(text)?.[1] ?? "";
  if (word === "" && !/(^|[\s([{:,+])$/.test(text)) return undefined;
  const options = [
    ...MAPPING_FUNCTIONS,
    { label: "std", apply: "std.", detail: "standard library" },
  ];
  return { typed: word.length, options };
}
