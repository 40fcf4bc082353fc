/** What the person who runs the installation sees. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import type { ComponentType } from "react";
import { AccountService } from "#gen/tributary/management/v1/account_service_pb.js";
import { AuditService } from "#gen/tributary/management/v1/audit_service_pb.js";
import { InstallationService } from "#gen/tributary/management/v1/installation_service_pb.js";
import { PAGES } from "../api/queries.ts";
import { accounts } from "../api/session.tsx";
import { AuditEvents } from "../parts/audit-events.tsx";
import { ConfirmButton } from "../parts/confirm.tsx";
import { ActionButton } from "../parts/form.tsx";
import { MoreButton } from "../parts/more.tsx";
import { Loaded } from "../parts/note.tsx";
import { Page, PartLinks } from "../parts/page.tsx";
import { Time } from "../parts/time.tsx";
import { Backup } from "./operator/backup.tsx";
import { InstallationSettings } from "./operator/installation-settings.tsx";
import { MailSettings } from "./operator/mail-settings.tsx";
import { ProjectCard } from "./operator/project-card.tsx";

/** The page at `/operator`. */
export default function Operator({ params }: { readonly params: { readonly part?: string } }) {
  const Part = PARTS[params.part ?? ""] ?? Projects;
  return (
    <Page title="Operator">
      <PartLinks
        label="Parts of the installation"
        current={params.part ? `/operator/${params.part}` : "/operator"}
        parts={[
          ["Projects", "/operator"],
          ["People", "/operator/people"],
          ["Settings", "/operator/settings"],
          ["Mail", "/operator/mail"],
          ["Backup", "/operator/backup"],
          ["Audit log", "/operator/audit"],
        ]}
      />
      <Part />
    </Page>
  );
}

const PARTS: Readonly<{ [part: string]: ComponentType }> = {
  people: People,
  settings: InstallationSettings,
  mail: MailSettings,
  backup: Backup,
  audit: Audit,
};

function Projects() {
  const query = useInfiniteQuery(
    InstallationService.method.listAllProjects,
    { pageToken: "" },
    PAGES,
  );
  return (
    <section className="card stack" aria-labelledby="all-projects">
      <h2 id="all-projects">All projects</h2>
      <Loaded query={query}>
        {({ pages }) =>
          pages
            .flatMap((page) => page.projects)
            .map((each) => <ProjectCard key={each.project?.name} overview={each} />)
        }
      </Loaded>
      <MoreButton query={query} />
    </section>
  );
}

function People() {
  const queries = useQueryClient();
  const query = useInfiniteQuery(AccountService.method.listPeople, { pageToken: "" }, PAGES);
  return (
    <section className="card stack" aria-labelledby="people-title">
      <h2 id="people-title">People</h2>
      <Loaded query={query}>
        {({ pages }) =>
          pages
            .flatMap((page) => page.people)
            .map(({ name, email, displayName, disabled, operator, lastSignInTime }) => (
              <article className="card stack" key={name}>
                <h3>
                  {displayName || email} {operator && <span className="badge">Operator</span>}{" "}
                  {disabled && <span className="badge warn">Shut out</span>}
                </h3>
                <p>
                  {email}, last signed in <Time at={lastSignInTime} />
                </p>
                <div className="actions">
                  <ConfirmButton
                    label={operator ? `Take the role from ${email}` : `Make ${email} an operator`}
                    title={operator ? "Take the operator's role away?" : "Make an operator?"}
                    text={
                      operator
                        ? `${email} keeps their projects and no longer runs the installation. One operator stays in any case.`
                        : `${email} may then see and change every project, person and setting of the installation.`
                    }
                    confirm={operator ? "Take it away" : "Make an operator"}
                    call={async () => {
                      await (operator
                        ? accounts.removeOperator({ name })
                        : accounts.makeOperator({ name }));
                      await queries.invalidateQueries();
                    }}
                  />
                  <ActionButton
                    label={disabled ? `Let ${email} in again` : `Shut ${email} out`}
                    call={async () => {
                      await (disabled
                        ? accounts.enablePerson({ name })
                        : accounts.disablePerson({ name }));
                      await queries.invalidateQueries();
                    }}
                  />
                </div>
              </article>
            ))
        }
      </Loaded>
      <MoreButton query={query} />
    </section>
  );
}

function Audit() {
  const query = useInfiniteQuery(
    AuditService.method.listInstallationAuditEvents,
    { pageToken: "" },
    PAGES,
  );
  return (
    <section className="card stack" aria-labelledby="audit-title">
      <h2 id="audit-title">Audit log of the installation</h2>
      <Loaded query={query}>
        {({ pages }) => (
          <AuditEvents events={pages.flatMap((page) => page.auditEvents)} more={query} />
        )}
      </Loaded>
      <MoreButton query={query} />
    </section>
  );
}
