import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { compileTimeFormat } from "../../src/mapping/strftime.ts";

/** What the platform's C library writes, by way of Python. */
function platform(cases: readonly { format: string; seconds: number }[]): string[] {
  const program = `
import ctypes, json, sys, time
libc = ctypes.CDLL(None)
class Tm(ctypes.Structure):
    _fields_ = [(n, ctypes.c_int) for n in ("sec", "min", "hour", "mday", "mon", "year", "wday", "yday", "isdst")] + [("gmtoff", ctypes.c_long), ("zone", ctypes.c_char_p)]
libc.gmtime_r.argtypes = [ctypes.POINTER(ctypes.c_longlong), ctypes.POINTER(Tm)]
out = []
for case in json.load(sys.stdin):
    tm = Tm(); t = ctypes.c_longlong(case["seconds"])
    libc.gmtime_r(ctypes.byref(t), ctypes.byref(tm))
    tm.zone = b"UTC"
    buffer = ctypes.create_string_buffer(4096)
    libc.strftime(buffer, ctypes.c_size_t(4096), case["format"].encode(), ctypes.byref(tm))
    out.append(buffer.value.decode())
json.dump(out, sys.stdout)`;
  const child = spawnSync("python3", ["-c", program], {
    input: JSON.stringify(cases),
    env: { ...process.env, TZ: "UTC", LC_ALL: "C" },
    encoding: "utf8",
  });
  expect(child.stderr).toBe("");
  return JSON.parse(child.stdout) as string[];
}

const LETTERS = [..."aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%"];

test("K12: every conversion is what C's strftime writes, at 1,000 instants", () => {
  const format = LETTERS.map((letter) => `${letter}=%${letter}`).join("|");
  const seconds = fc.sample(fc.integer({ min: 0, max: 4_102_444_799 }), {
    numRuns: 1_000,
    seed: 7,
  });
  const edges = [0, 1_104_537_599, 1_230_767_999, 1_483_228_799, 1_709_164_800, 1_735_603_200];
  const cases = [...seconds, ...edges].map((at) => ({ format, seconds: at }));
  const write = compileTimeFormat(format);
  expect(cases.map((one) => write(one.seconds * 1000))).toEqual(platform(cases));
});

test("K12: flags, widths, modifiers and what is no conversion", () => {
  const formats = [
    ...[
      "%-d",
      "%_d",
      "%05d",
      "%10Y",
      "%^a",
      "%^B",
      "%#p",
      "%#Z",
      "%#a",
      "%-j",
      "%_j",
      "%Ey",
      "%Od",
    ],
    ...[
      "%0e",
      "%-e",
      "%-I",
      "%3C",
      "%_H",
      "100%",
      "%Y-%m-%dT%H:%M:%SZ",
      "é %B ü",
      "%-S%-M",
      "%012s",
    ],
  ];
  const cases = formats.map((format) => ({ format, seconds: 1_673_683_445 }));
  const written = cases.map(({ format, seconds }) => compileTimeFormat(format)(seconds * 1000));
  expect(written).toEqual(platform(cases));
});
