/** Whom a project tells what goes wrong with its sinks, and what went wrong. */
import { fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { useInfiniteQuery, useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import {
  type Alert,
  type AlertSettings,
  AlertSettingsSchema,
} from "#gen/tributary/management/v1/alert_pb.js";
import {
  AlertService,
  type TestAlertsResponse,
} from "#gen/tributary/management/v1/alert_service_pb.js";
import { PAGES } from "../../api/queries.ts";
import { transport } from "../../api/transport.ts";
import { SecretBox } from "../../parts/copy.tsx";
import { ActionButton, Form, useSubmit } from "../../parts/form.tsx";
import { MessageForm } from "../../parts/message-form.tsx";
import { typedJson } from "../../parts/message-json.ts";
import { MoreButton } from "../../parts/more.tsx";
import { Empty, Loaded } from "../../parts/note.tsx";
import { ALERT_KINDS, subjectOf } from "../../parts/open-alerts.tsx";
import { Time } from "../../parts/time.tsx";

const alerts = createClient(AlertService, transport);
const REFRESH_MS = 5_000;

/** The part "Alerts". */
export default function Alerts({ project }: { readonly project: string }) {
  const [secret, setSecret] = useState("");
  const settings = useQuery(AlertService.method.getAlertSettings, {
    name: `${project}/alertSettings`,
  });
  return (
    <>
      {secret && (
        <SecretBox
          what="Signing secret of the webhook"
          secret={secret}
          onDone={() => setSecret("")}
        />
      )}
      <Loaded query={settings}>
        {(answer) =>
          answer.settings && (
            <SettingsForm
              key={answer.settings.etag}
              settings={answer.settings}
              onSecret={setSecret}
            />
          )
        }
      </Loaded>
      <AlertList project={project} />
    </>
  );
}

function SettingsForm(props: {
  readonly settings: AlertSettings;
  readonly onSecret: (secret: string) => void;
}) {
  const { settings, onSecret } = props;
  const queries = useQueryClient();
  const [input, setInput] = useState(() => toJson(AlertSettingsSchema, settings) as JsonObject);
  const [result, setResult] = useState<TestAlertsResponse>();
  const submit = useSubmit(async () => {
    const { name, etag } = settings;
    const changed = fromJson(AlertSettingsSchema, typedJson(AlertSettingsSchema, input));
    const fields = AlertSettingsSchema.fields.map((field) => field.name);
    const answer = await alerts.updateAlertSettings({
      settings: { ...changed, name, etag },
      updateMask: { paths: fields.filter((each) => !/^(name|update_time|etag)$/.test(each)) },
    });
    onSecret(answer.signingSecret);
    await queries.invalidateQueries();
  });
  return (
    <section className="card stack" aria-labelledby="alerts-title">
      <h2 id="alerts-title">Who is told</h2>
      <Form
        submit={submit}
        label="Save"
        beside={
          <ActionButton
            label="Send a test"
            call={async () => setResult(await alerts.testAlerts({ name: settings.name }))}
          />
        }
      >
        <MessageForm
          desc={AlertSettingsSchema}
          without={["name", "etag"]}
          value={input}
          onChange={setInput}
          path="settings"
          faults={submit.faults}
        />
      </Form>
      <div role="status">{result && <TestResult result={result} />}</div>
    </section>
  );
}

function TestResult({ result }: { readonly result: TestAlertsResponse }) {
  return (
    <>
      <p>
        Mails: {result.mailCount} {result.mailError && `(${result.mailError})`}
      </p>
      <p>
        Webhook: {result.webhookStatus || "no answer"}{" "}
        {result.webhookError && `(${result.webhookError})`}
      </p>
    </>
  );
}

function AlertList({ project }: { readonly project: string }) {
  const query = useInfiniteQuery(
    AlertService.method.listAlerts,
    { parent: project, pageToken: "" },
    {
      ...PAGES,
      refetchInterval: REFRESH_MS,
    },
  );
  return (
    <section className="card stack" aria-labelledby="alert-list-title">
      <h2 id="alert-list-title">What happened</h2>
      <Loaded query={query}>
        {({ pages }) => {
          const all = pages.flatMap((page) => page.alerts);
          if (all.length === 0) {
            return (
              <Empty title="No alert">
                <p>
                  A sink that fails, holds records, is about to lose some, or is later than its
                  settings allow (lag warning) is listed here.
                </p>
              </Empty>
            );
          }
          return (
            <ul className="stack plain">
              {all.map((alert) => (
                <li className="card" key={alert.name}>
                  <AlertFacts alert={alert} />
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

function AlertFacts({ alert }: { readonly alert: Alert }) {
  const [text, kind] = ALERT_KINDS[alert.kind];
  return (
    <>
      <h3>
        <Link href={`/${subjectOf(alert)}`}>{subjectOf(alert)}</Link>{" "}
        <span className={`badge ${kind}`}>{text}</span>
      </h3>
      <p>
        {alert.message} {alert.reason && `(${alert.reason})`}
      </p>
      <p className="quiet">
        <Time at={alert.createTime} />{" "}
        {alert.endTime ? (
          <>
            until <Time at={alert.endTime} />
          </>
        ) : (
          "and goes on"
        )}
        {alert.mailCount > 0 && `; mails: ${alert.mailCount}`}
        {alert.mailError && `; no mail: ${alert.mailError}`}
        {alert.webhookError && `; webhook: ${alert.webhookError}`}
      </p>
    </>
  );
}
