/** "Connect via API": the steps from an application to its first record. */
import { useState } from "react";
import { Link } from "wouter";
import { fittingRecord } from "../../api/field-types.ts";
import { addressOf, type LogPlace } from "../../api/log-place.ts";
import { CodeBlock } from "../../parts/copy.tsx";
import { SelectField } from "../../parts/field.tsx";
import { Note } from "../../parts/note.tsx";
import { Tabs } from "../../parts/tabs.tsx";
import { ApplicationStep, type Credentials } from "./application-step.tsx";
import { ConnectorSource } from "./connector-source.tsx";
import { PersonalTokenStep } from "./personal-token-step.tsx";
import type { SampleFacts } from "./sample-facts.ts";
import { SAMPLES, type Sample } from "./samples.ts";
import { ShareStep } from "./share-step.tsx";
import type { StreamPart } from "./stream.tsx";
import { useTail, WHOLE_TAIL } from "./tail.ts";

const NOBODY: Credentials = { clientId: "", secret: "" };

/** The part "Connect". Secrets stay in this component: leaving the page forgets them. */
export default function Connect({ stream, branch }: StreamPart) {
  const place = { stream: stream.name, branch };
  const [way, setWay] = useState<"application" | "personal">("application");
  const [credentials, setCredentials] = useState(NOBODY);
  const [isShared, setShared] = useState(false);
  const [language, setLanguage] = useState("curl");
  const project = stream.name.slice(0, stream.name.indexOf("/streams/"));
  const sample = SAMPLES.find(({ id }) => id === language);
  const isReady = way === "personal" ? credentials.secret !== "" : isShared;
  const facts: SampleFacts = {
    ...{ url: location.origin, stream: stream.name, branch, credential: way, sourceUrl: "" },
    record: JSON.stringify(fittingRecord(stream.schema?.fields ?? [], new Date())),
    ...credentials,
  };
  const choose = (next: "application" | "personal") => {
    setWay(next);
    setCredentials(NOBODY);
    setShared(false);
  };
  return (
    <>
      <p className="quiet">
        These steps lead to code that pushes. To see a record first,{" "}
        <Link href={`${addressOf(place)}/live`}>push one from this browser</Link>.
      </p>
      <SelectField
        label="Who pushes?"
        value={way}
        choices={[
          ["application", "A third-party application (recommended)"],
          ["personal", "You, with a personal token (for testing only; it expires)"],
        ]}
        onChange={choose}
      />
      {way === "application" ? (
        <>
          <ApplicationStep
            project={project}
            credentials={credentials}
            onCredentials={(next) => {
              setShared(false);
              setCredentials(next);
            }}
          />
          <ShareStep
            stream={stream.name}
            clientId={credentials.clientId}
            isShared={isShared}
            onShared={setShared}
          />
        </>
      ) : (
        <PersonalTokenStep
          project={project}
          stream={stream.name}
          secret={credentials.secret}
          onSecret={(secret) => setCredentials({ clientId: "", secret })}
        />
      )}
      <section className="card stack" aria-labelledby="push-step">
        <h2 id="push-step">{way === "application" ? "3. Push" : "2. Push"}</h2>
        {isReady && sample ? (
          <>
            <Tabs
              label="Language"
              value={language}
              choices={SAMPLES.map(({ id, title }) => [id, title] as const)}
              onChange={setLanguage}
            >
              <SampleCode sample={sample} facts={facts} />
            </Tabs>
            <FirstRecord place={place} />
          </>
        ) : (
          <p className="quiet">Opens when the steps above are done.</p>
        )}
      </section>
    </>
  );
}

function SampleCode({ sample, facts }: { readonly sample: Sample; readonly facts: SampleFacts }) {
  if (!sample.isConnector) return <CodeBlock what="the sample" text={sample.make(facts)} />;
  return (
    <ConnectorSource place={facts}>
      {(sourceUrl) => <CodeBlock what="the sample" text={sample.make({ ...facts, sourceUrl })} />}
    </ConnectorSource>
  );
}

/** Waits for a record and turns green by itself. */
function FirstRecord({ place }: { readonly place: LogPlace }) {
  const tail = useTail(place, WHOLE_TAIL, false);
  return (
    <div role="status">
      {tail.count > 0 ? (
        <Note kind="good">
          <p>
            The stream has records: {tail.count} seen. See them{" "}
            <Link href={`${addressOf(place)}/live`}>as they arrive</Link>, or{" "}
            <Link href={`${addressOf(place)}/sinks`}>choose where they go</Link>.
          </p>
        </Note>
      ) : (
        <Note>Waiting for the first record…</Note>
      )}
    </div>
  );
}
