/** Accepts an invitation to a project. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { faultAt } from "../../api/fault.ts";
import { roleName } from "../../api/roles.ts";
import { accounts, useSession } from "../../api/session.tsx";
import { keepCsrfToken } from "../../api/transport.ts";
import { TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { Loaded, Note } from "../../parts/note.tsx";
import { Page } from "../../parts/page.tsx";
import { forgetLink, linkSecret } from "./link-secret.ts";
import { SignInForm } from "./sign-in.tsx";

/** Whoever is known signs in first; everybody else chooses a password. */
export function Invitation() {
  const { me } = useSession();
  const lookup = useQuery({
    queryKey: ["invitation"],
    queryFn: () => accounts.lookupInvitation({ token: linkSecret("invitation") }),
    retry: false,
  });
  return (
    <Page title="Invitation">
      <Loaded query={lookup}>
        {({ invitation }) => (
          <>
            <Note>
              You are invited to the project <strong>{invitation?.projectDisplayName}</strong> as{" "}
              {roleName(invitation?.role)}, with the address {invitation?.email}.
            </Note>
            {invitation?.known && !me ? (
              <SignInForm email={invitation.email} />
            ) : (
              <AcceptForm needsPassword={!me} />
            )}
          </>
        )}
      </Loaded>
    </Page>
  );
}

function AcceptForm({ needsPassword }: { readonly needsPassword: boolean }) {
  const { refresh } = useSession();
  const [, navigate] = useLocation();
  const [password, setPassword] = useState("");
  const [displayName, setDisplayName] = useState("");
  const submit = useSubmit(async () => {
    const token = linkSecret("invitation");
    const accepted = await accounts.acceptInvitation({ token, password, displayName });
    keepCsrfToken(accepted.csrfToken);
    forgetLink();
    setPassword("");
    await refresh();
    navigate(`/${accepted.project}`);
  });
  return (
    <Form submit={submit} label="Accept the invitation">
      {needsPassword && (
        <>
          <TextField
            label="Password"
            type="password"
            autoComplete="new-password"
            hint="At least 10 characters."
            value={password}
            onChange={setPassword}
            fault={faultAt(submit.faults, "password")}
          />
          <TextField
            label="Your name"
            optional
            autoComplete="name"
            value={displayName}
            onChange={setDisplayName}
            fault={faultAt(submit.faults, "display_name")}
          />
        </>
      )}
    </Form>
  );
}
