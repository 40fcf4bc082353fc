import { createHmac } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";
import {
  HmacRules_Algorithm,
  HmacRules_Encoding,
  type HmacRulesSchema,
  SignatureAuthentication_Scheme as Scheme,
  SignatureAuthenticationSchema,
  SourceSchema,
} from "#gen/tributary/management/v1/source_pb.js";
import { reasonOf } from "../../src/core/errors.ts";
import { signature } from "../../src/sources/signature/signature.ts";
import type { SourceHead } from "../../src/sources/source.ts";

const SECRET = "It's a Secret to Everybody";
const OTHER = "another secret";
const WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW = 1_700_000_000_000;
const SECONDS = NOW / 1000;
const BODY = '{"a": 1,\n "b":"é"}';

type Rules = MessageInitShape<typeof HmacRulesSchema>;

function gateOf(scheme: Scheme, secrets: readonly string[], hmac?: Rules) {
  const config = create(SignatureAuthenticationSchema, { scheme, ...(hmac && { hmac }) });
  const definition = {
    uid: "uid",
    name: "projects/p/streams/s/sources/x",
    projectUid: "p",
    streamName: "projects/p/streams/s",
    publicId: "pub",
    source: create(SourceSchema),
    keys: secrets.map((secret, i) => ({ uid: `key${i}`, secret: Buffer.from(secret) })),
  };
  const environment = {
    authenticateBearer: () => {
      throw new Error("not used");
    },
  };
  expect(signature.check(config, definition.source)).toEqual([]);
  return signature.open(config, definition, environment);
}

/** What became of a request: the key, or the reason of the refusal. */
function judge(
  gate: ReturnType<typeof gateOf>,
  headers: Record<string, string>,
  { body = BODY, nowMs = NOW } = {},
): string {
  const head: SourceHead = {
    method: "POST",
    path: "/in/x",
    headers,
    address: "",
    secret: undefined,
    nowMs,
  };
  try {
    gate.admit(head);
    return gate.verify?.(head, Buffer.from(body)).keyUid ?? "";
  } catch (error) {
    return String(reasonOf(error) ?? error);
  }
}

const mac = (
  secret: string | Buffer,
  text: string,
  form: "hex" | "base64" = "hex",
  hash = "sha256",
) => createHmac(hash, secret).update(text).digest(form);

interface Provider {
  readonly scheme: Scheme;
  readonly secret: string;
  readonly hmac?: Rules;
  readonly hasTime: boolean;
  /** Headers for a body signed at a time with some secrets, the first two of them side by side. */
  sign(body: string, seconds: number, secrets: string[]): Record<string, string>;
  /** Whether several signatures in one request are part of the scheme. */
  readonly takesTwo: boolean;
}

const whsecKey = (secret: string) => Buffer.from(secret.replace("whsec_", ""), "base64");

const providers: Record<string, Provider> = {
  GitHub: {
    scheme: Scheme.GITHUB,
    secret: SECRET,
    hasTime: false,
    takesTwo: false,
    sign: (body, _, secrets) => ({
      "x-hub-signature-256": secrets.map((s) => `sha256=${mac(s, body)}`).join(", "),
    }),
  },
  Stripe: {
    scheme: Scheme.STRIPE,
    secret: SECRET,
    hasTime: true,
    takesTwo: true,
    sign: (body, t, secrets) => ({
      "stripe-signature": [
        `t=${t}`,
        `v0=${"0".repeat(64)}`,
        ...secrets.map((s) => `v1=${mac(s, `${t}.${body}`)}`),
      ].join(","),
    }),
  },
  Slack: {
    scheme: Scheme.SLACK,
    secret: SECRET,
    hasTime: true,
    takesTwo: false,
    sign: (body, t, secrets) => ({
      "x-slack-request-timestamp": String(t),
      "x-slack-signature": secrets.map((s) => `v0=${mac(s, `v0:${t}:${body}`)}`).join(", "),
    }),
  },
  Shopify: {
    scheme: Scheme.SHOPIFY,
    secret: SECRET,
    hasTime: false,
    takesTwo: false,
    sign: (body, _, secrets) => ({
      "x-shopify-hmac-sha256": secrets.map((s) => mac(s, body, "base64")).join(", "),
    }),
  },
  "Standard Webhooks": {
    scheme: Scheme.STANDARD_WEBHOOKS,
    secret: WHSEC,
    hasTime: true,
    takesTwo: true,
    sign: (body, t, secrets) => ({
      "webhook-id": "msg_1",
      "webhook-timestamp": String(t),
      "webhook-signature": secrets
        .map((s) => `v1,${mac(whsecKey(s), `msg_1.${t}.${body}`, "base64")}`)
        .join(" "),
    }),
  },
  "HMAC with time": {
    scheme: Scheme.HMAC,
    secret: SECRET,
    hasTime: true,
    takesTwo: false,
    hmac: {
      header: "X-Signature",
      prefix: "hmac ",
      algorithm: HmacRules_Algorithm.SHA512,
      encoding: HmacRules_Encoding.BASE64,
      signedContent: "{method} {path} {header:x-device} {timestamp}|{body}|end",
      timestampHeader: "X-Time",
    },
    sign: (body, t, secrets) => ({
      "x-device": "d7",
      "x-time": new Date(t * 1000).toISOString(),
      "x-signature": secrets
        .map((s) => {
          const text = `POST /in/x d7 ${new Date(t * 1000).toISOString()}|${body}|end`;
          return `hmac ${mac(s, text, "base64", "sha512")}`;
        })
        .join(", "),
    }),
  },
  "HMAC of the body": {
    scheme: Scheme.HMAC,
    secret: SECRET,
    hasTime: false,
    takesTwo: false,
    hmac: { header: "x-sig", algorithm: HmacRules_Algorithm.SHA1 },
    sign: (body, _, secrets) => ({
      "x-sig": secrets.map((s) => mac(s, body, "hex", "sha1").toUpperCase()).join(","),
    }),
  },
};

describe.each(Object.entries(providers))("check 29, B08: %s", (_, provider) => {
  const { scheme, secret, hmac, sign } = provider;
  const gate = gateOf(scheme, [secret], hmac);

  test("takes what was signed with the secret, byte for byte", () => {
    expect(judge(gate, sign(BODY, SECONDS, [secret]))).toBe("key0");
    expect(judge(gate, sign("", SECONDS, [secret]), { body: "" })).toBe("key0");
  });

  test("refuses a tampered body, a wrong secret, a missing, cut or malformed signature", () => {
    const good = sign(BODY, SECONDS, [secret]);
    expect(judge(gate, good, { body: BODY.replace("1", "2") })).toBe("SIGNATURE_INVALID");
    expect(judge(gate, good, { body: JSON.stringify(JSON.parse(BODY)) })).toBe("SIGNATURE_INVALID");
    const wrong = provider.scheme === Scheme.STANDARD_WEBHOOKS ? "whsec_AAAA" : OTHER;
    expect(judge(gate, sign(BODY, SECONDS, [wrong]))).toBe("SIGNATURE_INVALID");
    for (const name of Object.keys(good)) {
      const { [name]: value = "", ...rest } = good;
      expect([name, judge(gate, rest)]).toEqual([name, "SIGNATURE_INVALID"]);
      expect([name, judge(gate, { ...rest, [name]: "" })]).toEqual([name, "SIGNATURE_INVALID"]);
      if (!/sign|hmac|sig/.test(name)) continue;
      for (const bad of [value.slice(0, -4), `${value}0`, "sha256=", "v1=", "v0=zz", "\u00e9"]) {
        expect([bad, judge(gate, { ...rest, [name]: bad })]).toEqual([bad, "SIGNATURE_INVALID"]);
      }
    }
  });

  test("looks at the time in the request, past and future", () => {
    const at = (seconds: number) => judge(gate, sign(BODY, seconds, [secret]));
    expect([at(SECONDS - 300), at(SECONDS + 300)]).toEqual(["key0", "key0"]);
    const late = provider.hasTime ? "SIGNATURE_INVALID" : "key0";
    expect([at(SECONDS - 301), at(SECONDS + 301)]).toEqual([late, late]);
  });

  test("two signatures: one of them right is enough where the scheme knows several", () => {
    const wrong = provider.scheme === Scheme.STANDARD_WEBHOOKS ? "whsec_AAAA" : OTHER;
    const expected = provider.takesTwo ? "key0" : "SIGNATURE_INVALID";
    expect(judge(gate, sign(BODY, SECONDS, [wrong, secret]))).toBe(expected);
    const none = judge(gate, sign(BODY, SECONDS, [wrong, `${wrong}x`]));
    expect(none).toBe("SIGNATURE_INVALID");
  });

  test("two secrets of the source work while one is rotated", () => {
    const other = provider.scheme === Scheme.STANDARD_WEBHOOKS ? "whsec_QUJDREVGR0g=" : OTHER;
    const both = gateOf(scheme, [other, secret], hmac);
    expect(judge(both, sign(BODY, SECONDS, [other]))).toBe("key0");
    expect(judge(both, sign(BODY, SECONDS, [secret]))).toBe("key1");
  });
});

test("B08: vectors that the providers publish", () => {
  // GitHub: "Validating webhook deliveries", testing the webhook payload validation.
  const github = gateOf(Scheme.GITHUB, [SECRET]);
  const published = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
  expect(judge(github, { "x-hub-signature-256": published }, { body: "Hello, World!" })).toBe(
    "key0",
  );
  // Slack: "Verifying requests from Slack".
  const slack = gateOf(Scheme.SLACK, ["8f742231b10e8888abcd99yyyzzz85a5"]);
  const form =
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&" +
    "channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&" +
    "response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmib" +
    "IGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
  const headers = {
    "x-slack-request-timestamp": "1531420618",
    "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
  };
  expect(judge(slack, headers, { body: form, nowMs: 1_531_420_618_000 })).toBe("key0");
  // Standard Webhooks: what the public library signs.
  const standard = gateOf(Scheme.STANDARD_WEBHOOKS, [WHSEC]);
  const signed = new Webhook(WHSEC).sign("msg_p5", new Date(NOW), BODY);
  const standardHeaders = {
    "webhook-id": "msg_p5",
    "webhook-timestamp": String(SECONDS),
    "webhook-signature": signed,
  };
  expect(judge(standard, standardHeaders)).toBe("key0");
});

test("rules that prove nothing are refused when they are saved", () => {
  const faults = (hmac: Rules) =>
    signature
      .check(
        create(SignatureAuthenticationSchema, { scheme: Scheme.HMAC, hmac }),
        create(SourceSchema),
      )
      .map(({ field }) => field);
  expect(faults({ header: "a b" })).toEqual(["hmac.header"]);
  expect(faults({ header: "x", signedContent: "{timestamp}" })).toEqual([
    "hmac.signed_content",
    "hmac.signed_content",
  ]);
  expect(faults({ header: "x", timestampHeader: "t" })).toEqual(["hmac.signed_content"]);
  expect(faults({ header: "x", signedContent: "{body}{nothing}" })).toEqual([
    "hmac.signed_content",
  ]);
  const short = create(SignatureAuthenticationSchema, { scheme: Scheme.GITHUB, secret: "short" });
  expect(signature.check(short, create(SourceSchema)).map(({ field }) => field)).toEqual([
    "secret",
  ]);
});
