/** Sessions of people: begun at sign-in, carried by a cookie, ended on every node within 5 s. */
import type { CredentialVerifier } from "../auth/credential-verifier.ts";
import type { Revocations } from "../auth/revocations.ts";
import type { Definitions } from "../core/definitions.ts";
import type { PersonPrincipal } from "../core/principal.ts";
import type { Database } from "../db/client.ts";
import { type PersonRow, principalIdOf } from "./person-store.ts";
import {
  deleteSessions,
  findSession,
  insertSession,
  listSessions,
  type SessionRow,
} from "./session-store.ts";
import { createSessionTokens, sha256Of } from "./session-token.ts";

/** How long a session lasts, in seconds: 14 days, however much it is used. */
export const SESSION_SECONDS = 14 * 24 * 60 * 60;
/** Sessions of one person; beyond it the oldest end. */
const SESSIONS_MAX = 100;
const USER_AGENT_MAX = 256;

/** Where a session is begun from. */
export interface SessionOrigin {
  readonly address: string;
  readonly userAgent: string;
}

/** Sessions. */
export interface Sessions {
  /** For the authenticator. */
  readonly verifier: CredentialVerifier;
  /** Begins a session of a stored person; what the cookie is to hold. */
  begin(person: PersonRow, origin: SessionOrigin): Promise<string>;
  /** A person's sessions, newest first. */
  list(personUid: string): Promise<readonly SessionRow[]>;
  /** Ends sessions: on this node at once, on the others within 2 s. */
  end(rows: readonly SessionRow[]): Promise<void>;
}

/** What sessions work with. */
export interface SessionsOptions {
  readonly database: Database;
  readonly masterKey: Uint8Array;
  readonly definitions: Pick<Definitions, "person">;
  /** Brings the definitions up to date. */
  readonly refresh: () => Promise<void>;
  /** Asked for when a session ends: the authenticator that has them needs the verifier first. */
  readonly revocations: () => Pick<Revocations, "revoke">;
  /** Told of each use; must not wait. */
  readonly onUse: (sessionUid: string) => void;
  readonly makeUid: () => string;
  readonly now: () => number;
}

/** Makes the sessions of an installation. */
export function createSessions(options: SessionsOptions): Sessions {
  const { database, makeUid, now } = options;
  const tokens = createSessionTokens(options.masterKey);
  const end = async (rows: readonly SessionRow[]) => {
    for (const { uid, personUid, expireTime } of rows) {
      const clientId = principalIdOf({ uid: personUid });
      await options.revocations().revoke({ tokenId: uid, clientId, endMs: expireTime.getTime() });
    }
    if (rows.length === 0) return;
    await database.acrossProjects((queries) =>
      deleteSessions(
        queries,
        rows.map((row) => row.uid),
      ),
    );
  };
  return {
    verifier: {
      verify: async (token) =>
        tokens.isOurs(token) ? await findPrincipal(options, token) : undefined,
      isGood({ tokenId }) {
        options.onUse(tokenId);
        return true;
      },
    },
    async begin(person, { address, userAgent }) {
      const token = tokens.make();
      const time = new Date(now());
      const all = await database.acrossProjects(async (queries) => {
        await insertSession(queries, {
          uid: makeUid(),
          personUid: person.uid,
          sha256: sha256Of(token),
          address,
          userAgent: userAgent.slice(0, USER_AGENT_MAX),
          createTime: time,
          lastUsedTime: time,
          expireTime: new Date(now() + SESSION_SECONDS * 1000),
        });
        return await listSessions(queries, person.uid);
      });
      await end(all.slice(SESSIONS_MAX));
      return token;
    },
    list: (personUid) => database.acrossProjects((queries) => listSessions(queries, personUid)),
    end,
  };
}

async function findPrincipal(
  { database, definitions, refresh, now }: SessionsOptions,
  token: string,
): Promise<PersonPrincipal | undefined> {
  const row = await database.acrossProjects((queries) =>
    findSession(queries, sha256Of(token), new Date(now())),
  );
  if (!row) return undefined;
  const id = principalIdOf({ uid: row.personUid });
  // Somebody who has just signed up on another node.
  if (!definitions.person(id)) await refresh();
  return {
    kind: "person",
    credential: "session",
    id,
    tokenId: row.uid,
    expiresAtMs: row.expireTime.getTime(),
  };
}
