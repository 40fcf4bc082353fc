/** All that is compiled of a source, once for each definition. */
import { type AddressSet, addressSet } from "../core/address-range.ts";
import type { SourceDefinition } from "../core/definitions.ts";
import { fail } from "../core/errors.ts";
import { AUTHENTICATION_NAMES, openAuthentication } from "./index.ts";
import { sourceNotFound } from "./secret-url.ts";
import type { AuthenticationGate, GateEnvironment, SourceHead } from "./source.ts";

/** The gate of one source. */
export interface SourceGate extends AuthenticationGate {
  /** Refuses by the address, and by a secret in the path that is wrong or where none belongs. */
  checkOrigin(head: SourceHead): void;
  /** Such as `api_key`. */
  readonly authentication: string;
  /** Methods that bring records. */
  readonly methods: ReadonlySet<string>;
}

/** Finds gates. */
export type GateFinder = (definition: SourceDefinition) => SourceGate;

/** A finder that remembers gates as long as their definitions live. */
export function createGateFinder(environment: GateEnvironment): GateFinder {
  const gates = new WeakMap<SourceDefinition, SourceGate>();
  return (definition) => {
    let gate = gates.get(definition);
    if (!gate) {
      gate = openGate(definition, environment);
      gates.set(definition, gate);
    }
    return gate;
  };
}

function openGate(definition: SourceDefinition, environment: GateEnvironment): SourceGate {
  const { source } = definition;
  const kind = source.authentication.case ?? "none";
  const addresses =
    source.allowedAddresses.length > 0 ? addressSet(source.allowedAddresses) : undefined;
  const authentication = openAuthentication(definition, environment);
  return {
    ...authentication,
    authentication: AUTHENTICATION_NAMES[kind],
    methods: new Set(["POST", ...source.methods]),
    checkOrigin(head) {
      if ((head.secret !== undefined) !== (kind === "secretUrl")) throw sourceNotFound();
      // Before anything is said of the source: a wrong secret is an address that does not exist.
      if (kind === "secretUrl") void authentication.admit(head);
      if (addresses) checkAddress(addresses, head.address);
    },
  };
}

function checkAddress(addresses: AddressSet, address: string): void {
  if (addresses.has(address)) return;
  throw fail("ADDRESS_NOT_ALLOWED", `the address ${address} may not send to this source`);
}
