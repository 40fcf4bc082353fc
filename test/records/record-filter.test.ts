import { expect, test } from "vitest";
import { parseRecordFilter } from "../../src/records/record-filter.ts";

const record = Buffer.from(
  '{"id":9007199254740993,"t":4.50,"site":{"id":"a","tags":["x","y"]},"gone":null,"ok":true}',
);

test.each([
  ["", true],
  ['site.id = "a"', true],
  ['site.id="b"', false],
  ["id = 9007199254740993", true],
  ["id = 9007199254740992", false],
  ["t = 4.5", true],
  ['t = "4.5"', false],
  ['site.tags[1] = "y" AND t = 45e-1', true],
  ['site.tags[1] = "y" AND t = 4', false],
  ["gone = null", true],
  ["missing = null", false],
  ["ok = true", true],
])("filter %j gives %s", (text, wanted) => {
  const parsed = parseRecordFilter(text);
  if ("fault" in parsed) throw new Error(parsed.fault);
  expect(parsed.filter(record)).toBe(wanted);
});

test.each([
  ["a", "expected = after the path", 1],
  ["a = ", "expected a value after =", 4],
  ["a = bar", 'a value is JSON: a string stands in quotes, such as "bar4"', 4],
  ["a = 1 OR b = 2", "expected AND or the end", 6],
  ["a = 1 AND ", "a condition is missing after AND", 10],
  ["a = {}", "a value is a string, a number, true, false or null", 4],
])("filter %j is refused: %s", (text, fault, at) => {
  expect(parseRecordFilter(text)).toEqual({ fault, at });
});
