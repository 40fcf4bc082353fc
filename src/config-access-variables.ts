/** Variables of access: keys, sign-in, mail, TLS and limits of calls. */
import { issuerAddress, mailAddress, webAddress } from "./config-addresses.ts";
import {
  flag,
  integer,
  kmsKey,
  masterKey,
  noFlag,
  noKey,
  none,
  optionalText,
  path,
  text,
  type Variable,
} from "./config-readers.ts";

/** In the order of the README. */
export const ACCESS_VARIABLES = {
  TRIBUTARY_MASTER_KEY: {
    parse: masterKey,
    fallback: noKey,
    shown: "<data dir>/master.key",
    doc: "32 bytes in base64 that encrypt secrets at rest; the same on every node.",
    isSecret: true,
  },
  TRIBUTARY_MASTER_KEY_PREVIOUS: {
    parse: masterKey,
    fallback: noKey,
    shown: "none",
    doc: "Another master key that opens secrets at rest, while keys change: see Secrets.",
    isSecret: true,
  },
  TRIBUTARY_KMS_KEY: {
    parse: kmsKey,
    fallback: none,
    shown: "none",
    doc: "ARN of a key or alias of AWS KMS that holds the key to the master keys, in place of TRIBUTARY_MASTER_KEY and the file: see Secrets.",
  },
  TRIBUTARY_KMS_ENDPOINT: {
    parse: webAddress,
    fallback: none,
    shown: "AWS' own",
    doc: "Address of AWS KMS, where it is another.",
  },
  TRIBUTARY_AUDIT_DAYS: {
    parse: (value: string) => (value === "0" ? 0 : integer(30, 36_500)(value)),
    fallback: 400,
    shown: "400",
    doc: "Days that events of the audit log are kept, 30 at least; 0 keeps them for ever.",
  },
  TRIBUTARY_OPERATOR_SECRET: {
    parse: optionalText,
    fallback: none,
    shown: "none",
    doc: "Secret of the application `operator`, which may make projects; at least 32 characters.",
    isSecret: true,
  },
  TRIBUTARY_OIDC_ISSUER: {
    parse: issuerAddress,
    fallback: none,
    shown: "none",
    doc: "OpenID Connect provider that people may sign in with; it must know PUBLIC_URL/auth/oidc/callback.",
  },
  TRIBUTARY_OIDC_CLIENT_ID: {
    parse: optionalText,
    fallback: none,
    shown: "none",
    doc: "Id under which the provider knows this installation.",
  },
  TRIBUTARY_OIDC_CLIENT_SECRET: {
    parse: optionalText,
    fallback: none,
    shown: "none",
    doc: "Secret that goes with it.",
    isSecret: true,
  },
  TRIBUTARY_OIDC_NAME: {
    parse: text,
    fallback: "single sign-on",
    shown: "single sign-on",
    doc: "What people call the provider.",
  },
  TRIBUTARY_MAIL_FROM: {
    parse: mailAddress,
    fallback: none,
    shown: "?from= of SMTP_URL",
    doc: "Address that mails come from.",
  },
  TRIBUTARY_TLS_CERT: {
    parse: path,
    fallback: none,
    shown: "none",
    doc: "Certificate chain in PEM; read again when it changes.",
  },
  TRIBUTARY_TLS_KEY: {
    parse: path,
    fallback: none,
    shown: "none",
    doc: "Private key in PEM; read again when it changes.",
  },
  TRIBUTARY_TRUST_PROXY_TLS: {
    parse: flag,
    fallback: noFlag,
    shown: "0",
    doc: "1 says that a proxy in front ends TLS, so HOST may be any address.",
  },
  TRIBUTARY_RATE_TOKEN: {
    parse: integer(0, 1_000_000),
    fallback: 6_000,
    shown: "6000",
    doc: "Calls of `/oauth2/` that an address, and tokens that an application, gets in a minute; 0 for no limit.",
  },
  TRIBUTARY_RATE_SIGN_IN: {
    parse: integer(0, 1_000_000),
    fallback: 300,
    shown: "300",
    doc: "Sign-ins and sign-ups that an address may try in a minute; 0 for no limit.",
  },
  TRIBUTARY_RATE_PUSH: {
    parse: integer(0, 1_000_000),
    fallback: 0,
    shown: "0",
    doc: "Pushes that a caller may make in a second on this node; 0 for no limit.",
  },
  TRIBUTARY_RATE_PUSH_ADDRESS: {
    parse: integer(0, 1_000_000),
    fallback: 0,
    shown: "0",
    doc: "Pushes that an address may make in a second on this node; 0 for no limit.",
  },
} satisfies Record<string, Variable<unknown>>;
