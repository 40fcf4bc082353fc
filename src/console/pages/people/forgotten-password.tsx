/** A forgotten password: the mail with the link, and the page that the link opens. */
import { useState } from "react";
import { faultAt } from "../../api/fault.ts";
import { accounts } from "../../api/session.tsx";
import { TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { Note } from "../../parts/note.tsx";
import { Page } from "../../parts/page.tsx";
import { forgetLink, linkSecret } from "./link-secret.ts";

/** Asks for the mail. The answer is the same for an address that nobody has. */
export function ForgottenPassword({ onBack }: { readonly onBack: () => void }) {
  const [email, setEmail] = useState("");
  const [isSent, setSent] = useState(false);
  const submit = useSubmit(async () => {
    await accounts.requestPasswordReset({ email });
    setSent(true);
  });
  return (
    <Page title="Forgotten password">
      <div role="status">
        {isSent && (
          <Note kind="good">
            If this address has an account, a mail with a link is on its way. The link is good once,
            for an hour.
          </Note>
        )}
      </div>
      <Form
        submit={submit}
        label="Send the link"
        beside={
          <button type="button" onClick={onBack}>
            Back to sign-in
          </button>
        }
      >
        <TextField
          label="E-mail address"
          type="email"
          autoComplete="username"
          value={email}
          onChange={setEmail}
          fault={faultAt(submit.faults, "email")}
        />
      </Form>
    </Page>
  );
}

/** Chooses the new password. */
export function NewPassword({ onDone }: { readonly onDone: () => void }) {
  const [newPassword, setNewPassword] = useState("");
  const submit = useSubmit(async () => {
    await accounts.resetPassword({ token: linkSecret("reset"), newPassword });
    forgetLink();
    setNewPassword("");
    onDone();
  });
  return (
    <Page title="New password">
      <p>All your sessions end, and you sign in with it.</p>
      <Form submit={submit} label="Set the password">
        <TextField
          label="New password"
          type="password"
          autoComplete="new-password"
          hint="At least 10 characters."
          value={newPassword}
          onChange={setNewPassword}
          fault={faultAt(submit.faults, "new_password")}
        />
      </Form>
    </Page>
  );
}
