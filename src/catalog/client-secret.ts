/** Secrets of applications: made here, shown once, kept as SHA-256. */
import { createHash, randomBytes } from "node:crypto";

const PREFIX = "tribsec_";

/** A new secret with what is stored of it. */
export interface ClientSecret {
  /** `tribsec_`, 256 random bits and a checksum of 30 bits, so that scanners can tell it from noise. */
  readonly secret: string;
  readonly sha256: Buffer;
  /** First characters, for people: the prefix and 4 of 43 random ones. */
  readonly hint: string;
}

/** A new secret from 256 random bits. */
export function makeClientSecret(): ClientSecret {
  const random = randomBytes(32).toString("base64url");
  return describeSecret(`${PREFIX}${random}${checksum(random)}`);
}

/** What is stored of a given secret. A hash without salt is enough for 256 bits of randomness. */
export function describeSecret(secret: string): ClientSecret {
  const isOurs = secret.startsWith(PREFIX);
  return {
    secret,
    sha256: createHash("sha256").update(secret).digest(),
    // A secret that an operator chose may be short: nothing of it is shown.
    hint: isOurs ? secret.slice(0, PREFIX.length + 4) : "",
  };
}

/** Whether a text has the form of our secrets and the right checksum. */
export function isClientSecret(text: string): boolean {
  const match = /^tribsec_([A-Za-z0-9_-]{43})([A-Za-z0-9_-]{5})$/.exec(text);
  return match !== null && checksum(match[1]!) === match[2];
}

function checksum(random: string): string {
  return createHash("sha256").update(PREFIX).update(random).digest("base64url").slice(0, 5);
}
