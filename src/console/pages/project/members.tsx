/** People and applications with a role on the project, and invitations. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { AccessRule_Role as Role } from "#gen/tributary/access/v1/access_pb.js";
import { AccountService } from "#gen/tributary/management/v1/account_service_pb.js";
import { faultAt } from "../../api/fault.ts";
import { PAGES } from "../../api/queries.ts";
import { ROLE_CHOICES, roleName } from "../../api/roles.ts";
import { accounts } from "../../api/session.tsx";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { SecretBox } from "../../parts/copy.tsx";
import { SelectField, TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { Grants } from "../../parts/grants.tsx";
import { MoreButton } from "../../parts/more.tsx";
import { Loaded, Note } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";

/** The part "Members". */
export default function Members({ project }: { readonly project: string }) {
  return (
    <>
      <Grants parent={project} what="project" />
      <Invitations project={project} />
    </>
  );
}

function Invitations({ project }: { readonly project: string }) {
  const queries = useQueryClient();
  const query = useInfiniteQuery(
    AccountService.method.listInvitations,
    { parent: project, pageToken: "" },
    PAGES,
  );
  return (
    <section className="card stack" aria-labelledby="invitations-title">
      <h2 id="invitations-title">Invitations</h2>
      <InviteForm project={project} />
      <Loaded query={query}>
        {({ pages }) => {
          const all = pages.flatMap((page) => page.invitations);
          if (all.length === 0) return <p>None is open.</p>;
          return (
            <ul className="tiles">
              {all.map((each) => (
                <li className="card stack" key={each.name}>
                  <p>
                    {each.email} as {roleName(each.role)}, until <Time at={each.expireTime} />
                  </p>
                  <ConfirmButton
                    label="Take back"
                    name={`Take back the invitation of ${each.email}`}
                    title={`Take back the invitation of ${each.email}?`}
                    text="Its link stops working."
                    confirm="Take it back"
                    call={async () => {
                      await accounts.deleteInvitation({ name: each.name });
                      await queries.invalidateQueries();
                    }}
                  />
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
      <MoreButton query={query} />
    </section>
  );
}

function InviteForm({ project }: { readonly project: string }) {
  const queries = useQueryClient();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState(Role.VIEWER);
  const [made, setMade] = useState<{ link: string; mailed: boolean }>();
  const submit = useSubmit(async () => {
    setMade(undefined);
    setMade(await accounts.createInvitation({ parent: project, invitation: { email, role } }));
    setEmail("");
    await queries.invalidateQueries();
  });
  return (
    <>
      <Form submit={submit} label="Invite">
        <div className="row">
          <TextField
            label="E-mail address to invite"
            type="email"
            value={email}
            onChange={setEmail}
            fault={faultAt(submit.faults, "invitation.email")}
          />
          <SelectField
            label="Role to give"
            value={role}
            choices={ROLE_CHOICES}
            onChange={setRole}
            fault={faultAt(submit.faults, "invitation.role")}
          />
        </div>
      </Form>
      {made?.mailed && <Note kind="good">The invitation was sent by e-mail.</Note>}
      {made?.link && (
        <SecretBox
          what="Link of the invitation"
          secret={made.link}
          onDone={() => setMade(undefined)}
        />
      )}
    </>
  );
}
