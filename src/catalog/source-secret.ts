/** Credentials of sources: made here, shown once, kept as SHA-256 or sealed. */
import { createHash, randomBytes } from "node:crypto";
import {
  SignatureAuthentication_Scheme as Scheme,
  type Source,
  Source_Mode,
} from "#gen/tributary/management/v1/source_pb.js";
import { type MasterKey, openSecret, sealSecret } from "../core/envelope.ts";
import { keepsOf } from "../sources/index.ts";

const KEY_PREFIX = "tribkey_";
const SIGNING_PREFIX = "tribsig_";

/** A credential that was just made or given. */
export interface SourceSecret {
  readonly secret: string;
  /** First characters, for people. Empty for what somebody chose. */
  readonly hint: string;
}

/** What is stored of a credential. */
export interface StoredSecret {
  readonly sha256: Uint8Array | null;
  readonly sealed: Uint8Array | null;
  readonly hint: string;
}

/** A new credential of the kind that a source needs; undefined when it needs none. */
export function makeSourceSecret({ authentication }: Source): SourceSecret | undefined {
  if (!keepsOf(authentication.case)) return undefined;
  const random = randomBytes(32);
  if (authentication.case === "signature") {
    // Libraries of Standard Webhooks read the key as base64 behind `whsec_`.
    const isStandard = authentication.value.scheme === Scheme.STANDARD_WEBHOOKS;
    const secret = isStandard
      ? `whsec_${random.toString("base64")}`
      : `${SIGNING_PREFIX}${random.toString("base64url")}`;
    return { secret, hint: secret.slice(0, 12) };
  }
  const text = random.toString("base64url");
  const isKey = authentication.case === "apiKey";
  const secret = isKey ? `${KEY_PREFIX}${text}${checksum(text)}` : text;
  return { secret, hint: secret.slice(0, isKey ? KEY_PREFIX.length + 4 : 4) };
}

/** What is stored of a credential of a source: its hash, or itself sealed where signatures need it. */
export function storeSecret(
  masterKey: MasterKey,
  of: { readonly projectUid: string; readonly keyUid: string; readonly source: Source },
  { secret, hint }: SourceSecret,
): StoredSecret {
  const isPolled = of.source.mode === Source_Mode.POLL;
  if (isPolled || keepsOf(of.source.authentication.case) === "secret") {
    const sealed = sealSecret(masterKey, Buffer.from(secret), contextOf(of));
    return { sha256: null, sealed, hint };
  }
  return { sha256: createHash("sha256").update(secret).digest(), sealed: null, hint };
}

/** The secret that was sealed. Throws when the master key or the owner differs. */
export function openSourceSecret(
  masterKey: MasterKey,
  of: { readonly projectUid: string; readonly keyUid: string },
  sealed: Uint8Array,
): Uint8Array {
  return openSecret(masterKey, sealed, contextOf(of));
}

/** The last part of an address that nobody guesses. */
export function makePublicId(): string {
  // 144 bits; the first character may be neither dash nor underscore.
  return `s${randomBytes(18).toString("base64url")}`;
}

function contextOf({ projectUid, keyUid }: { projectUid: string; keyUid: string }): string {
  return `projects/${projectUid}/source_keys/${keyUid}`;
}

function checksum(random: string): string {
  return createHash("sha256").update(KEY_PREFIX).update(random).digest("base64url").slice(0, 5);
}
