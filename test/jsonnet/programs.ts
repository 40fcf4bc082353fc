/**
 * Random Jsonnet programs, mostly well typed, so that most of them give values and some fail. Variables
 * are always bound: `n` and `m` are numbers, `s` a string, `b` a boolean, `a` an array of numbers, `t` an
 * array of strings, `o` an object, `f` a function of a number; inner binders shadow them with the same
 * type.
 */
import fc, { type Arbitrary } from "fast-check";

type Parts = {
  num: string;
  str: string;
  bool: string;
  nums: string;
  strs: string;
  obj: string;
  fn: string;
  any: string;
  program: string;
};

const NUMBERS = ["0", "1", "2", "3", "7", "-1", "-2.5", "0.1", "10", "100", "255", "1e3", "1.5e-7"];
const TEXTS = [
  '""',
  '"a"',
  '"abc"',
  "'x y'",
  '"äö"',
  '"💩b"',
  '"A-b_C"',
  '"1"',
  '"a,b,,c"',
  '"\\n\\t"',
];
const NAMES = ["x", "y", "z", "w"];

/** A template with holes: `$1` and so on become parts of the kinds that are named. */
function hole(text: string, ...parts: Arbitrary<string>[]): Arbitrary<string> {
  return fc
    .tuple(...parts)
    .map((values) => text.replace(/\$(\d)/g, (_, i: string) => values[Number(i) - 1] as string));
}

const { program } = fc.letrec<Parts>((tie) => {
  const [num, str, bool] = [tie("num"), tie("str"), tie("bool")];
  const [nums, strs, obj, fn, any] = [tie("nums"), tie("strs"), tie("obj"), tie("fn"), tie("any")];
  const name = fc.constantFrom(...NAMES);
  const operator = (...names: string[]) => fc.constantFrom(...names);
  const choose = (leaf: Arbitrary<string>, ...rest: Arbitrary<string>[]): Arbitrary<string> =>
    fc.oneof({ depthSize: "small", withCrossShrink: true }, leaf, ...rest);
  return {
    program: hole(
      "local n = $1, m = 3, s = $2, b = true, a = $3, t = ['b', 'a', 'b'], o = $4, f = $5; $6",
      fc.constantFrom(...NUMBERS),
      fc.constantFrom(...TEXTS),
      fc.constantFrom("[]", "[1, 2, 3]", "[3, 1, 2, 2]", "std.range(0, 4)"),
      fc.constantFrom("{ x: 1 }", "{ x: 2, y:: 'h', z: [1] }", "{ x: self.w, w: 4 }"),
      fc.constantFrom("function(n) n + 1", "function(n, m=n) n * m"),
      any,
    ),
    num: choose(
      fc.oneof(fc.constantFrom("n", "m", "o.x"), fc.constantFrom(...NUMBERS)),
      hole("($1 $2 $3)", num, operator("+", "-", "*", "/", "%"), num),
      hole("($1 $2 $3)", num, operator("&", "|", "^"), num),
      hole("(-$1)", num),
      hole("(~$1)", num),
      hole("std.length($1)", any),
      hole("std.$1($2)", operator("abs", "floor", "ceil", "sign", "round", "sqrt"), num),
      hole("std.$1($2, $3)", operator("max", "min", "mod"), num, num),
      hole("std.clamp($1, 0, $2)", num, num),
      hole("f($1)", num),
      hole("(if $1 then $2 else $3)", bool, num, num),
      hole("(local n = $1; $2)", num, num),
      hole("(local f = $1; $2)", fn, num),
      hole("$1[$2]", nums, fc.constantFrom("0", "1", "std.length(a) - 1")),
      hole("std.foldl(function(n, m) $1, $2, $3)", num, nums, num),
      hole("std.foldr(function(n, m) $1, $2, $3)", num, nums, num),
      hole("std.sum($1)", nums),
      hole("std.$1($2, onEmpty=0)", operator("minArray", "maxArray"), nums),
      hole("std.count($1, $2)", nums, num),
      hole("std.parseInt(std.toString(std.floor($1)))", num),
      hole("std.codepoint(($1 + 'q')[0])", str),
      hole("$1.$2", obj, name),
      hole("std.get($1, '$2', $3)", obj, name, num),
      hole("(assert $1 : $2; $3)", bool, str, num),
    ),
    str: choose(
      fc.oneof(fc.constant("s"), fc.constantFrom(...TEXTS)),
      hole("($1 + $2)", str, any),
      hole("($2 + $1)", str, num),
      hole("std.toString($1)", any),
      hole("std.$1($2)", operator("asciiUpper", "asciiLower", "escapeStringJson", "trim"), str),
      hole(
        "std.$1($2)",
        operator("escapeStringBash", "escapeStringDollars", "escapeStringXML"),
        str,
      ),
      hole(
        "std.substr($1, $2, $3)",
        str,
        fc.constantFrom("0", "1", "2"),
        fc.constantFrom("0", "1", "9"),
      ),
      hole(
        "$1[$2:$3]",
        str,
        fc.constantFrom("", "0", "1", "-2"),
        fc.constantFrom("", "1", "-1", "3"),
      ),
      hole("$1[::2]", str),
      hole("std.join($1, $2)", str, strs),
      hole("std.strReplace($1, $2, $3)", str, fc.constantFrom("'a'", "'ab'", "' '"), str),
      hole("std.$1($2, $3)", operator("stripChars", "lstripChars", "rstripChars"), str, str),
      hole("std.type($1)", any),
      hole("std.char(97 + (std.floor(std.abs($1)) % 26))", num),
      hole("('%s|%5s' % [$1, $2])", any, str),
      hole("('%d %i %5d %-5d|' % [$1, $1, $1, $1])", num),
      hole("('%.3f %08.2f %+d % d' % [$1, $1, $1, $1])", num),
      hole("('%x %o %#x' % [$1, $1, $1])", num),
      hole("('%e %g %G' % [$1, $1, $1])", num),
      hole("('%(x)s' % $1)", obj),
      hole("std.repeat($1, 2)", str),
      hole("std.$1($2)", operator("base64", "md5", "sha1", "sha256", "sha3"), str),
      hole("std.manifestJsonMinified($1)", any),
      hole("std.manifestJsonEx($1, ' ')", any),
      hole("std.manifestYamlDoc($1, $2, $3)", any, bool, bool),
      hole("std.manifestPython($1)", any),
      hole("std.manifestTomlEx($1, ' ')", obj),
      hole("(if $1 then $2 else $3)", bool, str, str),
      hole("(local s = $1; $2)", str, str),
      hole("(error $1)", str),
      hole("std.lines($1)", strs),
    ),
    bool: choose(
      fc.constantFrom("true", "false", "b"),
      hole("($1 $2 $3)", num, operator("<", "<=", ">", ">=", "==", "!="), num),
      hole("($1 $2 $3)", str, operator("<", "<=", ">", ">=", "==", "!="), str),
      hole("($1 $2 $3)", nums, operator("<", ">=", "=="), nums),
      hole("($1 == $2)", any, any),
      hole("($1 $2 $3)", bool, operator("&&", "||", "==", "!="), bool),
      hole("(!$1)", bool),
      hole("('$2' in $1)", obj, name),
      hole("std.$1($2, '$3')", operator("objectHas", "objectHasAll"), obj, name),
      hole("std.$1($2, $3)", operator("startsWith", "endsWith", "member"), str, str),
      hole("std.$1($2, $3)", operator("member", "contains"), nums, num),
      hole("std.$1([$2, $3])", operator("all", "any"), bool, bool),
      hole("std.setMember($1, std.set($2))", num, nums),
      hole("std.$1($2)", operator("isString", "isNumber", "isArray", "isObject", "isNull"), any),
      hole("std.$1($2)", operator("isEven", "isOdd", "isInteger", "isDecimal"), num),
      hole("std.assertEqual($1, $2)", num, num),
    ),
    nums: choose(
      fc.constantFrom("a", "[]", "[n, m]"),
      hole("[$1, $2]", num, num),
      hole("[$1 for n in $2]", num, nums),
      hole("[$1 for n in $2 if $3]", num, nums, bool),
      hole("[$1 for n in $2 for m in $3]", num, nums, nums),
      hole("($1 + $2)", nums, nums),
      hole("$1[$2:$3]", nums, fc.constantFrom("", "0", "1", "-2"), fc.constantFrom("", "2", "-1")),
      hole("std.map($1, $2)", fn, nums),
      hole("std.filter(function(n) $1, $2)", bool, nums),
      hole("std.$1($2)", operator("sort", "reverse", "uniq", "set"), nums),
      hole("std.sort($1, function(n) $2)", nums, num),
      hole(
        "std.$1(std.set($2), std.set($3))",
        operator("setUnion", "setInter", "setDiff"),
        nums,
        nums,
      ),
      hole("std.flatMap(function(n) $1, $2)", nums, nums),
      hole("std.mapWithIndex(function(n, m) $1, $2)", num, nums),
      hole("std.makeArray($1, $2)", fc.constantFrom("0", "1", "3"), fn),
      hole("std.find($1, $2)", num, nums),
      hole("std.flattenArrays([$1, $2])", nums, nums),
      hole("std.remove($1, $2)", nums, num),
      hole("std.encodeUTF8($1)", str),
      hole("std.findSubstr('a', $1)", str),
    ),
    strs: choose(
      fc.constantFrom("t", "[]", "[s]"),
      hole("[$1, $2]", str, str),
      hole("std.split($1, ',')", str),
      hole("std.splitLimit($1, 'a', 1)", str),
      hole("std.splitLimitR($1, 'a', 1)", str),
      hole("std.stringChars($1)", str),
      hole("std.$1($2)", operator("objectFields", "objectFieldsAll"), obj),
      hole("std.objectFields(std.objectRemoveKey($1, '$2'))", obj, name),
      hole("std.map(function(n) $1, $2)", str, nums),
      hole("std.$1($2)", operator("sort", "set", "reverse"), strs),
      hole("[$1 for s in $2]", str, strs),
    ),
    obj: choose(
      fc.constantFrom("o", "{}"),
      hole("{ $1: $2 }", name, num),
      hole("{ x: $1, y:: $2, z::: $3 }", num, num, num),
      hole("{ $1: $2, [$3]: 5 }", name, num, str),
      hole("{ local n = $1, x: n, y: $2 }", num, num),
      hole("{ x: $1, y: self.x, z: $$.y }".replace("$$", "$"), num),
      hole("{ assert $1, x: $2 }", bool, num),
      hole("{ [s]: $1 for s in $2 }", num, strs),
      hole("{ [if $1 then 'x']: $2, w: 0 }", bool, num),
      hole("($1 + $2)", obj, obj),
      hole("($1 { $2+: $3 })", obj, name, num),
      hole("($1 { $2: super.$2 })", obj, name),
      hole("($1 { x: if '$2' in super then super.$2 else 9 })", obj, name),
      hole("($1 { v(n):: $2, w: self.v(4) })", obj, num),
      hole("std.mapWithKey(function(s, n) $1, $2)", num, obj),
      hole("std.mergePatch($1, $2)", obj, obj),
      hole("std.prune($1)", obj),
    ),
    fn: choose(
      fc.constantFrom("f", "std.abs", "function(n) n"),
      hole("(function(n) $1)", num),
      hole("(function(n, m=$1) $2)", num, num),
    ),
    any: choose(
      fc.constantFrom("null", "n", "s", "a", "o", "b"),
      num,
      str,
      bool,
      nums,
      strs,
      obj,
      hole("[$1, $2]", any, any),
      hole("{ x: $1, 'a b': $2 }", any, any),
      hole("std.objectValues($1)", obj),
      hole("std.objectKeysValues($1)", obj),
      hole("std.parseJson(std.manifestJson($1))", any),
      hole("(if $1 then $2)", bool, any),
      hole("($1 + $2)", any, any),
    ),
  };
});

/** Whole programs. */
export const programs: Arbitrary<string> = program;
