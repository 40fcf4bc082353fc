import { createHash } from "node:crypto";
import type {
  ApplicationDefinition,
  Definitions,
  GrantDefinition,
} from "../../../src/core/definitions.ts";

/** Definitions that a test builds and changes by hand. */
export interface MemoryDefinitions extends Definitions {
  /** Adds or replaces an application; the secret is `secret of <client id>`. */
  putApplication(
    application: Partial<ApplicationDefinition> & { clientId: string; project: string },
  ): ApplicationDefinition;
  removeApplication(clientId: string): void;
  /** Gives the role on a project, a stream or (empty) the installation; 0 takes it away. */
  grant(clientId: string, resource: string, role: number): void;
  setFreshAt(timeMs: number | undefined): void;
}

export function sha256(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

export function createMemoryDefinitions(): MemoryDefinitions {
  const applications = new Map<string, ApplicationDefinition>();
  let grants: GrantDefinition[] = [];
  const listeners = new Set<() => void>();
  let freshAt: number | undefined;
  const changed = () => {
    for (const listener of listeners) listener();
  };
  const none = () => undefined;
  return {
    putApplication({ project, ...given }) {
      const { clientId } = given;
      const application: ApplicationDefinition = {
        uid: `uid-${clientId}`,
        name: `projects/${project}/applications/${clientId}`,
        projectUid: `uid-${project}`,
        isDisabled: false,
        isClientCredentialsEnabled: true,
        operations: ["api:use-streams-read", "api:use-streams-write"],
        secrets: [{ sha256: sha256(`secret of ${clientId}`) }],
        publicKeys: [],
        isSecretRefused: false,
        isDpopRequired: false,
        ...given,
      };
      applications.set(clientId, application);
      changed();
      return application;
    },
    removeApplication(clientId) {
      applications.delete(clientId);
      changed();
    },
    grant(clientId, resource, role) {
      grants = grants.filter((g) => g.principalId !== clientId || g.resource !== resource);
      if (role > 0)
        grants.push({ uid: `${clientId} ${resource}`, principalId: clientId, resource, role });
      changed();
    },
    setFreshAt(timeMs) {
      freshAt = timeMs;
    },
    sourceByPublicId: () => undefined,
    sourceByUid: () => undefined,
    applicationByClientId: (clientId) => applications.get(clientId),
    project: none,
    person: none,
    grantsOf: (id) => grants.filter((g) => g.principalId === id),
    freshAtMs: () => freshAt ?? Date.now(),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    token: none,
    stream: none,
    streamByLog: none,
    streams: () => [],
    sink: none,
    sinkByUid: none,
    sinks: () => [],
    sinksOfLog: () => [],
  };
}
