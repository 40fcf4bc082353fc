/**
 * DPoP proofs (RFC 9449): a client shows, for each request anew, that it holds the key that its token
 * is bound to, so that a stolen token is of no use.
 */
import { createHash } from "node:crypto";
import {
  calculateJwkThumbprint,
  compactVerify,
  decodeJwt,
  decodeProtectedHeader,
  type JWTPayload,
} from "jose";
import { faultOfJwk, type PublicJwk, suits } from "../core/public-jwk.ts";
import { keyOf } from "./proof-key.ts";
import type { Proof } from "./used-proofs.ts";

/** The request that a proof is for. */
export interface ProvenRequest {
  /** Values of all DPoP headers; one is taken. */
  readonly proofs: readonly string[];
  readonly method: string;
  /** Absolute address by which callers reach it; a query does not count. */
  readonly url: string;
  /** The token that is sent along; none at the token endpoint. */
  readonly accessToken?: string;
}

/** What a good proof says. */
export interface CheckedProof {
  /** RFC 7638 thumbprint (SHA-256) of the key. */
  readonly jkt: string;
  /** Its nonce, not yet checked. */
  readonly nonce: string | undefined;
  /** For the check that it was not used before. */
  readonly use: Proof;
}

/** The error codes of RFC 9449 sections 5 and 8. */
export type DpopErrorCode = "invalid_dpop_proof" | "use_dpop_nonce";

/** A proof that is not taken; the message says why, for the client's developer. */
export class DpopRefused extends Error {
  readonly code: DpopErrorCode;

  constructor(message: string, options: ErrorOptions & { readonly code?: DpopErrorCode } = {}) {
    super(message, options);
    this.name = "DpopRefused";
    this.code = options.code ?? "invalid_dpop_proof";
  }
}

const PROOF_BYTES_MAX = 8 * 1024;
/** How far a proof's time may lie from ours, in seconds. */
const AGE_MAX_S = 60;
const JTI_MAX = 256;

/** For a proof without a nonce, or with one that counts no more. */
export function nonceNeeded(): DpopRefused {
  return new DpopRefused("sign a proof with the nonce of the header DPoP-Nonce", {
    code: "use_dpop_nonce",
  });
}

/** Checks a proof but for its nonce and its use (RFC 9449 section 4.3). Fails with DpopRefused. */
export async function checkDpopProof(request: ProvenRequest, nowMs: number): Promise<CheckedProof> {
  const [proof, ...others] = request.proofs;
  if (!proof) throw new DpopRefused("a DPoP header with a proof is required");
  if (others.length > 0) throw new DpopRefused("more than one DPoP header");
  const { jwk, alg } = headOf(proof);
  const claims = await verify(proof, jwk, alg);
  const fault = faultOf(claims, request, nowMs / 1000);
  if (fault) throw new DpopRefused(fault);
  const { kty, crv, x, y, n, e } = jwk as Record<string, string>;
  const jkt = await calculateJwkThumbprint({ kty, crv, x, y, n, e } as never);
  const endMs = (Number(claims.iat) + AGE_MAX_S) * 1000;
  const nonce = typeof claims.nonce === "string" ? claims.nonce : undefined;
  return { jkt, nonce, use: { owner: `key ${jkt}`, jti: String(claims.jti), endMs } };
}

function headOf(proof: string): { readonly jwk: PublicJwk; readonly alg: string } {
  if (proof.length > PROOF_BYTES_MAX) throw new DpopRefused("the proof is too long");
  try {
    const { typ, alg = "", jwk } = decodeProtectedHeader(proof);
    if (typ !== "dpop+jwt") throw new DpopRefused("the proof's typ must be dpop+jwt");
    const key = jwk as PublicJwk | undefined;
    if (typeof key !== "object" || key === null) throw new DpopRefused("the proof has no jwk");
    const fault = faultOfJwk(key);
    if (fault) throw new DpopRefused(`the proof's jwk: ${fault}`);
    if (!suits(key, alg)) throw new DpopRefused("the proof's alg is not taken, or not its key's");
    return { jwk: key, alg };
  } catch (cause) {
    if (cause instanceof DpopRefused) throw cause;
    throw new DpopRefused("the proof is not a signed JWT", { cause });
  }
}

async function verify(proof: string, jwk: PublicJwk, alg: string): Promise<JWTPayload> {
  try {
    await compactVerify(proof, await keyOf(jwk, alg), { algorithms: [alg] });
    return decodeJwt(proof);
  } catch (cause) {
    throw new DpopRefused("the proof's signature is not of its jwk", { cause });
  }
}

function faultOf(
  claims: JWTPayload,
  { method, url, accessToken }: ProvenRequest,
  nowS: number,
): string | undefined {
  const { jti, htm, htu, iat, ath } = claims;
  if (typeof jti !== "string" || jti === "" || jti.length > JTI_MAX) {
    return `the proof's jti must be a text of 1 to ${JTI_MAX} characters`;
  }
  if (htm !== method) return `the proof's htm must be ${method}`;
  if (!isSameTarget(htu, url)) return `the proof's htu must be ${url}`;
  if (typeof iat !== "number" || !Number.isFinite(iat) || Math.abs(iat - nowS) > AGE_MAX_S) {
    return `the proof's iat must be within ${AGE_MAX_S} s of now`;
  }
  if (accessToken !== undefined && ath !== digestOf(accessToken)) {
    return "the proof's ath must be the base64url SHA-256 of the access token";
  }
  return undefined;
}

function digestOf(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}

/** Equal after the normalisation of RFC 3986 section 6.2, without query and fragment. */
function isSameTarget(htu: unknown, url: string): boolean {
  if (typeof htu !== "string" || !URL.canParse(htu)) return false;
  const one = new URL(htu);
  const other = new URL(url);
  return one.origin === other.origin && one.pathname === other.pathname && one.username === "";
}
