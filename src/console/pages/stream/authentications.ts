/** How senders of a source prove who they are, in words. */
import { createClient } from "@connectrpc/connect";
import type { Source } from "#gen/tributary/management/v1/source_pb.js";
import { SourceService } from "#gen/tributary/management/v1/source_service_pb.js";
import { transport } from "../../api/transport.ts";

/** Calls of sources. */
export const sources = createClient(SourceService, transport);

/** A kind of authentication, by its name in JSON. */
export type AuthenticationId = NonNullable<Source["authentication"]["case"]>;

/** Each kind with its title and what to mind; the safest ones first. */
export const AUTHENTICATIONS: readonly (readonly [AuthenticationId, string, string])[] = [
  ["apiKey", "API key in a header", "The key is made here and shown once."],
  [
    "signature",
    "Signed webhook",
    "For senders that sign their requests, such as GitHub or Stripe.",
  ],
  ["bearer", "Bearer token", "The token is made here and shown once."],
  ["basic", "User and password", "The password is made here and shown once."],
  [
    "secretUrl",
    "Secret in the address",
    "Whoever sees the address can send: addresses end up in logs and histories. Use it only where the sender can set no header.",
  ],
  [
    "address",
    "Network address only",
    "Everybody at the allowed addresses can send, also other programs there. Name the addresses below.",
  ],
  [
    "none",
    "None",
    "Anybody who finds the address can send, and what they send is charged to you without a refund.",
  ],
];

/** The title of a kind. */
export function authenticationTitle(kind: Source["authentication"]["case"]): string {
  return AUTHENTICATIONS.find(([id]) => id === kind)?.[1] ?? "not known";
}
