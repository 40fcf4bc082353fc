/** What the person who runs the installation sees. */
import { createClient } from "@connectrpc/connect";
import { useInfiniteQuery, useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { AccountService } from "#gen/tributary/management/v1/account_service_pb.js";
import { AuditService } from "#gen/tributary/management/v1/audit_service_pb.js";
import {
  type ProjectOverview,
  Installation_SignUp as SignUp,
} from "#gen/tributary/management/v1/installation_pb.js";
import { InstallationService } from "#gen/tributary/management/v1/installation_service_pb.js";
import { accounts } from "../api/session.tsx";
import { transport } from "../api/transport.ts";
import { AuditEvents } from "../parts/audit-events.tsx";
import { ConfirmButton } from "../parts/confirm.tsx";
import { SelectField } from "../parts/field.tsx";
import { bytes, whole } from "../parts/figures.ts";
import { ActionButton, Form, useSubmit } from "../parts/form.tsx";
import { MoreButton } from "../parts/more.tsx";
import { Loaded } from "../parts/note.tsx";
import { Page, PartLinks } from "../parts/page.tsx";
import { Time } from "../parts/time.tsx";

const installations = createClient(InstallationService, transport);
const paging = {
  pageParamKey: "pageToken" as const,
  getNextPageParam: (page: { nextPageToken: string }) => page.nextPageToken || undefined,
};

/** The page at `/operator`. */
export default function Operator({ params }: { readonly params: { readonly part?: string } }) {
  return (
    <Page title="Operator">
      <PartLinks
        label="Parts of the installation"
        current={params.part ? `/operator/${params.part}` : "/operator"}
        parts={[
          ["Projects", "/operator"],
          ["People", "/operator/people"],
          ["Audit log", "/operator/audit"],
        ]}
      />
      {params.part === "people" ? <People /> : params.part === "audit" ? <Audit /> : <Projects />}
    </Page>
  );
}

function Projects() {
  const query = useInfiniteQuery(
    InstallationService.method.listAllProjects,
    { pageToken: "" },
    paging,
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

function ProjectCard({ overview }: { readonly overview: ProjectOverview }) {
  const queries = useQueryClient();
  const name = overview.project?.name ?? "";
  const title = overview.project?.displayName || name;
  return (
    <article className="card stack">
      <h3>
        {title} {overview.suspendTime && <span className="badge warn">Suspended</span>}
      </h3>
      <p>
        {whole(overview.usage?.records)} records, {bytes(overview.usage?.bytes)}
      </p>
      <p className="quiet">
        {overview.quotas
          .filter(({ used }) => used !== undefined)
          .map((quota) => `${quota.name} ${whole(quota.used)} of ${whole(quota.limit)}`)
          .join(", ")}
      </p>
      <div>
        {overview.suspendTime ? (
          <ActionButton
            label="Let it go on"
            call={async () => {
              await installations.unsuspendProject({ name });
              await queries.invalidateQueries();
            }}
          />
        ) : (
          <ConfirmButton
            label="Suspend"
            name={`Suspend ${title}`}
            title={`Suspend ${title}?`}
            text="Its pushes and changes are refused and its sinks stand still until it may go on."
            confirm="Suspend it"
            call={async () => {
              await installations.suspendProject({ name, reason: "by the operator" });
              await queries.invalidateQueries();
            }}
          />
        )}
      </div>
    </article>
  );
}

function People() {
  const queries = useQueryClient();
  const query = useInfiniteQuery(AccountService.method.listPeople, { pageToken: "" }, paging);
  return (
    <>
      <SignUpSetting />
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
                  <div>
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
    </>
  );
}

function SignUpSetting() {
  const queries = useQueryClient();
  const query = useQuery(InstallationService.method.getInstallation, {});
  const [wanted, setWanted] = useState<SignUp>();
  const submit = useSubmit(async () => {
    await installations.updateInstallation({
      installation: { signUp: wanted ?? SignUp.BY_INVITATION },
      updateMask: { paths: ["sign_up"] },
    });
    await queries.invalidateQueries();
  });
  return (
    <section className="card stack">
      <Loaded query={query}>
        {({ installation }) => (
          <Form submit={submit} label="Save who may sign up">
            <SelectField
              label="Who may sign up"
              value={wanted ?? installation?.signUp ?? SignUp.BY_INVITATION}
              choices={[
                [SignUp.OPEN, "Everybody"],
                [SignUp.BY_INVITATION, "Those who are invited to a project"],
                [SignUp.CLOSED, "Nobody"],
              ]}
              onChange={setWanted}
            />
          </Form>
        )}
      </Loaded>
    </section>
  );
}

function Audit() {
  const query = useInfiniteQuery(
    AuditService.method.listInstallationAuditEvents,
    { pageToken: "" },
    paging,
  );
  return (
    <section className="card stack" aria-labelledby="audit-title">
      <h2 id="audit-title">Audit log of the installation</h2>
      <Loaded query={query}>
        {({ pages }) => <AuditEvents events={pages.flatMap((page) => page.auditEvents)} />}
      </Loaded>
      <MoreButton query={query} />
    </section>
  );
}
