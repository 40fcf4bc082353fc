import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { SchemaSchema } from "#gen/tributary/management/v1/stream_pb.js";
import { requestFields } from "../../src/core/request-schema.ts";
import { bodyReader } from "../../src/mapping/body.ts";
import { parseForm } from "../../src/mapping/form-body.ts";

const read = bodyReader(create(SchemaSchema, { fields: requestFields() }));

test("the body of a request that was kept whole is its own text, numbers as they were written", () => {
  const text = '{ "n": 1e400 }';
  expect(read(`{"method":"POST","body":${text}}`)).toEqual({ text, json: text });
});

test("a form is read with bracket nesting; other text has no JSON", () => {
  const form = { method: "POST", content_type: "Application/X-WWW-Form-urlencoded; charset=utf-8" };
  expect(read(JSON.stringify({ ...form, body_text: "a=1&k[x][0]=y" }))).toEqual({
    text: "a=1&k[x][0]=y",
    json: '{"a":"1","k":{"x":["y"]}}',
  });
  expect(read('{"method":"POST","body_text":"plain"}')).toEqual({ text: "plain", json: undefined });
  expect(read('{"method":"POST","body_base64":"/w=="}').json).toBeUndefined();
  expect(read('{"method":"GET"}')).toEqual({ text: "", json: undefined });
});

test("forms: arrays by index and by empty brackets, plain names, odd brackets", () => {
  expect(parseForm("a[]=1&a[]=2&b[1]=x&c=%20+&d[&e]=1&__proto__[x]=1&f[g][h]=1&f[g][i]=2")).toEqual(
    JSON.parse(
      '{"a":["1","2"],"b":{"1":"x"},"c":"  ","d[":"","e]":"1","__proto__":{"x":"1"},"f":{"g":{"h":"1","i":"2"}}}',
    ),
  );
});
