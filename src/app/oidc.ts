/** Sign-in with an external provider, where the operator named one. */
import type { AuditLog } from "../audit/audit-log.ts";
import { createOidcFlowCookie } from "../auth/oidc-flow.ts";
import { createOidcProvider } from "../auth/oidc-provider.ts";
import { createOidcRoutes } from "../auth/oidc-routes.ts";
import type { OAuth2Route } from "../auth/token-routes.ts";
import { createUsedProofs } from "../auth/used-proofs.ts";
import { signInExternally } from "../people/external-sign-in.ts";
import type { People } from "../people/people.ts";
import { createEgressGuard } from "../sinks/egress.ts";
import { createGuardedFetch } from "../sinks/guarded-fetch.ts";
import { environmentOf } from "./environment.ts";
import type { Foundations } from "./foundations.ts";
import { isHttps } from "./people.ts";

/** What its routes are made of. */
export interface OidcParts {
  readonly foundations: Foundations;
  readonly people: People;
  readonly audit: AuditLog;
}

/** Its routes; none without a provider. */
export function openOidcRoutes({ foundations, people, audit }: OidcParts): readonly OAuth2Route[] {
  const { config, database, masterKey, logger } = foundations;
  const { TRIBUTARY_OIDC_ISSUER: issuer, TRIBUTARY_OIDC_CLIENT_ID: clientId } = config;
  const { TRIBUTARY_OIDC_CLIENT_SECRET: clientSecret } = config;
  if (issuer === undefined || clientId === undefined || clientSecret === undefined) return [];
  const { publicUrl } = people;
  const now = Date.now;
  const provider = createOidcProvider({
    issuer,
    clientId,
    clientSecret,
    redirectUri: () => `${publicUrl()}/auth/oidc/callback`,
    fetch: createGuardedFetch(createEgressGuard(environmentOf(foundations))),
    now,
  });
  return createOidcRoutes({
    provider,
    flows: createOidcFlowCookie({ masterKey, isSecure: isHttps(config), now }),
    spendProof: createUsedProofs(database),
    signIn: (identity, origin) => signInExternally(people, identity, origin),
    publicUrl,
    audit,
    logger,
    now,
  });
}
