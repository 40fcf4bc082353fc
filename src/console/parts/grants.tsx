/** Who has which role on a project or stream, with the form that gives one. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { AccessRule_Role as Role } from "#gen/tributary/access/v1/access_pb.js";
import { AccessService } from "#gen/tributary/management/v1/access_service_pb.js";
import type { Grant } from "#gen/tributary/management/v1/grant_pb.js";
import { faultAt } from "../api/fault.ts";
import { PAGES } from "../api/queries.ts";
import { ROLE_CHOICES, roleName } from "../api/roles.ts";
import { access } from "../pages/stream/share-step.tsx";
import { ConfirmButton } from "./confirm.tsx";
import { SelectField, TextField } from "./field.tsx";
import { Form, useSubmit } from "./form.tsx";
import { MoreButton } from "./more.tsx";
import { Loaded } from "./note.tsx";
import { PlainTable } from "./plain-table.tsx";
import { Time } from "./time.tsx";

/** The list and the form of one resource. */
export function Grants({ parent, what }: { readonly parent: string; readonly what: string }) {
  const query = useInfiniteQuery(AccessService.method.listGrants, { parent, pageToken: "" }, PAGES);
  return (
    <>
      <GrantForm parent={parent} what={what} />
      <section className="card stack" aria-labelledby="roles-title">
        <h2 id="roles-title">Roles on this {what}</h2>
        <Loaded query={query}>
          {({ pages }) => <GrantTable grants={pages.flatMap((page) => page.grants)} what={what} />}
        </Loaded>
        <MoreButton query={query} />
      </section>
    </>
  );
}

function GrantForm({ parent, what }: { readonly parent: string; readonly what: string }) {
  const queries = useQueryClient();
  const [who, setWho] = useState("");
  const [role, setRole] = useState(Role.EDITOR);
  const [done, setDone] = useState("");
  const submit = useSubmit(async () => {
    setDone("");
    const { candidate } = await access.lookupPrincipal({ parent, query: who.trim() });
    const id = candidate?.clientId
      ? { clientId: candidate.clientId }
      : { email: candidate?.email ?? "" };
    await access.createGrant({ parent, grant: { ...id, role } });
    await queries.invalidateQueries();
    setDone(`${candidate?.displayName || who} is ${roleName(role)} now.`);
    setWho("");
  });
  return (
    <section className="card stack" aria-labelledby="share-title">
      <h2 id="share-title">Share this {what}</h2>
      <Form submit={submit} label="Save">
        <div className="row">
          <TextField
            label="Client id or e-mail address"
            value={who}
            onChange={setWho}
            fault={
              faultAt(submit.faults, "query") ??
              faultAt(submit.faults, "grant.client_id") ??
              faultAt(submit.faults, "grant.email")
            }
          />
          <SelectField label="Role" value={role} choices={ROLE_CHOICES} onChange={setRole} />
        </div>
        <p role="status">{done}</p>
      </Form>
    </section>
  );
}

function GrantTable({
  grants,
  what,
}: {
  readonly grants: readonly Grant[];
  readonly what: string;
}) {
  const queries = useQueryClient();
  if (grants.length === 0) return <p>Nobody beyond those who have a role on the project.</p>;
  return (
    <PlainTable titles={["Who", "Role", "Since", "Actions"]}>
      {grants.map((grant) => {
        const who = grant.displayName || grant.email || grant.clientId;
        return (
          <tr key={grant.name}>
            <td>
              {who} <code>{grant.email || grant.clientId}</code>
            </td>
            <td>{roleName(grant.role)}</td>
            <td>
              <Time at={grant.createTime} />
            </td>
            <td>
              <ConfirmButton
                label="Take back"
                name={`Take back the role of ${who}`}
                title={`Take back the role of ${who}?`}
                text={`What they do on this ${what} by this role is refused within 5 seconds.`}
                confirm="Take it back"
                call={async () => {
                  await access.deleteGrant({ name: grant.name });
                  await queries.invalidateQueries();
                }}
              />
            </td>
          </tr>
        );
      })}
    </PlainTable>
  );
}
