/** Sign-up, which ends signed in with a first project. */
import { useState } from "react";
import { faultAt } from "../../api/fault.ts";
import { accounts, useSession } from "../../api/session.tsx";
import { keepCsrfToken } from "../../api/transport.ts";
import { TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { Note } from "../../parts/note.tsx";
import { Page } from "../../parts/page.tsx";

const EMPTY = { email: "", password: "", displayName: "", projectDisplayName: "", setupToken: "" };

/** Makes an account. */
export function SignUp(props: {
  readonly isFirst: boolean;
  readonly needsSetupToken: boolean;
  readonly onSignIn: () => void;
}) {
  const { refresh } = useSession();
  const [input, setInput] = useState(EMPTY);
  const set = (name: keyof typeof EMPTY) => (value: string) =>
    setInput((before) => ({ ...before, [name]: value }));
  const submit = useSubmit(async () => {
    const { csrfToken } = await accounts.signUp(input);
    keepCsrfToken(csrfToken);
    setInput(EMPTY);
    await refresh();
  });
  const fault = (name: string) => faultAt(submit.faults, name);
  return (
    <Page title="Sign up">
      {props.isFirst && <Note>You are the first person here: you will run this installation.</Note>}
      <Form
        submit={submit}
        label="Sign up"
        beside={
          <button type="button" onClick={props.onSignIn}>
            Sign in instead
          </button>
        }
      >
        <TextField
          label="E-mail address"
          type="email"
          autoComplete="username"
          value={input.email}
          onChange={set("email")}
          fault={fault("email")}
        />
        <TextField
          label="Password"
          type="password"
          autoComplete="new-password"
          hint="At least 10 characters."
          value={input.password}
          onChange={set("password")}
          fault={fault("password")}
        />
        <TextField
          label="Your name"
          optional
          autoComplete="name"
          value={input.displayName}
          onChange={set("displayName")}
          fault={fault("display_name")}
        />
        <TextField
          label="Name of your first project"
          optional
          hint="A project holds streams, applications and people. You can add more later."
          value={input.projectDisplayName}
          onChange={set("projectDisplayName")}
          fault={fault("project_display_name")}
        />
        {props.needsSetupToken && (
          <TextField
            label="Set-up token"
            hint="The server printed it when it started, and keeps it in setup.token of its data folder."
            value={input.setupToken}
            onChange={set("setupToken")}
            fault={fault("setup_token")}
          />
        )}
      </Form>
    </Page>
  );
}
