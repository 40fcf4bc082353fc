/** How the installation sends mail, with a test. */
import { useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import {
  MailSettings_Security as Security,
  type MailSettings as Settings,
} from "#gen/tributary/management/v1/installation_pb.js";
import {
  InstallationService,
  type SendTestMailResponse,
} from "#gen/tributary/management/v1/installation_service_pb.js";
import { faultAt } from "../../api/fault.ts";
import { useSession } from "../../api/session.tsx";
import { TextField } from "../../parts/field.tsx";
import { whole } from "../../parts/figures.ts";
import { Form, useSubmit } from "../../parts/form.tsx";
import { Loaded, Note } from "../../parts/note.tsx";
import { installations } from "./installations.ts";

const SECURITIES: Readonly<{ [S in Security]: string }> = {
  [Security.SECURITY_UNSPECIFIED]: "",
  [Security.TLS]: "TLS from the first byte",
  [Security.STARTTLS]: "STARTTLS, demanded where a password is sent",
  [Security.LOOPBACK]: "none: the server is on this machine",
};

/** The part "Mail". */
export function MailSettings() {
  const query = useQuery(InstallationService.method.getMailSettings, {});
  return (
    <section className="card stack" aria-labelledby="mail-title">
      <h2 id="mail-title">Mail</h2>
      <Loaded query={query}>
        {({ mailSettings }) =>
          mailSettings?.configured ? (
            <>
              <Facts settings={mailSettings} />
              <TestForm />
            </>
          ) : (
            <Note kind="warn">
              <p>
                This installation sends no mail: nobody is told of changed schemas and failing
                sinks, and invitations and lost passwords need a link that an operator passes on.
              </p>
              <p>
                Start it with <code>SMTP_URL=smtps://user:password@smtp.example.com</code> and{" "}
                <code>TRIBUTARY_MAIL_FROM=tributary@example.com</code>.
              </p>
            </Note>
          )
        }
      </Loaded>
    </section>
  );
}

function Facts({ settings }: { readonly settings: Settings }) {
  const { host, port, security, user, from, waitingCount, lastError } = settings;
  return (
    <>
      <dl>
        <dt>Server</dt>
        <dd>
          {host}, port {port}
        </dd>
        <dt>Encryption</dt>
        <dd>{SECURITIES[security]}</dd>
        <dt>User</dt>
        <dd>{user || "none"}</dd>
        <dt>Sender</dt>
        <dd>{from}</dd>
        <dt>Mails that wait</dt>
        <dd>{whole(waitingCount)}</dd>
        <dt>Last failure</dt>
        <dd>{lastError || "none in 30 days"}</dd>
      </dl>
      <p className="quiet">
        These are set with the variables SMTP_URL and TRIBUTARY_MAIL_FROM where the server is
        started.
      </p>
    </>
  );
}

function TestForm() {
  const { me } = useSession();
  const queries = useQueryClient();
  const [to, setTo] = useState(me?.person?.email ?? "");
  const [answer, setAnswer] = useState<SendTestMailResponse>();
  const submit = useSubmit(async () => {
    setAnswer(undefined);
    setAnswer(await installations.sendTestMail({ to }));
    await queries.invalidateQueries();
  });
  return (
    <>
      <Form submit={submit} label="Send a test mail">
        <TextField
          label="Recipient"
          type="email"
          value={to}
          onChange={setTo}
          fault={faultAt(submit.faults, "to")}
        />
      </Form>
      <div role="status">
        {answer && (
          <Note kind={answer.sent ? "good" : "warn"}>
            {answer.sent
              ? `The server took the mail after ${answer.durationMs} ms. Look whether it arrives.`
              : `The mail was not sent: ${answer.error}`}
          </Note>
        )}
      </div>
    </>
  );
}
