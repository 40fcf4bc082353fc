/** The account of the person who is signed in. */
import { useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { AccountService } from "#gen/tributary/management/v1/account_service_pb.js";
import { faultAt } from "../../api/fault.ts";
import { accounts, useSession } from "../../api/session.tsx";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { Loaded } from "../../parts/note.tsx";
import { Page } from "../../parts/page.tsx";
import { Time } from "../../parts/time.tsx";

/** The page at `/account`. */
export default function Account() {
  return (
    <Page title="Your account">
      <NameForm />
      <PasswordForm />
      <Sessions />
      <Leave />
    </Page>
  );
}

function NameForm() {
  const { me, refresh } = useSession();
  const [displayName, setDisplayName] = useState(me?.person?.displayName ?? "");
  const submit = useSubmit(async () => {
    const { name = "", etag = "" } = me?.person ?? {};
    await accounts.updateMe({
      person: { name, etag, displayName },
      updateMask: { paths: ["display_name"] },
    });
    await refresh();
  });
  return (
    <section className="card stack" aria-labelledby="name-title">
      <h2 id="name-title">{me?.person?.email}</h2>
      <Form submit={submit} label="Save the name">
        <TextField
          label="Name"
          autoComplete="name"
          value={displayName}
          onChange={setDisplayName}
          fault={faultAt(submit.faults, "person.display_name")}
        />
      </Form>
    </section>
  );
}

function PasswordForm() {
  const [currentPassword, setCurrent] = useState("");
  const [newPassword, setNew] = useState("");
  const [done, setDone] = useState("");
  const submit = useSubmit(async () => {
    setDone("");
    await accounts.changePassword({ currentPassword, newPassword });
    setCurrent("");
    setNew("");
    setDone("The password is changed; other browsers are signed out.");
  });
  return (
    <section className="card stack" aria-labelledby="password-title">
      <h2 id="password-title">Password</h2>
      <Form submit={submit} label="Change the password">
        <TextField
          label="Current password"
          type="password"
          autoComplete="current-password"
          value={currentPassword}
          onChange={setCurrent}
          fault={faultAt(submit.faults, "current_password")}
        />
        <TextField
          label="New password"
          type="password"
          autoComplete="new-password"
          hint="At least 10 characters."
          value={newPassword}
          onChange={setNew}
          fault={faultAt(submit.faults, "new_password")}
        />
        <p role="status">{done}</p>
      </Form>
    </section>
  );
}

function Sessions() {
  const queries = useQueryClient();
  const query = useQuery(AccountService.method.listSessions, {});
  return (
    <section className="card stack" aria-labelledby="sessions-title">
      <h2 id="sessions-title">Browsers that are signed in</h2>
      <Loaded query={query}>
        {({ sessions }) => (
          <ul className="tiles">
            {sessions.map((session) => (
              <li className="card stack" key={session.name}>
                <p>
                  {session.address} {session.current && <strong>(this one)</strong>}
                </p>
                <p className="quiet">{session.userAgent}</p>
                <p>
                  Last used <Time at={session.lastUsedTime} />
                </p>
                {!session.current && (
                  <ConfirmButton
                    label="Sign out"
                    name={`Sign out the browser at ${session.address}`}
                    title="Sign this browser out?"
                    text="Whoever uses it must sign in again."
                    confirm="Sign it out"
                    call={async () => {
                      await accounts.deleteSession({ name: session.name });
                      await queries.invalidateQueries();
                    }}
                  />
                )}
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </section>
  );
}

/** The ends of sessions, and of the account itself. */
function Leave() {
  const { refresh } = useSession();
  const [currentPassword, setCurrent] = useState("");
  const submit = useSubmit(async () => {
    await accounts.deleteMe({ currentPassword });
    await refresh();
  });
  return (
    <section className="card stack" aria-labelledby="leave-title">
      <h2 id="leave-title">Leave</h2>
      <div>
        <ConfirmButton
          label="Sign out everywhere"
          title="Sign out everywhere?"
          text="Every browser is signed out, this one too."
          confirm="Sign all of them out"
          call={async () => {
            await accounts.signOutEverywhere({});
            await refresh();
          }}
        />
      </div>
      <details>
        <summary>Delete the account</summary>
        <Form submit={submit} label="Delete my account" disabled={currentPassword === ""}>
          <p>
            Your sessions, tokens and roles end for good. Projects stay with their other owners: the
            only owner of a project must share or delete it first.
          </p>
          <TextField
            label="Password, to confirm"
            type="password"
            autoComplete="current-password"
            value={currentPassword}
            onChange={setCurrent}
            fault={faultAt(submit.faults, "current_password")}
          />
        </Form>
      </details>
    </section>
  );
}
