/** A key in a header (S08, S09). */
import type { ApiKeyAuthentication } from "#gen/tributary/management/v1/source_pb.js";
import { fail } from "../core/errors.ts";
import { checkHeaderName } from "./header-name.ts";
import type { AuthenticationType } from "./source.ts";
import { findKey } from "./source-key.ts";

const DEFAULT_HEADER = "x-api-key";

/** The kind `api_key`. */
export const apiKey: AuthenticationType<ApiKeyAuthentication> = {
  keeps: "hash",
  check: ({ header }) =>
    header === "" ? [] : checkHeaderName("header", header, ["authorization", "cookie"]),
  open({ header }, { keys }) {
    const name = (header || DEFAULT_HEADER).toLowerCase();
    return {
      credentialHeaders: [name],
      admit({ headers, nowMs }) {
        const presented = headers[name];
        if (typeof presented !== "string" || presented === "") {
          throw refuse(name, `the header ${name} with the key is missing`);
        }
        const keyUid = findKey(keys, presented, nowMs);
        if (!keyUid) throw refuse(name, `the key in the header ${name} is wrong`);
        return { keyUid };
      },
    };
  },
};

function refuse(header: string, text: string) {
  return fail("KEY_INVALID", text, {
    headers: { "WWW-Authenticate": `ApiKey header="${header}"` },
  });
}
