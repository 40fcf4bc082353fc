/** The scheme HMAC: rules that the owner of a source writes down. */
import {
  type HmacRules,
  HmacRules_Algorithm,
  HmacRules_Encoding,
} from "#gen/tributary/management/v1/source_pb.js";
import type { FieldViolation } from "../../core/errors.ts";
import { checkHeaderName } from "../header-name.ts";
import type { SourceHead } from "../source.ts";
import { decodeSignature, headerOf, readSeconds, type SignatureScheme } from "./scheme.ts";

const ALGORITHMS = {
  [HmacRules_Algorithm.ALGORITHM_UNSPECIFIED]: "sha256",
  [HmacRules_Algorithm.SHA256]: "sha256",
  [HmacRules_Algorithm.SHA512]: "sha512",
  [HmacRules_Algorithm.SHA1]: "sha1",
} as const;

const PART = /\{([^{}]*)\}/g;
const MS_FROM = 100_000_000_000;

/** What is wrong with the rules. */
export function checkHmacRules(rules: HmacRules): FieldViolation[] {
  const violations = checkHeaderName("hmac.header", rules.header);
  if (rules.timestampHeader !== "") {
    violations.push(...checkHeaderName("hmac.timestamp_header", rules.timestampHeader));
  }
  const field = "hmac.signed_content";
  const parts = [...(rules.signedContent || "{body}").matchAll(PART)].map((match) => match[1]!);
  const unknown = parts.find((part) => !/^(body|timestamp|method|path|header:.+)$/.test(part));
  if (unknown !== undefined) {
    const known = "{body}, {timestamp}, {method}, {path} and {header:name}";
    violations.push({ field, description: `{${unknown}} is not known: there are ${known}` });
  }
  if (parts.filter((part) => part === "body").length !== 1) {
    violations.push({ field, description: "must hold {body} once, else the body is not signed" });
  }
  if (parts.includes("timestamp") !== (rules.timestampHeader !== "")) {
    const description =
      "{timestamp} and timestamp_header go together: a time that is not signed proves nothing";
    violations.push({ field, description });
  }
  return violations;
}

/** The scheme that the rules describe; they must have been checked. */
export function hmacScheme(rules: HmacRules): SignatureScheme {
  const algorithm = ALGORITHMS[rules.algorithm];
  const encoding = rules.encoding === HmacRules_Encoding.BASE64 ? "base64" : "hex";
  const header = rules.header.toLowerCase();
  const [before = "", after = ""] = (rules.signedContent || "{body}").split("{body}");
  return {
    algorithm,
    credentialHeaders: [header],
    read(head) {
      const text = headerOf(head, header);
      if (!text) return `the header ${rules.header} is missing`;
      const encoded = text.startsWith(rules.prefix) ? text.slice(rules.prefix.length) : "";
      const signature = decodeSignature(encoded, encoding, algorithm);
      if (!signature) {
        return `the header ${rules.header} is not ${rules.prefix}<${algorithm} in ${encoding}>`;
      }
      const time = rules.timestampHeader && headerOf(head, rules.timestampHeader.toLowerCase());
      const timeMs = readTime(time);
      if (rules.timestampHeader !== "" && timeMs === undefined) {
        return `the header ${rules.timestampHeader} is missing or no time`;
      }
      const fill = (template: string) => fillTemplate(template, head, time ?? "");
      return {
        candidates: [signature],
        before: fill(before),
        after: fill(after),
        ...(timeMs !== undefined && { timeMs }),
      };
    },
  };
}

function fillTemplate(template: string, head: SourceHead, time: string): string {
  return template.replace(PART, (_, part: string) => {
    if (part === "timestamp") return time;
    if (part === "method") return head.method;
    if (part === "path") return head.path;
    return headerOf(head, part.slice("header:".length).toLowerCase()) ?? "";
  });
}

/** Seconds, milliseconds or RFC 3339. */
function readTime(text: string | undefined): number | undefined {
  if (!text) return undefined;
  const seconds = /^\d{1,10}$/.test(text) ? readSeconds(text) : undefined;
  if (seconds !== undefined) return seconds;
  if (/^\d{12,14}$/.test(text) && Number(text) >= MS_FROM) return Number(text);
  const isRfc3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
  const parsed = isRfc3339.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(parsed) ? undefined : parsed;
}
