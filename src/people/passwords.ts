/** Passwords of people: Argon2id (RFC 9106), as OWASP's Password Storage Cheat Sheet has it. */
import { argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { fail } from "../core/errors.ts";

/** Hashes and compares, a few at a time. */
export interface Passwords {
  /** A PHC string. Fails with OVERLOADED when too many wait. */
  hash(password: string): Promise<string>;
  /**
   * Whether it is the password of the hash. Without a hash the answer is no after the same work, so
   * the time does not tell whether there was one. Fails with OVERLOADED when too many wait.
   */
  verify(password: string, stored: string | null | undefined): Promise<boolean>;
}

/** How many at once. */
export interface PasswordsOptions {
  /** Hashes under way; 2, of the four threads that files and look-ups of names need as well. */
  readonly running?: number;
  /** Callers that may wait; 64, which is about a second. */
  readonly waiting?: number;
}

/** 19 MiB, two passes: about 20 ms of one core. */
const PARAMETERS = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const;
const PREFIX = `$argon2id$v=19$m=${PARAMETERS.memory},t=${PARAMETERS.passes},p=${PARAMETERS.parallelism}$`;
const NOBODY = { nonce: Buffer.alloc(16), tag: Buffer.alloc(PARAMETERS.tagLength) };

const runArgon2 = promisify(argon2);

/** Makes the hasher. */
export function createPasswords({ running = 2, waiting = 64 }: PasswordsOptions = {}): Passwords {
  const inTurn = createTurns(running, waiting);
  const tagOf = (password: string, nonce: Uint8Array) =>
    inTurn(() =>
      runArgon2("argon2id", { ...PARAMETERS, message: password.normalize("NFKC"), nonce }),
    );
  return {
    async hash(password) {
      const nonce = randomBytes(16);
      const tag = await tagOf(password, nonce);
      return `${PREFIX}${toText(nonce)}$${toText(tag)}`;
    },
    async verify(password, stored) {
      const known = stored ? parse(stored) : undefined;
      const { nonce, tag } = known ?? NOBODY;
      const isEqual = timingSafeEqual(await tagOf(password, nonce), tag);
      return isEqual && known !== undefined;
    },
  };
}

/** Runs at most `running` works at once; the others wait in order. */
function createTurns(running: number, waiting: number) {
  const queue: (() => void)[] = [];
  let active = 0;
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (active >= running) {
      if (queue.length >= waiting) {
        throw fail("OVERLOADED", "too many passwords are checked at once; try again", {
          retryAfterMs: 1_000,
        });
      }
      await new Promise<void>((resolve) => queue.push(resolve));
    } else active++;
    try {
      return await work();
    } finally {
      const next = queue.shift();
      if (next) next();
      else active--;
    }
  };
}

/** Reads a hash of ours; a stored one with other parameters is a fault of the server. */
function parse(stored: string): { nonce: Buffer; tag: Buffer } {
  const [nonce = "", tag = ""] = stored.slice(PREFIX.length).split("$");
  const parts = { nonce: Buffer.from(nonce, "base64"), tag: Buffer.from(tag, "base64") };
  if (stored.startsWith(PREFIX) && parts.tag.length === PARAMETERS.tagLength) return parts;
  throw new Error("a stored password hash has parameters that this version does not know");
}

/** Base64 without padding, as the PHC string format wants it. */
function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replace(/=+$/, "");
}
