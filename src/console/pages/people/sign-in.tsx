/** Sign-in, and sign-up where it is open. */
import { useQuery } from "@connectrpc/connect-query";
import { useState } from "react";
import {
  AccountService,
  GetSignUpOptionsResponse_Mode as Mode,
} from "#gen/tributary/management/v1/account_service_pb.js";
import { faultAt } from "../../api/fault.ts";
import { accounts, useSession } from "../../api/session.tsx";
import { keepCsrfToken } from "../../api/transport.ts";
import { TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { Loaded, Note } from "../../parts/note.tsx";
import { Page } from "../../parts/page.tsx";
import { ForgottenPassword, NewPassword } from "./forgotten-password.tsx";
import { linkSecret } from "./link-secret.ts";
import { SignUp } from "./sign-up.tsx";

/** The first page of everybody who is not signed in. */
export function SignIn() {
  const options = useQuery(AccountService.method.getSignUpOptions, {});
  const [wantsSignUp, setWantsSignUp] = useState<boolean>();
  const [forgot, setForgot] = useState<"asks" | "chooses" | "no">(
    linkSecret("reset") ? "chooses" : "no",
  );
  if (forgot === "chooses") return <NewPassword onDone={() => setForgot("no")} />;
  if (forgot === "asks") return <ForgottenPassword onBack={() => setForgot("no")} />;
  return (
    <Loaded query={options}>
      {({ mode, setupTokenRequired, externalProvider, passwordResetAvailable }) => {
        const isFirst = mode === Mode.FIRST_PERSON;
        if (wantsSignUp ?? isFirst) {
          return (
            <SignUp
              isFirst={isFirst}
              needsSetupToken={setupTokenRequired}
              onSignIn={() => setWantsSignUp(false)}
            />
          );
        }
        return (
          <Page title="Sign in">
            <SignInForm />
            {passwordResetAvailable && (
              <button type="button" onClick={() => setForgot("asks")}>
                I forgot my password
              </button>
            )}
            {externalProvider && (
              <a className="button" href="/auth/oidc/start">
                Sign in with {externalProvider}
              </a>
            )}
            {isFirst || mode === Mode.OPEN ? (
              <button type="button" onClick={() => setWantsSignUp(true)}>
                Sign up instead
              </button>
            ) : (
              <Note>To sign up, ask an owner of a project for an invitation.</Note>
            )}
          </Page>
        );
      }}
    </Loaded>
  );
}

/** E-mail address and password. */
export function SignInForm({ email: known }: { readonly email?: string }) {
  const { refresh } = useSession();
  const [email, setEmail] = useState(known ?? "");
  const [password, setPassword] = useState("");
  const submit = useSubmit(async () => {
    const { csrfToken } = await accounts.signIn({ email, password });
    keepCsrfToken(csrfToken);
    setPassword("");
    await refresh();
  });
  return (
    <Form submit={submit} label="Sign in">
      <TextField
        label="E-mail address"
        type="email"
        autoComplete="username"
        value={email}
        onChange={setEmail}
        fault={faultAt(submit.faults, "email")}
      />
      <TextField
        label="Password"
        type="password"
        autoComplete="current-password"
        value={password}
        onChange={setPassword}
        fault={faultAt(submit.faults, "password")}
      />
    </Form>
  );
}
