/** Programs by hand, one per point: every function of the standard library, every form of the language. */
export const SNIPPETS: readonly string[] = `
null
true
[1, 2.5, -3, 1e100, 1e-7, 0.1, 123456789012345680, 5e-324, 1.7976931348623157e308]
"a\\u00e9\\ud83d\\udca9\\b\\f\\n\\r\\t\\"\\\\/\\u007f\\u0085"
'single "quoted"'
@"verbatim ""quoted"" \\n"
@'it''s'
[1, 2, 3,]
{ a: 1, 'b c': 2, "d": 3, ['e' + 'f']: 4, [null]: 5, g:: 6, h::: 7 }
{ local x = 1, y: x, f(a, b=x): a + b, z: self.f(2) }
{ a: 1 } + { a+: 2, b+: 3 }
{ a: [1] } + { a+: [2] } + { a+: [3] }
{ a:: 1 } + { a: 2 }
{ a:: 1 } + { a::: 2 }
{ a: 1 } + { a:: 2 }
{ a: 1, b: self.a } + { a: 2 }
{ a: 1, b: { c: $.a } }
local A = { x: 1, y: self.x + 1 }, B = A { x: 10, z: super.y }; B
{ x: 1 } { y: 'x' in super, z: 'q' in super }
{ assert self.x > 0 : 'must be positive', x: 1 }
{ assert self.x > 0 : 'must be positive', x: -1 }
{ [k]: std.length(k) for k in ['a', 'bb', 'ccc'] if k != 'bb' }
{ ['a' + x + y]: x * y for x in [1, 2] for y in [3, 4] }
{ local v = k + '!', [k]: v for k in ['a', 'b'] }
[[x, y] for x in [1, 2, 3] if x % 2 == 1 for y in [x, x + 10]]
local f(x, y=x * 2, z=y) = [x, y, z]; [f(1), f(1, 5), f(1, z=9), f(z=3, x=1)]
local f(x) = x; f()
local f(x) = x; f(1, 2)
local f(x) = x; f(y=1)
local f(x) = x; f(1, x=1)
(function(x, y) x - y)(y=1, x=5)
local fib(n) = if n < 2 then n else fib(n - 1) + fib(n - 2); [fib(i) for i in std.range(0, 12)]
local sum(n, acc=0) = if n == 0 then acc else sum(n - 1, acc + n) tailstrict; sum(3000)
local a = [1, b[0]], b = [2, a[0]]; a
if true then 1
if false then 1
if 1 then 2
assert 1 < 2; 3
assert 2 < 1 : 'no'; 3
error 'message'
error { a: 1 }
[error 'never', 1][1]
local x = error 'never'; 5
1 + 2 * 3 - 4 / 2 % 3
1 < 2 == true && !false || 1 / 0
-2 + +3 - ~5
1 << 3 | 5 & 6 ^ 3 >> 1
7 % -3 + -7 % 3
1 / 0
5 % 0
1e308 * 10
1 << -1
'abc' < 'abd' && 'a' < 'b' && 'Z' < 'a' && '💩' > '\\uffff'
[1, 2] < [1, 2, 3] && [2] > [1, 5]
{} < {}
[1, [2, { a: 3 }]] == [1, [2, { a: 3 }]]
{ a: 1, b:: 2 } == { a: 1, b:: 3 }
(function(x) x) == (function(x) x)
1 == '1'
'a' + 1 + null + true + [1, { b: 2 }] + 0.1
1 + 'a'
[1] + 'a'
[1] + 1
null + null
{ a: 1 } + [1]
'héllo💩'[1] + 'héllo💩'[5] + std.length('héllo💩')
'abcdef'[1:4] + 'abcdef'[::2] + 'abcdef'[-2:] + 'abcdef'[:-4]
[0, 1, 2, 3, 4, 5][1:5:2]
[1, 2, 3][::0]
[1, 2, 3][5]
[1, 2, 3][-1]
{ a: 1 }.b
'abc'[3]
null.x
1(2)
self
super.x
$
undefinedVariable
local x = 1, x = 2; x
{ a: 1, a: 2 }
{ ['a']: 1, ['a']: 2 }
function(x, x) x
{ [1]: 2 }
[x for x in 'abc']
[x for x in {}]
std.unknown
std.type(std.length) + std.type(null) + std.type({}) + std.type([]) + std.type('') + std.type(1) + std.type(true)
[std.length(x) for x in ['', 'ab', [1], { a: 1, b:: 2 }, function(a, b, c=1) a]]
[std.isString(''), std.isNumber(1), std.isBoolean(true), std.isObject({}), std.isArray([]), std.isFunction(std.length), std.isNull(null)]
[std.get({ a: 1 }, 'a'), std.get({ a: 1 }, 'b'), std.get({ a: 1 }, 'b', 2), std.get({ a:: 1 }, 'a', 2, false), std.get({ a:: 1 }, 'a', inc_hidden=true)]
[std.objectHas({ a:: 1 }, 'a'), std.objectHasAll({ a:: 1 }, 'a'), std.objectHasEx({ a:: 1 }, 'a', true)]
[std.objectFields({ b: 1, a: 2, c:: 3 }), std.objectFieldsAll({ b: 1, a: 2, c:: 3 }), std.objectFieldsEx({ a:: 1 }, true)]
[std.objectValues({ b: 1, a: 2, c:: 3 }), std.objectValuesAll({ b: 1, a: 2, c:: 3 })]
[std.objectKeysValues({ b: 1, c:: 3 }), std.objectKeysValuesAll({ b: 1, c:: 3 })]
[std.objectRemoveKey({ a: 1, b: 2 }, 'a'), std.objectRemoveKey({ a: 1 }, 'z'), std.length(std.objectRemoveKey({ a: 1, b: 2 }, 'a'))]
std.mapWithKey(function(k, v) k + v, { a: 1, b: 2, c:: 3 })
[std.abs(-3), std.abs(3), std.sign(-3), std.sign(0), std.max(1, 2), std.min(1, 2), std.clamp(5, 1, 3), std.clamp(-5, 1, 3), std.clamp(2, 1, 3)]
[std.pow(2, 10), std.pow(2, -1), std.exp(0), std.log(1), std.floor(-1.5), std.ceil(-1.5), std.sqrt(16), std.round(2.5), std.round(-2.5), std.round(0.4)]
[std.exponent(8), std.mantissa(8), std.exponent(0.3), std.mantissa(0.75), std.exponent(0), std.mantissa(-5)]
[std.hypot(3, 4), std.atan2(0, 1), std.sin(0), std.cos(0), std.tan(0), std.asin(0), std.acos(1), std.atan(0), std.deg2rad(0), std.rad2deg(0), std.log2(8), std.log10(1)]
[std.isEven(2), std.isOdd(2), std.isInteger(1.5), std.isDecimal(1.5), std.isEven(-3)]
std.sqrt(-1)
std.log(0)
std.pi
[std.mod(7, 3), std.modulo(-7, 3), std.mod('%d', 3)]
[std.xor(true, false), std.xnor(true, false)]
[std.sum([1, 2, 3]), std.avg([1, 2]), std.sum([])]
std.avg([])
[std.minArray([3, 1, 2]), std.maxArray([3, 1, 2]), std.minArray(['b', 'a'], std.length), std.maxArray([], onEmpty=7)]
std.minArray([])
std.assertEqual({ a: 1 }, { a: 1 })
std.assertEqual(1, '1')
[std.toString(1), std.toString('a'), std.toString([1, 'a', {}, []]), std.toString({ b: 1, a: null })]
[std.codepoint('a'), std.codepoint('💩'), std.char(97), std.char(128169)]
std.codepoint('ab')
std.char(-1)
[std.substr('hello', 1, 3), std.substr('hello', 3, 9), std.substr('hello', 9, 1), std.substr('💩ab', 1, 1)]
[std.findSubstr('aa', 'aaaa'), std.findSubstr('', 'a'), std.findSubstr('b', '💩ab'), std.findSubstr('x', 'abc')]
[std.startsWith('abc', 'ab'), std.startsWith('a', 'ab'), std.endsWith('abc', 'bc'), std.endsWith('c', 'bc')]
[std.stripChars(' a b ', ' '), std.lstripChars('xxa', 'x'), std.rstripChars('axx', 'x'), std.stripChars('abcab', 'ab'), std.trim(' \\n\\ta b\\r ')]
[std.split('a,b,,c', ','), std.split('', ','), std.split('a--b--c', '--'), std.splitLimit('a,b,c', ',', 1), std.splitLimit('a,b,c', ',', -1), std.splitLimitR('a,b,c', ',', 1), std.splitLimitR('aXXbXXc', 'XX', 1)]
std.split('abc', '')
[std.strReplace('abcabc', 'b', 'XY'), std.strReplace('aaa', 'aa', 'b'), std.strReplace('abc', 'abc', '')]
[std.isEmpty(''), std.isEmpty('a'), std.equalsIgnoreCase('aBc', 'AbC'), std.asciiUpper('aé1z'), std.asciiLower('AÉ1Z')]
std.stringChars('a💩é')
[std.escapeStringBash("it's"), std.escapeStringDollars('$a $$'), std.escapeStringJson('a"\\n\\u0001'), std.escapeStringPython('a"'), std.escapeStringXML('<a b="c">&\\'')]
[std.parseInt('-12'), std.parseOctal('755'), std.parseHex('fF0')]
std.parseInt('x1')
std.parseHex('xyz')
std.parseJson('{"a": [1, 2.5e3, "\\\\u00e9", null, true], "b": {}}')
std.parseJson('{"a": }')
[std.parseYaml('a: [1, x]\\nb:\\n- c: 2\\n'), std.parseYaml('---\\n1\\n---\\nx: |\\n  y\\n'), std.parseYaml('')]
std.parseYaml('a: [')
[std.encodeUTF8('é💩'), std.decodeUTF8([195, 169, 240, 159, 146, 169]), std.decodeUTF8([255, 97])]
[std.makeArray(3, function(i) i * i), std.range(2, 5), std.range(5, 2), std.repeat('ab', 3), std.repeat([1, 2], 2), std.slice([1, 2, 3, 4], 0, 4, 2)]
[std.member([1, 2], 2), std.member('abc', 'b'), std.contains([1], 2), std.count([1, 2, 1], 1), std.find(1, [1, 2, 1])]
[std.map(function(x) x + 1, [1, 2]), std.map(function(c) c + c, 'ab'), std.mapWithIndex(function(i, x) i * x, [5, 6]), std.filter(function(x) x > 1, [1, 2]), std.filterMap(function(x) x > 1, function(x) -x, [1, 2])]
[std.flatMap(function(x) [x, x], [1, 2]), std.flatMap(function(c) c + c, 'ab'), std.flattenArrays([[1], [2, [3]]]), std.flattenDeepArray([1, [2, [3, [4]]]])]
[std.foldl(function(a, x) a + x, ['a', 'b'], ''), std.foldr(function(x, a) a + x, ['a', 'b'], ''), std.foldl(function(a, c) c + a, 'abc', '')]
[std.join(',', ['a', null, 'b']), std.join([0], [[1], null, [2]]), std.deepJoin(['a', ['b', ['c']]]), std.lines(['a', 'b'])]
std.join(',', ['a', 1])
[std.reverse([1, 2, 3]), std.sort([3, 1, 2]), std.sort(['b', 'a', 'B']), std.sort([[2], [1, 5], [1]]), std.sort([1, 2, 3], function(x) -x), std.sort([{ k: 2 }, { k: 1 }], keyF=function(o) o.k)]
std.sort([1, 'a'])
[std.uniq([1, 1, 2, 1]), std.set([2, 1, 2]), std.set(['b', 'A', 'a'], std.asciiLower), std.uniq([1, 2, 3], function(x) 0)]
[std.setInter([1, 2], [2, 3]), std.setUnion([1, 2], [2, 3]), std.setDiff([1, 2], [2, 3]), std.setMember(2, [1, 2]), std.setMember(3, [1, 2])]
[std.all([true, false]), std.any([true, false]), std.all([]), std.any([])]
std.all([1])
[std.remove([1, 2, 1], 1), std.removeAt([1, 2, 3], 1), std.remove([1], 5)]
[std.base64('hello'), std.base64([0, 255]), std.base64Decode('aGVsbG8='), std.base64DecodeBytes('AP8='), std.base64('')]
std.base64Decode('abc')
[std.md5('a'), std.sha1('a'), std.sha256('a'), std.sha512('a'), std.sha3('a'), std.md5('é')]
[std.mergePatch({ a: 1, b: { c: 2, d: 3 } }, { b: { c: null, e: 4 }, f: { g: null } }), std.mergePatch(1, { a: null }), std.mergePatch({ a: 1 }, 2)]
std.prune({ a: null, b: [], c: {}, d: [null, 1, { e: null }], f: '', g: 0 })
[std.resolvePath('a/b/c', 'd'), std.resolvePath('a', 'b')]
[std.equals([1], [1]), std.primitiveEquals('a', 'a')]
std.native('nope')
std.trace('shown somewhere', 5)
[std.format('%s %d', ['a', 5]), '%s' % 'x', '%(a)s-%(b)03d' % { a: 'x', b: 7 }, '%%' % [], '%5.1f|%-6s|%+d|% d' % [2.25, 'ab', 3, 4], '%c%c' % ['a', 98]]
['%e' % 12345.678, '%E' % 0.00012, '%g' % 1234567, '%g' % 0.00001, '%g' % 100, '%G' % 1e20, '%#g' % 1.5, '%.0f' % 0.5, '%#.0f' % 2]
['%x' % 255, '%X' % 255, '%#x' % 255, '%o' % 8, '%#o' % 8, '%08d' % -42, '%-8dx' % -42, '%i%u' % [1, 2], '%*d|%.*f' % [5, 1, 2, 3.14159], '%ld' % 3]
'%d' % 'a'
'%d %d' % [1]
'%d' % [1, 2]
'%z' % 1
'%(x)s' % [1]
[std.manifestIni({ main: { a: 1, b: ['x', 'y'] }, sections: { s: { c: true }, t: {} } }), std.manifestIni({ sections: {} })]
[std.manifestPython({ a: [true, null, 1.5, 'x'] }), std.manifestPythonVars({ x: 1, y: [] })]
[std.manifestJson({ a: [1, []], b: {} }), std.manifestJsonMinified({ a: [1, 2.5, []], b: {} }), std.manifestJsonEx([1, { a: 2 }], '  ', newline=' ', key_val_sep=':')]
std.manifestYamlDoc({ a: [1, [2, 3], { b: [] }], c: 'x\\ny\\n', d: {}, e: 'plain', f: null, g: { h: 1.5 }, '': 0 })
std.manifestYamlDoc({ a: [1, { b: [2] }], 'x y': 1, yes: 2, ok: 3, '1': 4, '1.5': 5, 'a.b': 6, '2020-01-01': 7 }, indent_array_in_object=true, quote_keys=false)
[std.manifestYamlStream([1, { a: 2 }]), std.manifestYamlStream([[]], c_document_end=false)]
std.manifestXmlJsonml(['a', { x: 'y', n: 1 }, 'text', ['b'], ['c', 'd']])
[std.manifestToml({ a: 1, b: { c: [1, 'x'], d: { e: true } }, f: [{ g: 1 }, { h: 2 }], 'i j': [[1], { k: 2 }] }), std.manifestTomlEx({ a: [1, 2] }, '    ')]
std.manifestToml({ a: null })
std.manifestJsonEx({ f(x):: 1, g: 2 }, ' ')
{ f(x): x }
|||\\n  one\\n    two\\n\\n  three\\n|||
|||-\\n  one\\n|||
1 # comment
1 // comment
/* comment */ 1
0x1
1_000.5_5e1_0
01
1..2
"unterminated
'bad \\q escape'
{ a: 1
[1 2]
(1
local x = 1
1 +
a b
{ a+ 1 }
import 'x'
if then else
for x in []
{ a:: 1, b: $.a, c: { d: $.b } }.c.d
std.foldl(function(acc, x) acc { [x]: std.length(acc) }, ['a', 'b', 'c'], {})
local o = { a: 1, b: self.a }; [o.b, (o { a: 2 }).b, o == o { a: 1 }]
{ ['x' + i]: i for i in std.range(1, 3) } { x2+: 10 }
{ local outer = self, a: { b: outer.c }, c: 5 }
[std.parseJson('1e400')]
local apply(f, x) = f(x); apply(function(y) y * 2, 21)
({ a: 1, assert self.a == 1 } + { a: 2 }).b
std.mapWithKey(function(k, v) v, [1])
`
  .trim()
  .split("\n")
  .map((line) => (line.startsWith("|||") ? line.replaceAll("\\n", "\n") : line));
