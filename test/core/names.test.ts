import fc from "fast-check";
import { expect, test } from "vitest";
import {
  formatName,
  ID_PATTERN,
  idFromTitle,
  parseName,
  projectOf,
  streamOf,
} from "../../src/core/names.ts";

test("a name gives its ids and comes back from them", () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z][a-z0-9-]{0,62}$/),
      fc.stringMatching(/^[a-z][a-z0-9-]{0,62}$/),
      (p, s) => {
        const name = formatName("stream", p, s);
        expect(parseName(name, "stream")).toEqual([p, s]);
        expect(projectOf(name)).toBe(`projects/${p}`);
        expect(streamOf(`${name}/sinks/x`)).toBe(name);
      },
    ),
  );
});

test.each([
  "projects/a.b/streams/c",
  "projects/a/streams/*",
  "projects/a/streams/>",
  "projects/a/streams/b c",
  "projects/a/streams/b\u0000",
  `projects/a/streams/${"x".repeat(64)}`,
  "projects/a/streams/\u202eb",
  "projects/a/streams/b/",
  "projects//streams/b",
])("bad input 58: %j is no name of a stream", (name) => {
  expect(parseName(name, "stream")).toBeUndefined();
});

test("an id made from any title is valid or absent", () => {
  expect(idFromTitle("Wind Sensors!")).toBe("wind-sensors");
  expect(idFromTitle("Čeština č. 2")).toBe("cestina-c-2");
  expect(idFromTitle("123")).toBeUndefined();
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (title) => {
      const id = idFromTitle(title);
      if (id !== undefined) expect(id).toMatch(ID_PATTERN);
    }),
  );
});
